"""The windows that stay as Lhotse's MonoCut: one line of `cuts-*.jsonl` for each.

Field names and what Lhotse demands of them are those of its documentation (https://lhotse.readthedocs.io, `MonoCut`,
`Recording`, `SupervisionSegment`) and of `lhotse.validate`: no time is negative, and nothing lasts no time at all. Its
own `CutSet.from_file` reads the lines, and so does whatever reads them by Lhotse, as NeMo does.

A supervision's times count from the start of its window, but all else of it is the same in every window: it is
serialised once. A line is what stands between the times, and the times.
"""

import hashlib
from collections.abc import Mapping
from itertools import accumulate, chain
from typing import Any

import numpy as np
import orjson

from alm_beam.core.config import EntryConfig
from alm_beam.core.manifest import NUMBER, Recording, Segment, whole_segments
from alm_beam.core.overlap import Selection
from alm_beam.core.slices import Windows
from alm_beam.core.truncation import Cut, shortened

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

_HASH_BYTES = 4
_MOST_SAMPLES = 2**53
_SECONDS_WITHOUT_RATE = 0.001

_OWN_FIELDS = frozenset(
    {"audio_filepath", "audio_sample_rate", "duration", "segments", "num_speakers", "speaker_durations"}
)
"""Of an entry; a cut states them otherwise."""

_TIMES = frozenset({"start", "end"})
_RECORDING = {"id", "sources", "sampling_rate"}

_SUPERVISION_KEYS = {"text": "text", "lang": "language", "language": "language", "gender": "gender"}
"""Fields of a segment which, where they are strings, a supervision has a field for; and that. The last one counts."""


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
    step = max(round(1 / rate, _DIGITS), 10**-_DIGITS) if rate else _SECONDS_WITHOUT_RATE
    starts = [max(start, 0.0) + 0.0 for start in windows.starts]  # no -0.0
    durations = [max(round(end - start, _DIGITS), step) for start, end in zip(starts, windows.ends)]
    name = _recording_id(recording.entry)
    supervisions = _SupervisionJson(recording, name, windows, config.drop_fields)
    times = _relative_times(recording, windows, starts, durations, step)
    behind = b'],%b"custom":{%b"num_speakers":%%d,"speaker_durations":[%%b]},"type":"MonoCut"}' % (
        _recording_json(recording, name, rate, max(*recording.ends, *windows.ends)).replace(b"%", b"%%"),
        _custom_json(recording.entry, config.drop_fields_top_level).replace(b"%", b"%%"),
    )
    speaker_durations = orjson.dumps(windows.speaker_durations)[2:-2].split(b"],[")
    lines = []
    for first, stop, cut, start, end, begin, duration, row, seconds in zip(
        windows.firsts,
        windows.stops,
        windows.cuts,
        windows.starts,
        windows.ends,
        starts,
        durations,
        times,
        speaker_durations,
    ):
        body = b'"start":%b,"duration":%b,"channel":0,"supervisions":[%b%b' % (
            orjson.dumps(round(begin, _DIGITS)),
            orjson.dumps(duration),
            supervisions.array(first, stop, cut, row),
            behind % (len(set(recording.speakers[first:stop]) - {None}), seconds),
        )
        unique = hashlib.blake2b(body, digest_size=_HASH_BYTES).hexdigest()
        identity = f"{name}-{start * 1000:.0f}-{end * 1000:.0f}-{unique}"
        lines.append(b'{"id":%b,%b' % (orjson.dumps(identity), body))
    return lines


def _relative_times(
    recording: Recording, windows: Windows, starts: list[float], durations: list[float], step: float
) -> list[list[bytes]]:
    """For each window, for each of its segments, JSON of its start in the window and of its duration.

    What is outside of the window is cut off, so of a truncated segment what truncation cut; `step` (seconds) is left at
    least. So no disorder or overlap of the segments, and no negative time, makes a supervision that Lhotse refuses.
    """
    counts = [stop - first for first, stop in zip(windows.firsts, windows.stops)]
    stops = list(accumulate(counts))
    segments = np.array(list(chain.from_iterable(map(range, windows.firsts, windows.stops))))
    begins, most = np.repeat(np.array([starts, durations]), counts, axis=1)
    times = np.array([recording.starts, recording.ends], float)[:, segments]
    with np.errstate(over="ignore"):
        times -= begins
    rows = np.empty((len(segments), 2))
    rows[:, 0] = np.minimum(np.maximum(times[0], 0), most - step).round(_DIGITS)
    rows[:, 1] = np.maximum(np.minimum(times[1], most) - rows[:, 0], step).round(_DIGITS)
    text = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2]
    each = text.replace(b",", b',"duration":').split(b'],"duration":[')
    return [each[stop - count : stop] for stop, count in zip(stops, counts)]


