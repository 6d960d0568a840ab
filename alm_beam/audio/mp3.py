"""What the first frame of an MP3 file says of its length."""

from alm_beam.audio.faults import audio_fault
from alm_beam.audio.source import Source
from alm_beam.core.faults import RejectReason

SLACK = 3 * 1152
"""Encoders miscount by a frame or two, and decoders leave out what they begin with."""

_HAS_FRAMES = 1
_HAS_BYTES = 2


def states_its_length(source: Source, tag: int) -> bool:
    """Whether the first frame states how many there are. Without that libsndfile makes an estimate, and reads no more.

    Args:
        source: the bytes.
        tag: bytes of the ID3 tag before the first frame.

    Raises:
        BadEntry: it states more bytes than there are.
        OSError: its store fails.
    """
    frame = source.at(tag, 256)
    at = 4 + _side_info(frame)
    if frame[at : at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(frame[at + 4 : at + 8], "big")
        size_at = at + (12 if flags & _HAS_FRAMES else 8)
        if flags & _HAS_BYTES:
            _check_size(source, tag, int.from_bytes(frame[size_at : size_at + 4], "big"))
        return bool(flags & _HAS_FRAMES)
    if frame[36:40] == b"VBRI":
        _check_size(source, tag, int.from_bytes(frame[46:50], "big"))
    return False


def _side_info(frame: bytes) -> int:
    """Bytes between the head of a frame and its data."""
    is_version_1, is_mono = frame[1:2] >= b"\xf8", frame[3:4] >= b"\xc0"
    if is_version_1:
        return 17 if is_mono else 32
    return 9 if is_mono else 17


def _check_size(source: Source, tag: int, stated: int) -> None:
    present = source.size - tag
    if stated > present:
        what = f"is cut off: its header states {stated:,} bytes, and {present:,} are there"
        raise audio_fault(RejectReason.AUDIO_TRUNCATED, source.url, what)
