"""Lines of a file, each in time in proportion to its length, and in bounded memory whatever its length."""

import io
from collections.abc import Iterator
from typing import IO, NamedTuple

from backports.zstd import compress, decompress

from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.manifest import REJECTED_LINE_CHARS, ManifestLine

READ_BYTES = 1 << 20

HEAD_BYTES = 4 * REJECTED_LINE_CHARS
"""What is kept of a line, or of a file, that cannot be used."""

_PLAIN_BYTES = 64 << 20
"""What of a line comes after that is held compressed until the line is whole."""

_BLANK_BYTES = 1 << 16
"""So much white space in one read is passed over, instead of being taken for that many lines."""

_BEFORE_BYTES = 64


class Beginning(NamedTuple):
    """Where the first line of a range begins.

    Attributes:
        offset: bytes from the start of the file; the end of the range, or behind it, if no line begins there.
        data: what was read from there on.
        before: the last byte before it that is not white space, if it is near; empty at the start of the file.
    """

    offset: int
    data: bytes = b""
    before: bytes = b""


def beginning(file: IO[bytes], start: int, stop: int | None) -> Beginning:
    """The first line that begins from `start` to before `stop`. Nothing behind `stop` is read to find it."""
    if not start:
        return Beginning(0)
    position, before = max(start - 1 - _BEFORE_BYTES, 0), b""
    file.seek(position)
    while stop is None or position < stop - 1:
        data = file.read(READ_BYTES if stop is None else min(READ_BYTES, stop - 1 - position))
        if not data:
            break
        at = data.find(b"\n", max(start - 1 - position, 0))  # if a newline is before `start`, a line begins there
        before = (before + (data if at < 0 else data[:at]))[-_BEFORE_BYTES:]
        if at >= 0:
            return Beginning(position + at + 1, data[at + 1 :], before.rstrip()[-1:])
        position += len(data)
    return Beginning(position if stop is None else stop)


def lines_from(
    begins: Beginning, file: IO[bytes], name: str, stop: int | None, max_line_bytes: int
) -> Iterator[ManifestLine]:
    """The lines that begin before `stop`. Of very many blank ones in a row, some are left out.

    Args:
        begins: where the first of them does, in the file's bytes so far.
        file: read from there on.
        name: of the file, for the lines.
        stop: byte offset; None: to the end.
        max_line_bytes: a longer line comes as its beginning, with its fault.
    """
    offset, data = begins.offset, begins.data
    line = _PartialLine(max_line_bytes)  # the one at `offset`, as far as it was read
    while stop is None or offset < stop:
        data = data or file.read(READ_BYTES)
        if not data:
            if line.length:
                yield line.as_line(name, offset)
            return
        blank = 0
        if len(data) > _BLANK_BYTES and data.isspace() and b"\n" in data:
            first, last = data.find(b"\n"), data.rfind(b"\n")
            texts, rest = ([data[:first]], data[last + 1 :]) if line.length else ([], data[last + 1 :])
            blank = last - first if line.length else last + 1
        else:
            *texts, rest = data.split(b"\n")
        for text in texts:
            if stop is not None and offset >= stop:
                return
            length = len(text)
            if line.length or length > max_line_bytes:
                line.add(text)
                length = line.length
                yield line.as_line(name, offset)
                line = _PartialLine(max_line_bytes)
            else:
                yield ManifestLine(name, offset, text.removesuffix(b"\r"))
            offset += length + 1
        offset += blank
        data = b""
        line.add(rest)
        if line.length > max_line_bytes and stop is not None and offset < stop <= offset + line.length:
            yield line.as_line(name, offset)  # nothing else begins before `stop`, wherever the line ends
            return


class _PartialLine:
    """A line that comes in pieces.

    What comes after the first 64 MiB is held compressed: so a line that was sent compressed (a few MB may be one of
    1 GB) takes about the memory that it had then, until it is known to be whole and not too long.

    Attributes:
        length: bytes so far.
    """

    def __init__(self, max_bytes: int):
        self._max_bytes = max_bytes
        self.length = 0
        self._plain: list[bytes] = []
        self._packed: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """Appends; of a line that is too long, nothing but the beginning is kept."""
        if not piece:
            return
        was_kept = self.length <= self._max_bytes
        self.length += len(piece)
        if self.length > self._max_bytes:
            if was_kept:
                self._plain = [b"".join(_first(HEAD_BYTES, [*self._plain, piece]))]
                self._packed = []
        elif self.length <= _PLAIN_BYTES:
            self._plain.append(piece)
        else:
            self._packed.append(compress(piece, 1))

    def as_line(self, name: str, offset: int) -> ManifestLine:
        """The line, or its beginning and its fault."""
        if self.length > self._max_bytes:
            detail = f"the line has at least {self.length} bytes, more than --max_line_bytes={self._max_bytes}"
            return ManifestLine(name, offset, self._plain[0], BadEntry(RejectReason.LINE_TOO_LONG, detail))
        if not self._packed:
            return ManifestLine(name, offset, b"".join(self._plain).removesuffix(b"\r"))
        whole = io.BytesIO()  # unlike a join, it does not take all pieces at a time
        whole.writelines(self._plain)
        self._plain = []
        for piece in self._packed:
            whole.write(decompress(piece))
        self._packed = []
        whole.seek(-1, io.SEEK_END)
        if whole.read() == b"\r":
            whole.truncate(self.length - 1)
        return ManifestLine(name, offset, whole.getvalue())


def _first(size: int, pieces: list[bytes]) -> Iterator[bytes]:
    """The pieces as far as their first bytes go, so many of them."""
    for piece in pieces:
        yield piece[:size]
        size -= len(piece[:size])


def read_fully(file: IO[bytes], size: int) -> bytes:
    """So many bytes, or those up to the end."""
    pieces = []
    while size and (data := file.read(size)):
        pieces.append(data)
        size -= len(data)
    return b"".join(pieces)
