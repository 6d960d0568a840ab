"""A sweep of 24 combinations against runs of `alm-beam windows` by them, each command as a user types it.

The sample 2,000 times over, on as many cores as each command chooses. Of the 24 runs, one is measured for each target
duration and selection, which is what their time depends on; the other ones differ in the overlap and in truncation.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from benchmarks.job import five_recordings

TARGETS, SELECTIONS = ("30", "60", "120"), ("greedy", "most_audio")
OTHERS = {"overlap_percentage": ("0", "50"), "truncation": ("true", "false")}
FLOORS = {"tolerance": ("0.05", "0.1", "0.15", "0.2"), "min_speakers": ("1", "2")}
"""With these instead, all 24 combinations have windows of their own, so that candidates grow 24 times."""


class Row(NamedTuple):
    """A measurement: wall seconds of the sweep, and of a run, the mean; the ratio is to all runs."""

    name: str
    recordings: int
    combinations: int
    growths: int
    sweep: float
    run: float
    ratio: float


def _seconds(*arguments: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "alm_beam", *arguments], check=True, capture_output=True)
    return time.perf_counter() - begin


def _flags(swept: dict[str, Sequence[str]]) -> list[str]:
    return [f"--{name}={','.join(values)}" for name, values in swept.items()]


def rows(repeat: int = 2000) -> Iterator[Row]:
    """The measurements: runs and sweeps in turns."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.jsonl")
        source.write_bytes(five_recordings())
        named = (f"--input={source}", f"--repeat_factor={repeat}", "--overwrite")
        out, swept_out = Path(folder, "out"), Path(folder, "swept")
        sweeps: dict[str, dict[str, Sequence[str]]] = {
            "3 configurations of windows x 8": {
                "target_window_duration": TARGETS,
                "selection": SELECTIONS,
                "overlap_percentage": ("0", "25", "50", "75"),
            },
            "6 configurations of windows x 4": {
                "target_window_duration": TARGETS,
                "selection": SELECTIONS,
                **OTHERS,
            },
            "24 configurations of windows": {"target_window_duration": TARGETS, **FLOORS},
        }
        runs = [
            _seconds(
                "windows", *named, f"--output={out}", f"--target_window_duration={target}", f"--selection={selection}"
            )
            for target, selection in product(TARGETS, SELECTIONS)
        ]
        for name, swept in sweeps.items():
            seconds = _seconds("sweep", *named, f"--output={swept_out}", *_flags(swept))
            found = json.loads((swept_out / "sweep.json").read_bytes())
            count, growths = len(found["combinations"]), int(name.split()[0])
            mean = statistics.mean(runs)
            yield Row(name, found["recordings"], count, growths, seconds, mean, seconds / (count * mean))


def print_rows(found: Iterator[Row]) -> Iterator[Row]:
    """Prints a table of the measurements, and hands them on."""
    print("\nA sweep against runs of their own. Ratio: to as many runs as there are combinations.")
    print(f"{'':36}{'recs':>8}{'combinations':>14}{'sweep s':>9}{'a run s':>9}{'ratio':>8}")
    for row in found:
        print(
            f"{row.name:36}{row.recordings:>8}{row.combinations:>14}{row.sweep:>9.1f}{row.run:>9.1f}{row.ratio:>8.3f}",
            flush=True,
        )
        yield row


if __name__ == "__main__":
    list(print_rows(rows()))
