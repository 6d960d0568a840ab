"""The reference's output entry, as bytes: one line of `alm_output-*.jsonl` for each recording.

A window is a slice of its recording's segments, and an entry holds each segment many times over. Each is therefore
serialised once, all into one text, and of that text a window is a slice too: its JSON is that slice, the segment that
was cut for it, and its speakers' durations. So the work is linear in segments, windows and the bytes of the output.
"""

from collections.abc import Iterable
from itertools import accumulate, repeat
from operator import contains
from typing import Any, TypeAlias

import orjson

from alm_beam.core.config import GREEDY, LONGEST, EntryConfig
from alm_beam.core.losses import left_to_right_sum
from alm_beam.core.manifest import BadEntry, Recording, Segment, too_deep, whole_segments
from alm_beam.core.overlap import Selection
from alm_beam.core.truncation import Cut, shortened
from alm_beam.core.window_columns import LostWindow, Windows
from alm_beam.core.windows import Candidates

_Pieces: TypeAlias = list[bytes | memoryview]
"""JSON, still to be joined."""

_PIECES_OF_WINDOW = 5
_FIRST_WINDOW, _SPEAKERS, _NEXT_WINDOW, _LAST = (
    b'[{"segments":[',
    b'],"speaker_durations":[',
    b']},{"segments":[',
    b"]}]",
)
"""What stands before, in, between and behind the windows of an array."""

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
"""What the overlap step states of a recording without windows, where the manifest itself has no such field."""


def serialise_entry(selection: Selection, config: EntryConfig) -> bytes:
    """The output entry of a recording, without a newline.

    Raises:
        BadEntry: the manifest's entry is nested too deep to be written.
    """
    candidates = selection.candidates
    windows = candidates.windows
    try:
        segments = _SegmentJson(candidates.recording, config.drop_fields)
        line: _Pieces = [orjson.dumps(_plain_fields(selection, config))[:-1]]
        pieces: _Pieces = []
        if config.candidate_windows:
            pieces = segments.windows(windows)
            line.append(b',"windows":')
            line += _windows_array(pieces)
        if candidates.choices:
            if pieces and candidates.choices is windows:
                kept: _Pieces = []
                for index in selection.kept:
                    kept += pieces[index * _PIECES_OF_WINDOW : (index + 1) * _PIECES_OF_WINDOW]
            else:
                kept = segments.windows(selection.windows())
            line.append(b',"filtered_windows":')
            line += _windows_array(kept)
        line += (b',"stats":', orjson.dumps(_stats(candidates))[:-1])
        if config.candidate_windows:
            line += (b',"lost_win_full_data":', *_array(segments.lost_windows(candidates.lost)))
        line.append(b'},"truncation_events":%d}' % candidates.losses.truncations)
        return b"".join(line)
    except TypeError as error:
        raise _unwritable(error) from None


def _unwritable(error: TypeError) -> BadEntry:
    if "ecursion" in str(error):
        return too_deep()
    raise error


def _windows_array(pieces: _Pieces) -> _Pieces:
    """A JSON array of windows: each of them _PIECES_OF_WINDOW pieces, the last of which begins the next one."""
    return [_FIRST_WINDOW, *pieces[:-1], _LAST] if pieces else [b"[]"]


def _array(items: _Pieces) -> _Pieces:
    """A JSON array of items, each of which begins with a comma."""
    return [b"[", items[0][1:], *items[1:], b"]"] if items else [b"[]"]


