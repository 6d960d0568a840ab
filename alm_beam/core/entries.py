"""The reference's output entry, as bytes: one line of `alm_output-*.jsonl` for each recording.

A window is a slice of its recording's segments, and an entry holds each segment many times over. Each is therefore
serialised once, and those bytes are spliced into every window that holds it.
"""

from typing import Any

import orjson

from alm_beam.core.config import EntryConfig
from alm_beam.core.losses import left_to_right_sum
from alm_beam.core.manifest import BadEntry, Segment, too_deep
from alm_beam.core.overlap import Selection
from alm_beam.core.truncation import Cut
from alm_beam.core.windows import Candidates, LostWindow, Window

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
    entry = _own_fields(candidates, config)
    if candidates.windows:
        entry.update(_overlap_fields(selection))
    else:
        entry = {**_WITHOUT_WINDOWS, **entry}
    try:
        segments = _SegmentJson(candidates.recording.segments, config.drop_fields)
        written = range(len(candidates.windows)) if config.candidate_windows else selection.kept
        windows = {
            index: {
                "segments": segments.of(candidates.windows[index]),
                "speaker_durations": candidates.speaker_durations[index],
            }
            for index in written
        }
        if candidates.windows:
            entry["filtered_windows"] = [windows[index] for index in selection.kept]
        stats = _stats(candidates)
        if config.candidate_windows:
            entry["windows"] = list(windows.values())
            stats["lost_win_full_data"] = list(map(segments.of_lost, candidates.lost))
        else:
            entry.pop("windows", None)
        entry["stats"] = stats
        entry["truncation_events"] = candidates.losses.truncations
        return orjson.dumps(entry)
    except TypeError as error:
        raise _unwritable(error) from None


def _unwritable(error: TypeError) -> BadEntry:
    if "ecursion" in str(error):
        return too_deep()
    raise error


class _SegmentJson:
    """A recording's segments less the dropped fields, as JSON that is made once for all the windows."""

    __slots__ = ("_dropped", "_made", "_segments")

    def __init__(self, segments: list[Segment], dropped: frozenset[str]):
        self._dropped = dropped
        self._segments = segments
        self._made: list[Any] | None = None

    @property
    def _each(self) -> list[Any]:
        if self._made is None:
            self._made = [orjson.Fragment(orjson.dumps(self._less(segment))) for segment in self._segments]
        return self._made

    def of(self, window: Window | LostWindow) -> list[Any]:
        held: list[Any] = self._each[window.first : window.stop]
        if window.cut is not None:
            held[-1] = self._cut(self._segments[window.stop - 1], window.cut)
        return held

    def of_lost(self, lost: LostWindow) -> dict[str, Any]:
        return {
            "index": lost.first,
            "window_segs": self.of(lost),
            "next_seg": self._each[lost.stopped_at],
            "prev_seg": self._each[lost.first - 1 if lost.first else 0],
        }

    def _cut(self, segment: Segment, cut: Cut) -> Segment:
        return self._without_dropped({**segment, "end": cut.end, "text": cut.text, "words": cut.words})

    def _less(self, segment: Segment) -> Segment:
        return segment if self._dropped.isdisjoint(segment) else self._without_dropped(segment.copy())

    def _without_dropped(self, copy: Segment) -> Segment:
        for name in self._dropped:
            copy.pop(name, None)
        return copy


def _own_fields(candidates: Candidates, config: EntryConfig) -> dict[str, Any]:
    entry = candidates.recording.entry
    own = {"audio_filepath": entry.get("audio_filepath")} if candidates.low_sample_rate else entry
    return {name: value for name, value in own.items() if name not in config.drop_fields_top_level}


def _overlap_fields(selection: Selection) -> dict[str, Any]:
    windows, times = selection.candidates.windows, selection.times
    durations = [end - start for _, _, _, start, end in windows]
    kept_durations = [end - start for start, end in times]
    return {
        "total_dur_window": left_to_right_sum(durations),
        "total_dur_list_window": durations,
        "total_dur_list_window_timestamps": [(end, start) for _, _, _, start, end in windows],
        "filtered": [(end, start) for start, end in times],
        "filtered_dur": left_to_right_sum(kept_durations),
        "filtered_dur_list": kept_durations,
        "manifest_filepath": None,
        "swift_filepath": selection.candidates.recording.entry.get("swift_audio_filepath", ""),
    }


def _stats(candidates: Candidates) -> dict[str, Any]:
    return {
        **candidates.losses.to_dict(),
        "swift_path": candidates.recording.entry.get("swift_audio_filepath", ""),
        "audio_sample_rate": candidates.recording.sample_rate,
    }
