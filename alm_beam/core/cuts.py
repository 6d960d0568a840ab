"""The kept windows as Lhotse's MonoCut: one line of `cuts-*.jsonl` for each.

The fields and their constraints are those of Lhotse's documentation (https://lhotse.readthedocs.io, `MonoCut`,
`Recording`, `SupervisionSegment`) and of `lhotse.validate`: no time is negative, and every duration is above 0.
Lhotse's `CutSet.from_file` reads the lines, and so do tools that read by Lhotse, such as NeMo.

The times of a supervision count from the start of its window. All its other fields are the same in every window that
contains the segment, so they are collected once: field by field over all segments, which is faster than segment by
segment.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, UnsetType
from xxhash import xxh3_64_hexdigest

from alm_beam.core.config import EntryConfig
from alm_beam.core.faults import NUMBER, Segment, too_deep, unwritable
from alm_beam.core.manifest import Recording, whole_segments
from alm_beam.core.output_size import check_cuts_bytes
from alm_beam.core.overlap import KeptWindows
from alm_beam.core.truncation import truncated
from alm_beam.core.window_columns import Times, WindowColumns

_DEFAULT = EntryConfig()

RECORDING_IDS = ("recording_id", "id", "audio_item_id")
"""Fields of an entry that name its recording. The first that is there is used."""

NO_RECORDING_ID = "unknown"

UNKNOWN_SECONDS = 0.25
"""How much longer than its last segment a recording is said to last if the manifest does not state its duration.

Given only the end of the last segment, Lhotse would read a full-length window as the whole file, and it refuses a file
that is more than half a second longer than stated. With more than a millisecond to spare it reads the window only. With
less than half a second, a file that ends with its last segment can be read as a whole too.
"""

_DIGITS = 8
"""The number of decimals to which Lhotse rounds times."""

_SCALE = 10.0**_DIGITS
_WHOLE = 1.5 * 2.0**52
"""Adding and subtracting this rounds a float to the nearest whole number, in half the time that `round` takes.

This holds for numbers below 2**51, here for times below 260 days. The error of longer times is no greater than that of
the float itself.
"""

_HASH_DIGITS = 8
_MAX_SAMPLES = 2**53
_STEP_WITHOUT_RATE = 0.001

_STATED_BY_CUT = frozenset({"segments", "num_speakers", "speaker_durations"})
"""Fields of an entry that are no custom fields of a cut because the cut states them for its window."""

_STATED_BY_RECORDING = frozenset({"audio_filepath", "audio_sample_rate", "duration"})
"""Fields of an entry that are no custom fields of a cut with a recording, which states them."""

_TIMES = frozenset({"start", "end"})
_RECORDING = {"id", "sources", "sampling_rate"}

_SUPERVISION_KEYS = {"text": "text", "lang": "language", "language": "language", "gender": "gender"}
"""Fields of a segment that go to a field of the supervision if they are strings. The later of two counts."""


class _Supervision(msgspec.Struct, gc=False):
    """A `SupervisionSegment`. Fields that are UNSET are not written. `start` (seconds) counts from the cut's start."""

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
    """A `MonoCut` without its id, which is a hash of the other fields."""

    start: float
    duration: float
    channel: int
    supervisions: list[_Supervision]
    recording: msgspec.Raw | UnsetType
    custom: dict[str, Any]
    type: str = "MonoCut"


_encode = msgspec.json.Encoder().encode


