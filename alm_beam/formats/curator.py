"""What NeMo Curator's audio stages leave, as plain entries: a line for each recording, or a row for each segment.

| in a line for a recording | in the entry |
|---|---|
| `segments`; else `diar_segments` (Sortformer); else `vad_segments` | `segments`, by start |
| `diar_segments` beside `segments` | left out, as `alm-beam windows` does |
| `alignment` | left out where the segments have `words`, which it repeats |
| any other field (`audio_filepath`, `resampled_audio_filepath`, `split_offsets`, ...) | the same field |

| in a segment | in the segment of the entry |
|---|---|
| `start`, `end`; else `start_ms`, `end_ms` | `start`, `end`, in seconds |
| a list `[start, end]`, `[start, end, speaker]` | a segment with these fields |
| `speaker` is `no-speaker` | the segment is left out: the stage fills pauses with such |
| `speaker` joins several labels with commas | `no-speaker` among them is left out: `A,no-speaker` is `A`; `A,B` stays |
| any other field (`text`, `words`, `metrics` with a number or a list, ...) | the same field |

A row has `original_file`, and the times of a segment in it. Rows of one file may stand apart.

| in a row | in the entry |
|---|---|
| `original_file` | `audio_filepath` |
| `sample_rate`, `num_speakers` | the same field, if all rows that state it agree; otherwise it stays in the segments |
| the rest | a segment of `segments`, by start; where `diar_segments` lists several, one for each of them |

| in a row | in the segment of the entry |
|---|---|
| `original_start_ms`, `original_end_ms`; else `start_ms`, `end_ms` | `start`, `end`, in seconds |
| `speaker_id` | `speaker` |
| `duration`, `duration_ms` | left out: they follow from the times |
| any other field | the same field |
"""

from collections.abc import Iterator, Sequence
from typing import Any

from alm_beam.core.faults import BadEntry, RejectReason, described
from alm_beam.core.manifest import NO_SPEAKER
from alm_beam.core.recording_ids import RECORDING_IDS, recording_id
from alm_beam.formats.format import Format, Piece
from alm_beam.formats.json_fields import label, number, place, required_text, start_and_end
from alm_beam.formats.json_text import json_object
from alm_beam.formats.shared_fields import take_shared
from alm_beam.formats.times import seconds_of

_ENTRY, _ROW = "entry", "row"

_LISTS = ("segments", "diar_segments", "vad_segments")
_FILE = "original_file"
_NO_FILE = "unknown"
"""What Curator writes for the file of a row that it does not know."""

_MILLISECONDS = (("original_start_ms", "original_end_ms"), ("start_ms", "end_ms"))
_OF_SEGMENT = {"start", "end", "speaker", "start_ms", "end_ms"}
_OF_ROW = {
    *_OF_SEGMENT,
    _FILE,
    "original_start_ms",
    "original_end_ms",
    "duration",
    "duration_ms",
    "speaker_id",
    "diar_segments",
}
_OF_RECORDING = ("sample_rate", "num_speakers")

_SEPARATOR = ","


def pieces(line: bytes, _name: str) -> Iterator[Piece]:
    """What a line holds: an entry, or the segments of a row.

    Args:
        line: the line.
        _name: the name of its file, which says nothing here.

    Raises:
        BadEntry: the line is no JSON, or not of such a stage, or something in it is malformed.

    >>> line = b'{"original_file": "a.wav", "original_start_ms": 100, "original_end_ms": 2300, "speaker_id": "s0"}'
    >>> [*pieces(line, "rows")]
    [Piece(recording='a.wav', kind='row', value={'start': 0.1, 'end': 2.3, 'speaker': 's0'})]
    """
    fields = json_object(line)
    if "segments" not in fields and _FILE in fields:
        file, segments = _row_file(fields), _row_segments(fields)
        yield from (Piece(file, _ROW, segment) for segment in segments)
        return
    found = next((listed for listed in _LISTS if fields.get(listed) is not None), None)
    if found is None:
        detail = (
            "expected segments, diar_segments or vad_segments, or a row with original_file and original_start_ms, "
            f"found the fields {', '.join(fields)[:80] or 'of none'}"
        )
        raise BadEntry(RejectReason.OTHER_FORMAT, detail)
    segments = _segments(fields[found], found)
    left_out = {found, "segments", "diar_segments"}
    if any(segment.get("words") for segment in segments):
        left_out.add("alignment")
    own = {field: value for field, value in fields.items() if field not in left_out}
    yield Piece(_recording_of(own), _ENTRY, {**own, "segments": segments})


