"""How long a FLAC file is: what its header says, and where its last frame ends."""

from alm_beam.audio.faults import audio_fault
from alm_beam.audio.source import Source
from alm_beam.core.faults import BadEntry, RejectReason

_TAG_BYTES = 1 << 16
_FRAME_HEADS = 256
"""Bytes that a frame has at most besides its samples."""

_BLOCK_SIZES = {
    1: 192,
    **{code: 576 << (code - 2) for code in range(2, 6)},
    **{c: 256 << (c - 8) for c in range(8, 16)},
}


def checked_frames(source: Source, tag: int) -> int | None:
    """Samples per channel, which are there to the last; None where the header is not understood.

    A header that has none, as of a recording that was streamed, is amended by what the last frame says.

    Raises:
        BadEntry: the file ends before its audio does, or has none.
        OSError: its store fails.
    """
    head = source.at(tag, 42)
    if len(head) < 42 or head[4] & 0x7F or head[:4] != b"fLaC":
        return None
    bits = int.from_bytes(head[18:26], "big")
    block_size, stated = int.from_bytes(head[10:12], "big"), bits & (1 << 36) - 1
    channels, sample_bits = (bits >> 41 & 7) + 1, (bits >> 36 & 31) + 1
    most_bytes = block_size * channels * (sample_bits + 1) // 8 + _FRAME_HEADS
    end = _end_of_last_frame(source, block_size, most_bytes, tag + 42)
    if end is None:
        how_long = f"states {stated:,} samples" if stated else "states no length"
        raise _truncated(source, f"its header {how_long}, and its last frame is not whole")
    if end < stated:
        raise _truncated(source, f"its header states {stated:,} samples, and its last frame ends after {end:,}")
    if not stated:
        source.amend(tag + 18, (bits | end).to_bytes(8, "big"))
    return stated or end


def _truncated(source: Source, why: str) -> BadEntry:
    return audio_fault(RejectReason.AUDIO_TRUNCATED, source.url, f"is cut off: {why}")


def _end_of_last_frame(source: Source, block_size: int, most_bytes: int, first: int) -> int | None:
    """The number of samples up to the end of the frame that ends where the file does; None: no frame does."""
    stop = _end_without_tags(source)
    begin = max(first, stop - most_bytes)
    tail = source.at(begin, max(0, stop - begin))
    at = tail.rfind(b"\xff")
    while at >= 0:
        if tail[at + 1 : at + 2] in (b"\xf8", b"\xf9"):
            end = _end_of_frame(tail[at : at + 16], block_size)
            if end is not None and _crc16(memoryview(tail)[at:]) == 0:  # as of what ends with its own checksum
                return end
        at = tail.rfind(b"\xff", 0, at)
    return None


def _end_without_tags(source: Source) -> int:
    """Where the audio ends: before an ID3v1 tag, an APE tag, and zeros."""
    stop = source.size
    if source.at(max(0, stop - 128), 3) == b"TAG":
        stop -= 128
    footer = source.at(max(0, stop - 32), 32)
    if footer[:8] == b"APETAGEX":
        has_header = 32 if footer[23] & 0x80 else 0
        stop -= int.from_bytes(footer[12:16], "little") + has_header
    tail = source.at(max(0, stop - _TAG_BYTES), min(stop, _TAG_BYTES))
    zeros = len(tail) - len(tail.rstrip(b"\0"))
    return stop - zeros if zeros > 16 else stop


def _end_of_frame(head: bytes, block_size: int) -> int | None:
    """The number of samples up to the end of the frame with this header; None if it is no header of one."""
    if len(head) < 6:
        return None
    code = head[2] >> 4
    number, at = _coded_number(head)
    if number is None or code == 0 or head[3] & 1:
        return None
    size = _BLOCK_SIZES.get(code, 0)
    if code in (6, 7):
        size = int.from_bytes(head[at : at + code - 5], "big") + 1
        at += code - 5
    at += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if at >= len(head) or _crc8(head[:at]) != head[at]:
        return None
    if head[1] & 1:
        return number + size
    return number * block_size + size


def _coded_number(head: bytes) -> tuple[int | None, int]:
    """The number of a frame or of its first sample, written as UTF-8 writes characters; and where it ends."""
    first = head[4] if len(head) > 4 else 0xFF
    if first < 0x80:
        return first, 5
    more = 0
    while more < 7 and first & 0x40 >> more:
        more += 1
    rest = head[5 : 5 + more]
    if not 1 <= more <= 6 or len(rest) < more or any(byte & 0xC0 != 0x80 for byte in rest):
        return None, 0
    number = first & (0x3F >> more)
    for byte in rest:
        number = number << 6 | byte & 0x3F
    return number, 5 + more


def _table(polynomial: int, bits: int) -> list[int]:
    top, mask = 1 << bits - 1, (1 << bits) - 1
    table = []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
        table.append(value)
    return table


_CRC8 = _table(0x07, 8)
_CRC16 = _table(0x8005, 16)


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def _crc16(data: memoryview) -> int:
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ _CRC16[value >> 8 ^ byte]
    return value
