"""Sorted runs of an index's rows, as files, and their merge, in memory that does not grow with them."""

from collections.abc import Iterator, Sequence
from typing import Any

import fsspec
import msgspec
import numpy as np
import numpy.typing as npt

from alm_beam.core.text import visible
from alm_beam.storage.byte_ranges import read_ranges
from alm_beam.storage.index.format import ROW, IndexFault, Rows
from alm_beam.storage.paths import written_whole

RUN_ROWS = 1 << 18
"""Rows that are held at a time: 13 MB, and some times that while they are sorted. Each worker holds so many."""

_SMALL = 2**16 - 1

_MOST_RUNS = 128
"""Runs that are merged at a time; more of them are merged in groups first."""

_Keys = npt.NDArray[np.bytes_]
"""What rows are ordered by: label and key, as bytes."""


class Run(msgspec.Struct, frozen=True):
    """A file of rows, sorted.

    Attributes:
        path: on the filesystem.
        rows: how many.
        shard: of all its rows; None where they state it themselves.
        labels: for each label that its rows state the one of the index; None where they state that themselves.
        label_sets: the same of label sets.
    """

    path: str
    rows: int
    shard: int | None = None
    labels: tuple[int, ...] | None = None
    label_sets: tuple[int, ...] | None = None


def sorted_rows(rows: Rows) -> Rows:
    """The rows in the order of label, key, shard and offset. A label is a number whose order is that of its text."""
    words = rows.view("<u8").reshape(-1, ROW.itemsize // 8)  # which NumPy moves faster than records
    label, high, low = rows["label"], words[:, 0].byteswap(), words[:, 1].byteswap()  # numbers in the order of the key
    order = np.argsort(high, kind="stable")  # which is six times as fast where the rows are sorted runs
    ordered = high[order]
    if (ordered[1:] == ordered[:-1]).any() or label.max(initial=0) > _SMALL:
        order = np.lexsort((rows["offset"], rows["shard"], low, high, label))
    elif label.any():
        order = order[np.argsort(label[order].astype(np.uint16), kind="stable")]  # which NumPy does in linear time
    return np.take(words, order, axis=0).reshape(-1).view(ROW)


def merged(fs: fsspec.AbstractFileSystem, runs: Sequence[Run], temporary: str) -> Iterator[Rows]:
    """The rows of all runs, in order, a block at a time.

    Args:
        fs: where they are.
        runs: any number.
        temporary: a folder there, for runs of runs.
    """
    level = 0
    while len(runs) > _MOST_RUNS:
        groups = [runs[at : at + _MOST_RUNS] for at in range(0, len(runs), _MOST_RUNS)]
        paths = [f"{temporary}/merged-{level}-{number}" for number in range(len(groups))]
        for path, group in zip(paths, groups):
            with written_whole(fs, path, temporary) as file:
                for block in _merged(fs, group):
                    file.write(block.data)
        runs = [Run(path, sum(run.rows for run in group)) for path, group in zip(paths, groups)]
        level += 1
    yield from _merged(fs, runs)


def _merged(fs: fsspec.AbstractFileSystem, runs: Sequence[Run]) -> Iterator[Rows]:
    """Each run has a block in memory. What is not above the last row of any block comes before all that is unread."""
    heads = [_Head(run) for run in runs if run.rows]
    at_a_time = RUN_ROWS // max(len(heads), 1)
    while heads:
        _fill(fs, [head for head in heads if not len(head.rows)], at_a_time)
        bounds = [head.keys[-1] for head in heads if head.unread]
        bound = min(bounds) if bounds else None
        taken = [rows for head in heads if len(rows := head.taken(bound))]
        yield taken[0] if len(taken) == 1 else sorted_rows(np.concatenate(taken))
        heads = [head for head in heads if head.unread or len(head.rows)]


class _Head:
    """The rows of a run that are in memory.

    Attributes:
        rows: not yet taken.
        keys: what they are ordered by.
        read: rows that were read from the file.
    """

    def __init__(self, run: Run):
        self.run = run
        self.read = 0
        self.rows: Rows = np.empty(0, ROW)
        self.keys: _Keys = np.empty(0, "S20")

    @property
    def unread(self) -> int:
        return self.run.rows - self.read

    def put(self, data: bytes) -> None:
        rows = np.frombuffer(data, ROW).copy()
        for field, numbers in (("label", self.run.labels), ("label_set", self.run.label_sets)):
            if numbers is not None:
                if rows[field].max(initial=0) >= max(len(numbers), 1):
                    raise IndexFault(f"{self.run.path}: was changed; start again")
                if numbers != tuple(range(len(numbers))):
                    rows[field] = np.array(numbers, np.uint32)[rows[field]]
        if self.run.shard is not None:
            rows["shard"] = self.run.shard
        keys = np.empty(len(rows), [("label", ">u4"), ("key", "V16")])
        keys["label"], keys["key"] = rows["label"], rows["key"]
        self.rows, self.keys = rows, keys.view("S20")
        self.read += len(rows)

    def taken(self, bound: np.bytes_ | None) -> Rows:
        """The rows up to the bound, which it holds no longer."""
        count = len(self.rows) if bound is None else int(np.searchsorted(self.keys, bound, "right"))
        rows, self.rows, self.keys = self.rows[:count], self.rows[count:], self.keys[count:]
        return rows


def _fill(fs: fsspec.AbstractFileSystem, heads: list[_Head], rows: int) -> None:
    starts = [head.read * ROW.itemsize for head in heads]
    ends = [(head.read + min(rows, head.unread)) * ROW.itemsize for head in heads]
    pieces: list[Any] = read_ranges(fs, [head.run.path for head in heads], starts, ends)
    for head, start, end, data in zip(heads, starts, ends, pieces):
        if len(data) != end - start:
            raise OSError(f"{visible(head.run.path)}: ends before byte {end}")
        head.put(data)
