"""The output entry of a recording: one line of `alm_output-*.jsonl`.

Its fields are those of the reference (NeMo Curator's ALM pipeline).

A window is a slice of its recording's segments, and an entry contains each segment many times. So each segment is
serialised once, and all of them are joined to one text. The JSON of a window is a slice of that text, the truncated
segment if there is one, and the durations of its speakers. The work is linear in segments, windows and bytes of output.
"""

from collections.abc import Iterable
from itertools import accumulate, repeat
from operator import contains
from typing import Any, TypeAlias

import orjson

from alm_beam.core.config import GREEDY, LONGEST, EntryConfig
from alm_beam.core.faults import Segment, unwritable
from alm_beam.core.losses import left_to_right_sum
from alm_beam.core.manifest import Recording, whole_segments
from alm_beam.core.output_size import check_entry_bytes, entry_fault
from alm_beam.core.overlap import KeptWindows
from alm_beam.core.stated_fields import SEGMENTS, segments_field
from alm_beam.core.truncation import Truncation, truncated
from alm_beam.core.window_columns import LostCandidate, WindowColumns
from alm_beam.core.windows import CandidateWindows

_DEFAULT = EntryConfig()

_Pieces: TypeAlias = list[bytes | memoryview]
"""Parts of a JSON text that are joined at the end."""

_PIECES_OF_WINDOW = 5
_FIRST_WINDOW, _SPEAKERS, _NEXT_WINDOW, _LAST = (
    b'[{"segments":[',
    b'],"speaker_durations":[',
    b']},{"segments":[',
    b"]}]",
)
"""The JSON before the first window of an array, within each window, between windows, and after the last one."""

_REFERENCE = {"selection": GREEDY, "candidates": LONGEST}

_WITHOUT_WINDOWS: dict[str, Any] = {
    "total_dur_window": 0.0,
    "total_dur_list_window": [],
    "total_dur_list_window_timestamps": [],
    "filtered": [],
    "filtered_windows": [],
    "filtered_dur": 0.0,
    "filtered_dur_list": [],
    "manifest_filepath": None,
    "swift_filepath": None,
}
"""Fields of the overlap step for a recording without windows, if the entry itself has no field of that name."""


def to_entry(kept: KeptWindows, config: EntryConfig = _DEFAULT) -> dict[str, Any]:
    """The output entry of a recording as a dict; its fields are those of a line of `alm_output-*.jsonl`.

    Args:
        kept: the kept windows of the recording, from `filter_overlaps`.
        config: which fields are left out. By default the words of the segments are.

    Raises:
        BadEntry: see `serialise_entry`.

    >>> from alm_beam.core.config import WindowConfig
    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.overlap import filter_overlaps
    >>> from alm_beam.core.windows import build_windows
    >>> segments = [{"start": 0, "end": 5, "speaker": "a"}, {"start": 5, "end": 10.5, "speaker": "b"}]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": segments})
    >>> kept = filter_overlaps(build_windows(recording, WindowConfig(target_window_duration=10, min_bandwidth=0)))
    >>> entry = to_entry(kept)
    >>> entry["filtered"], entry["filtered_dur"]  # pairs of end and start, seconds
    ([[10.5, 0]], 10.5)
    >>> entry["filtered_windows"][0]["speaker_durations"]
    [5.5, 5.0, 0.0, 0.0, 0.0]
    """
    entry: dict[str, Any] = orjson.loads(serialise_entry(kept, config))
    return entry


