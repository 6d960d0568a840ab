"""The pages of an Ogg file: whether all are there, and whole."""

import zlib
from typing import NamedTuple

from alm_beam.audio.faults import audio_fault
from alm_beam.audio.source import Source
from alm_beam.core.faults import BadEntry, RejectReason

_HEAD_BYTES = 27
_MOST_PAGE_BYTES = 27 + 255 + 255 * 255
_READ_BYTES = 1 << 20
_LAST = 4
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    """A page: where it begins and ends, its flags, its stream, its number in that, the checksum that it states."""

    begin: int
    end: int
    flags: int
    stream: int
    number: int
    checksum: int


def check_end(source: Source) -> None:
    """Checks that the file ends with a page that is marked as the last one.

    Raises:
        BadEntry: it ends within a page, or before the last one.
        OSError: its store fails.
    """
    tail_at = max(0, source.size - 2 * _MOST_PAGE_BYTES)
    tail = source.at(tail_at, source.size - tail_at)
    at = tail.rfind(b"OggS")
    while at >= 0:
        page = _page(tail, at)
        if page is None or page.end > len(tail):
            raise _truncated(source, "it ends within a page")
        if _checksum(tail[page.begin : page.end]) == page.checksum:
            if not page.flags & _LAST:
                raise _truncated(source, "its last page is not marked as the last one")
            return
        at = tail.rfind(b"OggS", 0, at)
    raise _truncated(source, "there is no whole page at its end")


def check_pages(source: Source) -> None:
    """Reads all pages, and checks that none is damaged or missing: the decoder passes over such pages in silence.

    Raises:
        BadEntry: one is.
        OSError: its store fails.
    """
    numbers: dict[int, int] = {}
    data, offset, junk = b"", 0, None
    while more := source.at(offset + len(data), _READ_BYTES):
        data += more
        at = 0
        while True:
            page = _page(data, at)
            if page is not None and page.end <= len(data):
                if junk is not None:
                    raise _damaged(source, f"a page should begin at byte {junk:,}")
                _check(source, data, offset, page, numbers)
                at = page.end
                continue
            if len(data) - at < 4 or data.startswith(b"OggS", at):
                break
            junk = offset + at if junk is None else junk  # no matter if it is all that follows, as a tag may
            at = data.find(b"OggS", at)
            if at < 0:
                at = len(data) - 3
        data, offset = data[at:], offset + at


def _check(source: Source, data: bytes, offset: int, page: _Page, numbers: dict[int, int]) -> None:
    begin = offset + page.begin
    if _checksum(data[page.begin : page.end]) != page.checksum:
        raise _damaged(source, f"the page at byte {begin:,} has another checksum than it states")
    expected = numbers.get(page.stream, page.number)
    if page.number != expected:
        raise _damaged(source, f"at byte {begin:,} is page {page.number} where {expected} should be")
    numbers[page.stream] = page.number + 1


def _page(data: bytes, at: int) -> _Page | None:
    """The page that begins there, whose end may be behind the data; None where its head is not all there, or none."""
    head = data[at : at + _HEAD_BYTES]
    if len(head) < _HEAD_BYTES or head[:4] != b"OggS":
        return None
    laces = data[at + _HEAD_BYTES : at + _HEAD_BYTES + head[26]]
    if len(laces) < head[26]:
        return None
    stream, number, checksum = (int.from_bytes(head[place : place + 4], "little") for place in (14, 18, 22))
    return _Page(at, at + _HEAD_BYTES + len(laces) + sum(laces), head[5], stream, number, checksum)


def _checksum(page: bytes) -> int:
    """Ogg's: that of zlib with the bits of each byte, and of the result, in the other order, from 0 on."""
    blank = page[:22] + bytes(4) + page[26:]
    value = zlib.crc32(blank.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)


def _truncated(source: Source, why: str) -> BadEntry:
    advice = "fetch it again; if it has always been so, ffmpeg -i OLD -c copy NEW gives it an end"
    return audio_fault(RejectReason.AUDIO_TRUNCATED, source.url, f"is cut off: {why}", advice)


def _damaged(source: Source, why: str) -> BadEntry:
    return audio_fault(RejectReason.AUDIO_UNREADABLE, source.url, f"is damaged: {why}")
