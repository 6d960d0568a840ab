"""The windows that stay as Lhotse's MonoCut: one line of `cuts-*.jsonl` for each.

Field names and what Lhotse demands of them are those of its documentation (https://lhotse.readthedocs.io, `MonoCut`,
`Recording`, `SupervisionSegment`) and of `lhotse.validate`: no time is negative, and nothing lasts no time at all. Its
own `CutSet.from_file` reads the lines, and so does whatever reads them by Lhotse, as NeMo does.

A supervision's times count from the start of its window; all else of it is the same in every window, and is gathered
once. Of what is gathered each field is a column: a few loops over all segments, not many steps for each one.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, UnsetType
from xxhash import xxh3_64_hexdigest

from alm_beam.core.config import EntryConfig
from alm_beam.core.manifest import NUMBER, Recording, Segment, whole_segments
from alm_beam.core.overlap import Selection
from alm_beam.core.truncation import shortened
from alm_beam.core.window_columns import Times, Windows

RECORDING_IDS = ("recording_id", "id", "audio_item_id")
"""Fields of an entry that name its recording, the best first."""

NO_RECORDING_ID = "unknown"

UNKNOWN_SECONDS = 0.25
"""What a recording is said to last beyond its last segment, where the manifest does not state its duration.

Were it nothing, a window of all of it would, for Lhotse, be the whole file, and Lhotse refuses a file that goes on for
more than half a second behind what was stated. With more than a millisecond it reads the window and no more. With less
than half a second, a file that ends with its last segment can be read as a whole as well.
"""

_DIGITS = 8
"""To which Lhotse rounds times."""

_SCALE = 10.0**_DIGITS
_WHOLE = 1.5 * 2.0**52
"""Added to a number and taken away again, it leaves the nearest whole one, as `round` does in twice the time.