def serialise_entry(kept: KeptWindows, config: EntryConfig) -> bytes:
    """The output entry of a recording as JSON, without a newline.

    Raises:
        BadEntry: the manifest's entry is nested too deep to be written, or the JSON would be longer than
            `config.max_line_bytes`.
    """
    candidates = kept.candidates
    longest = candidates.longest
    try:
        segments = _SegmentJson(candidates.recording, config.drop_fields)
        line: _Pieces = [orjson.dumps(_plain_fields(kept, config))[:-1]]
        has_segments = kept.indices or (config.candidate_windows and (longest or candidates.lost))
        begins = segments.begins() if has_segments else [0]
        check_entry_bytes(kept, config, len(line[0]), begins, segments.truncated_bytes)
        longest_pieces: _Pieces = []
        if config.candidate_windows:
            longest_pieces = segments.windows(longest)
            line.append(b',"windows":')
            line += _windows_array(longest_pieces)
        if candidates.columns:
            if longest_pieces and candidates.columns is longest:
                kept_pieces: _Pieces = []
                for index in kept.indices:
                    kept_pieces += longest_pieces[index * _PIECES_OF_WINDOW : (index + 1) * _PIECES_OF_WINDOW]
            else:
                kept_pieces = segments.windows(kept.columns())
            line.append(b',"filtered_windows":')
            line += _windows_array(kept_pieces)
        line += (b',"stats":', orjson.dumps(_stats(candidates))[:-1])
        if config.candidate_windows:
            line += (b',"lost_win_full_data":', *_array(segments.lost_candidates(candidates.lost)))
        line.append(b'},"truncation_events":%d}' % candidates.losses.truncations)
        text = b"".join(line)
    except TypeError as error:
        raise unwritable(error) from None
    if len(text) > config.max_line_bytes:  # by so little that only its exact length tells
        raise entry_fault(kept, config, len(text), len(line[0]), begins)
    return text


def _windows_array(pieces: _Pieces) -> _Pieces:
    """A JSON array of windows of _PIECES_OF_WINDOW pieces each. The last piece of a window begins the next one."""
    return [_FIRST_WINDOW, *pieces[:-1], _LAST] if pieces else [b"[]"]


def _array(items: _Pieces) -> _Pieces:
    """A JSON array of items, each of which begins with a comma."""
    return [b"[", items[0][1:], *items[1:], b"]"] if items else [b"[]"]


class _SegmentJson:
    """The segments of a recording without the dropped fields, as one JSON text with a comma after each.

    Slices of it are views: nothing is copied until all the pieces of an entry are joined.
    """

    __slots__ = ("_begins", "_dropped", "_each", "_keeps_words", "_recording", "_segments", "_text")

    def __init__(self, recording: Recording, dropped: frozenset[str]):
        self._recording, self._dropped = recording, dropped
        self._keeps_words = "words" not in dropped
        self._segments = whole_segments(recording) if self._keeps_words else recording.segments
        self._text: memoryview | None = None

    def _read(self) -> tuple[memoryview, list[int], list[bytes]]:
        """The text, the position in it at which each segment begins, and the JSON of each segment."""
        if self._text is None:
            segments: Iterable[Segment] = self._segments
            if any(True in map(contains, segments, repeat(name)) for name in self._dropped):
                segments = map(self._without_dropped, segments)
            self._each = list(map(orjson.dumps, segments))
            self._text = memoryview(b",".join(self._each))
            self._begins = list(accumulate([len(segment) + 1 for segment in self._each], initial=0))
        return self._text, self._begins, self._each

    def begins(self) -> list[int]:
        """The places at which the segments begin in the text; then the one at which it ends."""
        return self._read()[1]

    def truncated_bytes(self, index: int, truncation: Truncation) -> int:
        """The size of a truncated segment."""
        return len(self._truncated(index, truncation))

    def windows(self, windows: WindowColumns) -> _Pieces:
        """For each window _PIECES_OF_WINDOW pieces, as `_windows_array` takes them."""
        if not windows:
            return []
        text, begins, _ = self._read()
        windows = windows.with_speakers(self._recording)
        rows = orjson.dumps(windows.speaker_durations)[2:-2].split(b"],[")
        pieces: _Pieces = []
        for first, stop, truncation, row in zip(windows.firsts, windows.stops, windows.truncations, rows):
            if truncation is None:
                pieces += (text[begins[first] : begins[stop] - 1], b"", _SPEAKERS, row, _NEXT_WINDOW)
            else:
                whole, last = text[begins[first] : begins[stop - 1]], self._truncated(stop - 1, truncation)
                pieces += (whole, last, _SPEAKERS, row, _NEXT_WINDOW)
        return pieces

    def lost_candidates(self, candidates: list[LostCandidate]) -> _Pieces:
        """The pieces of the candidates that failed, each of which begins with a comma."""
        if not candidates:
            return []
        text, begins, each = self._read()
        pieces: _Pieces = []
        for lost in candidates:
            first, whole_stop = lost.first, lost.stop if lost.truncation is None else lost.stop - 1
            pieces += (
                b',{"index":%d,"window_segs":[' % first,
                text[begins[first] : begins[whole_stop] - 1] if whole_stop > first else b"",
                b"," if whole_stop > first and lost.truncation else b"",
                b"" if lost.truncation is None else self._truncated(whole_stop, lost.truncation),
                b'],"next_seg":',
                each[lost.stopped_at],
                b',"prev_seg":',
                each[first - 1 if first else 0],
                b"}",
            )
        return pieces

    def _truncated(self, index: int, truncation: Truncation) -> bytes:
        segment = truncated(self._segments[index], truncation, keeps_words=self._keeps_words)
        for name in self._dropped:
            segment.pop(name, None)
        return orjson.dumps(segment)

    def _without_dropped(self, segment: Segment) -> Segment:
        copy = segment.copy()
        for name in self._dropped:
            copy.pop(name, None)
        return copy