def to_cuts(kept: KeptWindows, config: EntryConfig = _DEFAULT) -> list[dict[str, Any]]:
    """The kept windows as Lhotse cuts, one dict for each. `lhotse.MonoCut.from_dict` takes them.

    Args:
        kept: the kept windows of a recording, from `filter_overlaps`.
        config: which fields are left out. By default the words of the segments are.

    Raises:
        BadEntry: the manifest's entry is nested too deep to be written.

    >>> from alm_beam.core.config import WindowConfig
    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.overlap import filter_overlaps
    >>> from alm_beam.core.windows import build_windows
    >>> segments = [{"start": 1, "end": 5, "speaker": "a"}, {"start": 5, "end": 10.5, "speaker": "b"}]
    >>> entry = {"audio_filepath": "meeting.wav", "audio_sample_rate": 16000, "segments": segments}
    >>> config = WindowConfig(target_window_duration=10, min_bandwidth=0)
    >>> [cut] = to_cuts(filter_overlaps(build_windows(parse_recording(entry), config)))
    >>> cut["type"], cut["start"], cut["duration"], cut["recording"]["sampling_rate"]
    ('MonoCut', 1.0, 9.5, 16000)
    >>> [(each["speaker"], each["start"], each["duration"]) for each in cut["supervisions"]]
    [('a', 0.0, 4.0), ('b', 4.0, 5.5)]
    """
    return [orjson.loads(line) for line in serialise_cuts(kept, config)]


def serialise_cuts(kept: KeptWindows, config: EntryConfig) -> list[bytes]:
    """The cuts of a recording as JSON, a line for each kept window, without newlines.

    The id of a cut consists of the id of its recording, the start and end of the window in milliseconds, and a hash of
    all other fields. Equal lines have equal ids in every run, and different lines have different ones.

    Raises:
        BadEntry: the manifest's entry is nested too deep to be written, or its cuts together would have more than about
            `config.max_line_bytes`.
    """
    check_cuts_bytes(kept, config)
    windows = kept.columns()
    if not windows:
        return []
    try:
        return list(_lines(kept.candidates.recording, windows, config))
    except TypeError as error:
        raise unwritable(error) from None
    except RecursionError:
        raise too_deep() from None


def _lines(recording: Recording, windows: WindowColumns, config: EntryConfig) -> Iterator[bytes]:
    rate = _whole_rate(recording)
    step = max(round(1 / rate, _DIGITS), 1 / _SCALE) if rate else _STEP_WITHOUT_RATE
    name = _recording_id(recording.entry)
    audio = _recording_json(recording, name, rate, max(max(recording.ends), max(windows.ends)))
    stated = _STATED_BY_CUT if audio is UNSET else _STATED_BY_CUT | _STATED_BY_RECORDING
    own = _own_custom(recording.entry, config.drop_fields_top_level | stated)
    supervisions = _supervisions(recording, name, windows, config.drop_fields)
    head = b'{"id":%b-' % orjson.dumps(name)[:-1]
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
        yield b'%b%.0f-%.0f-%b",%b' % (head, start * 1000, end * 1000, unique, cut[1:])


def _set_times(
    supervisions: list[_Supervision], segments: Iterable[Times], begin: float, duration: float, step: float
) -> None:
    """Sets the times of supervisions in a window.

    They are limited to the window, and a supervision lasts at least `step`. So a truncated segment ends where its
    window does, and segments in disorder, that overlap, or with negative times give supervisions that Lhotse accepts.

    Args:
        supervisions: the supervisions of the window.
        segments: start and end of their segments, seconds.
        begin: the start of the window, seconds.
        duration: the duration of the window, seconds.
        step: the minimum duration of a supervision, seconds.
    """
    latest = duration - step
    for supervision, (start, end) in zip(supervisions, segments):
        offset, until = start - begin, end - begin
        offset = ((offset if offset < latest else latest) * _SCALE + _WHOLE - _WHOLE) / _SCALE if offset > 0 else 0.0
        left = (until if until < duration else duration) - offset
        supervision.start = offset
        supervision.duration = (left * _SCALE + _WHOLE - _WHOLE) / _SCALE if left > step else step


