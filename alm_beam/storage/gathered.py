"""Values that belong together and stand apart, gathered on disk: a merge sort in a file that has no name.

As the file has none, nothing of it is left, however the process ends.
"""

import heapq
import os
import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import IO

from backports.zstd import compress, decompress

from alm_beam.core.errors import RunError
from alm_beam.storage.paths import reason

_HELD_BYTES = 64 << 20
"""What is held in memory before it is sorted and written."""

_KEY_BYTES = 200
"""What Python takes for a key beside the bytes of its values."""

_BLOCK_BYTES = 1 << 16
"""Values of one key are written in blocks of about this size, so that a merge holds little of each run."""

_READ_BYTES = 1 << 16
_MOST_RUNS = 256
"""So many runs are merged at a time."""

_HEAD = struct.Struct("<II")


class Gathered:
    r"""Values by key. They are held in memory up to a size, and then in a temporary file; TMPDIR may name its place.

    Args:
        held_bytes: what is held in memory.
        most_runs: how many sorted runs are merged at a time.

    >>> with Gathered() as gathered:
    ...     for key, value in (("b", b"1"), ("a", b"2"), ("b", b"3")):
    ...         gathered.add(key, value)
    ...     list(gathered.groups())
    [('a', [b'2']), ('b', [b'1', b'3'])]
    """

    def __init__(self, held_bytes: int = _HELD_BYTES, most_runs: int = _MOST_RUNS):
        self._held_bytes = held_bytes
        self._most_runs = most_runs
        self._held: dict[bytes, bytearray] = {}
        self._size = 0
        self._file: IO[bytes] | None = None
        self._runs: list[tuple[int, int]] = []

    def __enter__(self) -> "Gathered":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.clear()
        if self._file is not None:
            with suppress(OSError):  # what could not be written before cannot be now
                self._file.close()

    def add(self, key: str, value: bytes) -> None:
        """Adds a value, which holds no newline.

        Raises:
            RunError: there is no room for the temporary file.
        """
        encoded = key.encode("utf-8", "surrogatepass")
        if encoded not in self._held:
            self._held[encoded] = bytearray()
            self._size += len(encoded) + _KEY_BYTES
        # Joined at once: orjson's texts take a kilobyte each as long as they are kept.
        held = self._held[encoded]
        held += value
        held += b"\n"
        self._size += len(value) + 1
        if self._size > self._held_bytes:
            self._write_held()

    def groups(self) -> Iterator[tuple[str, list[bytes]]]:
        """Each key, in the order of their UTF-8, with its values, in the order in which they were added. Once.

        Raises:
            RunError: there is no room for the temporary file.
        """
        if self._runs:
            self._write_held()
        while len(self._runs) > self._most_runs:
            self._merge_some()
        blocks: Iterator[tuple[bytes, bytes]] = (
            self._merged(self._runs)
            if self._runs
            else ((key, bytes(self._held.pop(key))) for key in sorted(self._held))
        )
        for key, several in groupby(blocks, key=itemgetter(0)):
            values = [value for _, block in several for value in block[:-1].split(b"\n")]
            yield key.decode("utf-8", "surrogatepass"), values

    def _write_held(self) -> None:
        file = self._file = self._file or self._new_file()
        start = file.tell()
        for key in sorted(self._held):
            values, at = self._held.pop(key), 0
            while at < len(values):
                end = values.find(b"\n", at + _BLOCK_BYTES) + 1 or len(values)
                self._write(file, key, bytes(values[at:end]))
                at = end
        self._end_run(file, start)
        self._size = 0

    def _merge_some(self) -> None:
        """Makes fewer runs, each of neighbours, in another file."""
        old, file = self._file, self._new_file()
        runs, self._runs = self._runs, []
        for first in range(0, len(runs), self._most_runs):
            start = file.tell()
            for key, block in self._merged(runs[first : first + self._most_runs]):
                self._write(file, key, block)
            self._end_run(file, start)
        self._file = file
        if old is not None:
            old.close()

    def _merged(self, runs: list[tuple[int, int]]) -> Iterator[tuple[bytes, bytes]]:
        """The blocks of the runs by key; of one key, those of an earlier run first."""
        assert self._file is not None, "there are runs, yet no file"
        descriptor = self._file.fileno()
        return heapq.merge(*(_blocks(descriptor, *run) for run in runs), key=itemgetter(0))

    def _new_file(self) -> IO[bytes]:
        try:
            return tempfile.TemporaryFile(prefix="alm_beam-", buffering=1 << 20)
        except OSError as error:
            raise _no_room(error) from None

    def _write(self, file: IO[bytes], key: bytes, block: bytes) -> None:
        packed = compress(block, 1)
        try:
            file.writelines((_HEAD.pack(len(key), len(packed)), key, packed))
        except OSError as error:
            raise _no_room(error) from None

    def _end_run(self, file: IO[bytes], start: int) -> None:
        try:
            file.flush()
        except OSError as error:
            raise _no_room(error) from None
        self._runs.append((start, file.tell()))


def _blocks(descriptor: int, start: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
    """The blocks of a run: their keys and their values."""
    data, at = b"", start
    while data or at < stop:
        needed = _HEAD.size
        if len(data) >= needed:
            key_bytes, packed_bytes = _HEAD.unpack_from(data)
            needed += key_bytes + packed_bytes
            if len(data) >= needed:
                key = data[_HEAD.size : _HEAD.size + key_bytes]
                yield key, decompress(data[_HEAD.size + key_bytes : needed])
                data = data[needed:]
                continue
        more = os.pread(descriptor, min(max(needed - len(data), _READ_BYTES), stop - at), at)
        if not more:
            raise RunError(f"the temporary file in {tempfile.gettempdir()} ends too early")
        at += len(more)
        data += more


def _no_room(error: OSError) -> RunError:
    where = f"recordings cannot be gathered in {tempfile.gettempdir()}"
    return RunError(f"{where} ({reason(error)}); TMPDIR may name a folder with more room")