That holds below 2**51, which is of seconds 260 days; beyond it errs no more than the float does that holds the time.
"""

_HASH_DIGITS = 8
_MOST_SAMPLES = 2**53
_STEP_WITHOUT_RATE = 0.001


_OTHERWISE = frozenset({"segments", "num_speakers", "speaker_durations"})
"""Fields of an entry that a cut states otherwise."""

_IN_RECORDING = frozenset({"audio_filepath", "audio_sample_rate", "duration"})
"""Those that are in its recording, where it has one."""

_TIMES = frozenset({"start", "end"})
_RECORDING = {"id", "sources", "sampling_rate"}

_SUPERVISION_KEYS = {"text": "text", "lang": "language", "language": "language", "gender": "gender"}
"""Fields of a segment which, where they are strings, a supervision has a field for; and that. The later one counts."""


class _Supervision(msgspec.Struct, gc=False):
    """A `SupervisionSegment`. What it lacks is UNSET, and not written; its start, seconds, is that in the cut."""

    id: str
    recording_id: str
    channel: int
    language: str | UnsetType
    text: str | UnsetType
    gender: str | UnsetType
    speaker: str | UnsetType
    custom: dict[str, Any] | UnsetType
    start: float = 0.0
    duration: float = 0.0


class _Cut(msgspec.Struct, gc=False):
    """A `MonoCut` but for its id, which is made from all of this."""

    start: float
    duration: float
    channel: int
    supervisions: list[_Supervision]
    recording: msgspec.Raw | UnsetType
    custom: dict[str, Any]
    type: str = "MonoCut"


_encode = msgspec.json.Encoder().encode


def serialise_cuts(selection: Selection, config: EntryConfig) -> list[bytes]:
    """The cuts of a recording, a line for each window that stays, without newlines.

    The id of a cut is that of its recording, the window's start and end in milliseconds, and a hash of all else that
    the line says: what is written alike has the same id, in every run, and what differs has not.
    """
    windows = selection.windows()
    if not windows:
        return []
    recording = selection.candidates.recording
    rate = _whole_rate(recording)
    step = max(round(1 / rate, _DIGITS), 1 / _SCALE) if rate else _STEP_WITHOUT_RATE
    name = _recording_id(recording.entry)
    audio = _recording_json(recording, name, rate, max(max(recording.ends), max(windows.ends)))
    stated = _OTHERWISE if audio is UNSET else _OTHERWISE | _IN_RECORDING
    own = _own_custom(recording.entry, config.drop_fields_top_level | stated)
    supervisions = _supervisions(recording, name, windows, config.drop_fields)
    head = b'{"id":%b-' % orjson.dumps(name)[:-1]
    lines = []
    for first, stop, start, end, inside, speaker_durations in zip(
        windows.firsts, windows.stops, windows.starts, windows.ends, supervisions, windows.speaker_durations
    ):
        begin = max(start, 0.0) + 0.0  # no -0.0
        duration = max(round(end - begin, _DIGITS), step)
        _set_times(inside, zip(recording.starts[first:stop], recording.ends[first:stop]), begin, duration, step)
        speakers = set(recording.speakers[first:stop])
        custom = {**own, "num_speakers": len(speakers) - (None in speakers), "speaker_durations": speaker_durations}
        cut = _encode(_Cut(round(begin, _DIGITS), duration, 0, inside, audio, custom))
        unique = xxh3_64_hexdigest(cut)[:_HASH_DIGITS].encode()
        lines.append(b'%b%.0f-%.0f-%b",%b' % (head, start * 1000, end * 1000, unique, cut[1:]))
    return lines


def _set_times(
    supervisions: list[_Supervision], segments: Iterable[Times], begin: float, duration: float, step: float
) -> None:
    """Gives supervisions their times in a window.

    What is outside of the window is cut off, so of a truncated segment what truncation cut; `step` is left at least. So
    no disorder or overlap of the segments, and no negative time, makes a supervision that Lhotse refuses.

    Args:
        supervisions: those of the window.
        segments: the times of their segments.
        begin, duration: the window's, seconds.
        step: the least that a supervision lasts, seconds.
    """
    latest = duration - step
    for supervision, (start, end) in zip(supervisions, segments):
        offset, until = start - begin, end - begin
        offset = ((offset if offset < latest else latest) * _SCALE + _WHOLE - _WHOLE) / _SCALE if offset > 0 else 0.0
        left = (until if until < duration else duration) - offset
        supervision.start = offset
        supervision.duration = (left * _SCALE + _WHOLE - _WHOLE) / _SCALE if left > step else step


def _supervisions(
    recording: Recording, name: str, windows: Windows, dropped: frozenset[str]
) -> Iterator[list[_Supervision]]:
    """For each window the supervisions of its segments, one for all windows that the segment is in whole.

    A supervision's id is that of its recording and the index of its segment, from 0.
    """
    keeps_words = "words" not in dropped
    segments = whole_segments(recording) if keeps_words else recording.segments
    indices, places = _held(windows)
    held = [segments[index] for index in indices]
    whole = len(held)
    for stop, cut in zip(windows.stops, windows.cuts):
        if cut is not None:
            indices.append(stop - 1)
            held.append(shortened(segments[stop - 1], cut, keeps_words=keeps_words))
    ids = [f"{name}-{index}" for index in indices]
    each = list(map(_Supervision, ids, repeat(name), repeat(0), *_columns(recording, indices, held, dropped)))
    cut_ones = iter(each[whole:])
    for place, first, stop, cut in zip(places, windows.firsts, windows.stops, windows.cuts):
        inside = each[place : place + stop - first]
        if cut is not None:
            inside[-1] = next(cut_ones)
        yield inside


def _held(windows: Windows) -> tuple[list[int], list[int]]:
    """The indices of the segments that are in a window, ascending, and where in them each window's begin."""
    indices: list[int] = []
    places = []
    behind = 0
    for first, stop in zip(windows.firsts, windows.stops):
        if stop > behind:
            indices += range(max(first, behind), stop)
            behind = stop
        places.append(len(indices) - behind + first)
    return indices, places