def _supervisions(
    recording: Recording, name: str, windows: WindowColumns, dropped: frozenset[str]
) -> Iterator[list[_Supervision]]:
    """The supervisions of each window. All windows that contain a segment whole share one supervision of it.

    The id of a supervision consists of the id of its recording and the index of its segment, from 0.
    """
    keeps_words = "words" not in dropped
    segments = whole_segments(recording) if keeps_words else recording.segments
    indices, places = _held(windows)
    held = [segments[index] for index in indices]
    whole_count = len(held)
    for stop, truncation in zip(windows.stops, windows.truncations):
        if truncation is not None:
            indices.append(stop - 1)
            held.append(truncated(segments[stop - 1], truncation, keeps_words=keeps_words))
    ids = [f"{name}-{index}" for index in indices]
    each = list(map(_Supervision, ids, repeat(name), repeat(0), *_columns(recording, indices, held, dropped)))
    of_truncated = iter(each[whole_count:])
    for place, first, stop, truncation in zip(places, windows.firsts, windows.stops, windows.truncations):
        inside = each[place : place + stop - first]
        if truncation is not None:
            inside[-1] = next(of_truncated)
        yield inside


def _held(windows: WindowColumns) -> tuple[list[int], list[int]]:
    """The ascending indices of the segments that are in any window, and the place among them of each window's first."""
    indices: list[int] = []
    places = []
    covered = 0
    for first, stop in zip(windows.firsts, windows.stops):
        if stop > covered:
            indices += range(max(first, covered), stop)
            covered = stop
        places.append(len(indices) - covered + first)
    return indices, places


def _columns(
    recording: Recording, indices: list[int], segments: list[Segment], dropped: frozenset[str]
) -> tuple[list[Any], ...]:
    """Language, text, gender, speaker and custom fields of supervisions, as columns; UNSET where there is no value.

    Args:
        recording: the recording of the segments.
        indices: indices of the segments.
        segments: the segments, whole or truncated.
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
    """The custom fields of each segment: the values that a supervision has no field for; UNSET if there is none."""
    customs: list[dict[str, Any]] = [{} for _ in segments]
    for field in sorted(fields):  # the order of a set differs between runs
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
    """The sample rate, Hz; None if no audio can have it."""
    rate = recording.sample_rate
    return int(rate) if 1 <= rate <= _MAX_SAMPLES and rate == int(rate) else None


def _recording_id(entry: Mapping[str, Any]) -> str:
    """The id of the recording: one that the entry states, else the name of its file without the ending."""
    for field in RECORDING_IDS:
        value = entry.get(field)
        if (type(value) is str and value) or type(value) is int:
            return str(value)
    path = entry.get("audio_filepath")
    name = path.rstrip("/").rpartition("/")[2] if type(path) is str else ""
    return name.rpartition(".")[0] or name or NO_RECORDING_ID


def _recording_json(recording: Recording, name: str, rate: int | None, last_end: float) -> msgspec.Raw | UnsetType:
    """The field `recording`; UNSET if the entry has no audio file, or no audio can have such times and rate.

    Its duration is the one that the manifest states, unless a segment or a window ends later: see UNKNOWN_SECONDS.
    """
    path, stated = recording.entry.get("audio_filepath"), recording.entry.get("duration")
    duration = last_end + UNKNOWN_SECONDS
    if isinstance(stated, int | float) and type(stated) in NUMBER and stated >= last_end:
        duration = stated
    if type(path) is not str or not path or rate is None or not 0 < duration * rate < _MAX_SAMPLES:
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
    """The entry's own fields without those that are left out."""
    return {name: _raw(_safe(value)) for name, value in entry.items() if name not in left_out}


def _raw(value: Any) -> msgspec.Raw:
    """A value that is the same in all cuts of a recording, serialised once for all."""
    return msgspec.Raw(orjson.dumps(value))


def _language(entry: Mapping[str, Any]) -> str | UnsetType:
    """The language that an entry states; `lang` is NeMo's name for it."""
    for name in ("language", "lang"):
        if type(entry.get(name)) is str:
            return str(entry[name])
    return UNSET


def _safe(value: Any) -> Any:
    """The value, within a list if it is an object that Lhotse would take for one of its own manifests, and fail."""
    keys = value.keys() if type(value) is dict else ()
    return [value] if "width" in keys or "array" in keys or _RECORDING.issubset(keys) else value
