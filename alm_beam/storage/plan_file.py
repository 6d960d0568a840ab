"""A plan of shards in a file of the run, of which whoever makes a shard reads that shard's part, and then its lines.

`plan.bin` begins with the byte offset of each shard's part and of the end (little-endian, 8 bytes each). A part is the
hash of what follows it, the length of its head (4 bytes), the head, which is JSON, and the records of its windows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from struct import Struct
from typing import Any

import msgspec
import numpy as np

from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.manifest import ManifestLine, without_bom
from alm_beam.core.text import visible
from alm_beam.storage.byte_ranges import REQUEST_BYTES, joined_ranges, read_ranges
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.cut_columns import PLANNED, Columns
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.index.format import IndexFault, key_of
from alm_beam.storage.line_spans import copied_plain, gives_parts
from alm_beam.storage.lines import ManifestReadError, shown_name
from alm_beam.storage.paths import errors_that_name, located, reason, written_whole
from alm_beam.storage.secrets import credentials_in, shown
from alm_beam.storage.shard_plan import ShardPlan

NAME = "plan.bin"

_OFFSET = np.dtype("<u8")
_HEAD = Struct("<16sI")
_LINES_AT_A_TIME = 4096


class PlannedFile(msgspec.Struct, frozen=True, array_like=True):
    """A file of cuts.

    Attributes:
        url: of the file, or of its uncompressed copy.
        name: what it is called in messages and rejects: without credentials, and of the original where it is a copy.
    """

    url: str
    name: str


class _Fault(msgspec.Struct, frozen=True, array_like=True):
    at: int
    reason: RejectReason
    detail: str


class _Part(msgspec.Struct, frozen=True):
    """What the head of a shard's part states."""

    plan: str
    number: int
    partition: tuple[str, str, str]
    files: tuple[PlannedFile, ...]
    faults: tuple[_Fault, ...]


@dataclass(frozen=True, eq=False)
class PlannedShard:
    """What goes into one shard.

    Attributes:
        plan: the key of the plan.
        number: of the shard, from 0.
        partition: corpus, split and language; empty texts where the format knows none.
        files: those that hold its lines.
        windows: records of PLANNED, in the order of the shard; `file` counts `files`.
        faults: of those lines that cannot be used whatever they hold, by position in `windows`.
    """

    plan: str
    number: int
    partition: tuple[str, str, str]
    files: tuple[PlannedFile, ...]
    windows: Columns
    faults: Mapping[int, BadEntry]


def write_plan(plan: ShardPlan, folder: str, options: StorageOptions = NO_OPTIONS) -> None:
    """Writes a plan to a folder. It is in place, whole, when this returns; one that was there is replaced.

    Files that are compressed, or whose filesystem gives no parts, are copied to the folder, uncompressed. So are those
    whose URLs hold credentials, which no file may hold.

    Raises:
        ManifestReadError: such a file cannot be read, or has changed since the plan was made.
        OSError: the plan cannot be written.
    """
    files = [_planned_file(each, folder, options) for each in plan.manifests]
    heads, size = [], _OFFSET.itemsize * (len(plan) + 1)
    offsets = np.empty(len(plan) + 1, _OFFSET)
    for number, (begin, end) in enumerate(_bounds(plan)):
        offsets[number] = size
        heads.append(_head(plan, number, files))
        size += _HEAD.size + len(heads[-1]) + (end - begin) * PLANNED.itemsize
    offsets[len(plan)] = size
    place = located(f"{folder}/{NAME}", options)
    with (
        errors_that_name(place.url(place.path)),
        written_whole(place.fs, place.path, place.path.rpartition("/")[0]) as file,
    ):
        file.write(offsets.tobytes())
        for head, (begin, end) in zip(heads, _bounds(plan)):
            windows = plan.windows[begin:end].copy()
            windows["file"] = np.unique(windows["file"], return_inverse=True)[1]
            content = head + windows.tobytes()
            file.write(_HEAD.pack(key_of(content), len(head)) + content)


def planned_shard(folder: str, number: int, options: StorageOptions = NO_OPTIONS) -> PlannedShard:
    """What goes into one shard of the plan that was written to a folder. Only that is read.

    Raises:
        IndexError: the plan has no such shard.
        IndexFault: the file is not as it was written.
        OSError: it cannot be read.
    """
    place = located(f"{folder}/{NAME}", options)
    where = place.url(place.path)
    with errors_that_name(where):
        first = _offsets(place.fs.cat_file(place.path, start=0, end=_OFFSET.itemsize))
        count = int(first[0]) // _OFFSET.itemsize - 1 if len(first) else -1
    if count < 0:
        raise _damaged(where)
    if not 0 <= number < count:
        raise IndexError(f"shard {number}: the plan has {count}")
    at = number * _OFFSET.itemsize
    with errors_that_name(where):
        bounds = _offsets(place.fs.cat_file(place.path, start=at, end=at + 2 * _OFFSET.itemsize)).tolist()
        content = place.fs.cat_file(place.path, start=bounds[0], end=bounds[1]) if len(bounds) == 2 else b""
    return _read(content, number, where)


