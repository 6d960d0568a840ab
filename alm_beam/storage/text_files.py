"""Files of other tools than this one: lines of text, and whole documents."""

from collections.abc import Iterator

from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.file_kinds import KIND_BYTES, text_fault
from alm_beam.core.manifest import ManifestLine, is_blank
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.line_reader import HEAD_BYTES, READ_BYTES, Beginning, lines_from, read_fully
from alm_beam.storage.lines import read_errors_that_name, shown_name
from alm_beam.storage.manifest_file import opened


def text_lines(file: Manifest, max_line_bytes: int, options: StorageOptions = NO_OPTIONS) -> Iterator[ManifestLine]:
    """The lines of a file, without blank ones. A file that cannot be text is one line, with its fault.

    Args:
        file: as it was found.
        max_line_bytes: a longer line comes as its beginning, with its fault.
        options: fsspec's, by protocol.

    Raises:
        ManifestReadError: the file cannot be read to its end.
    """
    name = shown_name(file)
    with read_errors_that_name(name, max_line_bytes), opened(file, options) as content:
        head = read_fully(content, KIND_BYTES)
        if fault := text_fault(head):
            yield ManifestLine(name, 0, head[:HEAD_BYTES], fault)
            return
        found = lines_from(Beginning(0, head), content, name, None, max_line_bytes)
        yield from (line for line in found if not is_blank(line))


def document(file: Manifest, max_bytes: int, options: StorageOptions = NO_OPTIONS) -> ManifestLine:
    """All of a file, as one line; its beginning and the fault of one that has more than `max_bytes`.

    Raises:
        ManifestReadError: the file cannot be read to its end.
    """
    name = shown_name(file)
    with read_errors_that_name(name, max_bytes), opened(file, options) as content:
        text = read_fully(content, max_bytes + 1)
        if len(text) <= max_bytes:
            return ManifestLine(name, 0, text)
        while content.read(READ_BYTES):  # to its end, where it may turn out to be cut off
            pass
    detail = f"the file has more than --max_line_bytes={max_bytes} bytes, uncompressed"
    return ManifestLine(name, 0, text[:HEAD_BYTES], BadEntry(RejectReason.LINE_TOO_LONG, detail))
