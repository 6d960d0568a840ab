"""The index of existing cuts: rows of about 460 bytes, and the cuts that the job writes, page cache warm, one core.

Beside each, in turns: what it takes to only hash the lines one by one, which is most of it.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.format import key_of
from alm_beam.storage.index.open import open_index
from benchmarks.cuts import write_cuts
from benchmarks.job import JOB, _run, five_recordings


class Row(NamedTuple):
    """A measurement: medians, in wall seconds; `job` is 0 where no job wrote the cuts."""

    name: str
    rows: int
    bytes_in: int
    build: float
    hashing: float
    opening: float
    job: float


def measured(name: str, folder: Path, *, job: float = 0.0, rounds: int = 5) -> Row:
    """Makes the index, and hashes the lines, in turns."""
    shards = sorted(folder.glob("cuts-*.jsonl"))
    builds: list[float] = []
    hashings: list[float] = []
    openings: list[float] = []
    for _ in range(rounds):
        begin = time.perf_counter()
        meta = build_index(str(folder), overwrite=True)
        builds.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        open_index(str(folder))
        openings.append(time.perf_counter() - begin)
        hashing = 0.0
        for shard in shards:
            lines = shard.read_bytes().split(b"\n")
            begin = time.perf_counter()
            list(map(key_of, lines))
            hashing += time.perf_counter() - begin
        hashings.append(hashing)
    size = sum(shard.stat().st_size for shard in shards)
    return Row(name, meta.rows, size, *map(statistics.median, (builds, hashings, openings)), job)


def rows(sizes: tuple[int, ...] = (100_000, 1_000_000)) -> Iterator[Row]:
    """The measurements, of so many rows and of what the job writes for 10,000 recordings."""
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            write_cuts(Path(folder, str(size)), size)
            yield measured("cuts of 460 bytes", Path(folder, str(size)))
        source, out = Path(folder, "in.jsonl"), Path(folder, "out")
        source.write_bytes(five_recordings() * 2000)
        seconds, _ = _run(JOB, f"--input={source}", f"--output={out}")
        yield measured("cuts of the job", out, job=seconds)
