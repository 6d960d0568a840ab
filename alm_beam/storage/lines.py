"""The lines of manifests, each with its place, read in ranges that workers can share."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

from alm_beam.core.config import EntryConfig
from alm_beam.core.file_kinds import KIND_BYTES, file_fault, is_object
from alm_beam.core.manifest import ManifestLine, is_blank
from alm_beam.core.text import visible
from alm_beam.storage.compression import DecompressionError, is_compressed
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.discovery import Manifest, find_manifests
from alm_beam.storage.line_reader import HEAD_BYTES, Beginning, beginning, lines_from, read_fully
from alm_beam.storage.manifest_file import opened
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.paths import reason
from alm_beam.storage.secrets import shown
from alm_beam.storage.spool import Spool
from alm_beam.storage.tally import count, counted

_RANGE_BYTES = 8 << 20
"""What one worker takes at a time: about a second of work, so that all workers end at about the same time."""

_OPEN_BYTES = 1 << 16
"""What opening a file counts as: a store may take a tenth of a second for it, whatever the file's size."""


class ManifestReadError(OSError):
    """A manifest could not be read to its end: the message names it and the cause.

    >>> import gzip, pathlib
    >>> _ = pathlib.Path("cut_off.jsonl.gz").write_bytes(gzip.compress(b"{}")[:-1])
    >>> next(read_manifests("cut_off.jsonl.gz"))
    Traceback (most recent call last):
        ...
    alm_beam.storage.lines.ManifestReadError: ...cut_off.jsonl.gz: the compressed data is cut off or corrupt (...)
    """


class ReadRange(NamedTuple):
    """What one worker reads in one go.

    Attributes:
        manifests: read one after the other.
        start: byte offset; lines that begin there or later are read.
        stop: byte offset; only lines that begin before it are read. None: to the end, for several manifests and for
            one that cannot be split.
    """

    manifests: tuple[Manifest, ...]
    start: int = 0
    stop: int | None = None


def read_manifests(
    *inputs: str,
    storage_options: Mapping[str, Any] | None = None,
    max_line_bytes: int = EntryConfig.max_line_bytes,
) -> Iterator[ManifestLine]:
    """The lines of manifests, one for each entry, without Beam. Blank lines are left out.

    A line that is too long, and a file that is no manifest at all, come as one line each, with a fault, which
    `parse_recording` raises.

    Args:
        inputs: files, folders (searched recursively for .jsonl and .json, compressed or not) and globs; paths or any
            fsspec URLs. A manifest that is named twice is read twice. A pipe is read now, to its end, into a temporary
            file, which is gone when the iterator is.
        storage_options: fsspec's options for the URLs, `{"<option>": value}` or `{"<protocol>": {"<option>": value}}`.
        max_line_bytes: a longer line (bytes, uncompressed) cannot be used.

    Raises:
        InputError: an input names no manifest, or one that cannot be read.
        StorageOptionsError: the storage options are malformed.
        ManifestReadError: while iterating: a manifest cannot be read, has changed, or is compressed and not whole.

    >>> import alm_beam.sample
    >>> lines = list(read_manifests(alm_beam.sample.SHIPPED))
    >>> len(lines), lines[0].offset, lines[1].offset == len(lines[0].text) + 1
    (5, 0, True)
    """
    options = options_by_protocol(storage_options, inputs)
    spool = Spool()
    manifests = find_manifests(inputs, options, spool)  # now, so that a mistyped input is an error where it is named
    count(found=sum(manifest.size for manifest in manifests))
    return _all_lines(manifests, options, spool, max_line_bytes)


def _all_lines(
    manifests: Iterable[Manifest], options: StorageOptions, spool: Spool, max_line_bytes: int
) -> Iterator[ManifestLine]:
    try:
        for manifest in manifests:
            yield from counted_lines(ReadRange((manifest,)), options, max_line_bytes)
    finally:
        spool.remove()


