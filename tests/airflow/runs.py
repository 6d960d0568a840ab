"""Running the DAG, and reading what its job left."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

JOB_PYTHON = os.environ.get("ALM_BEAM_PYTHON", "")
"""The interpreter that has alm_beam; Airflow's own has not."""

DATE = "2026-02-03"
FOLDER = "2026-02-02"
"""Of the last whole data interval before DATE."""


def settings(folder: Path, *, job: str = "windows", **own: Any) -> dict[str, str]:
    """The environment that sets a DAG up: manifests in `folder`/in, its result in `folder`/out."""
    named = {
        "python": JOB_PYTHON,
        "input": f"{folder}/in/%Y-%m-%d",
        "output": f"{folder}/out/%Y-%m-%d",
        "retries": 0,
        **own,
    }
    return {f"AIRFLOW_VAR_ALM_BEAM_{job.upper()}": json.dumps(named)}


def command(job: str = "windows", **conf: Any) -> list[str]:
    airflow = str(Path(sys.executable).with_name("airflow"))
    return [airflow, "dags", "test", f"alm_beam_{job}", DATE, "--conf", json.dumps(conf)]


def dags_test(
    folder: Path, own: dict[str, Any] | None = None, job: str = "windows", **conf: Any
) -> subprocess.CompletedProcess[str]:
    """`airflow dags test` to its end; all it says is in `stdout`."""
    return subprocess.run(
        command(job, **conf),
        env=os.environ | settings(folder, job=job, **(own or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


def job(*arguments: str) -> str:
    """What alm_beam's own command prints."""
    return subprocess.run(
        [JOB_PYTHON, "-m", "alm_beam", *arguments], check=True, capture_output=True, text=True, timeout=600
    ).stdout


def lost_once(folder: Path, when: str) -> str:
    """An interpreter that has alm_beam, and whose first job is lost, with exit code 137: it is killed when the shell's
    condition holds, or else has ended by then. The condition has `$job`, its process. What the job has left is listed
    in `folder`/left."""
    python, left = folder / "python", folder / "left"
    python.write_text(
        f"""#!/bin/sh
        if [ "$1" = -c ] || [ -e {left} ]; then exec {JOB_PYTHON} "$@"; fi
        {JOB_PYTHON} "$@" & job=$!
        while kill -0 $job 2>/dev/null && ! {when}; do sleep 0.01; done
        kill -9 $job 2>/dev/null; wait $job
        ls -A {folder / "out" / FOLDER} > {left}
        exit 137
        """
    )
    python.chmod(0o755)
    return str(python)


def lines(out: Path) -> list[bytes]:
    return sorted(line for shard in out.glob("alm_output-*.jsonl") for line in shard.read_bytes().splitlines())


def stats(out: Path, name: str = "loss_stats.json") -> dict[str, Any]:
    return json.loads((out / name).read_text())
