"""Planning the batches of an epoch of 1,000,000 windows for 64 ranks: seconds of one core, and peak memory.

python -m benchmarks.batch_plan [WINDOWS [RANKS]]
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alm_beam.loader import Partition, WindowBatches
from alm_beam.storage.index.build import build_index
from benchmarks.cuts import write_cuts
from benchmarks.floor import peak_memory
from benchmarks.loader import alone

WINDOWS, RANKS = 1_000_000, 64
ROUNDS = 5
MAX_SECONDS = 2400


class Row(NamedTuple):
    """A measurement.

    Attributes:
        name: of what was measured.
        seconds: of one core, the median.
        peak_memory: of the process, bytes.
    """

    name: str
    seconds: float
    peak_memory: int


def rows(windows: int = WINDOWS, ranks: int = RANKS) -> Iterator[Row]:
    """The measurements, in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        write_cuts(Path(folder), windows)
        build_index(folder)
        yield from alone(_measured, folder, ranks)  # type: ignore[arg-type]


def _measured(folder: str, ranks: int) -> list[Row]:
    opened, planned, read = [], [], []
    for _ in range(ROUNDS):
        begin = time.process_time()
        batches = WindowBatches(folder, max_seconds=MAX_SECONDS, partition=Partition(0, ranks))
        opened.append(time.process_time() - begin)
    for epoch in range(ROUNDS):
        begin = time.process_time()
        plan = batches.plan(epoch, (), ranks)
        planned.append(time.process_time() - begin)
        begin = time.process_time()
        batches.set_epoch(epoch)
        count = sum(1 for _ in batches)
        read.append(time.process_time() - begin)
        assert count == len(plan)
    memory = peak_memory()
    assert len(np.unique(plan.windows)) == len(plan.windows) == len(batches.sources[0].index)
    names = ("index opened, buckets chosen", f"an epoch planned for {ranks} ranks", "the batches of one rank given")
    return [Row(name, statistics.median(each), memory) for name, each in zip(names, (opened, planned, read))]


def print_rows(found: Iterator[Row]) -> Iterator[Row]:
    """Prints a line for each row, and gives the rows again."""
    print("\nPlanned batches, in seconds of one core.")
    for row in found:
        print(f"{row.name:36}{row.seconds:>9.3f} s{row.peak_memory / 1e6:>9.0f} MB", flush=True)
        yield row


if __name__ == "__main__":
    for _ in print_rows(rows(*map(int, sys.argv[1:]))):
        pass
