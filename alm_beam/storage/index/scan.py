"""Scanning a shard of cuts into sorted runs of rows.

A run holds at most RUN_ROWS rows and is a file, so memory does not grow with a shard. Every file is written whole and
with the same content by whoever writes it, so a runner may scan a shard again, or twice at the same time.
"""

import os
from collections.abc import Iterator, Sequence
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile, gettempdir
from typing import IO, Annotated, Any, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from alm_beam.core.cut_labels import CutLabels
from alm_beam.core.offsets_file import offsets_file
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.index.format import (
    COMPRESSED_SHARD_NAME,
    OFFSETS_ENDING,
    ROW,
    SHARD_NAME,
    Digest,
    IndexFault,
    Rows,
    key_of,
)
from alm_beam.storage.index.merge import RUN_ROWS, sorted_rows
from alm_beam.storage.index.meta import Shard, why_no_shard_name
from alm_beam.storage.index.plain_cuts import LabelNumbers, Offsets, read_plain_cuts
from alm_beam.storage.index.unusable import Unusable, UnusableLines, read_cut
from alm_beam.storage.paths import BLOCK_BYTES, Located, errors_that_name, files_below, located, written_whole
from alm_beam.storage.secrets import shown
from alm_beam.storage.tally import count

_Numbers: TypeAlias = npt.NDArray[np.uint32]
_Sortable = TypeVar("_Sortable", str, tuple[str, str])

_READ_BYTES = 1 << 19
_OFFSETS_BYTES = 4 << 20
"""More than that of where lines begin is held in a temporary file."""


class RunLabels(msgspec.Struct, frozen=True):
    """The labels of a run, and its sets of corpus and language. Both are sorted, and its rows count them."""

    rows: Annotated[int, msgspec.Meta(ge=0)]
    labels: tuple[str, ...]
    label_sets: tuple[tuple[str, str], ...]


class Part(msgspec.Struct, frozen=True):
    """What is known of a scanned shard; its rows are in runs beside it.

    Attributes:
        shard: as the index states it.
        runs: of its rows.
        unusable: lines that have no row.
    """

    shard: Shard
    runs: tuple[RunLabels, ...]
    unusable: UnusableLines


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
    place, parts_place = located(url, options), located(parts, options)
    scan = _Scan(place, name, parts_place)
    with SpooledTemporaryFile(_OFFSETS_BYTES) as offsets:
        for data in whole_lines(place, f"{place.path}/{name}"):
            count(scanned=len(data))
            starts = scan.add(data)
            with errors_that_name(gettempdir()):
                offsets.write(starts.astype("<u8").data)
        part = scan.finished()
        _write_offsets(parts_place, name, offsets, part.shard.size)
    with (
        errors_that_name(parts_place.url(parts_place.path)),
        written_whole(parts_place.fs, part_path(parts_place, name), parts_place.path) as target,
    ):
        target.write(msgspec.json.encode(part))
    return part


def read_part(parts: Located, name: str) -> Part:
    """What `scan_shard` wrote of a shard.

    Raises:
        IndexFault: it was changed.
        OSError: it could not be read.
    """
    path = part_path(parts, name)
    with errors_that_name(parts.url(path)):
        content = parts.fs.cat_file(path)
    try:
        part = msgspec.json.decode(content, type=Part)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise IndexFault(f"{shown(parts.url(path))}: was changed ({error}); start again") from None
    if part.shard.name != name or part.shard.rows != sum(run.rows for run in part.runs):
        raise IndexFault(f"{shown(parts.url(path))}: was changed; start again")
    return part


def part_path(parts: Located, name: str) -> str:
    """Where it is known what is in a shard."""
    return f"{parts.path}/{name}.part"


def offsets_name(name: str) -> str:
    """What the file is called that says where the lines of a shard begin, beside its runs as beside the shard."""
    return f"{name}{OFFSETS_ENDING}"


def run_path(parts: Located, name: str, at: int) -> str:
    """Where a run of a shard is."""
    return f"{parts.path}/{name}.{at}"


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


def _write_offsets(parts: Located, name: str, offsets: IO[bytes], size: int) -> None:
    path = f"{parts.path}/{offsets_name(name)}"
    offsets.seek(0)
    with errors_that_name(parts.url(path)), written_whole(parts.fs, path, parts.path) as target:
        copyfileobj(offsets, target)
        target.write(offsets_file([], size))