def _plain_fields(kept: KeptWindows, config: EntryConfig) -> dict[str, Any]:
    """The fields of the entry that contain no segments of windows."""
    fields = _own_fields(kept.candidates, config)
    if kept.candidates.columns:
        fields.update(_overlap_fields(kept))
        fields.pop("filtered_windows", None)
    else:
        fields = {**_WITHOUT_WINDOWS, **fields}
    fields.update(_differences(kept))
    for name in ("windows", "stats", "truncation_events"):
        fields.pop(name, None)
    return fields


def _own_fields(candidates: CandidateWindows, config: EntryConfig) -> dict[str, Any]:
    """The manifest entry's own fields. Below the minimum sample rate, only `audio_filepath` of them is kept."""
    entry = candidates.recording.entry
    own = {"audio_filepath": entry.get("audio_filepath")} if candidates.low_sample_rate else entry
    segments, dropped = segments_field(entry), config.drop_fields_top_level
    if SEGMENTS in dropped:
        dropped |= {segments}
    fields = {name: value for name, value in own.items() if name not in dropped}
    if segments in fields:
        fields[segments] = whole_segments(candidates.recording)
    return fields


def _overlap_fields(kept: KeptWindows) -> dict[str, Any]:
    longest, times = kept.candidates.longest, kept.times
    kept_durations = [end - start for start, end in times]
    return {
        "total_dur_window": left_to_right_sum(longest.durations),
        "total_dur_list_window": longest.durations,
        "total_dur_list_window_timestamps": list(zip(longest.ends, longest.starts)),
        "filtered": [(end, start) for start, end in times],
        "filtered_dur": left_to_right_sum(kept_durations),
        "filtered_dur_list": kept_durations,
        "manifest_filepath": None,
        "swift_filepath": kept.candidates.recording.entry.get("swift_audio_filepath", ""),
    }


def _differences(kept: KeptWindows) -> dict[str, str]:
    """Fields that say how the windows were chosen, if the reference would have chosen otherwise."""
    how = {"selection": kept.config.selection, "candidates": kept.candidates.config.candidates}
    return {} if how == _REFERENCE else how


def _stats(candidates: CandidateWindows) -> dict[str, Any]:
    return {
        **candidates.losses.to_dict(),
        "swift_path": candidates.recording.entry.get("swift_audio_filepath", ""),
        "audio_sample_rate": candidates.recording.sample_rate,
    }