def ranges_of(
    manifests: Iterable[Manifest], size: int = _RANGE_BYTES, opening: int = _OPEN_BYTES
) -> Iterator[ReadRange]:
    """All of the manifests, in ranges of at most a size in bytes: equal parts of a large one, several small ones.

    The parts of a large one are an even number: of two workers, each then has as much to do. Compressed ones are not
    split; empty ones are left out. A small one counts as `opening` bytes at least.
    """
    small: list[Manifest] = []
    room = size
    for manifest in manifests:
        if manifest.size > size and not is_compressed(manifest.path):
            parts = 2 * math.ceil(manifest.size / (2 * size))
            bounds = [manifest.size * part // parts for part in range(parts + 1)]
            for start, stop in pairwise(bounds):
                yield ReadRange((manifest,), start, stop)
        elif manifest.size:
            counted = max(manifest.size, opening)
            if small and counted > room:
                yield ReadRange(tuple(small))
                small, room = [], size
            small.append(manifest)
            room -= counted
    if small:
        yield ReadRange(tuple(small))


def lines_in(
    read: ReadRange, options: StorageOptions = NO_OPTIONS, max_line_bytes: int = EntryConfig.max_line_bytes
) -> Iterator[ManifestLine]:
    """The lines that begin in the range, without blank ones. A file that is no manifest is one line, with its fault.

    Args:
        read: the range.
        options: fsspec's, by protocol.
        max_line_bytes: a longer line comes as its beginning, with its fault.

    Raises:
        ManifestReadError: a file cannot be read, has changed since it was found, is compressed and not whole, or needs
            more memory than there is.
    """
    for manifest in read.manifests:
        name = shown_name(manifest)
        with read_errors_that_name(name, max_line_bytes), opened(manifest, options) as file:
            begins = beginning(file, read.start, read.stop)
            found = lines_from(begins, file, name, read.stop, max_line_bytes)
            lines = (line for line in found if not is_blank(line))
            first = next(lines, None)
            if first is None:
                continue
            whole = None if _is_of_manifest(first, begins) else _no_manifest(manifest, name, options)
            if whole is None:
                yield first
                yield from lines
            elif read.start == 0:
                yield whole


def counted_lines(read: ReadRange, options: StorageOptions, max_line_bytes: int) -> Iterator[ManifestLine]:
    """The same, while their bytes are counted: those of a compressed file by who reads it."""
    plain = [each for each in read.manifests if not is_compressed(each.path)]
    names, size = {*map(shown_name, plain)}, sum(each.size for each in plain)
    lines = lines_in(read, options, max_line_bytes)
    sized = ((line, len(line.text) + 1 if line.file in names else 0) for line in lines)
    return counted(sized, size if read.stop is None else read.stop - read.start)


def shown_name(manifest: Manifest) -> str:
    """What a file is called in lines, rejects and messages."""
    return shown(manifest.name or manifest.path)


@contextmanager
def read_errors_that_name(name: str, max_line_bytes: int) -> Iterator[None]:
    """Turns whatever comes of reading a file into a ManifestReadError that names it."""
    label = visible(name)  # in one line: the last one of a worker's message is what is told
    try:
        yield
    except DecompressionError as error:
        raise ManifestReadError(f"{label}: {error}") from error
    except MemoryError:
        raise ManifestReadError(
            f"{label}: a line of it, or its decompression, takes more memory than there is; "
            f"with a --max_line_bytes below {max_line_bytes}, a longer line is rejected"
        ) from None
    except Exception as error:  # filesystems raise all kinds, and some messages hold what no log may show
        raise ManifestReadError(f"{label}: cannot be read ({reason(error)})") from None


def _is_of_manifest(first: ManifestLine, begins: Beginning) -> bool:
    """Whether the first line of a range tells that the file is no other than a manifest, good or bad.

    An object on a line of its own is in no JSON document of several lines if it is the first, or another comes before
    it without a comma.
    """
    return is_object(first.text) and (begins.offset == 0 or begins.before == b"}")


def _no_manifest(manifest: Manifest, name: str, options: StorageOptions) -> ManifestLine | None:
    """The one line that a file is that is no manifest; None where it may be one."""
    with opened(manifest, options) as file:
        head = read_fully(file, KIND_BYTES)
        fault = file_fault(head, is_whole=len(head) < KIND_BYTES)
    return None if fault is None else ManifestLine(name, 0, head[:HEAD_BYTES], fault)
