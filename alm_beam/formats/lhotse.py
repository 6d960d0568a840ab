"""Lhotse's manifests as JSON lines: supervisions, recordings, and cuts, in one file or several, in any order.

What a line is follows from its fields. All lines of one recording make one entry. A recording without supervisions is
an entry without segments; supervisions without their recording are an entry without audio.

| in a `Recording` | in the entry |
|---|---|
| `id` | `audio_item_id` |
| `sources` | `audio_filepath`; one source of the type `file` or `url`, anything else is a reject |
| `sampling_rate` | `audio_sample_rate`; where `transforms` resample the file as it is read, the rate of the file |
| `duration` | `duration` |
| `channel_ids` | `audio_num_channels` |
| `num_samples` | left out: it follows from duration and rate |
| other `transforms` than `Resample` | a reject: the file is not what the recording says |

| in a `SupervisionSegment` | in a segment of the entry |
|---|---|
| `recording_id` | the entry it is in |
| `start`, `duration` | `start`, and `end`, which is their sum |
| `id`, `speaker`, `text`, `language`, `gender` | the same |
| `channel` | the same; left out where the recording has one channel |
| `alignment.word` | `words`: `word`, `start`, `end`, `confidence` (Lhotse's `score`) |
| alignments of other types | left out |
| each field of `custom` | a field of the segment, unless it has one of that name |

| in a `MonoCut`, a `MultiCut` | in the entry |
|---|---|
| `recording` | as a recording above |
| `supervisions` | segments, as above; `start` counts from that of the cut, `alignment` from that of the recording |
| anything else | left out: it is about the cut |

The alignment counts from the start of the recording in cuts, too: so says Lhotse's `AlignmentItem`, and so do
`with_offset` and `trim_to_alignments`. A `MixedCut` or a `PaddingCut` is a reject: it has no recording of its own.

The same supervision may be in several cuts: of supervisions with one id and speaker that overlap in time, the longest
counts, so a whole one rather than one that was trimmed to its cut.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from alm_beam.core.faults import BadEntry, RejectReason, described
from alm_beam.formats.format import Format, Piece
from alm_beam.formats.json_fields import (
    end_after,
    label,
    malformed,
    number,
    objects,
    place,
    required_text,
    seconds,
    text,
    without_missing,
)
from alm_beam.formats.json_text import json_object
from alm_beam.formats.times import end_of

_RECORDING, _SUPERVISION = "recording", "supervision"

_CUTS = {"MonoCut", "MultiCut", "Cut"}
"""`Cut` was the name of a `MonoCut` before Lhotse 0.8."""

_READABLE = {"file", "url"}
_CHANGES_RATE_ONLY = "Resample"

_OWN = {"start", "end", "duration", "recording_id", "alignment", "custom"}
"""Fields of a supervision that a segment has under another name, or not at all."""

_ITEM = ("symbol", "start", "duration", "score")


def pieces(line: bytes, _name: str) -> Iterator[Piece]:
    """What a line holds: a recording, a supervision, or both of a cut.

    Args:
        line: the line.
        _name: the name of its file, which says nothing here.

    Raises:
        BadEntry: the line is no JSON, or no such manifest, or something in it is malformed.

    >>> line = b'{"id": "s1", "recording_id": "meeting", "start": 0.1, "duration": 0.2, "channel": 0, "speaker": "ann"}'
    >>> [(piece.recording, piece.value["end"], piece.value["speaker"]) for piece in pieces(line, "supervisions")]
    [('meeting', 0.3, 'ann')]
    """
    fields = json_object(line)
    if "type" in fields or "supervisions" in fields:
        yield from _of_cut(fields)
    elif "sources" in fields:
        yield _of_recording(fields, "")
    elif "recording_id" in fields and "num_features" not in fields:
        recording = required_text(fields, "recording_id", "")
        yield Piece(recording, _SUPERVISION, _segment(fields, "", 0))
    else:
        detail = (
            "expected a supervision (with recording_id), a recording (with sources) or a cut (with type), found the "
            f"fields {', '.join(fields)[:80] or 'of none'}"
        )
        raise BadEntry(RejectReason.OTHER_FORMAT, detail)


def entry(recording: str, pieces: Sequence[Piece]) -> dict[str, Any]:
    """The entry of a recording.

    Raises:
        BadEntry: it is stated in two ways that differ.
    """
    stated = [piece.value for piece in pieces if piece.kind == _RECORDING]
    for other in stated[1:]:
        _check_equal(stated[0], other)
    audio = stated[0] if stated else {}
    segments = _each_once([piece.value for piece in pieces if piece.kind == _SUPERVISION])
    if audio.get("audio_num_channels") == 1:
        segments = [{field: value for field, value in segment.items() if field != "channel"} for segment in segments]
    return {"audio_item_id": recording, **audio, "segments": segments}


def _of_cut(fields: dict[str, Any]) -> list[Piece]:
    kind = fields.get("type")
    if type(kind) is not str or kind not in _CUTS:
        detail = f"type: expected MonoCut or MultiCut, found {described(kind)}"
        if kind == "MixedCut":
            detail += "; it has several recordings: convert the cuts that it was mixed of"
        raise BadEntry(RejectReason.OTHER_FORMAT, detail)
    begin = seconds(fields, "start", "")
    recording = fields.get("recording")
    found = []
    if recording is not None:
        if type(recording) is not dict:
            raise malformed("", "recording", "an object", recording)
        found.append(_of_recording(recording, "recording"))
    for index, supervision in enumerate(objects(fields, "supervisions", "")):
        at = f"supervisions[{index}]"
        name = found[0].recording if recording else required_text(supervision, "recording_id", at)
        found.append(Piece(name, _SUPERVISION, _segment(supervision, at, begin)))
    if not found:
        detail = "expected `recording` or `supervisions` in the cut, found neither: nothing names its recording"
        raise BadEntry(RejectReason.FIELD_MISSING, detail)
    return found


def _of_recording(fields: dict[str, Any], at: str) -> Piece:
    audio = {
        "audio_filepath": _source(fields, at),
        "audio_sample_rate": _rate(fields, at),
        "duration": _duration(fields, at),
        "audio_num_channels": _channel_count(fields, at),
    }
    return Piece(required_text(fields, "id", at), _RECORDING, without_missing(audio))


def _source(fields: dict[str, Any], at: str) -> str:
    sources = objects(fields, "sources", at)
    if len(sources) != 1:
        detail = (
            f"{place(at, 'sources')}: expected one, found {len(sources)}; an entry has one audio file: write the "
            "channels into one"
        )
        raise BadEntry(RejectReason.FIELD_MALFORMED, detail)
    source, where = sources[0], place(at, "sources[0]")
    kind = source.get("type")
    if type(kind) is not str or kind not in _READABLE:
        detail = (
            f"{where}.type: expected file or url, found {described(kind)}; write the audio to a file: "
            "Lhotse's `save_audio` does"
        )
        raise BadEntry(RejectReason.FIELD_MALFORMED, detail)
    return required_text(source, "source", where)


def _rate(fields: dict[str, Any], at: str) -> float | None:
    """The sample rate of the file, Hz."""
    transforms = objects(fields, "transforms", at)
    for index, transform in enumerate(transforms):
        if transform.get("name") != _CHANGES_RATE_ONLY:
            where, found = place(at, f"transforms[{index}].name"), described(transform.get("name"))
            detail = (
                f"{where}: expected Resample, found {found}; the file is not what the recording says: write "
                "the changed audio to a file first"
            )
            raise BadEntry(RejectReason.FIELD_MALFORMED, detail)
    if not transforms:
        return number(fields, "sampling_rate", at)
    changes = transforms[0].get("kwargs")
    return number(changes if type(changes) is dict else {}, "source_sampling_rate", place(at, "transforms[0].kwargs"))


def _duration(fields: dict[str, Any], at: str) -> float:
    duration = seconds(fields, "duration", at)
    return end_after(0, duration, at)


def _channel_count(fields: dict[str, Any], at: str) -> int | None:
    channels = fields.get("channel_ids")
    if channels is None:
        channels = fields["sources"][0].get("channels")
    if channels is not None and type(channels) is not list:
        raise malformed(at, "channel_ids", "a list", channels)
    return len(channels) if channels else None


def _segment(fields: dict[str, Any], at: str, begin: float) -> dict[str, Any]:
    """The segment of a supervision.

    Args:
        fields: those of the supervision.
        at: where it is in its line.
        begin: seconds, the start of the cut that it is in, from which its start counts; 0 outside of cuts.
    """
    start = end_of(begin, seconds(fields, "start", at))
    end = end_after(start, seconds(fields, "duration", at), at)
    own = {
        "start": start,
        "end": end,
        "speaker": label(fields, "speaker", at),
        "text": text(fields, "text", at),
        "id": required_text(fields, "id", at),
        "channel": _channel(fields, at),
    }
    others = {name: value for name, value in fields.items() if name not in _OWN and name not in own}
    custom = fields.get("custom")
    if custom is not None and type(custom) is not dict:
        raise malformed(at, "custom", "an object", custom)
    own = without_missing({**own, **others, "words": _words(fields, at)})
    added = {name: value for name, value in (custom or {}).items() if name not in own}
    return {**own, **without_missing(added)}


def _channel(fields: dict[str, Any], at: str) -> int | list[int] | None:
    channel: int | list[int] | None = fields.get("channel")
    listed = channel if type(channel) is list else [] if channel is None else [channel]
    if not all(type(each) is int for each in listed):
        raise malformed(at, "channel", "an integer, or a list of them", channel)
    return channel


def _words(fields: dict[str, Any], at: str) -> list[dict[str, Any]] | None:
    alignment = fields.get("alignment")
    if alignment is None:
        return None
    if type(alignment) is not dict:
        raise malformed(at, "alignment", "an object", alignment)
    items = alignment.get("word")
    if items is None:
        return None
    if type(items) is not list:
        raise malformed(at, "alignment.word", "a list", items)
    return [_word(item, place(at, f"alignment.word[{index}]")) for index, item in enumerate(items)]


def _word(item: Any, at: str) -> dict[str, Any]:
    fields = dict(zip(_ITEM, item)) if type(item) is list else item
    if type(fields) is not dict or type(fields.get("symbol")) is not str:
        detail = f"{at}: expected [symbol, start, duration, score], found {described(item)}"
        raise BadEntry(RejectReason.WORDS_MALFORMED, detail)
    start = seconds(fields, "start", at)
    end = end_after(start, seconds(fields, "duration", at), at)
    score = number(fields, "score", at)
    return without_missing({"word": fields["symbol"], "start": start, "end": end, "confidence": score})


def _check_equal(first: dict[str, Any], other: dict[str, Any]) -> None:
    """Checks that two statements of a recording are the same. No path is in the message: it may be a signed URL."""
    for field in sorted(first.keys() | other.keys()):
        if first.get(field) != other.get(field):
            values = "" if field == "audio_filepath" else f", {first.get(field)} and {other.get(field)}"
            detail = f"the recording is stated with two values of {field}{values}; two recordings may not share an id"
            raise BadEntry(RejectReason.RECORDINGS_DIFFER, detail)


def _each_once(segments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The segments by start, without those of which a longer one, of the same supervision, is there."""
    starts: defaultdict[Any, list[float]] = defaultdict(list)
    ends: defaultdict[Any, list[float]] = defaultdict(list)
    kept = []
    for index in sorted(range(len(segments)), key=lambda index: segments[index]["start"] - segments[index]["end"]):
        segment = segments[index]
        start, end, supervision = segment["start"], segment["end"], (segment["id"], segment.get("speaker"))
        before, after = starts[supervision], ends[supervision]
        place_of = bisect_right(before, start)
        follows_apart = place_of == 0 or (after[place_of - 1] <= start and before[place_of - 1] < start)
        if follows_apart and (place_of == len(before) or end <= before[place_of]):
            before.insert(place_of, start)
            after.insert(place_of, end)
            kept.append(index)
    kept.sort(key=lambda index: (segments[index]["start"], index))
    return [segments[index] for index in kept]


FORMAT = Format(pieces=pieces, entry=entry)
"""Lhotse's JSON lines. Their names are free, mostly `.jsonl` and `.jsonl.gz`, as ours are."""
