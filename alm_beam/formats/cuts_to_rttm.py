"""Cuts to RTTM: who speaks when in the recordings that they are of, each supervision once.

Windows overlap, and truncation shortens a supervision in one and not in another: of what has the same id, speaker and
channel and touches, one line is made, from the first start to the last end. Times are those in the recording.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from alm_beam.core.cut_fields import checked_cut, recording_of, supervisions_of, time_in
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.formats.format import Piece, Target
from alm_beam.formats.rttm import rttm_line

_SUPERVISION = "supervision"


class _Spoken(NamedTuple):
    start: Decimal
    end: Decimal
    identity: str
    speaker: str | None
    channel: str


def pieces(cut: Mapping[str, Any]) -> Iterator[Piece]:
    """The supervisions of a cut that last.

    Raises:
        BadEntry: it is not a cut of one recording, or has no times.

    >>> heard = {"id": "a-0", "start": 0.5, "duration": 2, "speaker": "ann"}
    >>> [piece] = pieces({"start": 10.25, "recording": {"id": "ami"}, "supervisions": [heard]})
    >>> piece.recording, piece.value
    ('ami', ['10.75', '12.75', 'a-0', 'ann', '1'])
    """
    checked_cut(cut)
    recording, begin = recording_of(cut), time_in(cut, "start", "the cut")
    for index, each in enumerate(supervisions_of(cut)):
        at = f"supervisions[{index}]"
        start, duration = begin + time_in(each, "start", at), time_in(each, "duration", at)
        if duration < 0:
            detail = f"{at}.duration: expected 0 or more seconds, found {duration}"
            raise BadEntry(RejectReason.END_BEFORE_START, detail)
        if duration == 0:
            continue  # of a word that truncation left nothing of
        channel = _rttm_channel(each.get("channel", 0))
        times = [f"{start:f}", f"{start + duration:f}"]
        identity = str(each["id"]) if each.get("id") is not None else "-".join(times)
        for name in _speakers(each):
            yield Piece(recording, _SUPERVISION, [*times, identity, name, channel])


def lines(recording: str, pieces: Sequence[Piece]) -> list[bytes]:
    """The lines of a recording, by start and end."""
    spoken = [_Spoken(Decimal(start), Decimal(end), *others) for start, end, *others in (each.value for each in pieces)]
    spoken.sort(key=lambda each: (each.identity, each.speaker or "", each.channel, each.start, each.end))
    joined: list[_Spoken] = []
    for each in spoken:
        last = joined[-1] if joined else None
        if last is not None and last[2:] == each[2:] and each.start <= last.end:
            joined[-1] = last._replace(end=max(last.end, each.end))
        else:
            joined.append(each)
    joined.sort(key=lambda each: (each.start, each.end, each.identity))
    return [rttm_line(recording, each.channel, each.start, each.end, each.speaker) for each in joined]


def _speakers(supervision: Mapping[str, Any]) -> list[str | None]:
    """The speaker of a supervision; all of them where its label joined several, which `custom` then names."""
    custom = supervision.get("custom")
    several = custom.get("speakers") if type(custom) is dict else None
    if type(several) is list and several and all(type(each) is str for each in several):
        return list(several)
    speaker = supervision.get("speaker")
    return [None if speaker in (None, "") else str(speaker)]


def _rttm_channel(channel: Any) -> str:
    """A channel of Lhotse's, from 0, as RTTM counts it, from 1; of several, the first."""
    first = min(channel, default=0) if type(channel) is list else channel
    return str(first + 1) if type(first) is int else str(first)


TARGET = Target(pieces, lines, ".rttm")