def _columns(
    recording: Recording, indices: list[int], segments: list[Segment], dropped: frozenset[str]
) -> tuple[list[Any], ...]:
    """Of supervisions: language, text, gender, speaker and custom, UNSET where there is none.

    Args:
        recording: where the segments are from.
        indices: theirs.
        segments: whole or cut.
        dropped: fields that are left out.
    """
    absent: list[Any] = [UNSET] * len(segments)
    fields = set().union(*segments) - dropped - _TIMES
    own = {"language": [_language(recording.entry)] * len(segments), "text": absent, "gender": absent}
    for field, key in _SUPERVISION_KEYS.items():
        if field in fields:
            values = [segment.get(field, UNSET) for segment in segments]
            if set(map(type, values)) == {str}:
                own[key] = values
                fields.remove(field)
            else:
                own[key] = [value if type(value) is str else other for value, other in zip(values, own[key])]
    speakers = absent
    if "speaker" in fields:
        fields.remove("speaker")
        speakers = [recording.speakers[index] for index in indices]
        if set(map(type, speakers)) != {str}:
            speakers = [UNSET if speaker is None else str(speaker) for speaker in speakers]
    return own["language"], own["text"], own["gender"], speakers, _customs(segments, fields) if fields else absent


def _customs(segments: list[Segment], fields: set[str]) -> list[dict[str, Any] | UnsetType]:
    """Of each segment those of the fields that a supervision has no field for, UNSET where there is none."""
    customs: list[dict[str, Any]] = [{} for _ in segments]
    for field in sorted(fields):  # the order of a set is another one in each run
        is_known = field in _SUPERVISION_KEYS
        for custom, segment in zip(customs, segments):
            if field in segment:
                value = segment[field]
                if type(value) is dict:
                    value = _safe(value)
                elif is_known and type(value) is str:
                    continue
                custom[field] = value
    return [custom or UNSET for custom in customs]


def _whole_rate(recording: Recording) -> int | None:
    """The sample rate, Hz, if it is one that audio can have."""
    rate = recording.sample_rate
    return int(rate) if 1 <= rate <= _MOST_SAMPLES and rate == int(rate) else None


def _recording_id(entry: Mapping[str, Any]) -> str:
    """What names the recording: an id that the entry states, else the name of its file without the ending."""
    for field in RECORDING_IDS:
        value = entry.get(field)
        if (type(value) is str and value) or type(value) is int:
            return str(value)
    path = entry.get("audio_filepath")
    name = path.rstrip("/").rpartition("/")[2] if type(path) is str else ""
    return name.rpartition(".")[0] or name or NO_RECORDING_ID


def _recording_json(recording: Recording, name: str, rate: int | None, last_end: float) -> msgspec.Raw | UnsetType:
    """The field `recording`; UNSET where there is no audio file, or none with such times and rate.

    Its duration is what the manifest says, unless a segment or a window ends later: see UNKNOWN_SECONDS.
    """
    path, stated = recording.entry.get("audio_filepath"), recording.entry.get("duration")
    duration = last_end + UNKNOWN_SECONDS
    if isinstance(stated, int | float) and type(stated) in NUMBER and stated >= last_end:
        duration = stated
    if type(path) is not str or not path or rate is None or not 0 < duration * rate < _MOST_SAMPLES:
        return UNSET
    return _raw(
        {
            "id": name,
            "sources": [{"type": "url" if "://" in path else "file", "channels": [0], "source": path}],
            "sampling_rate": rate,
            "num_samples": int(round(duration * rate, _DIGITS) + 0.5),
            "duration": duration,
            "channel_ids": [0],
        }
    )


def _own_custom(entry: Mapping[str, Any], left_out: frozenset[str]) -> dict[str, msgspec.Raw]:
    """The entry's own fields but for those that are left out."""
    return {name: _raw(_safe(value)) for name, value in entry.items() if name not in left_out}


def _raw(value: Any) -> msgspec.Raw:
    """A value that is the same in all cuts of a recording, serialised once."""
    return msgspec.Raw(orjson.dumps(value))


def _language(entry: Mapping[str, Any]) -> str | UnsetType:
    """The language that an entry states; `lang` is NeMo's name for it."""
    for name in ("language", "lang"):
        if type(entry.get(name)) is str:
            return str(entry[name])
    return UNSET


def _safe(value: Any) -> Any:
    """The value; in a list if it is an object that Lhotse would take for a manifest of its own, and fail."""
    keys = value.keys() if type(value) is dict else ()
    return [value] if "width" in keys or "array" in keys or _RECORDING.issubset(keys) else value
