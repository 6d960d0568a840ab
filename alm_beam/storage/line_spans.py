"""Lines of manifests by where they stand, so that few bytes name them and any worker can read them.

Ranges of 8 MiB share manifests well among workers that read them. Where a line stands for an hour of work, each has to
go its own way, and its text, which may be 10 MB, need not.
"""

import uuid
from collections.abc import Iterator
from typing import NamedTuple

from alm_beam.core.manifest import ManifestLine, is_blank
from alm_beam.core.text import visible
from alm_beam.storage.compression import DecompressionError, is_compressed
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.line_reader import READ_BYTES, read_fully
from alm_beam.storage.lines import ManifestReadError, ReadRange, lines_in
from alm_beam.storage.manifest_file import has_changed, opened
from alm_beam.storage.paths import (
    errors_that_name,
    info_of,
    is_local,
    is_object_store,
    located,
    reason,
    version_of,
    written_whole,
)
from alm_beam.storage.secrets import shown
from alm_beam.storage.tally import count


class LineSpan(NamedTuple):
    """One line of a manifest, or several that follow each other.

    Attributes:
        manifest: the file that holds them, not compressed.
        start: byte offset of the first.
        stop: byte offset behind the last, without its newline.
        faulty: a line that its reader could not use, instead of them.
    """

    manifest: Manifest
    start: int
    stop: int
    faulty: ManifestLine | None = None


def spans_in(
    read: ReadRange, copies: str, span_bytes: int, options: StorageOptions, max_line_bytes: int
) -> Iterator[LineSpan]:
    """The lines that begin in a range, as spans.

    Args:
        read: the range.
        copies: a folder for what can only be read from its beginning: a manifest that is compressed, or whose
            filesystem gives no parts. It is copied there, uncompressed.
        span_bytes: lines are joined until they have so many bytes; 0: each is a span of its own.
        options: fsspec's, by protocol.
        max_line_bytes: a longer line comes as a faulty one.

    Raises:
        ManifestReadError: see `lines_in`.
    """
    for each in read.manifests:
        manifest = each if gives_parts(each, options) else copied_plain(each, copies, options)
        yield from _joined(
            lines_in(read._replace(manifests=(manifest,)), options, max_line_bytes), manifest, span_bytes
        )


def lines_of(span: LineSpan, options: StorageOptions = NO_OPTIONS) -> Iterator[ManifestLine]:
    """The lines of a span.

    Raises:
        ManifestReadError: the manifest cannot be read, or has changed.
    """
    if span.faulty is not None:
        yield span.faulty
        return
    name = shown(span.manifest.name or span.manifest.path)
    try:
        data = _bytes_of(span, options)
    except Exception as error:  # filesystems raise all kinds, and some messages hold what no log may show
        raise ManifestReadError(f"{visible(name)}: cannot be read ({reason(error)})") from None
    offset = span.start
    for text in data.split(b"\n"):
        line = ManifestLine(name, offset, text.removesuffix(b"\r"))
        if not is_blank(line):
            yield line
        offset += len(text) + 1


def _joined(lines: Iterator[ManifestLine], manifest: Manifest, span_bytes: int) -> Iterator[LineSpan]:
    span: LineSpan | None = None
    for line in lines:
        count(listed=1)
        if line.fault is not None:
            if span is not None:
                yield span
                span = None
            yield LineSpan(manifest, line.offset, line.offset, line)
            continue
        stop = line.offset + len(line.text)
        span = LineSpan(manifest, line.offset, stop) if span is None else span._replace(stop=stop)
        if span.stop - span.start >= span_bytes:
            yield span
            span = None
    if span is not None:
        yield span


def _bytes_of(span: LineSpan, options: StorageOptions) -> bytes:
    manifest, length = span.manifest, span.stop - span.start
    place = located(manifest.path, options)
    if is_local(place.fs):
        with opened(manifest, options) as file:
            file.seek(span.start)
            data = read_fully(file, length)
    else:
        info = info_of(place.fs, place.path)
        if info is None:
            raise FileNotFoundError
        data = b"" if has_changed(info, manifest) else place.fs.cat_file(place.path, start=span.start, end=span.stop)
    if len(data) != length:
        raise OSError("it has changed since the run began")
    return data


def gives_parts(manifest: Manifest, options: StorageOptions) -> bool:
    """Whether any part of a manifest can be read at the cost of that part."""
    fs = located(manifest.path, options).fs
    return (is_local(fs) or is_object_store(fs)) and not is_compressed(manifest.path)


def copied_plain(manifest: Manifest, folder: str, options: StorageOptions) -> Manifest:
    """A copy of a manifest in a folder, uncompressed, which is called as it is.

    Raises:
        ManifestReadError: the manifest cannot be read, has changed, or is compressed and not whole.
        OSError: the copy cannot be written.
    """
    url = f"{folder}/{uuid.uuid4().hex}.jsonl"
    place, name = located(url, options), shown(manifest.name or manifest.path)
    with errors_that_name(url), written_whole(place.fs, place.path, located(folder, options).path) as copy:
        try:
            with opened(manifest, options) as file:
                while data := file.read(READ_BYTES):
                    copy.write(data)
        except DecompressionError as error:
            raise ManifestReadError(f"{visible(name)}: {error}") from error
        except Exception as error:
            raise ManifestReadError(f"{visible(name)}: cannot be read ({reason(error)})") from None
    place.fs.invalidate_cache()
    info = place.fs.info(place.path)
    return Manifest(place.url(place.path), info["size"], version_of(info), manifest.name or manifest.path)
