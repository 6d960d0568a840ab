"""Opening an index of very many rows, and what each of several processes that read it holds of it.

    python -m benchmarks.large_index [ROWS [FOLDER]]

100,000,000 rows have 4.8 GB, which must fit into FOLDER (else into the temporary folder). The index is made, its lines
are not: the shards are files with holes, and only the lines that opening reads are written into them. Opened cold means
that nothing of the folder is in the page cache. Times are those of the clock, as the disk is what is waited for.
"""

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alm_beam.loader import WindowLoader
from alm_beam.storage.index.format import FOLDER, META, ROW, ROWS, Digest, Rows, key_of
from alm_beam.storage.index.meta import VERSION, Label, LabelSet, Meta, Shard, encoded_meta
from alm_beam.storage.index.open import open_index, sampled_rows
from benchmarks.loader import Row

ROUNDS = 5
SHARDS = 16
"""As many as `open_index` takes samples of: then it also looks for a row of each shard, which costs most."""

SOURCES = ("ami", "icsi")
LINE_BYTES = 460
SECONDS = 120.0
_BLOCK = 1 << 20


def rows(count: int = 10_000_000, folder: str | None = None) -> Iterator[Row]:
    """The measurements of an index of so many rows, which is made below the folder and removed at the end."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        write_index(Path(made), count)
        for name, is_cold in (("open, cold", True), ("open, warm", False)):
            yield Row(name, count, statistics.median(_opening(made, is_cold) for _ in range(ROUNDS)), "s")
        yield Row("a loader of it, warm", count, statistics.median(_loading(made) for _ in range(ROUNDS)), "s")
        for processes in (1, 2, 4):
            yield from _shared(made, count, processes)


def _opening(folder: str, is_cold: bool) -> float:
    if is_cold:
        for path in Path(folder).rglob("*.*"):
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    begin = time.perf_counter()
    open_index(folder)
    return time.perf_counter() - begin


def _loading(folder: str) -> float:
    begin = time.perf_counter()
    WindowLoader(folder)
    return time.perf_counter() - begin


def _shared(folder: str, count: int, processes: int) -> Iterator[Row]:
    """What processes that each opened the index and read all of its rows hold, medians over them, MB."""
    context = multiprocessing.get_context("spawn")
    have_read, found = context.Barrier(processes), context.SimpleQueue()
    readers = [context.Process(target=_read_all, args=(folder, have_read, found)) for _ in range(processes)]
    for reader in readers:
        reader.start()
    held = [found.get() for _ in readers]
    for reader in readers:
        reader.join()
    for name in ("Pss", "Shared_Clean", "own"):
        value = statistics.median(each[name] for each in held) / 1e6
        what = "memory of its own, growth" if name == "own" else f"{name} of rows.bin"
        yield Row(f"of each of {processes} that read all rows: {what}", count, value, "MB")


def _read_all(folder: str, have_read: Any, found: Any) -> None:
    index = open_index(folder)
    before = _bytes("/proc/self/smaps_rollup", "Private_Dirty")
    seconds = sum(float(index.rows["duration"][first : first + _BLOCK].sum()) for first in range(0, len(index), _BLOCK))
    assert seconds == index.duration
    have_read.wait()
    mapping = {name: _bytes("/proc/self/smaps", name, f"/{FOLDER}/{ROWS}") for name in ("Pss", "Shared_Clean")}
    own = _bytes("/proc/self/smaps_rollup", "Private_Dirty") - before
    have_read.wait()
    found.put({**mapping, "own": own})


def _bytes(path: str, field: str, file: str = "") -> int:
    """What the kernel says of a field, of the mappings of a file, or of all."""
    total, is_its = 0, not file
    for line in Path(path).read_text().splitlines():
        name, *values = line.split()
        if file and not name.endswith(":"):
            is_its = line.endswith(file)
        elif is_its and name == f"{field}:":
            total += int(values[0]) << 10
    return total


def write_index(folder: Path, count: int) -> None:
    """Writes an index of so many rows that can be opened, and shards with holes."""
    (folder / FOLDER).mkdir()
    names = [f"cuts-{shard:05}-of-{SHARDS:05}.jsonl" for shard in range(SHARDS)]
    lines = [len(range(shard, count, SHARDS)) for shard in range(SHARDS)]
    for name, size in zip(names, lines):
        with (folder / name).open("wb") as shard:
            shard.truncate(size * (LINE_BYTES + 1))
    digest = Digest()
    with (folder / FOLDER / ROWS).open("wb") as file:
        for first in range(0, count, _BLOCK):
            file.write(_rows(first, min(_BLOCK, count - first), count).tobytes())
        file.flush()
        os.fsync(file.fileno())
    written: Rows = np.memmap(folder / FOLDER / ROWS, ROW, "r+")
    for number in sampled_rows(written, _meta(count, "0" * 32, names, lines), 16):
        line = b'{"id":"%d"}' % number + b" " * LINE_BYTES
        record = written[number]
        with (folder / names[record["shard"]]).open("r+b") as shard:
            shard.seek(max(int(record["offset"]) - 1, 0))
            shard.write(b"\n"[: int(record["offset"])] + line[:LINE_BYTES] + b"\n")
            os.fsync(shard.fileno())
        record["key"] = np.void(key_of(line[:LINE_BYTES]))
    for first in range(0, count, _BLOCK):
        digest.add(written[first : first + _BLOCK].data)
    written.flush()
    (folder / FOLDER / META).write_bytes(encoded_meta(_meta(count, digest.hex(), names, lines)))


def _rows(first: int, size: int, count: int) -> Rows:
    """Rows from one on: as in a real index, neighbours are of any shard."""
    numbers = np.arange(first, first + size, dtype=np.uint64)
    found = np.zeros(size, ROW)
    words = found.view("<u8").reshape(size, -1)
    words[:, 0] = numbers.byteswap()  # keys increase
    words[:, 1] = numbers * np.uint64(0x9E3779B97F4A7C15)
    found["offset"] = numbers // SHARDS * (LINE_BYTES + 1)
    found["duration"], found["length"], found["shard"] = SECONDS, LINE_BYTES, numbers % SHARDS
    found["label"] = numbers >= (count + 1) // 2
    return found


def _meta(count: int, digest: str, names: list[str], lines: list[int]) -> Meta:
    half = (count + 1) // 2
    labels = (
        Label(SOURCES[0], 0, half, half * SECONDS),
        Label(SOURCES[1], half, count - half, (count - half) * SECONDS),
    )
    return Meta(
        version=VERSION,
        rows=count,
        duration=count * SECONDS,
        rows_digest=digest,
        fingerprint=digest,
        labels=labels,
        label_sets=(LabelSet("", "", count, count * SECONDS),),
        shards=tuple(Shard(name, size * (LINE_BYTES + 1), size, digest) for name, size in zip(names, lines)),
        repeated_windows=0,
    )


def print_rows(found: Iterator[Row]) -> Iterator[Row]:
    """Prints a line for each row, and gives the rows again."""
    print("\nAn index of very many rows.")
    for row in found:
        print(f"{row.name:70}{row.rows:>14,}{row.value:>12,.3f} {row.unit}", flush=True)
        yield row


if __name__ == "__main__":
    size = int(sys.argv[1]) if sys.argv[1:] else 100_000_000
    for _ in print_rows(rows(size, sys.argv[2] if sys.argv[2:] else None)):
        pass
