"""Windows from a store where each request takes 20 ms more, against plain reads of the same ranges of bytes.

    python -m benchmarks.bandwidth

Ours opens the loader, and then is timed while it reads, checks and parses windows. The plain reads are one call of
fsspec for the ranges that ours asked for, with as many requests at a time; nothing is done with what comes. So there is
a third way: ours, without checking and parsing. They take turns, each pass in a process of its own. Medians of the
clock.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import fsspec

from alm_beam.loader import Partition, WindowLoader
from alm_beam.loader import loader as loader_module
from benchmarks.object_store import BUCKET, serving_folder
from benchmarks.order import DELAY, ORDERS, _made

ROUNDS = 5
AT_A_TIME = {"windows": 10, "shards": 4}
"""Requests at a time of the plain reads: as many as ours has, by the connections of s3fs and by blocks on their way."""

PARTS = {"windows": 8, "shards": 1}
"""One of so many parts of the windows is read, to its end."""

Ranges = tuple[list[str], list[int], list[int]]
"""Paths, first bytes, and bytes after the last ones."""


class Seconds(NamedTuple):
    """Of one pass: by the clock, and of a core."""

    clock: float
    cpu: float


class Row(NamedTuple):
    """Both ways of reading the same bytes: medians, in seconds.

    Attributes:
        order: of the loader.
        windows: that ours gave.
        requests: that each made.
        megabytes: of all of them.
        ours: the loader.
        plain: the plain reads.
        at_a_time: requests of the plain reads.
        ratio: the bandwidth of ours to that of the plain reads, the median over the rounds.
        spread: between the least and the greatest of these ratios.
        unparsed: as `ratio`, of ours without checking and parsing.
        cpu: seconds of a core that ours took.
        plain_cpu: seconds of a core that the plain reads took.
    """

    order: str
    windows: int
    requests: int
    megabytes: float
    ours: float
    plain: float
    at_a_time: int
    ratio: float
    spread: float
    unparsed: float
    cpu: float
    plain_cpu: float


def rows() -> Iterator[Row]:
    """The measurements, by either order of the loader."""
    with tempfile.TemporaryDirectory() as folder, serving_folder(_made(Path(folder)), DELAY) as options:
        for order in ORDERS:
            yield _measured(f"s3://{BUCKET}", options, order)


def _measured(url: str, options: dict[str, Any], order: str) -> Row:
    windows, ranges = _alone(_ranges_of, url, options, order)
    passes = [
        (
            _alone(_ours, url, options, order, True),
            _alone(_plain, options, ranges, AT_A_TIME[order]),
            _alone(_ours, url, options, order, False),
        )
        for _ in range(ROUNDS)
    ]
    ratios = [plain.clock / ours.clock for ours, plain, _ in passes]
    _, starts, ends = ranges
    return Row(
        order=order,
        windows=windows,
        requests=len(starts),
        megabytes=(sum(ends) - sum(starts)) / 1e6,
        ours=statistics.median(ours.clock for ours, _, _ in passes),
        plain=statistics.median(plain.clock for _, plain, _ in passes),
        at_a_time=AT_A_TIME[order],
        ratio=statistics.median(ratios),
        spread=max(ratios) - min(ratios),
        unparsed=statistics.median(plain.clock / unparsed.clock for _, plain, unparsed in passes),
        cpu=statistics.median(ours.cpu for ours, _, _ in passes),
        plain_cpu=statistics.median(plain.cpu for _, plain, _ in passes),
    )


def _alone(measure: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(measure, *arguments).result()


def _opened(url: str, options: dict[str, Any], order: str) -> WindowLoader:
    loader = WindowLoader(url, seed=1, order=order, storage_options={"s3": options})
    loader.partition = Partition(0, PARTS[order])
    return loader


def _ranges_of(url: str, options: dict[str, Any], order: str) -> tuple[int, Ranges]:
    """How many windows ours gives, and which ranges it reads for them."""
    loader = _opened(url, options, order)
    fs = loader.readers[0]._place.fs
    read = fs.cat_ranges
    ranges: Ranges = ([], [], [])

    def cat_ranges(paths: list[str], starts: list[int], ends: list[int], **more: Any) -> list[bytes]:
        for found, some in zip(ranges, (paths, starts, ends)):
            found.extend(some)
        return read(paths, starts, ends, **more)

    fs.cat_ranges = cat_ranges
    return sum(1 for _ in loader), ranges


def _ours(url: str, options: dict[str, Any], order: str, is_parsed: bool) -> Seconds:
    loader = _opened(url, options, order)
    if not is_parsed:
        loader_module.window_of = lambda line, key: {}
    return _timed(lambda: sum(1 for _ in loader))


def _plain(options: dict[str, Any], ranges: Ranges, at_a_time: int) -> Seconds:
    fs = fsspec.filesystem("s3", **options)
    paths, starts, ends = ranges
    fs.cat_ranges(paths[:1], [0], [1])  # connects
    return _timed(lambda: fs.cat_ranges(paths, starts, ends, batch_size=at_a_time, on_error="raise"))


def _timed(work: Callable[[], Any]) -> Seconds:
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - clock, time.process_time() - cpu)


def print_rows(found: Iterator[Row]) -> Iterator[Row]:
    """Prints a line for each row, and gives the rows again."""
    print(
        "\nWindows from a store, 20 ms added to each request. Ratio: of bandwidth, to plain reads of the same ranges."
    )
    print(
        f"{'order':10}{'windows':>9}{'requests':>10}{'MB':>8}{'MB/s':>8}{'plain':>8}{'at a time':>11}{'ratio':>7}"
        f"{'spread':>8}{'unparsed':>10}{'CPU s':>8}{'plain':>8}"
    )
    for row in found:
        print(
            f"{row.order:10}{row.windows:>9,}{row.requests:>10,}{row.megabytes:>8.1f}{row.megabytes / row.ours:>8.2f}"
            f"{row.megabytes / row.plain:>8.2f}{row.at_a_time:>11}{row.ratio:>7.2f}{row.spread:>8.2f}"
            f"{row.unparsed:>10.2f}{row.cpu:>8.2f}{row.plain_cpu:>8.2f}",
            flush=True,
        )
        yield row


if __name__ == "__main__":
    for _ in print_rows(rows()):
        pass
