"""Runs of the job, each in a process of its own, as a user starts them."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import manifests
from tests.clusters.install import ROOT
from tests.conformance import JoinedCase, entries_by_path, flags_of

_RUN_SECONDS = 600


def started(*flags: object, pipeline: str = "build_windows.py", **environment: str) -> subprocess.Popen[str]:
    """A job, running."""
    return subprocess.Popen(
        [sys.executable, f"pipelines/{pipeline}", *map(str, flags)],
        cwd=ROOT,
        env=os.environ | {"PYTHONFAULTHANDLER": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(run: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it printed; where it does not end, where each of its threads is."""
    try:
        printed, errors = run.communicate(timeout=_RUN_SECONDS)
    except subprocess.TimeoutExpired:
        forks = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        for work in map(int, forks or [run.pid]):  # the process itself waits for its fork
            os.kill(work, signal.SIGABRT)
        printed, errors = run.communicate()
        return -1, f"not done after {_RUN_SECONDS} s\n{errors}"
    return run.returncode, printed + errors


def of_case(case: JoinedCase, out: Path, *flags: str) -> tuple[int, str]:
    """The exit code of a run on the case's data, and what it printed."""
    source = ",".join(map(str, case.inputs))
    return ended(started(f"--input={source}", f"--output={out}", *flags_of(case.params), *flags))


def assert_agrees(case: JoinedCase, out: Path) -> None:
    assert entries_by_path(output_lines(out)) == case.expected
    stats = manifests.stats(out)
    assert [stats[name] for name in ("recordings", "windows", "filtered_windows")] == case.totals


def output_lines(out: Path) -> list[bytes]:
    """Of all shards, sorted."""
    return sorted(line for shard in out.glob("alm_output-*.jsonl") for line in shard.read_bytes().splitlines())


def statistics(out: Path) -> dict[str, Any]:
    """Of a run, without what names it."""
    stats = manifests.stats(out)
    return {**stats, "parameters": stats["parameters"] | {"output": ""}}


def temporary(out: Path) -> list[Path]:
    """What a run has written so far."""
    return [*out.glob("beam-temp-*/shards-*/*")]


def measure(source: Path, audio: Path, out: Path, *flags: str) -> tuple[int, str]:
    """The exit code of a run that measures audio, and what it printed."""
    where = [f"--input={source}", f"--audio_root={audio}", f"--output={out}"]
    return ended(started(*where, *flags, pipeline="measure_audio.py"))


def shards(source: Path, out: Path, *flags: object) -> subprocess.Popen[str]:
    """A job that writes audio shards, running."""
    return started(f"--input={source}", f"--output={out}", *flags, pipeline="build_shards.py")
