"""Windows of an index by their rows: each line is compared with its key before anyone sees it."""

import mmap
import os
from collections.abc import Sequence
from struct import Struct
from typing import Any, TypeAlias

import numpy as np
from orjson import loads

from alm_beam.loader.permutation import Positions
from alm_beam.storage.index.format import key_of
from alm_beam.storage.index.open import ROW, Index
from alm_beam.storage.paths import Located, errors_that_name, is_local, located
from alm_beam.storage.secrets import shown

Window: TypeAlias = dict[str, Any]
"""A cut, as its line states it."""

_RECORD = Struct("<16sQdIII4x")
_MOST_OPEN = 256
"""Shards of a reader that are mapped at a time: a process may open only so many files."""

_GAP_BYTES = 32 << 10
_REQUEST_BYTES = 8 << 20
"""Remote lines that are no further apart are fetched together, up to so much at a time."""


class WindowError(ValueError):
    """A line is not the one that was indexed, or no JSON object: the message says which."""


class Reader:
    """The windows of an index, by their rows.

    Local shards are mapped into memory, remote ones read by byte ranges. It may be pickled, and used on both sides of a
    fork: no position in a file is shared.

    Attributes:
        index: what it reads.
        is_remote: whether lines are fetched over a network, which is best done many at a time and ahead.
    """

    def __init__(self, index: Index):
        self.index = index
        self._place = located(index.url)
        self._pid = os.getpid()
        self.is_remote = not is_local(self._place.fs)
        self._rows = np.asarray(index.rows)
        self._records = memoryview(self._rows.view(np.uint8).data) if len(index) else memoryview(b"")
        self._maps = _Maps(self._place, index)

    def __reduce__(self) -> tuple[type["Reader"], tuple[Index]]:
        return Reader, (self.index,)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, row: int) -> Window:
        """The window of a row.

        Raises:
            IndexError: there is no such row.
            WindowError, OSError: it cannot be read.
        """
        if not 0 <= row < len(self.index):
            raise IndexError(f"row {row}: there are {len(self.index)}")
        if self.is_remote:
            [line], [key] = self.lines(np.array([row]))
        else:
            key, offset, _, length, shard, _ = _RECORD.unpack_from(self._records, row * ROW.itemsize)
            line = self._maps[shard][offset : offset + length]
        try:
            return window_of(line, key)
        except ValueError as error:
            raise self.error(row, error) from None

    def lines(self, rows: Positions) -> tuple[list[bytes], list[bytes]]:
        """The lines of rows as they are stored, in the order of the rows, and their keys.

        Raises:
            OSError: a shard cannot be read. The message names it.
        """
        records = self._rows.take(rows)  # which is ten times as fast as [rows]
        starts, shards = records["offset"].astype(np.int64), records["shard"].astype(np.int64)
        ends = starts + records["length"]
        keys: list[bytes] = records["key"].tolist()
        if self.is_remote:
            return self._fetched(shards, starts, ends), keys
        maps = self._maps
        places = zip(shards.tolist(), starts.tolist(), ends.tolist())
        return [maps[shard][start:end] for shard, start, end in places], keys

    def error(self, row: int, what: object) -> WindowError:
        """An error that says where the line of a row is, and what is wrong with it."""
        record = self._rows[row]
        path = f"{self._place.path}/{self.index.shards[record['shard']].name}"
        return WindowError(
            f"{shown(self._place.url(path))}: the line at byte {record['offset']}, of {record['length']} bytes "
            f"(row {row}, key {record['key'].tobytes().hex()}), {what}"
        )

    def _fetched(self, shards: Positions, starts: Positions, ends: Positions) -> list[bytes]:
        """Lines of remote shards. They are asked for in the order in which they are stored, near ones together."""
        if self._pid != os.getpid():  # a filesystem of another process has its sockets, but not its threads
            self._place, self._pid = located(self.index.url), os.getpid()
        order = np.lexsort((starts, shards))
        joined = _joined(shards[order].tolist(), starts[order].tolist(), ends[order].tolist())
        paths = [f"{self._place.path}/{self.index.shards[shard].name}" for shard, _, _ in joined]
        with errors_that_name(self._place.url(self._place.path)):
            pieces: list[Any] = self._place.fs.cat_ranges(
                paths, [start for _, start, _ in joined], [end for _, _, end in joined], on_error="return"
            )
        for path, piece in zip(paths, pieces):
            with errors_that_name(self._place.url(path)):
                if isinstance(piece, BaseException):
                    raise piece
        lines = [b""] * len(order)
        at = -1
        last = (-1, 0, 0)
        for i in order.tolist():
            shard, start, end = int(shards[i]), int(starts[i]), int(ends[i])
            while not (last[0] == shard and last[1] <= start and end <= last[2]):
                at += 1
                last = joined[at]
            lines[i] = pieces[at][start - last[1] : end - last[1]]
        return lines


def window_of(line: bytes, key: bytes) -> Window:
    """The window that a line states.

    Raises:
        ValueError: the line is not that of the key, or no JSON.
    """
    if key_of(line) != key:
        raise ValueError("is not the one that was indexed: the file was changed since; make the index again")
    window: Window = loads(line)
    return window


def _joined(shards: Sequence[int], starts: Sequence[int], ends: Sequence[int]) -> list[tuple[int, int, int]]:
    """Byte ranges that hold all the given ones, which are sorted: (shard, start, end)."""
    joined: list[tuple[int, int, int]] = []
    for shard, start, end in zip(shards, starts, ends):
        if joined:
            last, first, behind = joined[-1]
            if last == shard and start - behind <= _GAP_BYTES and max(end, behind) - first <= _REQUEST_BYTES:
                joined[-1] = (shard, first, max(end, behind))
                continue
        joined.append((shard, start, end))
    return joined


class _Maps(dict[int, mmap.mmap]):
    """The shards that are mapped, by number; one that is not is, when it is asked for."""

    def __init__(self, place: Located, index: Index):
        super().__init__()
        self._place, self._index = place, index

    def __missing__(self, number: int) -> mmap.mmap:
        if len(self) >= _MOST_OPEN:
            self.pop(next(iter(self))).close()
        shard = self._index.shards[number]
        path = f"{self._place.path}/{shard.name}"
        with errors_that_name(path), open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != shard.size:
                raise OSError(f"has {size} bytes, {shard.size} when it was indexed; make the index again")
            self[number] = found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return found
