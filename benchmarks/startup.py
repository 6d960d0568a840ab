"""A run of five recordings against a Beam job that copies five lines, and what Beam takes of both by itself.

    python -m benchmarks.startup [ROUNDS]

All take turns, each in a process of its own, with the byte code of its modules cached.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.floor import REPO
from benchmarks.job import COPY, five_recordings

ROUNDS = 15

STEPS = """
import sys
import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

class Passed(beam.DoFn):
    def process(self, element):
        yield element

par_dos, shuffles = map(int, sys.argv[1:])
with beam.Pipeline(runner=FnApiRunner()) as pipeline:
    elements = pipeline | beam.Create([(1, 1)])
    for number in range(par_dos):
        elements = elements | f"ParDo {number}" >> beam.ParDo(Passed())
    for number in range(shuffles):
        elements = elements | f"GroupByKey {number}" >> beam.GroupByKey()
"""
"""One element through so many steps; each shuffle begins another stage."""

_COPY = "a Beam job that copies five lines"
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Row(NamedTuple):
    """A measurement: medians over the rounds, in seconds.

    Attributes:
        name: what was run.
        wall: by the clock.
        cpu: of all processes, user and system.
        wall_ratio: to the copy of the same round, by the clock.
        wall_spread: between the least and the greatest of these ratios.
        cpu_ratio: the same by CPU time.
        cpu_spread: the same by CPU time.
    """

    name: str
    wall: float
    cpu: float
    wall_ratio: float
    wall_spread: float
    cpu_ratio: float
    cpu_spread: float


class _Seconds(NamedTuple):
    wall: float
    cpu: float


def _commands(folder: Path, number: int) -> dict[str, list[str]]:
    """What is compared, by name. Outputs are new in each round."""
    source = folder / "in.jsonl"
    run = [f"--input={source}", f"--output={folder}/out-{number}", "--no_report"]
    launched = [f"--input={source}", f"--output={folder}/launched-{number}", "--no_report"]
    return {
        "alm-beam windows --no_report": ["-m", "alm_beam", "windows", *run],
        "pipelines/build_windows.py --no_report": ["pipelines/build_windows.py", *launched],
        _COPY: ["-c", COPY, str(source), f"{folder}/copy-{number}/lines"],
        "FnApiRunner, one element": ["-c", STEPS, "0", "0"],
        "FnApiRunner, 50 ParDos more": ["-c", STEPS, "50", "0"],
        "FnApiRunner, 50 GroupByKeys more": ["-c", STEPS, "0", "50"],
        "import apache_beam": ["-c", "import apache_beam"],
        "alm-beam schema": ["-m", "alm_beam", "schema"],
        "alm-beam --help": ["-m", "alm_beam", "--help"],
    }


def _seconds(arguments: Sequence[str]) -> _Seconds:
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPO,
        env=_ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"{arguments} ended with exit code {process.returncode}")
    return _Seconds(wall, used.ru_utime + used.ru_stime)


def rows(rounds: int = ROUNDS) -> Iterator[Row]:
    """The measurements; a round before them, which is not counted, caches byte code."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in.jsonl").write_bytes(five_recordings())
        turns = [
            {name: _seconds(arguments) for name, arguments in _commands(Path(folder), number).items()}
            for number in range(rounds + 1)
        ][1:]
    for name in turns[0]:
        taken, copies = [turn[name] for turn in turns], [turn[_COPY] for turn in turns]
        walls = [one.wall / copy.wall for one, copy in zip(taken, copies)]
        cpus = [one.cpu / copy.cpu for one, copy in zip(taken, copies)]
        yield Row(
            name,
            statistics.median(one.wall for one in taken),
            statistics.median(one.cpu for one in taken),
            statistics.median(walls),
            max(walls) - min(walls),
            statistics.median(cpus),
            max(cpus) - min(cpus),
        )


def print_rows(found: Iterable[Row]) -> Iterator[Row]:
    """The rows again, each printed."""
    print("\nStart-up, on five recordings. Ratios: to a Beam job that copies five lines.")
    print(f"{'':42}{'seconds':>9}{'CPU s':>8}{'ratio':>8}{'spread':>8}{'CPU ratio':>11}{'spread':>8}")
    for row in found:
        print(
            f"{row.name:42}{row.wall:>9.2f}{row.cpu:>8.2f}{row.wall_ratio:>8.2f}{row.wall_spread:>8.2f}"
            f"{row.cpu_ratio:>11.2f}{row.cpu_spread:>8.2f}",
            flush=True,
        )
        yield row


if __name__ == "__main__":
    list(print_rows(rows(*map(int, sys.argv[1:]))))
