"""The boxes of an MP4 file: whether all are there."""

from alm_beam.audio.faults import audio_fault
from alm_beam.audio.source import Source
from alm_beam.core.faults import RejectReason

_MOST_BOXES = 1_000_000
_OUTERMOST = frozenset(b"ftyp moov mdat moof mfra sidx styp free skip wide uuid meta pdin pnot udta prft emsg".split())


def is_in_fragments(source: Source) -> bool:
    """Whether its length is stated nowhere, as it was written piece by piece. Checks that all outermost boxes are
    there, and the table of contents among them.

    Raises:
        BadEntry: a box is cut off, or the table (`moov`) is missing, as of a recording that was cut short.
        OSError: its store fails.
    """
    position = 0
    names = set()
    for _ in range(_MOST_BOXES):
        head = source.at(position, 16)
        if len(head) < 8:
            break
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        elif size == 0:
            size = source.size - position
        if size < 8 or name not in _OUTERMOST:
            break  # a tag of another format, as a rule
        names.add(name)
        if position + size > source.size:
            shown = name.decode("latin-1")
            what = f"is cut off: its box {shown} ends at byte {position + size:,}, and the file at {source.size:,}"
            raise audio_fault(RejectReason.AUDIO_TRUNCATED, source.url, what)
        position += size
    if b"moov" not in names:
        what = "is cut off, or was never finished: its table of contents (moov) is missing"
        raise audio_fault(RejectReason.AUDIO_TRUNCATED, source.url, what)
    return b"moof" in names
