"""Batches with audio from FLAC shards that `alm-beam shards` wrote, against reading the same windows alone.

All read whole epochs in one process, warm cache, and take turns, so that what else the machine does is the same to all.
Windows are of different lengths, so there is padding. `python -m benchmarks.batches_audio [WINDOWS]` prints the rows:
the time of each, and its ratio to that of `WindowLoader` alone, in seconds of the clock and of all cores together.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from alm_beam.loader import BatchLoader, WindowBatches, WindowLoader, Windows, collate
from benchmarks.shards import run_job, write_cuts
from benchmarks.slices import write_recording

WINDOWS = 240
LENGTHS = (10, 20, 40)
"""Seconds of windows: as many of each."""

MAX_SECONDS = 160
"""Of a batch, with its padding."""

RECORDING_SECONDS = 400
ROUNDS = 9


class Row(NamedTuple):
    """Medians of the rounds, seconds for an epoch, and medians of the ratios of each round to `WindowLoader`."""

    name: str
    windows: int
    clock: float
    cores: float
    clock_ratio: float
    cores_ratio: float


def rows(windows: int = WINDOWS) -> Iterator[Row]:
    """Windows alone, to which the ratios are; batches of them, read where they are asked for; and read ahead."""
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder), windows)
        works = _works(f"{folder}/shards")
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
        for turn in range(ROUNDS + 1):  # the first is not counted: it warms the cache
            for name, work in works.items():
                before = time.perf_counter(), time.process_time()
                count = work()
                assert count == windows, (name, count)
                if turn:
                    times[name].append((time.perf_counter() - before[0], time.process_time() - before[1]))
    [alone, *_] = times.values()
    for name, found in times.items():
        clock, cores = zip(*found)
        ratios = [[one / other for one, other in zip(mine, its)] for mine, its in zip(found, alone)]
        yield Row(
            name,
            windows,
            statistics.median(clock),
            statistics.median(cores),
            *(statistics.median(each) for each in zip(*ratios)),
        )


def _works(folder: str) -> dict[str, Callable[[], int]]:
    """What reads an epoch, and counts its windows."""
    alone = WindowLoader(folder, audio=True)
    tokens = WindowBatches(folder, max_seconds=MAX_SECONDS)
    windows = Windows(folder)
    here = BatchLoader(WindowBatches(folder, max_seconds=MAX_SECONDS), windows, num_prefetch=0)
    ahead = BatchLoader(WindowBatches(folder, max_seconds=MAX_SECONDS), windows)

    def counted(batches: Iterable[Any]) -> int:
        return sum(len(batch.windows) for batch in batches)

    return {
        "WindowLoader alone": lambda: sum(1 for _ in alone),
        "Windows and collate": lambda: counted(collate(windows.__getitems__(batch)) for batch in tokens),
        "BatchLoader, num_prefetch=0": lambda: counted(here),
        "BatchLoader, num_prefetch=4": lambda: counted(ahead),
    }


def write_shards(folder: Path, windows: int) -> None:
    """Has the job write shards of so many windows, as many of each length, in Lhotse's format."""
    cuts = []
    for number, seconds in enumerate(LENGTHS):
        each = RECORDING_SECONDS // seconds
        count = -(-windows // len(LENGTHS) // each)
        part = folder / f"recordings-{seconds}"
        part.mkdir()
        paths = [Path(write_recording(part, "flac", number * 100 + at, RECORDING_SECONDS)) for at in range(count)]
        found = write_cuts(folder / f"cuts-{seconds}.jsonl", paths, RECORDING_SECONDS, seconds, 0)
        cuts += Path(found).read_text().splitlines(keepends=True)[: windows // len(LENGTHS)]
    path = folder / "cuts.jsonl"
    path.write_text("".join(cuts))
    run_job(path, folder / "shards", [], sorted(os.sched_getaffinity(0)))


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else WINDOWS):
        print(
            f"{row.name:30}{row.clock:>9.3f} s{row.cores:>9.3f} s of cores"
            f"{row.clock_ratio:>9.3f}{row.cores_ratio:>9.3f}",
            flush=True,
        )
