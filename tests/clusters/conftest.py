"""The parts of a cluster, or why a test of them is skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from alm_beam.sample import sample_entries
from alm_beam.storage.index.open import open_index
from tests import manifests
from tests.clusters import flink, install, runs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.cluster)


def had(part: Callable[[], Any]) -> Any:
    """What the call gives; skips the test, with the reason, where it cannot be had."""
    try:
        return part()
    except install.UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def flink_parts() -> None:
    had(install.flink_jars)
    had(install.job_server_jar)


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[flink.Cluster]:
    """Two TaskManagers of one slot each."""
    request.getfixturevalue("flink_parts")
    with flink.running(tmp_path_factory.mktemp("cluster")) as running:
        yield running


class Large(NamedTuple):
    """2,000 recordings in one manifest of some 110 MB, and what the local runner makes of them."""

    source: Path
    lines: list[bytes]
    statistics: dict[str, Any]
    fingerprint: str


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Large:
    folder = tmp_path_factory.mktemp("large")
    source = manifests.write(folder / "m.jsonl", manifests.lines(list(sample_entries(recordings=2000, seed=7))))
    assert runs.ended(runs.started(f"--input={source}", f"--output={folder / 'out'}"))[0] == 0
    out = folder / "out"
    return Large(source, runs.output_lines(out), runs.statistics(out), open_index(str(out)).fingerprint)
