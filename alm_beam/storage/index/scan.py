"""Scanning a shard of cuts: each line of it that is a cut gets a row."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from alm_beam.core.cut_labels import CutLabels
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.index.format import COMPRESSED_SHARD_NAME, SHARD_NAME, IndexFault, key_of
from alm_beam.storage.index.meta import why_no_shard_name
from alm_beam.storage.index.plain_cuts import Offsets, read_plain_cuts
from alm_beam.storage.index.rows import Numbers, Part, ShardRows
from alm_beam.storage.index.unusable import Unusable, UnusableLines, read_cut
from alm_beam.storage.paths import BLOCK_BYTES, Located, errors_that_name, files_below, located
from alm_beam.storage.secrets import shown
from alm_beam.storage.tally import count

_READ_BYTES = 1 << 19


def find_shards(url: str, options: StorageOptions = NO_OPTIONS) -> list[str]:
    """The names of the shards in a folder, sorted.

    Raises:
        IndexFault: there is none, or a compressed one, or one that is no file, or has a name that an
            index cannot hold.
    """
    place = located(url, options)
    with errors_that_name(url):
        found = {path.rpartition("/")[2]: info for path, info in files_below(place.fs, place.path, 1)}
    kinds, sizes = ({name: info[each] for name, info in found.items()} for each in ("type", "size"))
    names = sorted(kinds)
    for name in names:
        if COMPRESSED_SHARD_NAME.fullmatch(name):
            raise IndexFault(f"{shown(url)}/{name}: is compressed, so no line of it can be found; decompress it")
    shards = [name for name in names if SHARD_NAME.fullmatch(name)]
    if not shards:
        raise IndexFault(f"{shown(url)}: holds no cuts*.jsonl")
    for name in shards:
        why = why_no_shard_name(name)
        if why:
            raise IndexFault(f"{shown(url)}/{name}: its name {why}; rename it")
        # Of a link, the filesystem tells no kind. A pipe would be waited for.
        if kinds[name] == "other" and not os.path.isfile(f"{place.path}/{name}"):
            raise IndexFault(f"{shown(url)}/{name}: is no regular file; remove it, or put its content there")
    count(found=sum(sizes[name] or 0 for name in shards))
    return shards


def scan_shard(url: str, name: str, parts: str, options: StorageOptions = NO_OPTIONS) -> Part:
    """Makes the runs of a shard, and what is to be known of them. Lines that cannot be indexed have no row.

    Beside them it writes where each line begins, also one that has no row, as Lhotse 2 reads it.

    Args:
        url: the folder.
        name: the shard's name in it.
        parts: the folder for the runs.
        options: fsspec's.

    Raises:
        OSError: something could not be read or written.
    """
    place = located(url, options)
    with ShardRows(name, located(parts, options)) as rows:
        scan = _Scan(shown(place.url(f"{place.path}/{name}")), rows)
        for data in whole_lines(place, f"{place.path}/{name}"):
            count(scanned=len(data))
            scan.add(data)
        return scan.finished()


def whole_lines(place: Located, path: str) -> Iterator[bytes]:
    """The bytes of a file in pieces that end with lines; the last one may lack its newline.

    Raises:
        OSError: the file cannot be read.
    """
    with errors_that_name(place.url(path)):
        file = place.fs.open(path, "rb", block_size=BLOCK_BYTES, cache_type="readahead")
    with file:
        begun: list[bytes] = []  # of a line, in pieces: it may be long, and is not to be copied by each read
        while True:
            with errors_that_name(place.url(path)):
                data = file.read(_READ_BYTES)
            if not data:
                break
            end = data.rfind(b"\n") + 1
            if end:
                yield b"".join((*begun, memoryview(data)[:end]))
                begun = [data[end:]] if end < len(data) else []
            else:
                begun.append(data)
        if begun:
            yield b"".join(begun)


class _Scan:
    """The lines of a shard so far."""

    def __init__(self, where: str, rows: ShardRows):
        self._where, self._rows = where, rows
        self._size = 0
        self._unusable = UnusableLines()

    def add(self, data: bytes) -> None:
        """Adds whole lines, the last of which may lack its newline."""
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        stops = np.cumsum(lengths + 1) - 1
        starts = stops - lengths
        self._rows.add_lines(self._size + starts)
        plain = self._read_all(data, starts, stops)
        if plain is None:
            usable, plain = self._read_each(lines, starts.tolist())
            lines, starts, lengths = [lines[at] for at in usable], starts[usable], lengths[usable]
        if lines:
            self._rows.add(b"".join(map(key_of, lines)), self._size + starts, lengths, *plain)
        self._size += len(data)

    def finished(self) -> Part:
        """What is known of the shard."""
        return self._rows.finished(self._size, self._unusable)

    def _read_all(self, data: bytes, starts: Offsets, stops: Offsets) -> tuple[Any, Numbers] | None:
        """Durations, and numbers of the labels, of lines that all are plain cuts; None if one is not."""
        plain = read_plain_cuts(data, starts, stops)
        if plain is None:
            return None
        durations, keys = plain
        try:
            return durations, np.fromiter(map(self._rows.numbers.__getitem__, keys), np.uint32, len(keys))
        except TypeError:  # a label is a list or an object
            return None

    def _read_each(self, lines: list[bytes], starts: list[int]) -> tuple[list[int], tuple[list[float], Numbers]]:
        """Which lines can be indexed, their durations, and numbers of the labels; one at least is no plain cut."""
        usable: list[int] = []
        durations: list[float] = []
        labels: list[int] = []
        for at, (line, start) in enumerate(zip(lines, starts)):
            found, stated = read_cut(line)
            if isinstance(found, Unusable):
                number = self._rows.rows + self._unusable.total + len(usable) + 1
                where = f"{self._where}: line {number} (byte {self._size + start}) {stated}"
                self._unusable = UnusableLines.added([self._unusable, UnusableLines.line(found, where)])
            else:
                assert isinstance(stated, CutLabels)
                usable.append(at)
                durations.append(found)
                labels.append(self._rows.numbers[stated])
        return usable, (durations, np.array(labels, np.uint32))