class _SegmentJson:
    """A recording's segments less the dropped fields, as one text of JSON with a comma after each.

    Slices of it are views: nothing is copied until all the pieces of an entry are joined.
    """

    __slots__ = ("_begins", "_dropped", "_each", "_keeps_words", "_segments", "_text")

    def __init__(self, recording: Recording, dropped: frozenset[str]):
        self._dropped = dropped
        self._keeps_words = "words" not in dropped
        self._segments = whole_segments(recording) if self._keeps_words else recording.segments
        self._text: memoryview | None = None

    def _read(self) -> tuple[memoryview, list[int], list[bytes]]:
        """The text, where in it each segment begins, and the JSON of each."""
        if self._text is None:
            segments: Iterable[Segment] = self._segments
            if any(True in map(contains, segments, repeat(name)) for name in self._dropped):
                segments = map(self._without_dropped, segments)
            self._each = list(map(orjson.dumps, segments))
            self._text = memoryview(b",".join(self._each))
            self._begins = list(accumulate([len(one) + 1 for one in self._each], initial=0))
        return self._text, self._begins, self._each

    def windows(self, windows: Windows) -> _Pieces:
        """For each window _PIECES_OF_WINDOW pieces, as `_windows_array` takes them."""
        if not windows:
            return []
        text, begins, _ = self._read()
        rows = orjson.dumps(windows.speaker_durations)[2:-2].split(b"],[")
        pieces: _Pieces = []
        for first, stop, cut, row in zip(windows.firsts, windows.stops, windows.cuts, rows):
            if cut is None:
                pieces += (text[begins[first] : begins[stop] - 1], b"", _SPEAKERS, row, _NEXT_WINDOW)
            else:
                whole, shortened = text[begins[first] : begins[stop - 1]], self._cut(stop - 1, cut)
                pieces += (whole, shortened, _SPEAKERS, row, _NEXT_WINDOW)
        return pieces

    def lost_windows(self, lost_windows: list[LostWindow]) -> _Pieces:
        """The pieces of the candidates that failed, each of which begins with a comma."""
        if not lost_windows:
            return []
        text, begins, each = self._read()
        pieces: _Pieces = []
        for lost in lost_windows:
            first, whole = lost.first, lost.stop if lost.cut is None else lost.stop - 1
            pieces += (
                b',{"index":%d,"window_segs":[' % first,
                text[begins[first] : begins[whole] - 1] if whole > first else b"",
                b"," if whole > first and lost.cut else b"",
                b"" if lost.cut is None else self._cut(whole, lost.cut),
                b'],"next_seg":',
                each[lost.stopped_at],
                b',"prev_seg":',
                each[first - 1 if first else 0],
                b"}",
            )
        return pieces

    def _cut(self, index: int, cut: Cut) -> bytes:
        segment = shortened(self._segments[index], cut, keeps_words=self._keeps_words)
        for name in self._dropped:
            segment.pop(name, None)
        return orjson.dumps(segment)

    def _without_dropped(self, segment: Segment) -> Segment:
        less = segment.copy()
        for name in self._dropped:
            less.pop(name, None)
        return less


def _plain_fields(selection: Selection, config: EntryConfig) -> dict[str, Any]:
    """The entry's fields but for those that hold segments."""
    fields = _own_fields(selection.candidates, config)
    if selection.candidates.choices:
        fields.update(_overlap_fields(selection))
        fields.pop("filtered_windows", None)
    else:
        fields = {**_WITHOUT_WINDOWS, **fields}
    fields.update(_differences(selection))
    for name in ("windows", "stats", "truncation_events"):
        fields.pop(name, None)
    return fields


def _own_fields(candidates: Candidates, config: EntryConfig) -> dict[str, Any]:
    entry = candidates.recording.entry
    own = {"audio_filepath": entry.get("audio_filepath")} if candidates.low_sample_rate else entry
    kept = {name: value for name, value in own.items() if name not in config.drop_fields_top_level}
    if "segments" in kept:
        kept["segments"] = whole_segments(candidates.recording)
    return kept


def _overlap_fields(selection: Selection) -> dict[str, Any]:
    windows, times = selection.candidates.windows, selection.times
    kept_durations = [end - start for start, end in times]
    return {
        "total_dur_window": left_to_right_sum(windows.durations),
        "total_dur_list_window": windows.durations,
        "total_dur_list_window_timestamps": list(zip(windows.ends, windows.starts)),
        "filtered": [(end, start) for start, end in times],
        "filtered_dur": left_to_right_sum(kept_durations),
        "filtered_dur_list": kept_durations,
        "manifest_filepath": None,
        "swift_filepath": selection.candidates.recording.entry.get("swift_audio_filepath", ""),
    }


def _differences(selection: Selection) -> dict[str, str]:
    """What says that the reference would have chosen otherwise."""
    how = {"selection": selection.config.selection, "candidates": selection.candidates.config.candidates}
    return {} if how == _REFERENCE else how


def _stats(candidates: Candidates) -> dict[str, Any]:
    return {
        **candidates.losses.to_dict(),
        "swift_path": candidates.recording.entry.get("swift_audio_filepath", ""),
        "audio_sample_rate": candidates.recording.sample_rate,
    }
