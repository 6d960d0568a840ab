"""The lines of manifests, each with its place, read in ranges that workers can share."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from alm_beam.core.manifest import ManifestLine, is_blank
from alm_beam.storage.compression import DecompressionError, decompressed, is_compressed
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.discovery import Manifest, find_manifests
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.paths import BLOCK_BYTES, is_local, located, reason, version_of
from alm_beam.storage.secrets import shown

_READ_BYTES = 1 << 20

_RANGE_BYTES = 8 << 20
"""What one worker takes at a time: about a second of work, so that all workers end at about the same time."""

_OPEN_BYTES = 1 << 16
"""What opening a file counts as: a store may take a tenth of a second for it, whatever the file's size."""


class ManifestReadError(OSError):
    """A manifest could not be read to its end: the message names it and the cause.

    >>> import pathlib
    >>> _ = pathlib.Path("cut_off.jsonl.gz").write_bytes(b"no gzip")
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


def read_manifests(*inputs: str, storage_options: Mapping[str, Any] | None = None) -> Iterator[ManifestLine]:
    """The lines of manifests, one for each entry, without Beam. Blank lines are left out.

    Args:
        inputs: files, folders (searched recursively for .jsonl and .json, compressed or not) and globs; paths or any
            fsspec URLs. A manifest that is named twice is read twice.
        storage_options: fsspec's options for the URLs, `{"<option>": value}` or `{"<protocol>": {"<option>": value}}`.

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
    manifests = find_manifests(inputs, options)  # now, so that a mistyped input is an error where it is named
    lines = (line for manifest in manifests for line in lines_in(ReadRange((manifest,)), options))
    return (line for line in lines if not is_blank(line))


def ranges_of(
    manifests: Iterable[Manifest], size: int = _RANGE_BYTES, opening: int = _OPEN_BYTES
) -> Iterator[ReadRange]:
    """All of the manifests, in ranges of about a size in bytes: parts of a large one, several small ones.

    Compressed ones are not split; empty ones are left out. A small one counts as `opening` bytes at least.
    """
    small: list[Manifest] = []
    room = size
    for manifest in manifests:
        if manifest.size > size and not is_compressed(manifest.path):
            for start in range(0, manifest.size, size):
                yield ReadRange((manifest,), start, min(start + size, manifest.size))
        elif manifest.size:
            counted = max(manifest.size, opening)
            if small and counted > room:
                yield ReadRange(tuple(small))
                small, room = [], size
            small.append(manifest)
            room -= counted
    if small:
        yield ReadRange(tuple(small))


def lines_in(read: ReadRange, options: StorageOptions = NO_OPTIONS) -> Iterator[ManifestLine]:
    """The lines that begin in the range.

    Raises:
        ManifestReadError: a file cannot be read, has changed since it was found, or is compressed and not whole.
    """
    for manifest in read.manifests:
        name = shown(manifest.path)
        label = name if name.isprintable() else ascii(name)  # the last line of a worker's message is what is told
        try:
            with _opened(manifest, options) as file:
                for offset, text in _lines(file, read.start, read.stop):
                    yield ManifestLine(name, offset, text)
        except DecompressionError as error:
            raise ManifestReadError(f"{label}: the compressed data is cut off or corrupt ({error})") from error
        except Exception as error:  # filesystems raise all kinds, and some messages hold what no log may show
            raise ManifestReadError(f"{label}: cannot be read ({reason(error)})") from None


def has_changed(info: Mapping[str, Any], manifest: Manifest) -> bool:
    """Whether an opened file is another one than was found, as far as its filesystem tells.

    Args:
        info: what the filesystem told when the file was opened; empty where it told nothing.
        manifest: the file as it was found.
    """
    name, version = version_of(info)
    found, version_found = manifest.version
    size = info.get("size")  # an HTTP server that gives no ranges may state none
    return size not in (None, manifest.size) or (name == found and version != version_found)


@contextmanager
def _opened(manifest: Manifest, options: StorageOptions) -> Iterator[IO[bytes]]:
    """The manifest's uncompressed bytes."""
    place = located(manifest.path, options)
    with (
        open(place.path, "rb", buffering=0)
        if is_local(place.fs)
        else place.fs.open(place.path, "rb", block_size=BLOCK_BYTES, cache_type="readahead")
    ) as raw:
        if has_changed(_info_of_opened(raw), manifest):
            raise OSError("it has changed since the run began")
        yield decompressed(manifest.path, raw)
        if has_changed(_info_of_opened(raw), manifest):  # a local one that was written anew may have ended early
            raise OSError("it has changed since the run began")


def _info_of_opened(file: Any) -> Mapping[str, Any]:
    if hasattr(file, "details"):
        return file.details or {}
    try:
        status = os.fstat(file.fileno())
    except (AttributeError, OSError):
        return {}  # a filesystem whose files tell nothing of themselves
    return {"size": status.st_size, "mtime": status.st_mtime}


def _lines(file: IO[bytes], start: int, stop: int | None) -> Iterator[tuple[int, bytes]]:
    """The offsets and texts of the lines that begin from `start` to before `stop`."""
    offset = start
    skips = start > 0
    if skips:
        offset -= 1  # if that byte is a newline, a line begins at `start`
        file.seek(offset)
    begun: list[bytes] = []  # the line at `offset`, in pieces: it may be long, and each join would copy it
    while skips or stop is None or offset < stop:
        data = file.read(_READ_BYTES)
        if not data:
            if begun and not skips:
                yield offset, b"".join(begun).removesuffix(b"\r")
            return
        first, *pieces = data.split(b"\n")
        begun.append(first)
        if not pieces:
            continue
        pieces.insert(0, b"".join(begun))
        begun = [last] if (last := pieces.pop()) else []
        for text in pieces:
            if skips:
                skips = False
            elif stop is not None and offset >= stop:
                return
            else:
                yield offset, text.removesuffix(b"\r")
            offset += len(text) + 1
