"""The index of cuts, opened: which is when what is wrong with it, or with the cuts, is found."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alm_beam.storage.byte_ranges import read_ranges
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.index.fingerprint import repeats
from alm_beam.storage.index.format import (
    COMPRESSED_SHARD_NAME,
    FOLDER,
    MAX_SECONDS,
    META,
    ROW,
    ROWS,
    SHARD_NAME,
    Digest,
    IndexFault,
    Rows,
    key_of,
)
from alm_beam.storage.index.meta import AGAIN, Label, LabelSet, Meta, Shard, decoded_meta
from alm_beam.storage.mapped import mapped
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.paths import BLOCK_BYTES, Located, errors_that_name, files_below, is_local, located, modified
from alm_beam.storage.secrets import shown

__all__ = ["ROW", "Index", "IndexFault", "Label", "LabelSet", "Shard", "open_index"]

WHOLE_CHECK_BYTES = 256 << 20
"""A rows.bin of up to so many bytes (5,600,000 windows) is read whole when it is opened; a larger one in samples."""

_ROWS_AT_A_TIME = 1 << 16

_CANDIDATES = 1 << 16
"""Rows among which one of each shard is looked for: all of an index that has no more."""

_RUN = 1 << 10
"""So many of them are neighbours. Their order is that of a hash, so they are of any shards, and in few pages: rows one
by one would be read from 65,536 places of the disk."""

_NO_LINE = "a row is of no line of any shard, or not in its place"
_OTHER_BYTES = "its bytes are not those that were written (rows_digest in index.json is another)"


class Index:
    """An index that was sound when it was opened. Unpickling opens its rows again; no handle is shared over a fork.

    Attributes:
        url: the folder of the cuts, as given.
        rows: the records in the order of the index, read-only. They are mapped: the processes of a machine share them.
        version: of the format.
        fingerprint: of the windows in their order, the same however they were sharded.
        duration: seconds, of all windows.
        labels: the sources, sorted; each is a range of the rows.
        label_sets: corpus and language, sorted; `rows["label_set"]` counts them. None where an earlier alm_beam made
            the index.
        shards: the files; `rows["shard"]` counts them.
        meta: what index.json holds.
        options: fsspec's, by which the cuts are reached.
    """

    def __init__(self, url: str, meta: Meta, path: str, options: StorageOptions):
        """
        Args:
            url: the folder of the cuts.
            meta: what index.json holds.
            path: of rows.bin, or of its copy, on this machine.
            options: fsspec's.
        """
        self.url, self.options = url, options
        self.version, self.fingerprint, self.duration = meta.version, meta.fingerprint, meta.duration
        self.labels, self.label_sets, self.shards = meta.labels, meta.label_sets, meta.shards
        self.rows: Rows = np.empty(0, ROW)
        if meta.rows:
            with errors_that_name(path), open(path, "rb") as file:
                self.rows = np.frombuffer(mapped(file.fileno(), meta.rows * ROW.itemsize), ROW)
        self.rows.flags.writeable = False
        self.meta = meta

    @cached_property
    def repeated_windows(self) -> int:
        """How many rows are the same window as the row before; without them every window is there once.

        An index of version 2 does not state it, and all of its rows are read.
        """
        if self.meta.repeated_windows is not None:
            return self.meta.repeated_windows
        return sum(repeats(rows, before) for rows, before in self._blocks())

    def rows_of_sets(self, numbers: Sequence[int]) -> npt.NDArray[Any]:
        """The rows of label sets, given the numbers of these; increasing. It takes 4 bytes a row, which forks share."""
        begins = np.cumsum([0, *(each.rows for each in self.label_sets or ())])
        parts = [self._rows_by_set[begins[number] : begins[number + 1]] for number in numbers]
        return parts[0] if len(parts) == 1 else np.sort(np.concatenate([self._rows_by_set[:0], *parts]))

    @cached_property
    def _rows_by_set(self) -> npt.NDArray[Any]:
        """The rows of the first label set, of the next, ..."""
        which = self.rows["label_set"]
        if len(self.label_sets or ()) <= 1 << 16:
            which = which.astype(np.uint16)  # which NumPy sorts in linear time
        order = np.argsort(which, kind="stable")
        return order.astype(np.uint32) if len(order) < 1 << 32 else order

    def _blocks(self) -> Iterator[tuple[Rows, Rows]]:
        """The rows, so many at a time, and the row before, or none."""
        for at in range(0, len(self), _ROWS_AT_A_TIME):
            yield self.rows[at : at + _ROWS_AT_A_TIME], self.rows[max(at - 1, 0) : at]

    def __len__(self) -> int:
        return self.meta.rows

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened_again, (self.url, self.meta, self.options)


def open_index(url: str, *, samples: int = 16, storage_options: Mapping[str, Any] | None = None) -> Index:
    """The index of a folder of cuts, if it is sound and the cuts are those that it was made of.

    Of the shards it looks at names, sizes and times, by one listing, and reads so many lines, and one of each shard
    where there are no more shards than that. `verify_index` reads everything.

    Args:
        url: the folder; a path or any fsspec URL. Of a remote one rows.bin is copied to the temporary folder of this
            machine (TMPDIR) once, under a name made of its digest.
        samples: how many lines are read and compared with their records.
        storage_options: fsspec's, as for `alm_beam.run`.

    Raises:
        IndexFault: there is no index, or something does not fit. The message names the file, what, and what to do.
        StorageOptionsError: the storage options are malformed.
        OSError: something could not be read.

    >>> index = open_index(windows)  # a folder of cuts with an index
    >>> len(index), [label.label for label in index.labels], float(index.rows["duration"].sum()) == index.duration
    (8, ['calls', 'meetings'], True)
    """
    options = options_by_protocol(storage_options, [url])
    place = located(url, options)
    meta = _read_meta(place)
    _check_shards(place, meta)
    index = Index(url, meta, _rows_path(place, meta), options)
    _check_rows(place, index)
    _check_lines(place, index, sampled_rows(index.rows, meta, samples))
    return index


def _opened_again(url: str, meta: Meta, options: StorageOptions) -> Index:
    """An index in another process, opened without a look at the cuts."""
    place = located(url, options)
    if _read_meta(place) != meta:
        raise IndexFault(f"{_meta_url(place)}: the index was made again since this one was opened; open it anew")
    return Index(url, meta, _rows_path(place, meta, trusted=True), options)


def _file(place: Located, name: str) -> str:
    return f"{place.path}/{FOLDER}/{name}"


def _meta_url(place: Located) -> str:
    return shown(place.url(_file(place, META)))


def _read_meta(place: Located) -> Meta:
    where = _meta_url(place)
    try:
        with errors_that_name(where):
            content: bytes = place.fs.cat_file(_file(place, META))
    except FileNotFoundError:
        raise IndexFault(f"{where}: there is no index; make one: alm-beam index DIR") from None
    return decoded_meta(content, where)


def check_files(place: Located, meta: Meta) -> None:
    """Compares the files of an index that was made with what it states, without a look into the cuts.

    Raises:
        IndexFault: a shard was changed since, or the index is not the one that was made.
        OSError: something could not be read.
    """
    if _read_meta(place) != meta:
        raise IndexFault(f"{_meta_url(place)}: another process has made the index again")
    _check_size(place, meta)
    _check_shards(place, meta)


def _check_shards(place: Located, meta: Meta) -> None:
    """Compares the files with what index.json says of them, by one listing of each folder."""
    with errors_that_name(place.url(place.path)):
        files = {path.rpartition("/")[2]: info for path, info in files_below(place.fs, place.path, 1)}
        made = modified(place.fs.info(_file(place, META)))
    known = {shard.name: shard for shard in meta.shards}
    for name in sorted(files.keys() | known.keys()):
        where = shown(place.url(f"{place.path}/{name}"))
        if name not in files:
            raise IndexFault(f"{where}: is in the index, but missing; restore it, or {AGAIN}")
        if name not in known:
            if SHARD_NAME.fullmatch(name):
                raise IndexFault(f"{where}: is not in the index; remove it, or {AGAIN}")
            if COMPRESSED_SHARD_NAME.fullmatch(name):
                raise IndexFault(f"{where}: is not in the index, and compressed; remove or decompress it, and {AGAIN}")
            continue
        size, indexed = int(files[name]["size"]), known[name].size
        if size != indexed:
            what = "data was appended" if size > indexed else "it is empty" if not size else "it is cut off"
            other = next((each.name for each in meta.shards if each.size == size), None)
            what += f", or swapped with {other}, which had this size" if other else ", or it was rewritten"
            raise IndexFault(
                f"{where}: has {size} bytes, {indexed} when it was indexed: {what}; restore it, or {AGAIN}"
            )
        if modified(files[name]) > made:
            why = "it was rewritten or copied since. The same windows give the same index, and no state is lost"
            raise IndexFault(f"{where}: is newer than the index: {why}; {AGAIN}")


def _check_size(place: Located, meta: Meta) -> int:
    """The size of rows.bin, bytes, which is that of its rows."""
    path = _file(place, ROWS)
    where = shown(place.url(path))
    size = meta.rows * ROW.itemsize
    try:
        with errors_that_name(where):
            found = int(place.fs.info(path)["size"])
    except FileNotFoundError:
        raise IndexFault(f"{where}: is missing; {AGAIN}") from None
    if found != size:
        what = "it is empty" if not found else "it is cut off" if found < size else "something was appended"
        raise IndexFault(f"{where}: has {found} bytes where {meta.rows} rows have {size}: {what}; {AGAIN}")
    return size


def _rows_path(place: Located, meta: Meta, *, trusted: bool = False) -> str:
    """Where rows.bin is on this machine; its bytes are those that index.json means, as far as they are looked at."""
    path, size = _file(place, ROWS), _check_size(place, meta)
    where = shown(place.url(path))
    is_checked = not trusted and size <= WHOLE_CHECK_BYTES
    if is_local(place.fs) or not size:
        if is_checked and size and _digest_of_file(path) != meta.rows_digest:
            raise IndexFault(f"{where}: {_OTHER_BYTES}; {AGAIN}")
        return path
    copy = _cache_folder() / f"{meta.rows_digest}.bin"
    is_whole = copy.exists() and copy.stat().st_size == size
    if not is_whole or (is_checked and _digest_of_file(str(copy)) != meta.rows_digest):
        _fetch(place, path, copy, meta)
    return str(copy)


def _cache_folder() -> Path:
    """A folder of this user's alone, as its files are believed."""
    user = os.getuid() if hasattr(os, "getuid") else None  # on Windows each user has a temporary folder
    folder = Path(tempfile.gettempdir(), f"alm_beam_index_{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if user is not None and (folder.is_symlink() or status.st_uid != user or status.st_mode & 0o022):
        raise OSError(f"{folder}: others may write there; remove it, or set TMPDIR to another folder")
    return folder


def _fetch(place: Located, path: str, copy: Path, meta: Meta) -> None:
    """Copies rows.bin, whole or not at all."""
    where, digest = shown(place.url(path)), Digest()
    with tempfile.NamedTemporaryFile(dir=copy.parent, delete=False) as target:
        try:
            with (
                errors_that_name(where),
                place.fs.open(path, "rb", block_size=BLOCK_BYTES, cache_type="readahead") as source,
            ):
                while data := source.read(BLOCK_BYTES):
                    digest.add(data)
                    target.write(data)
            target.close()
            if digest.hex() != meta.rows_digest:
                raise IndexFault(f"{where}: {_OTHER_BYTES}; {AGAIN}")
            os.replace(target.name, copy)
        except BaseException:
            target.close()
            os.unlink(target.name)
            raise


def _digest_of_file(path: str) -> str:
    digest = Digest()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.add(data)
    return digest.hex()


def _check_rows(place: Located, index: Index) -> None:
    """Looks at the first and the last row of each label; and at all rows, of no more than are read whole."""
    where = shown(place.url(_file(place, ROWS)))
    for number, label in enumerate(index.labels):
        if not index.rows["label"][label.first] == index.rows["label"][label.first + label.rows - 1] == number:
            raise IndexFault(f"{where}: rows from {label.first} on are not of label {label.label!r}; {AGAIN}")
    if index.rows.nbytes <= WHOLE_CHECK_BYTES:
        sizes = np.array([shard.size for shard in index.shards], np.uint64)
        if not all(_are_sound(rows, before, sizes) for rows, before in index._blocks()):
            raise IndexFault(f"{where}: {_NO_LINE}; {AGAIN}")
        if index.label_sets is not None and not _are_counted(index, [each.rows for each in index.label_sets]):
            raise IndexFault(f"{where}: its rows are not those of the label sets that {META} lists; {AGAIN}")


def _are_counted(index: Index, counts: Sequence[int]) -> bool:
    """Whether each label set has as many rows as it should."""
    found = np.zeros(len(counts), np.int64)
    for rows, _ in index._blocks():
        if rows["label_set"].max() >= len(counts):
            return False
        found += np.bincount(rows["label_set"], minlength=len(counts))
    return bool((found == counts).all())


def _are_sound(rows: Rows, before: Rows, sizes: npt.NDArray[np.uint64]) -> bool:
    """Whether each row may be that of a line, and labels are in their order.

    Args:
        rows: in the order of the index.
        before: the row before the first of them, or none.
        sizes: of the shards, bytes.
    """
    if rows["shard"].max() >= len(sizes):
        return False
    size = sizes[rows["shard"]]
    labels = np.concatenate((before["label"], rows["label"]))
    return bool(
        (rows["offset"] <= size).all()
        and (rows["length"] <= size - rows["offset"]).all()
        and ((rows["duration"] >= 0) & (rows["duration"] <= MAX_SECONDS)).all()
        and (labels[1:] >= labels[:-1]).all()
    )


def sampled_rows(rows: Rows, meta: Meta, samples: int) -> list[int]:
    """Numbers of the rows whose lines are read on opening: so many, and one of each shard if there are not more.

    Args:
        rows: all.
        meta: what index.json holds.
        samples: how many, evenly spaced.
    """
    if not len(rows) or samples < 1:
        return []
    chosen = {int(at) for at in np.linspace(0, len(rows) - 1, min(samples, len(rows)))}
    if len(meta.shards) <= samples:
        candidates = _candidates(len(rows), [label.first for label in meta.labels])
        _, first = np.unique(rows["shard"][candidates], return_index=True)
        chosen.update(candidates[first].tolist())
    return sorted(chosen)


def _candidates(count: int, begins: Sequence[int]) -> npt.NDArray[np.int64]:
    """Rows among which one of each shard is looked for: runs that begin where labels do, and evenly spaced ones.

    Args:
        count: of the rows.
        begins: the first row of each label.
    """
    if count <= _CANDIDATES:
        return np.arange(count)
    runs = _CANDIDATES // _RUN // 2
    of_labels = np.array(begins)[np.linspace(0, len(begins) - 1, min(runs, len(begins))).astype(np.int64)]
    spaced = np.linspace(0, count - _RUN, runs).astype(np.int64)
    found = np.concatenate((of_labels, spaced))[:, None] + np.arange(_RUN)
    return np.unique(found[found < count])


def _check_lines(place: Located, index: Index, numbers: Iterable[int]) -> None:
    """Reads lines and compares them with their records."""
    rows = index.rows[list(numbers)]
    if not len(rows):
        return
    for row in rows:
        end = int(row["offset"]) + int(row["length"])
        if row["shard"] >= len(index.shards) or end > index.shards[row["shard"]].size:
            raise IndexFault(f"{shown(place.url(_file(place, ROWS)))}: {_NO_LINE}; {AGAIN}")
    paths = [f"{place.path}/{index.shards[row['shard']].name}" for row in rows]
    befores = [int(row["offset"] > 0) for row in rows]
    starts = [int(row["offset"]) - before for row, before in zip(rows, befores)]
    ends = [int(row["offset"]) + int(row["length"]) for row in rows]
    with errors_that_name(place.url(place.path)):
        pieces: list[Any] = read_ranges(place.fs, paths, starts, ends, on_error="return")
    for path, row, before, piece in zip(paths, rows, befores, pieces):
        if isinstance(piece, BaseException):
            with errors_that_name(place.url(path)):
                raise piece
        if piece[:before] not in (b"", b"\n") or key_of(piece[before:]) != row["key"].tobytes():
            where = shown(place.url(path))
            what = f"the line at byte {row['offset']} is not the one that was indexed"
            raise IndexFault(f"{where}: {what}: the file was rewritten, or swapped; restore it, or {AGAIN}")
