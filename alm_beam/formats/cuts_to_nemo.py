"""Cuts to a manifest of NeMo's: a line a cut, with the part of the audio file that it is.

NeMo's loaders read `audio_filepath`, `offset` and `duration` (seconds), `text` and `lang`; its Lhotse loader hands over
the other fields as custom ones. No line states a `sampling_rate`: where one does, that loader looks at no file, and
takes `duration` for that of the whole file, in which a later `offset` is not to be found.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from alm_beam.core.cut_fields import checked_cut, recording_of, supervisions_of, time_in
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.formats.format import Piece, Target

_CUT = "cut"


def pieces(cut: Mapping[str, Any]) -> Iterator[Piece]:
    """The line that a cut makes.

    Raises:
        BadEntry: it is not a cut of one recording with one audio file, or has no times.

    >>> audio = {"id": "ami", "sampling_rate": 16000, "sources": [{"type": "file", "channels": [0], "source": "a.wav"}]}
    >>> heard = [{"start": 0, "duration": 2, "speaker": "ann", "text": "good morning"}]
    >>> [piece] = pieces({"start": 10.25, "duration": 2, "recording": audio, "supervisions": heard})
    >>> piece.value["audio_filepath"], piece.value["offset"], piece.value["text"], piece.value["speaker"]
    ('a.wav', 10.25, 'good morning', 'ann')
    """
    checked_cut(cut)
    for name in ("start", "duration"):
        time_in(cut, name, "the cut")
    recording = cut.get("recording")
    if type(recording) is not dict:
        raise BadEntry(RejectReason.RECORDING_MISSING, "the cut has no recording, which names its audio")
    value = {"audio_filepath": _audio_of(recording, cut), "offset": cut["start"], "duration": cut["duration"]}
    heard = supervisions_of(cut)
    spoken = [each["text"] for each in heard if type(each.get("text")) is str and each["text"].strip()]
    if spoken:
        value["text"] = " ".join(map(str.strip, spoken))
    for name, field in (("speaker", "speaker"), ("lang", "language")):
        found = {each.get(field) for each in heard if type(each.get(field)) in (str, int)}
        if len(found) == 1:
            value[name] = found.pop()
    yield Piece(recording_of(cut), _CUT, value)


def lines(_: str, pieces: Sequence[Piece]) -> list[bytes]:
    """The lines of a recording's cuts, in their order."""
    return [orjson.dumps(each.value) for each in pieces]


def _audio_of(recording: Mapping[str, Any], cut: Mapping[str, Any]) -> str:
    """The file, or URL, of a cut: of several, the one of its channel."""
    sources = recording.get("sources")
    named = [
        each
        for each in (sources if type(sources) is list else [])
        if type(each) is dict and each.get("type") in ("file", "url") and type(each.get("source")) is str
    ]
    if len(named) > 1:
        channel = cut.get("channel")
        named = [each for each in named if type(each.get("channels")) is list and channel in each["channels"]]
    if len(named) != 1:
        why = f"recording.sources: expected one file or URL for the cut's channel, found {len(named)}"
        raise BadEntry(RejectReason.AUDIO_MISSING, why)
    return str(named[0]["source"])


TARGET = Target(pieces, lines, ".jsonl")