def entry(recording: str, pieces: Sequence[Piece]) -> dict[str, Any]:
    """The entry of a recording.

    Raises:
        BadEntry: two lines are about it that are no rows of segments.
    """
    whole = [piece.value for piece in pieces if piece.kind == _ENTRY]
    if whole and len(pieces) > 1:
        detail = (
            f"{len(pieces)} lines and rows are about this recording, of which one is an entry by itself; convert the "
            "output of each stage, and of each run, by itself"
        )
        raise BadEntry(RejectReason.RECORDINGS_DIFFER, detail)
    fields = dict(whole[0]) if whole else {}
    listed = fields.pop("segments") if whole else [dict(piece.value) for piece in pieces]
    segments = sorted(listed, key=lambda segment: segment["start"])
    if not whole:
        fields = {"audio_filepath": recording, **take_shared(segments, _OF_RECORDING)}
    return {**fields, "segments": segments}


def _recording_of(fields: dict[str, Any]) -> str:
    """What names the recording of an entry: its audio, else its id. Ids repeat where file names do."""
    for field in ("audio_filepath", "resampled_audio_filepath", *RECORDING_IDS):
        value = fields.get(field)
        if value and type(value) is str:
            return value
    return recording_id(fields)


def _segments(listed: Any, name: str) -> list[dict[str, Any]]:
    if type(listed) is not list:
        raise BadEntry(RejectReason.SEGMENTS_NOT_LIST, f"{name}: expected a list, found {described(listed)}")
    segments = (_segment(each, f"{name}[{index}]") for index, each in enumerate(listed))
    return [segment for segment in segments if segment is not None]


def _segment(value: Any, at: str) -> dict[str, Any] | None:
    """A segment; None where nobody speaks in it."""
    fields = dict(zip(("start", "end", "speaker"), value)) if type(value) is list else value
    if type(fields) is not dict:
        raise BadEntry(RejectReason.SEGMENT_NOT_OBJECT, f"{at}: expected an object, found {described(value)}")
    start, end = _times(fields, at)
    speaker = label(fields, "speaker", at)
    if type(speaker) is str and NO_SPEAKER in speaker:
        speaker = _without_nobody(speaker)
        if not speaker:
            return None
    whose = {} if speaker is None else {"speaker": speaker}
    others = {field: value for field, value in fields.items() if field not in _OF_SEGMENT}
    return {"start": start, "end": end, **whose, **others}


def _times(fields: dict[str, Any], at: str) -> tuple[float, float]:
    """Start and end, seconds; of milliseconds where there are no seconds."""
    if fields.get("start") is None:
        for first, last in _MILLISECONDS:
            if fields.get(first) is not None:
                return _of_milliseconds(fields, first, last, at)
    return start_and_end(fields, at)


def _of_milliseconds(fields: dict[str, Any], first: str, last: str, at: str) -> tuple[float, float]:
    start, end = number(fields, first, at), number(fields, last, at)
    if start is None or end is None:
        missing = place(at, first if start is None else last)
        raise BadEntry(RejectReason.TIME_MISSING, f"{missing}: expected a number of milliseconds, found none")
    if end < start:
        raise BadEntry(RejectReason.END_BEFORE_START, f"{place(at, last)}: end {end} is before start {start}")
    return seconds_of(start), seconds_of(end)


def _without_nobody(speaker: str) -> str:
    """A label without the parts that name nobody; empty where no part names anybody.

    >>> _without_nobody("A,no-speaker,B"), _without_nobody("no-speaker")
    ('A,B', '')
    """
    return _SEPARATOR.join(part for part in speaker.split(_SEPARATOR) if part.strip() not in ("", NO_SPEAKER))


def _row_file(row: dict[str, Any]) -> str:
    file = required_text(row, _FILE, "")
    if file == _NO_FILE:
        detail = f'{_FILE}: "{_NO_FILE}" is what Curator writes where it knows no file; give its stages audio_filepath'
        raise BadEntry(RejectReason.FIELD_MISSING, detail)
    return file


def _row_segments(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The segments of a row: those that it lists, or the one that it is.

    With `start_ms` alone, the row was not mapped to the time of its file after it was separated: its list may count
    from anywhere.
    """
    speaker = label(row, "speaker_id", "")
    others = {field: value for field, value in row.items() if field not in _OF_ROW}
    is_mapped = row.get("original_start_ms") is not None
    listed = row.get("diar_segments") if is_mapped or row.get("start_ms") is None else None
    if listed:
        segments = _segments(listed, "diar_segments")
    else:
        first, last = _MILLISECONDS[0] if is_mapped or row.get("start_ms") is None else _MILLISECONDS[1]
        start, end = _of_milliseconds(row, first, last, "")
        segments = [{"start": start, "end": end}]
    for segment in segments:
        whose = segment.pop("speaker", speaker)
        if whose is not None:
            segment["speaker"] = whose
        segment.update(others)
    return segments


FORMAT = Format(pieces=pieces, entry=entry)
"""Lines of Curator. Their names are free, as those of ours are."""
