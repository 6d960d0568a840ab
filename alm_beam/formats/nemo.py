"""NeMo's manifests: a line for each segment, with the audio file it is in and its `offset` there.

The recording is named by its `audio_filepath`, as it is written; lines of one file may stand apart. Equal lines are
equal segments: none is left out.

| in a line | in the entry |
|---|---|
| `audio_filepath` | `audio_filepath`; needed, one path |
| `audio_sample_rate`, `sample_rate`, `sampling_rate` | the same field, if all lines that state it agree |
| `audio_num_channels`, `num_channels`, `recording_id`, `audio_item_id` | likewise; otherwise it stays in the segments |
| the rest | a segment of `segments`, by start |

| in a line | in the segment of the entry |
|---|---|
| `offset` | `start`; 0 where it is missing |
| `duration` | `end`, which is `offset` + `duration`; needed |
| `speaker` | the same; left out where it is null or empty |
| any other field (`text`, `lang`, ...) | the same field |

The entry has no `audio_item_id` unless the lines state one: the id of the recording follows from the path.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.formats.format import Format, Piece
from alm_beam.formats.json_fields import end_after, label, optional_seconds, required_text, seconds, text
from alm_beam.formats.json_text import json_object
from alm_beam.formats.shared_fields import take_shared

_SEGMENT = "segment"

_OF_RECORDING = (
    "audio_item_id",
    "recording_id",
    "audio_sample_rate",
    "sample_rate",
    "sampling_rate",
    "audio_num_channels",
    "num_channels",
)
"""Fields of a line that are not about its segment only."""

_NOT_KEPT = {"audio_filepath", "offset", "duration", "start", "end", "speaker"}


def pieces(line: bytes, _name: str) -> Iterator[Piece]:
    """The segment that a line holds.

    Args:
        line: the line.
        _name: the name of its file, which says nothing here.

    Raises:
        BadEntry: the line is no JSON, or not of such a manifest, or something in it is malformed.

    >>> line = b'{"audio_filepath": "a.wav", "offset": 0.1, "duration": 0.2, "text": "yes", "lang": "en"}'
    >>> [*pieces(line, "train")]
    [Piece(recording='a.wav', kind='segment', value={'start': 0.1, 'end': 0.3, 'text': 'yes', 'lang': 'en'})]
    """
    fields = json_object(line)
    for several in ("segments", "diar_segments"):
        if several in fields:
            detail = (
                f"the line has `{several}`, so it is an entry of a manifest already: `alm-beam windows` reads it as it "
                "is, and `--from curator` what NeMo Curator leaves; a line of NeMo is one segment"
            )
            raise BadEntry(RejectReason.OTHER_FORMAT, detail)
    path = required_text(fields, "audio_filepath", "")
    start, end = _times(fields)
    speaker = label(fields, "speaker", "")
    text(fields, "text", "")
    whose = {} if speaker is None else {"speaker": speaker}
    others = {field: value for field, value in fields.items() if field not in _NOT_KEPT}
    yield Piece(path, _SEGMENT, {"start": start, "end": end, **whose, **others})


def entry(recording: str, pieces: Sequence[Piece]) -> dict[str, Any]:
    """The entry of a recording.

    >>> values = [{"start": 2, "end": 3, "sample_rate": 8000}, {"start": 0, "end": 1, "sample_rate": 8000}]
    >>> entry("a.wav", [Piece("a.wav", "segment", value) for value in values])
    {'audio_filepath': 'a.wav', 'sample_rate': 8000, 'segments': [{'start': 0, 'end': 1}, {'start': 2, 'end': 3}]}
    """
    segments = sorted((dict(piece.value) for piece in pieces), key=lambda segment: segment["start"])
    shared = take_shared(segments, _OF_RECORDING)
    return {"audio_filepath": recording, **shared, "segments": segments}


def _times(fields: dict[str, Any]) -> tuple[float, float]:
    """Start and end of the segment of a line, seconds."""
    start = optional_seconds(fields, "offset", "") or 0
    if start < 0:
        raise BadEntry(RejectReason.FIELD_MALFORMED, f"offset: expected 0 or more seconds, found {start}")
    if fields.get("duration") is None and "rttm_filepath" in fields:
        detail = (
            "duration: expected a number of seconds, found none; the segments of a line with rttm_filepath are in that "
            "file: convert it with `--from rttm`"
        )
        raise BadEntry(RejectReason.TIME_MISSING, detail)
    end = end_after(start, seconds(fields, "duration", ""), "")
    for field, time in (("start", start), ("end", end)):
        stated = optional_seconds(fields, field, "")
        if stated is not None and stated != time:
            detail = f"{field}: expected none, or {time} as offset and duration have it, found {stated}"
            raise BadEntry(RejectReason.FIELD_MALFORMED, detail)
    return start, end


FORMAT = Format(pieces=pieces, entry=entry)
"""NeMo's manifests. They are named `.json` and `.jsonl`, as ours are."""
