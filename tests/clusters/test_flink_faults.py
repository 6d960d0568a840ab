"""On a real Flink: what happens to a run when a part of the cluster dies in the middle of it."""

import os
import signal
import time
from pathlib import Path

import pytest

from alm_beam.storage.index.open import open_index
from tests.clusters import flink, runs
from tests.jobs import cuts

IN_THE_MIDDLE = 60_000_000
"""Bytes of output: of about 440 MB."""


@pytest.fixture
def run_on(large, tmp_path):
    """Starts the large run on a cluster, and returns when it is in the middle."""

    def start(cluster):
        run = runs.started(f"--input={large.source}", f"--output={tmp_path / 'out'}", *cluster.flags())
        deadline = time.monotonic() + 600
        while sum(path.stat().st_size for path in runs.temporary(tmp_path / "out")) < IN_THE_MIDDLE:
            assert run.poll() is None, runs.ended(run)
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return run

    return start


def worker_of(cluster: flink.Cluster, name: str) -> int:
    """The pid of a pool's latest worker."""
    threads = Path(f"/proc/{cluster.parts[name].pid}/task").iterdir()
    return max(int(pid) for thread in threads for pid in (thread / "children").read_text().split())


def assert_complete_and_exact(out, large):
    assert (out / "_SUCCESS").exists()
    assert runs.output_lines(out) == large.lines
    assert runs.statistics(out) == large.statistics
    assert open_index(str(out)).fingerprint == large.fingerprint
    names = {path.name.partition("-")[0] for path in out.iterdir()}
    assert names == {"_SUCCESS", "loss_stats.json", "report.html", "report_stats.json", "alm_output", "cuts", "index"}


def test_a_worker_dies(cluster, run_on, large, tmp_path):
    run = run_on(cluster)
    os.kill(worker_of(cluster, "pool-1"), signal.SIGKILL)
    code, printed = runs.ended(run)
    assert code == 0, printed
    assert "will be restarted to recover the failed task" in cluster.log("jobmanager")
    assert_complete_and_exact(tmp_path / "out", large)


def test_a_worker_that_makes_shards_dies(cluster, tmp_path):
    source, out, flags = cuts.many(tmp_path, 40, windows=40), tmp_path / "out", ("--windows_per_shard=20",)
    run = runs.shards(source, out, *flags, *cluster.flags())
    deadline = time.monotonic() + 600
    while len(list(out.glob("beam-temp-*/made/*.json"))) < 8:
        assert run.poll() is None, runs.ended(run)
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(worker_of(cluster, "pool-1"), signal.SIGKILL)
    code, printed = runs.ended(run)
    assert code == 0, printed
    assert cuts.stats(out)["taken_over"] >= 4, "of the eight, what the dead worker or its whole stage had made"
    assert runs.ended(runs.shards(source, tmp_path / "local", *flags))[0] == 0
    found, expected = cuts.files_in(out), cuts.files_in(tmp_path / "local")
    assert {**found, "input_cfg.yaml": b""} == {**expected, "input_cfg.yaml": b""}


@pytest.mark.usefixtures("flink_parts")
def test_a_task_manager_dies_and_another_is_there(run_on, large, tmp_path):
    with flink.running(tmp_path / "cluster", task_managers=3) as cluster:
        run = run_on(cluster)
        cluster.kill(min(cluster.records_read("ParseRecording")))
        code, printed = runs.ended(run)
        assert code == 0, printed
        assert len(cluster.records_read("ParseRecording")) == 2
        assert_complete_and_exact(tmp_path / "out", large)


@pytest.mark.usefixtures("flink_parts")
def test_a_task_manager_dies_and_none_is_left(run_on, tmp_path):
    with flink.running(tmp_path / "cluster", restarts=1) as cluster:
        run = run_on(cluster)
        cluster.kill("taskmanager-1")
        code, printed = runs.ended(run)
    assert code == 1, printed
    assert "error: the run failed" in printed.splitlines()[-1]
    assert "TimeoutException: Timeout has occurred: 15000 ms" in printed.splitlines()[-1], "of the request for a slot"
    assert not (tmp_path / "out" / "_SUCCESS").exists()