class _SupervisionJson:
    """A recording's supervisions without their times, of those segments that are in a window.

    A supervision's id is that of its recording and the index of its segment, from 0. Each stands as `},{...,"start":`.
    """

    __slots__ = ("_custom", "_first", "_head", "_json", "_keeps_words", "_keys", "_segments", "_shared", "_speakers")

    def __init__(self, recording: Recording, name: str, windows: Windows, dropped: frozenset[str]):
        self._keeps_words = "words" not in dropped
        self._segments = whole_segments(recording) if self._keeps_words else recording.segments
        self._first = min(windows.firsts)
        indices = range(self._first, max(windows.stops))
        fields = {field for index in indices for field in self._segments[index]} - dropped - _TIMES
        self._keys = [(field, key) for field, key in _SUPERVISION_KEYS.items() if field in fields]
        self._custom = sorted(fields - _SUPERVISION_KEYS.keys() - {"speaker"})  # in every process alike
        self._speakers = recording.speakers if "speaker" in fields else [None] * len(self._segments)
        self._head = f"{name}-"
        self._shared: dict[str, Any] = {"recording_id": name, "channel": 0}
        language = _language(recording.entry)
        if language is not None:
            self._shared["language"] = language
        self._json = [self._without_times(index, self._segments[index]) for index in indices]

    def array(self, first: int, stop: int, cut: Cut | None, times: list[bytes]) -> bytes:
        """The supervisions of a window, without the brackets around them.

        Args:
            first: index of its first segment.
            stop: index after its last one.
            cut: what truncation made of the last one.
            times: what `_relative_times` gave.
        """
        pieces = [b""] * (2 * len(times))
        pieces[::2] = self._json[first - self._first : stop - self._first]
        pieces[1::2] = times
        if cut is not None:
            less = shortened(self._segments[stop - 1], cut, keeps_words=self._keeps_words)
            pieces[-2] = self._without_times(stop - 1, less)
        pieces[0] = pieces[0][2:]
        pieces.append(b"}")
        return b"".join(pieces)

    def _without_times(self, index: int, segment: Segment) -> bytes:
        supervision = {"id": f"{self._head}{index}", **self._shared}
        custom = {field: segment[field] for field in self._custom if field in segment}
        for field, key in self._keys:
            value = segment.get(field)
            if type(value) is str:
                supervision[key] = value
            elif field in segment:
                custom[field] = value
        speaker = self._speakers[index]
        if speaker is not None:
            supervision["speaker"] = str(speaker)
        if custom:
            supervision["custom"] = _safe(custom)
        try:
            return b'},%b,"start":' % orjson.dumps(supervision)[:-1]
        except TypeError:  # its fields are one level deeper here than in the segment, which is serialised elsewhere
            del supervision["custom"]
            return b'},%b,"custom":%b,"start":' % (orjson.dumps(supervision)[:-1], orjson.dumps(custom))


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


def _recording_json(recording: Recording, name: str, rate: int | None, last_end: float) -> bytes:
    """The field `recording` and a comma; nothing where there is no audio file, or none with such times and rate.

    Its duration is what the manifest says, unless a segment or a window ends later: see UNKNOWN_SECONDS.
    """
    path, stated = recording.entry.get("audio_filepath"), recording.entry.get("duration")
    duration = last_end + UNKNOWN_SECONDS
    if isinstance(stated, int | float) and type(stated) in NUMBER and stated >= last_end:
        duration = stated
    if type(path) is not str or not path or rate is None or not 0 < duration * rate < _MOST_SAMPLES:
        return b""
    return b'"recording":%b,' % orjson.dumps(
        {
            "id": name,
            "sources": [{"type": "url" if "://" in path else "file", "channels": [0], "source": path}],
            "sampling_rate": rate,
            "num_samples": int(round(duration * rate, _DIGITS) + 0.5),
            "duration": duration,
            "channel_ids": [0],
        }
    )


def _custom_json(entry: Mapping[str, Any], dropped: frozenset[str]) -> bytes:
    """The entry's own fields that a cut does not state otherwise, with a comma behind each."""
    custom = {name: value for name, value in entry.items() if name not in dropped and name not in _OWN_FIELDS}
    return orjson.dumps(_safe(custom))[1:-1] + b"," if custom else b""


def _language(fields: Mapping[str, Any]) -> str | None:
    """The language that an entry or a segment states; `lang` is NeMo's name for it."""
    for name in ("language", "lang"):
        if type(fields.get(name)) is str:
            return str(fields[name])
    return None


def _safe(custom: dict[str, Any]) -> dict[str, Any]:
    """The fields, those in a list that Lhotse would take for manifests of its own, and fail."""
    for name, value in custom.items():
        if type(value) is dict and ("width" in value or value.keys() >= _RECORDING):
            custom[name] = [value]
    return custom
