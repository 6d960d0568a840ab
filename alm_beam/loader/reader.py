"""Reads windows by their rows in an index. Each line is compared with the hash that the index holds of it."""

import os
from struct import Struct
from typing import Any, TypeAlias

import numpy as np
from orjson import loads

from alm_beam.core.text import visible
from alm_beam.loader.permutation import Positions
from alm_beam.loader.shards import Shards
from alm_beam.storage.byte_ranges import joined_ranges, read_ranges
from alm_beam.storage.index.format import key_of
from alm_beam.storage.index.open import ROW, Index
from alm_beam.storage.paths import errors_that_name, is_local, located
from alm_beam.storage.secrets import shown

Window: TypeAlias = dict[str, Any]
"""The fields of a Lhotse cut, as its line holds them."""

_RECORD = Struct("<16sQdIII4x")


class WindowError(ValueError):
    """A line is not the one that was indexed, or is no JSON object. The message names file, byte offset and row.

    >>> from pathlib import Path
    >>> from shutil import copytree
    >>> from tempfile import mkdtemp
    >>> from alm_beam.loader import WindowLoader
    >>> folder = Path(copytree(windows, mkdtemp(), dirs_exist_ok=True))
    >>> loader = WindowLoader(folder)
    >>> [shard] = folder.glob("cuts-*.jsonl")
    >>> _ = shard.write_bytes(shard.read_bytes().replace(b"anna", b"hans"))  # after the loader opened it
    >>> next(iter(loader))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    alm_beam.loader.reader.WindowError: ...cuts-00000-of-00001.jsonl: the line at byte ..., is not the one that was...
    """


class Reader:
    """Reads any window of an index by its row: a sequence without slices.

    Local shards are mapped into memory, and no file stays open. Remote shards are read by byte ranges. A reader may be
    pickled, and parent and child may both use it after a fork.

    Attributes:
        index: the index.
        is_remote: whether lines come over a network. Then reading many rows at a time is much faster.

    >>> from alm_beam.loader import Reader
    >>> from alm_beam.storage.index.open import open_index
    >>> reader = Reader(open_index(windows))
    >>> len(reader)
    8
    >>> reader[0]["supervisions"][0]["speaker"]
    'anna'
    """

    def __init__(self, index: Index):
        self.index = index
        self._place = located(index.url, index.options)
        self._pid = os.getpid()
        self.is_remote = not is_local(self._place.fs)
        self._rows = np.asarray(index.rows)
        self._records = memoryview(self._rows.view(np.uint8).data) if len(index) else memoryview(b"")
        self._shards = Shards(self._place, index)

    def __reduce__(self) -> tuple[type["Reader"], tuple[Index]]:
        return Reader, (self.index,)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, row: int) -> Window:
        """The window in a row, from 0.

        Raises:
            IndexError: there is no such row. Negative numbers are none.
            WindowError, OSError: it cannot be read.
        """
        if not 0 <= row < len(self.index):
            raise IndexError(f"row {row}: there are {len(self.index)}")
        if self.is_remote:
            [line], [key] = self.lines(np.array([row]))
        else:
            key, offset, _, length, shard, _ = _RECORD.unpack_from(self._records, row * ROW.itemsize)
            line = self._shards[shard][offset : offset + length].tobytes()
        try:
            return window_of(line, key)
        except ValueError as error:
            raise self.error(row, error) from None

    def lines(self, rows: Positions) -> tuple[list[bytes], list[bytes]]:
        """The lines of rows as they are stored, without line ends, and their keys. Nothing is compared yet.

        Args:
            rows: int64, one dimension, in any order.

        Raises:
            OSError: a shard cannot be read. The message names the shard.
        """
        records = self._rows.take(rows)  # which is ten times as fast as [rows]
        starts, shards = records["offset"].astype(np.int64), records["shard"].astype(np.int64)
        ends = starts + records["length"]
        keys: list[bytes] = records["key"].tolist()
        if self.is_remote:
            return self._fetched(shards, starts, ends), keys
        mapped = self._shards
        places = zip(shards.tolist(), starts.tolist(), ends.tolist())
        return [mapped[shard][start:end].tobytes() for shard, start, end in places], keys

    def error(self, row: int, what: object) -> WindowError:
        """An error that says where the line of a row is, and what is wrong with the line."""
        record = self._rows[row]
        path = f"{self._place.path}/{self.index.shards[record['shard']].name}"
        where = visible(shown(self._place.url(path)))
        return WindowError(
            f"{where}: the line at byte {record['offset']}, of {record['length']} bytes "
            f"(row {row}, key {record['key'].tobytes().hex()}), {what}"
        )

    def _fetched(self, shards: Positions, starts: Positions, ends: Positions) -> list[bytes]:
        """Lines of remote shards. Requests follow the order in the shards; lines that are near share a request."""
        if self._pid != os.getpid():  # a filesystem of another process has its sockets, but not its threads
            self._place, self._pid = located(self.index.url, self.index.options), os.getpid()
        order = np.lexsort((starts, shards))
        joined = joined_ranges(shards[order].tolist(), starts[order].tolist(), ends[order].tolist())
        paths = [f"{self._place.path}/{self.index.shards[shard].name}" for shard, _, _ in joined]
        with errors_that_name(self._place.url(self._place.path)):
            pieces: list[Any] = read_ranges(
                self._place.fs,
                paths,
                [start for _, start, _ in joined],
                [end for _, _, end in joined],
                on_error="return",
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
    """The window in a line.

    Args:
        line: JSON.
        key: hash of the line, from the index.

    Raises:
        ValueError: the line has another hash, or is no JSON.
    """
    if key_of(line) != key:
        raise ValueError("is not the one that was indexed: the file was changed since; make the index again")
    window: Window = loads(line)
    return window
