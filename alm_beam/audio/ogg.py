"""The pages of an Ogg file: whether all are there, and whole."""

import math
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from alm_beam.audio.faults import audio_fault
from alm_beam.audio.source import Source
from alm_beam.core.faults import BadEntry, RejectReason

_HEAD_BYTES = 27
_MOST_PAGE_BYTES = 27 + 255 + 255 * 255
_READ_BYTES = 1 << 20
_LAST = 4
_WHOLE_AGAIN = 2
_NO_TIME = -1
"""Of a page in which no packet ends."""

OPUS_RATE = 48000
"""Hz, of times in Ogg Opus."""

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    """A page: where it begins and ends, its flags, the time at which it ends, its stream, its number in that, the
    checksum that it states.
    """

    begin: int
    end: int
    flags: int
    time: int
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


class BadPages(NamedTuple):
    """Pages that are damaged or missing.

    Attributes:
        start: the time, in the format's units, at which the last whole page before them ends.
        stop: that at which the second whole one after them ends; infinite if there is none. A decoder that is sent to
            the first one miscounts, as it does not know when that begins.
        fault: what is wrong with the first of them.
    """

    start: int
    stop: float
    fault: BadEntry


class Pages(NamedTuple):
    """What was found by reading all pages.

    Attributes:
        bad: those that are damaged or missing: the decoder passes over such pages in silence.
        end: the time, in the format's units, at which the last one ends.
        streams: how many streams there are.
    """

    bad: list[BadPages]
    end: int
    streams: int


def checked_pages(source: Source) -> Pages:
    """Reads all pages.

    Raises:
        OSError: its store fails.
    """
    bad: list[BadPages] = []
    numbers: dict[int, int] = {}
    time = whole = 0
    for begin, page, why in _pages(source):
        if page is None:
            if whole or not bad:
                bad.append(BadPages(time, math.inf, _damaged(source, why)))
            whole = 0
            continue
        expected = numbers.get(page.stream, page.number)
        if page.number != expected and (whole or not bad):
            whole = 0
            why = f"at byte {begin:,} is page {page.number} where {expected} should be"
            bad.append(BadPages(time, math.inf, _damaged(source, why)))
        numbers[page.stream] = page.number + 1
        if page.time != _NO_TIME:
            whole += 1
            time = page.time
            if whole == _WHOLE_AGAIN:
                bad = [each._replace(stop=min(each.stop, time)) for each in bad]
    return Pages(bad, time, len(numbers))


def _pages(source: Source) -> Iterator[tuple[int, _Page | None, str]]:
    """Where each page begins, the page, and where it is none or is damaged None, with the reason."""
    data, offset, junk = b"", 0, None
    while more := source.at(offset + len(data), _READ_BYTES):
        data += more
        at = 0
        while True:
            page = _page(data, at)
            if page is not None and page.end <= len(data):
                begin = offset + at
                is_whole = _checksum(data[at : page.end]) == page.checksum
                if junk is not None:
                    yield junk, None, f"a page should begin at byte {junk:,}"
                    junk = None
                if is_whole:
                    yield begin, page, ""
                    at = page.end
                    continue
                yield begin, None, f"the page at byte {begin:,} has another checksum than it states"
                at += 1
            elif len(data) - at < 4 or data.startswith(b"OggS", at):
                break
            junk = offset + at if junk is None else junk  # no matter if it is all that follows, as a tag may
            at = data.find(b"OggS", at)
            if at < 0:
                at = len(data) - 3
        data, offset = data[at:], offset + at


def _page(data: bytes, at: int) -> _Page | None:
    """The page that begins there, whose end may be behind the data; None where its head is not all there, or none."""
    head = data[at : at + _HEAD_BYTES]
    if len(head) < _HEAD_BYTES or head[:4] != b"OggS":
        return None
    laces = data[at + _HEAD_BYTES : at + _HEAD_BYTES + head[26]]
    if len(laces) < head[26]:
        return None
    stream, number, checksum = (int.from_bytes(head[place : place + 4], "little") for place in (14, 18, 22))
    time = int.from_bytes(head[6:14], "little", signed=True)
    return _Page(at, at + _HEAD_BYTES + len(laces) + sum(laces), head[5], time, stream, number, checksum)


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


def with_serial(data: bytes, serial: int) -> bytes:
    """A file of one stream, all of whose pages are whole, with that number of the stream: writers take any."""
    parts = []
    at = 0
    while (page := _page(data, at)) is not None:
        changed = data[at : at + 14] + serial.to_bytes(4, "little") + data[at + 18 : page.end]
        parts += [changed[:22], _checksum(changed).to_bytes(4, "little"), changed[26:]]
        at = page.end
    return b"".join(parts)
