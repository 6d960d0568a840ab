"""What the report costs: the whole job with and without it, in turns, in seconds of the processors.

python -m benchmarks.report [RECORDINGS]
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.job import five_recordings

_ROUNDS = 5


class Row(NamedTuple):
    """A measurement: medians over the rounds, seconds of the processors; the ratio is that of the least of each."""

    recordings: int
    without: float
    with_report: float
    ratio: float


def rows(recordings: Iterable[int] = (10_000, 20_000), rounds: int = _ROUNDS) -> Iterator[Row]:
    """The measurements, by number of recordings. Those are the reference's sample, line after line."""
    lines = five_recordings()
    for count in recordings:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "in.jsonl")
            source.write_bytes(lines * (count // 5))
            found: dict[str, list[float]] = {"--no_report": [], "--report": []}
            for turn in range(rounds):
                for flag in sorted(found, reverse=bool(turn % 2)):
                    found[flag].append(_processor_seconds(source, Path(folder, "out"), flag))
        without, with_report = found["--no_report"], found["--report"]
        ratio = min(with_report) / min(without)
        yield Row(count, statistics.median(without), statistics.median(with_report), ratio)


def _processor_seconds(source: Path, out: Path, flag: str) -> float:
    """What the job and its workers use."""
    before = os.times()
    command = ["windows", f"--input={source}", f"--output={out}", "--overwrite", "--no_candidate_windows", flag]
    subprocess.run([sys.executable, "-m", "alm_beam", *command], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def print_rows(found: Iterable[Row]) -> Iterator[Row]:
    """The rows again, each printed."""
    print("\nThe whole job without candidate windows, with and without the report. Seconds of the processors.")
    print(f"{'recordings':>10}{'without':>10}{'with':>10}{'ratio':>9}")
    for row in found:
        print(f"{row.recordings:>10,}{row.without:>10.2f}{row.with_report:>10.2f}{row.ratio:>9.4f}", flush=True)
        yield row


if __name__ == "__main__":
    counts = [int(each) for each in sys.argv[1:]] or [10_000, 20_000]
    list(print_rows(rows(counts)))