def lines_of(shard: PlannedShard, options: StorageOptions = NO_OPTIONS) -> Iterator[ManifestLine]:
    """The lines of a shard, in its order. They are fetched by byte ranges, some 8 MB of lines at a time.

    Raises:
        ManifestReadError: a file cannot be read, or a line is not the one that was planned.
    """
    at = 0
    for windows in _batches(shard.windows):
        texts = _fetched(windows, shard.files, options)
        for window, text in zip(windows, texts):
            file, offset = shard.files[window["file"]], int(window["offset"])
            if key_of(text) != window["key"].tobytes():
                raise ManifestReadError(
                    f"{visible(file.name)}: the line at byte {offset}, of {window['length']} bytes, is not the one "
                    "that was planned: the file has changed since the run began; start the run again"
                )
            fault = shard.faults.get(at)
            line = ManifestLine(file.name, offset, text, fault)
            yield line if fault else line._replace(text=without_bom(line).removesuffix(b"\r"))
            at += 1


def _bounds(plan: ShardPlan) -> Iterator[tuple[int, int]]:
    ends = plan.ends.tolist()
    return zip([0, *ends], ends)


def _planned_file(manifest: Manifest, folder: str, options: StorageOptions) -> PlannedFile:
    is_plain = gives_parts(manifest, options) and not credentials_in(manifest.path)
    plain = manifest if is_plain else copied_plain(manifest, folder, options)
    return PlannedFile(plain.path, shown_name(manifest))


def _head(plan: ShardPlan, number: int, files: Sequence[PlannedFile]) -> bytes:
    begin, end = int(plan.ends[number - 1]) if number else 0, int(plan.ends[number])
    used = tuple(files[each] for each in np.unique(plan.windows["file"][begin:end]).tolist())
    faults = tuple(
        _Fault(at - begin, fault.reason, fault.detail) for at, fault in plan.faults.items() if begin <= at < end
    )
    return msgspec.json.encode(_Part(plan.key, number, plan.partitions[number], used, faults))


def _offsets(data: bytes) -> Any:
    return np.frombuffer(data, _OFFSET, len(data) // _OFFSET.itemsize)


def _read(content: bytes, number: int, where: str) -> PlannedShard:
    if len(content) < _HEAD.size:
        raise _damaged(where)
    key, length = _HEAD.unpack_from(content)
    body = content[_HEAD.size :]
    if key_of(body) != key:
        raise _damaged(where)
    part = msgspec.json.decode(body[:length], type=_Part)
    if part.number != number:
        raise _damaged(where)
    windows = np.frombuffer(body, PLANNED, offset=length)
    faults = {each.at: BadEntry(each.reason, each.detail) for each in part.faults}
    return PlannedShard(part.plan, number, part.partition, part.files, windows, faults)


def _damaged(where: str) -> IndexFault:
    return IndexFault(f"{shown(where)}: is not as it was written; start the run again")


def _batches(windows: Columns) -> Iterator[Columns]:
    """The windows in runs whose lines have about as many bytes as one request may have."""
    behind = np.cumsum(windows["length"], dtype=np.int64)
    begin = 0
    while begin < len(windows):
        before = int(behind[begin - 1]) if begin else 0
        end = int(np.searchsorted(behind, before + REQUEST_BYTES, side="right"))
        end = min(max(end, begin + 1), begin + _LINES_AT_A_TIME)
        yield windows[begin:end]
        begin = end


def _fetched(windows: Columns, files: Sequence[PlannedFile], options: StorageOptions) -> list[bytes]:
    """The bytes of lines. Those of one filesystem are asked for together."""
    starts = windows["offset"].astype(np.int64)
    ends = starts + windows["length"]
    order = np.lexsort((starts, windows["file"]))
    ranges = joined_ranges(windows["file"][order].tolist(), starts[order].tolist(), ends[order].tolist())
    pieces = _pieces(ranges, files, options)
    texts, at = [b""] * len(windows), 0
    for i in order.tolist():
        file, start, end = int(windows["file"][i]), int(starts[i]), int(ends[i])
        while not (ranges[at][0] == file and ranges[at][1] <= start and end <= ranges[at][2]):
            at += 1
        texts[i] = pieces[at][start - ranges[at][1] : end - ranges[at][1]]
    return texts


def _pieces(
    ranges: Sequence[tuple[int, int, int]], files: Sequence[PlannedFile], options: StorageOptions
) -> list[bytes]:
    found: list[bytes] = []
    places = {file: located(files[file].url, options) for file in dict.fromkeys(file for file, _, _ in ranges)}
    for _, run in groupby(ranges, key=lambda each: places[each[0]].root):
        asked = [(files[file].name, places[file], start, end) for file, start, end in run]
        fs = asked[0][1].fs
        paths, starts, ends = [place.path for _, place, _, _ in asked], *zip(*(each[2:] for each in asked))
        try:
            pieces = read_ranges(fs, paths, [*starts], [*ends], on_error="return")
        except Exception as error:
            raise _unreadable(asked[0][0], error) from None
        for (name, _, _, _), piece in zip(asked, pieces):
            if isinstance(piece, BaseException):
                raise _unreadable(name, piece)
            found.append(piece)
    return found


def _unreadable(name: str, error: BaseException) -> ManifestReadError:
    return ManifestReadError(f"{visible(name)}: cannot be read ({reason(error)})")
