"""One long line, read in the ranges that workers share: time in multiples of reading the file's bytes once.

Reading and floor take turns within one process for each size; the page cache is warm.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from alm_beam.core.manifest import parse_recording
from alm_beam.storage.discovery import find_manifests
from alm_beam.storage.lines import lines_in, ranges_of
from benchmarks.floor import long_recording, peak_memory


class Row(NamedTuple):
    """A measurement: of one line, in CPU seconds, medians over the rounds; memory in bytes."""

    bytes_in: int
    reading: float
    floor: float
    ratio: float
    parsing: float
    peak_memory: int


def rows(megabytes: tuple[int, ...] = (25, 50, 100, 200, 400), rounds: int = 5) -> Iterator[Row]:
    """The measurements of lines of such lengths. `peak_memory` is that of reading alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.jsonl")
        for size in megabytes:
            path.write_bytes(_long_line(size * 10**6) + b"\n")
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                yield process.submit(_measured, str(path), rounds).result()


def _long_line(size: int) -> bytes:
    """An entry of about so many bytes: the segments of a recording, over and over."""
    head, _, segments = long_recording(1000).partition(b"[")
    segments = segments.removesuffix(b"]}")
    return head + b"[" + b",".join([segments] * (size // len(segments))) + b"]}"


def _measured(path: str, rounds: int) -> Row:
    readings: list[float] = []
    floors: list[float] = []
    [manifest] = find_manifests([path])
    for _ in range(rounds):
        begin = time.process_time()
        for read in ranges_of([manifest]):
            for _ in lines_in(read):
                pass
        between = time.process_time()
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 20):
                pass
        readings.append(between - begin)
        floors.append(time.process_time() - between)
    peak = peak_memory()
    [line] = [line for read in ranges_of([manifest]) for line in lines_in(read)]
    begin = time.process_time()
    parse_recording(line)
    parsing = time.process_time() - begin
    ratio = statistics.median(one / other for one, other in zip(readings, floors))
    return Row(manifest.size, statistics.median(readings), statistics.median(floors), ratio, parsing, peak)