class _Scan:
    """The rows of a shard so far."""

    def __init__(self, place: Located, name: str, parts: Located):
        self._name, self._parts = name, parts
        self._where = shown(place.url(f"{place.path}/{name}"))
        self._size = self._rows = 0
        self._digest = Digest()
        self._blocks: list[Rows] = []
        self._numbers = LabelNumbers()
        self._runs: list[RunLabels] = []
        self._unusable = UnusableLines()

    def add(self, data: bytes) -> Offsets:
        """Adds whole lines, the last of which may lack its newline; tells where each begins in the shard."""
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        stops = np.cumsum(lengths + 1) - 1
        starts = stops - lengths
        begins = self._size + starts
        plain = self._read_all(data, starts, stops)
        if plain is None:
            usable, plain = self._read_each(lines, starts.tolist())
            lines, starts, lengths = [lines[at] for at in usable], starts[usable], lengths[usable]
        if lines:
            self._add_rows(lines, starts, lengths, *plain)
        self._size += len(data)
        return begins

    def _add_rows(
        self, lines: list[bytes], starts: Offsets, lengths: Offsets, durations: Any, labels: _Numbers
    ) -> None:
        keys = b"".join(map(key_of, lines))
        rows = np.zeros(len(lines), ROW)
        rows["key"] = np.frombuffer(keys, "V16")
        rows["offset"] = self._size + starts
        rows["length"] = lengths
        rows["duration"] = durations
        rows["label"] = labels
        self._digest.add(keys)
        self._rows += len(rows)
        self._blocks.append(rows)
        if sum(map(len, self._blocks)) >= RUN_ROWS:
            self._flush()

    def finished(self) -> Part:
        self._flush()
        shard = Shard(self._name, self._size, self._rows, self._digest.hex())
        return Part(shard, tuple(self._runs), self._unusable)

    def _read_all(self, data: bytes, starts: Offsets, stops: Offsets) -> tuple[Any, _Numbers] | None:
        """Durations, and numbers of the labels, of lines that all are plain cuts; None if one is not."""
        plain = read_plain_cuts(data, starts, stops)
        if plain is None:
            return None
        durations, keys = plain
        try:
            return durations, np.fromiter(map(self._numbers.__getitem__, keys), np.uint32, len(keys))
        except TypeError:  # a label is a list or an object
            return None

    def _read_each(self, lines: list[bytes], starts: list[int]) -> tuple[list[int], tuple[list[float], _Numbers]]:
        """Which lines can be indexed, their durations, and numbers of the labels; one at least is no plain cut."""
        usable: list[int] = []
        durations: list[float] = []
        labels: list[int] = []
        for at, (line, start) in enumerate(zip(lines, starts)):
            found, stated = read_cut(line)
            if isinstance(found, Unusable):
                number = self._rows + self._unusable.total + len(usable) + 1
                where = f"{self._where}: line {number} (byte {self._size + start}) {stated}"
                self._unusable = UnusableLines.added([self._unusable, UnusableLines.line(found, where)])
            else:
                assert isinstance(stated, CutLabels)
                usable.append(at)
                durations.append(found)
                labels.append(self._numbers[stated])
        return usable, (durations, np.array(labels, np.uint32))

    def _flush(self) -> None:
        """Writes the rows so far as a run."""
        if not self._blocks:
            return
        rows = np.concatenate(self._blocks)
        numbers = rows["label"].copy()
        used = np.flatnonzero(np.bincount(numbers))
        of_rows = [self._numbers.labels[number] for number in used]
        labels, ranks = _sorted_and_ranks([each.source for each in of_rows], used)
        label_sets, set_ranks = _sorted_and_ranks([(each.corpus, each.language) for each in of_rows], used)
        rows["label"], rows["label_set"] = ranks[numbers], set_ranks[numbers]
        path = run_path(self._parts, self._name, len(self._runs))
        with (
            errors_that_name(self._parts.url(path)),
            written_whole(self._parts.fs, path, self._parts.path) as file,
        ):
            file.write(sorted_rows(rows).data)
        self._runs.append(RunLabels(len(rows), labels, label_sets))
        self._blocks, self._numbers = [], LabelNumbers()


def _sorted_and_ranks(
    found: Sequence[_Sortable], numbers: npt.NDArray[np.intp]
) -> tuple[tuple[_Sortable, ...], _Numbers]:
    """The different ones, sorted; and by the number of each, which increase, its place among these."""
    ordered = sorted(set(found))
    places = {each: place for place, each in enumerate(ordered)}
    ranks = np.zeros(numbers[-1] + 1, np.uint32)
    ranks[numbers] = [places[each] for each in found]
    return tuple(ordered), ranks
