"""The loader on cuts of about 460 bytes, with a warm cache: one process, medians of three, in its core's time.

Nothing is waited for, so that is the time that it takes on a core of its own, whatever else the machine does.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from alm_beam.loader import Reader, Source, WindowLoader
from alm_beam.loader.partition import Partition
from alm_beam.loader.plan import Plan, PlannedSource
from alm_beam.loader.remainder import Remainder
from alm_beam.loader.state import Progress, check_state, progress_of, state_of
from alm_beam.loader.state_format import with_checksum
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.format import key_of
from alm_beam.storage.index.open import open_index
from benchmarks.cuts import write_cuts
from benchmarks.floor import peak_memory

ROUNDS = 3
READ = 200_000
PLANNED = 100_000_000
BLOCK = 1 << 14


class Row(NamedTuple):
    """A measurement: the median, and of what."""

    name: str
    rows: int
    value: float
    unit: str


def rows() -> Iterator[Row]:
    """The measurements, each size in a process of its own."""
    for count in (100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            write_cuts(Path(folder), count)
            build_index(folder)
            yield from alone(_measured, folder, count)
    yield from alone(_planned)


def alone(measure: Callable[..., list[Row]], *arguments: object) -> list[Row]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(measure, *arguments).result()


def _measured(folder: str, count: int) -> list[Row]:
    loader = WindowLoader(folder, seed=1)
    ordered = WindowLoader(folder, shuffle=False)
    reader = Reader(open_index(folder))
    for _ in reader.lines(np.arange(count))[0]:  # warms the cache
        pass
    some = np.random.default_rng(0).integers(0, count, 50_000).tolist()
    state = with_checksum({**loader.state_dict(), "positions": {"0": int(0.9 * count)}})

    def shuffled() -> int:
        return sum(1 for _ in islice(loader, READ))

    def in_order() -> int:
        return sum(1 for _ in islice(ordered, READ))

    def any_row() -> int:
        return sum(1 for row in some if reader[row])

    def resumed() -> int:
        loader.load_state_dict(state)
        return int(next(iter(loader)) is not None)

    def opened() -> int:
        return int(WindowLoader(folder) is not None)

    found = [
        Row(name, count, statistics.median(done / seconds for done, seconds in _timed(work, ROUNDS)), "windows/s")
        for name, work in (("shuffled", shuffled), ("in the order of the index", in_order), ("any row", any_row))
    ]
    found.append(
        Row("shuffled, times a plain loop over the same lines", count, _ratio_to_plain(loader, ROUNDS), "times")
    )
    found += [
        Row(name, count, statistics.median(seconds for _, seconds in _timed(work, 9)) * 1e3, "ms")
        for name, work in (("open", opened), ("resume at 90 %, to the first window", resumed))
    ]
    return [
        *found,
        Row("of each of 2 forked workers, a pass over: memory of its own", count, _own_memory(loader), "MB"),
    ]


def _ratio_to_plain(loader: WindowLoader, rounds: int) -> float:
    """The time of shuffled reading; 1 is that of a loop which only slices, hashes and parses the lines that it reads.

    Both take turns; what is sliced is mapped, and the loop is given the places.
    """
    [reader] = loader.readers
    loader.set_epoch(0)
    _, rows = loader.plan.at(0, np.arange(min(READ, loader.plan.size)))
    records = reader.index.rows[rows]
    shards = [np.memmap(Path(reader.index.url, shard.name), np.uint8, "r").data for shard in reader.index.shards]
    places = list(zip(records["shard"].tolist(), records["offset"].tolist(), records["length"].tolist()))

    def shuffled() -> int:
        loader.set_epoch(0)
        return sum(1 for _ in islice(loader, len(places)))

    def plain() -> int:
        for shard, offset, length in places:
            line = shards[shard][offset : offset + length].tobytes()
            key_of(line)
            orjson.loads(line)
        return len(places)

    pairs = [[next(_timed(work, 1))[1] for work in (shuffled, plain)] for _ in range(rounds)]
    return statistics.median(ours / floor for ours, floor in pairs)


def _timed(work: Callable[[], int], rounds: int) -> Iterator[tuple[int, float]]:
    for _ in range(rounds):
        begin = time.process_time()
        done = work()
        yield done, time.process_time() - begin


def _own_memory(loader: WindowLoader) -> float:
    """The most that the pages that a forked worker does not share grow by while it reads half of READ windows."""
    context = multiprocessing.get_context("fork")
    grown = context.SimpleQueue()

    def work(worker: int) -> None:
        loader.partition = Partition(0, 1, worker, 2)
        before = _private_bytes()
        for _ in islice(loader, READ // 2):
            pass
        grown.put(_private_bytes() - before)

    workers = [context.Process(target=work, args=(worker,)) for worker in range(2)]
    for worker in workers:
        worker.start()
    most = max(grown.get() for _ in workers)
    for worker in workers:
        worker.join()
    return most / 1e6


def _private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_Dirty:"))


def _planned() -> list[Row]:
    """The order of 1e8 rows, all of it; and the first block behind 90 % of it, with what a resumption does before."""
    plan = Plan([PlannedSource("made", PLANNED)], seed=1)
    begin = time.process_time()
    for first in range(0, PLANNED, BLOCK):
        plan.at(0, np.arange(first, min(first + BLOCK, PLANNED)))
    seconds = time.process_time() - begin
    peak = peak_memory() / 1e6
    partition = Partition(0, 1, 0, 0)
    sources = [Source("made")]
    state = state_of(Progress(0, Remainder(), partition, int(0.9 * PLANNED)), plan, sources)

    def resumed() -> int:
        check_state(state, plan, sources)
        progress = progress_of(state, partition)
        return len(plan.at(0, progress.left.at(np.arange(progress.read, progress.read + 16)))[0])

    resume = statistics.median(seconds for _, seconds in _timed(resumed, 9)) * 1e3
    return [
        Row("plan of an epoch", PLANNED, seconds, "s"),
        Row("plan of an epoch, peak memory", PLANNED, peak, "MB"),
        Row("resume at 90 %, to the first rows", PLANNED, resume, "ms"),
    ]
