"""Making an index: each shard is scanned into sorted runs of rows, and the runs are merged.

A run holds at most RUN_ROWS rows and is a file, so memory does not grow with a shard, nor with all of them. Every file
is written whole and with the same content by whoever writes it, so a runner may do any part of it again, or twice at
the same time.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.discovery import BEAM_TEMPORARY
from alm_beam.storage.index.format import (
    COMPRESSED_SHARD_NAME,
    FOLDER,
    MAX_SECONDS,
    META,
    ROW,
    ROWS,
    SHARD_NAME,
    VERSION,
    Digest,
    Fingerprint,
    IndexFault,
    Meta,
    Rows,
    Shard,
    key_of,
)
from alm_beam.storage.index.merge import RUN_ROWS, Run, merged, sorted_rows
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.paths import BLOCK_BYTES, Located, errors_that_name, files_below, info_of, located, written_whole
from alm_beam.storage.secrets import shown

Offsets: TypeAlias = npt.NDArray[np.int64]

TEMPORARY = f"{BEAM_TEMPORARY}{FOLDER}-parts"
"""The folder, in that of the cuts, of what an index is made from."""

_READ_BYTES = 1 << 19
_OPEN, _CLOSE = b"{}"


class _Custom(msgspec.Struct, gc=False):
    source: Any = None


class _Cut(msgspec.Struct, gc=False):
    """What a record states of a cut."""

    duration: float
    custom: _Custom = msgspec.field(default_factory=_Custom)


_decoder = msgspec.json.Decoder(_Cut)
_duration_of, _source_of = attrgetter("duration"), attrgetter("custom.source")


class _RunLabels(msgspec.Struct, frozen=True):
    """The labels of a run, sorted, which its rows count."""

    rows: int
    labels: tuple[str, ...]


class Part(msgspec.Struct, frozen=True):
    """What is known of a scanned shard; its rows are in runs beside it."""

    shard: Shard
    runs: tuple[_RunLabels, ...]


def find_shards(url: str, options: StorageOptions = NO_OPTIONS) -> list[str]:
    """The names of the shards in a folder, sorted.

    Raises:
        IndexFault: there is none, or a compressed one.
    """
    place = located(url, options)
    with errors_that_name(url):
        names = sorted(path.rpartition("/")[2] for path, _ in files_below(place.fs, place.path, 1))
    for name in names:
        if COMPRESSED_SHARD_NAME.fullmatch(name):
            raise IndexFault(f"{shown(url)}/{name}: is compressed, so no line of it can be found; decompress it")
    shards = [name for name in names if SHARD_NAME.fullmatch(name)]
    if not shards:
        raise IndexFault(f"{shown(url)}: holds no cuts*.jsonl")
    return shards


def scan_shard(url: str, name: str, parts: str, options: StorageOptions = NO_OPTIONS) -> Shard:
    """Makes the runs of a shard, and what is to be known of them.

    Args:
        url: the folder.
        name: the shard's name in it.
        parts: the folder for the runs.
        options: fsspec's.

    Raises:
        IndexFault: a line is blank, or no cut with a duration.
        OSError: something could not be read or written.
    """
    place, parts_place = located(url, options), located(parts, options)
    scan = _Scan(place, name, parts_place)
    for data in _whole_lines(place, f"{place.path}/{name}"):
        scan.add(data)
    part = scan.finished()
    with (
        errors_that_name(parts_place.url(parts_place.path)),
        written_whole(parts_place.fs, _part_path(parts_place, name), parts_place.path) as target,
    ):
        target.write(msgspec.json.encode(part))
    return part.shard


def _whole_lines(place: Located, path: str) -> Iterator[bytes]:
    """The bytes of a file in pieces that end with lines; the last one may lack its newline."""
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


def merge_parts(parts: str, names: Mapping[str, str], folder: str, options: StorageOptions = NO_OPTIONS) -> Meta:
    """Makes the index of shards that were scanned: rows.bin, and then index.json.

    Args:
        parts: the folder of the runs.
        names: the shards, by the names under which they were scanned; the order of both is the same.
        folder: for the index.
        options: fsspec's.
    """
    runs, place = located(parts, options), located(folder, options)
    with errors_that_name(place.url(place.path)):
        with written_whole(place.fs, f"{place.path}/{ROWS}", runs.path) as file:
            meta = merged_meta(runs, names, file.write)
        with written_whole(place.fs, f"{place.path}/{META}", runs.path) as file:
            file.write(orjson.dumps(msgspec.to_builtins(meta), option=orjson.OPT_INDENT_2) + b"\n")
    return meta


def merged_meta(parts: Located, names: Mapping[str, str], write: Callable[[memoryview], object]) -> Meta:
    """What is to be known of the index of shards that were scanned.

    Args:
        parts: the folder of their runs.
        names: see `merge_parts`.
        write: is given rows.bin, a block at a time.
    """
    found = [msgspec.json.decode(parts.fs.cat_file(_part_path(parts, name)), type=Part) for name in sorted(names)]
    labels = sorted({label for part in found for run in part.runs for label in run.labels})
    numbers = {label: number for number, label in enumerate(labels)}
    runs = [
        Run(_run_path(parts, part.shard.name, at), run.rows, shard, tuple(numbers[label] for label in run.labels))
        for shard, part in enumerate(found)
        for at, run in enumerate(part.runs)
    ]
    rows_digest, fingerprint = Digest(), Fingerprint(labels)
    for block in merged(parts.fs, runs, parts.path):
        rows_digest.add(block.data)
        fingerprint.add(block)
        write(block.data)
    return Meta(
        version=VERSION,
        rows=sum(run.rows for run in runs),
        duration=fingerprint.seconds(),
        rows_digest=rows_digest.hex(),
        fingerprint=fingerprint.hex(),
        labels=fingerprint.labels(),
        shards=tuple(msgspec.structs.replace(part.shard, name=names[part.shard.name]) for part in found),
    )


def build_index(url: str, *, overwrite: bool = False, storage_options: Mapping[str, Any] | None = None) -> Meta:
    """Makes the index of the cuts in a folder, in this process.

    Args:
        url: the folder of `cuts*.jsonl`; a path or any fsspec URL.
        overwrite: replace an index that is there.
        storage_options: fsspec's, as for `alm_beam.run`.

    Raises:
        IndexFault: there is an index, which is not to be overwritten; no shard; or one that cannot be indexed.
        StorageOptionsError: the storage options are malformed.
        OSError: something could not be read or written.

    >>> meta = build_index(windows, overwrite=True)  # a folder of cuts
    >>> meta.rows, len(meta.shards)
    (8, 1)
    """
    options = options_by_protocol(storage_options, [url])
    place = located(url, options)
    folder = url.rstrip("/")
    parts = f"{folder}/{TEMPORARY}"
    meta = f"{place.path}/{FOLDER}/{META}"
    names = find_shards(url, options)
    with errors_that_name(place.url(meta)):
        exists = info_of(place.fs, meta) is not None
        if exists and overwrite:
            place.fs.rm_file(meta)
    if exists and not overwrite:
        raise IndexFault(f"{shown(place.url(meta))}: there is an index; give --overwrite to make it again")
    try:
        for name in names:
            scan_shard(url, name, parts, options)
        return merge_parts(parts, dict(zip(names, names)), f"{folder}/{FOLDER}", options)
    finally:
        clear_parts(parts, options)


def clear_parts(parts: str, options: StorageOptions = NO_OPTIONS) -> None:
    """Removes what an index was made from."""
    place = located(parts, options)
    with errors_that_name(place.url(place.path)), suppress(FileNotFoundError):
        place.fs.rm(place.path, recursive=True)


def _part_path(parts: Located, name: str) -> str:
    return f"{parts.path}/{name}.part"


def _run_path(parts: Located, name: str, at: int) -> str:
    return f"{parts.path}/{name}.{at}"


class _Scan:
    """The rows of a shard so far."""

    def __init__(self, place: Located, name: str, parts: Located):
        self._name, self._parts = name, parts
        self._where = shown(place.url(f"{place.path}/{name}"))
        self._size = self._rows = 0
        self._digest = Digest()
        self._blocks: list[Rows] = []
        self._numbers: dict[str, int] = {}
        self._runs: list[_RunLabels] = []

    def add(self, data: bytes) -> None:
        """Adds whole lines, the last of which may lack its newline."""
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        stops = np.cumsum(lengths + 1) - 1
        starts = stops - lengths
        durations, sources = _read_lines(data, starts, stops) or self._read_each(lines, starts.tolist())
        keys = b"".join(map(key_of, lines))
        rows = np.zeros(len(starts), ROW)
        rows["key"] = np.frombuffer(keys, "V16")
        rows["offset"] = self._size + starts
        rows["length"] = lengths
        rows["duration"] = durations
        rows["label"] = self._labels(sources)
        self._digest.add(keys)
        self._size += len(data)
        self._rows += len(rows)
        self._blocks.append(rows)
        if sum(map(len, self._blocks)) >= RUN_ROWS:
            self._flush()

    def finished(self) -> Part:
        self._flush()
        return Part(Shard(self._name, self._size, self._rows, self._digest.hex()), tuple(self._runs))

    def _labels(self, sources: list[str]) -> npt.NDArray[np.uint32]:
        numbers = self._numbers
        for source in dict.fromkeys(sources):
            numbers.setdefault(source, len(numbers))
        return np.fromiter(map(numbers.__getitem__, sources), np.uint32, len(sources))

    def _read_each(self, lines: list[bytes], starts: list[int]) -> tuple[list[float], list[str]]:
        """Durations and sources of lines of which one at least is no plain cut."""
        cuts = [self._checked(line, self._size + start) for line, start in zip(lines, starts)]
        return [duration for duration, _ in cuts], [source for _, source in cuts]

    def _checked(self, line: bytes, offset: int) -> tuple[float, str]:
        where = f"{self._where}: the line at byte {offset}"
        if not line or line.isspace():
            raise IndexFault(f"{where} is blank; remove it")
        try:
            cut = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise IndexFault(f"{where} is not JSON ({error}); each line has to be a cut") from None
        duration: object = cut.get("duration") if isinstance(cut, dict) else None
        if isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration <= MAX_SECONDS:
            raise IndexFault(f"{where} is no object with a duration in seconds, from 0 to {MAX_SECONDS:.0f}: no cut")
        custom = cut.get("custom")
        source = custom.get("source") if isinstance(custom, dict) else None
        return duration, source if isinstance(source, str) else ""

    def _flush(self) -> None:
        """Writes the rows so far as a run."""
        if not self._blocks:
            return
        labels = sorted(self._numbers)
        ranks = np.empty(len(labels), np.uint32)
        ranks[[self._numbers[label] for label in labels]] = np.arange(len(labels))
        rows = np.concatenate(self._blocks)
        rows["label"] = ranks[rows["label"]]
        path = _run_path(self._parts, self._name, len(self._runs))
        with (
            errors_that_name(self._parts.url(path)),
            written_whole(self._parts.fs, path, self._parts.path) as file,
        ):
            file.write(sorted_rows(rows).data)
        self._runs.append(_RunLabels(len(rows), tuple(labels)))
        self._blocks, self._numbers = [], {}


def _read_lines(data: bytes, starts: Offsets, stops: Offsets) -> tuple[Any, list[str]] | None:
    """Durations and sources of lines that all are plain cuts; None if one is not.

    The decoder does not care where lines end. But where each begins with a brace and ends with one, no object goes over
    an end of line: nothing in an object may stand between `}` and `{` but a comma.
    """
    array = np.frombuffer(data, np.uint8)
    if not ((array[starts] == _OPEN).all() and (stops > starts).all() and (array[stops - 1] == _CLOSE).all()):
        return None
    try:
        if not data.isascii():
            data.decode()  # the decoder does not see to that in what it passes over
        cuts = _decoder.decode_lines(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    if len(cuts) != len(starts):
        return None
    durations = np.fromiter(map(_duration_of, cuts), np.float64, len(cuts))
    if not ((durations >= 0) & (durations <= MAX_SECONDS)).all():
        return None
    sources = list(map(_source_of, cuts))
    if set(map(type, sources)) != {str}:
        sources = [source if type(source) is str else "" for source in sources]
    return durations, sources
