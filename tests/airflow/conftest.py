"""An Airflow of these tests' own: its home and its database are in a temporary folder."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
_HOME = tempfile.TemporaryDirectory(prefix="alm_beam_airflow_")
# Airflow reads these when it is imported.
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "templates" / "airflow"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
    "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": "google-cloud-platform://?is_anonymous=True&project=of-the-connection",
}


@pytest.fixture(scope="session", autouse=True)
def _database() -> Iterator[None]:
    command = [Path(sys.executable).with_name("airflow"), "db", "migrate"]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    yield
    _HOME.cleanup()
