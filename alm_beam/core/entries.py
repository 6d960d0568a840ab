"""The reference's output entry, as bytes: one line of `alm_output-*.jsonl` for each recording.

A window is a slice of its recording's segments, and an entry holds each segment many times over. Each is therefore
serialised once, and the entry is spliced from those bytes.
"""

from typing import Any

from alm_beam.core.config import EntryConfig
from alm_beam.core.losses import left_to_right_sum
from alm_beam.core.manifest import Segment, serialised
from alm_beam.core.overlap import Selection
from alm_beam.core.windows import Candidates, LostWindow, Span, Window

SPEAKER_DURATIONS = 5
"""How many speakers' durations an entry states for a window, the longest first, filled up with zeros."""

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
    segments = _SegmentBytes(candidates.recording.segments, frozenset(config.drop_fields))
    windows = [_window_bytes(window, segments) for window in candidates.windows]
    parts = [
        serialised(_top_level_fields(selection, config))[:-1],
        b',"windows":[',
        b",".join(windows),
        b'],"stats":',
        serialised(_stats(candidates))[:-1],
        b',"lost_win_full_data":[',
        b",".join([_lost_window_bytes(lost, segments) for lost in candidates.lost]),
        b"]}",
    ]
    if windows:
        parts += [b',"filtered_windows":[', b",".join([windows[index] for index in selection.windows]), b"]"]
    parts.append(b"}")
    return b"".join(parts)


class _SegmentBytes:
    """The JSON of a recording's segments less the dropped fields, each made once."""

    __slots__ = ("dropped", "each")

    def __init__(self, segments: list[Segment], dropped: frozenset[str]):
        self.dropped = dropped
        self.each = [self.of(segment) for segment in segments]

    def of(self, segment: Segment) -> bytes:
        if self.dropped.isdisjoint(segment):
            return serialised(segment)
        return serialised({name: value for name, value in segment.items() if name not in self.dropped})

    def of_span(self, span: Span) -> bytes:
        if span.cut is None:
            return b",".join(self.each[span.first : span.stop])
        return b",".join([*self.each[span.first : span.stop - 1], self.of(span.cut)])


def _window_bytes(window: Window, segments: _SegmentBytes) -> bytes:
    longest = sorted(window.speaker_durations, reverse=True)[:SPEAKER_DURATIONS]
    durations = serialised(longest + [0.0] * (SPEAKER_DURATIONS - len(longest)))
    return b'{"segments":[%b],"speaker_durations":%b}' % (segments.of_span(window.span), durations)


def _lost_window_bytes(lost: LostWindow, segments: _SegmentBytes) -> bytes:
    return b'{"index":%d,"window_segs":[%b],"next_seg":%b,"prev_seg":%b}' % (
        lost.span.first,
        segments.of_span(lost.span),
        segments.each[lost.next],
        segments.each[max(lost.span.first - 1, 0)],
    )


def _top_level_fields(selection: Selection, config: EntryConfig) -> dict[str, Any]:
    """All fields of the entry but `windows`, `stats` and, where there are windows, `filtered_windows`."""
    candidates = selection.candidates
    entry = candidates.recording.entry
    own = {"audio_filepath": entry.get("audio_filepath")} if candidates.low_sample_rate else entry
    fields = {name: value for name, value in own.items() if name not in config.drop_fields_top_level}
    for spliced in ("windows", "stats"):
        fields.pop(spliced, None)
    fields["truncation_events"] = candidates.losses.truncations
    if not candidates.windows:
        return {**_WITHOUT_WINDOWS, **fields}
    fields.pop("filtered_windows", None)
    durations = [window.end - window.start for window in candidates.windows]
    kept_durations = [end - start for start, end in selection.times]
    fields["total_dur_window"] = left_to_right_sum(durations)
    fields["total_dur_list_window"] = durations
    fields["total_dur_list_window_timestamps"] = [(window.end, window.start) for window in candidates.windows]
    fields["filtered"] = [(end, start) for start, end in selection.times]
    fields["filtered_dur"] = left_to_right_sum(kept_durations)
    fields["filtered_dur_list"] = kept_durations
    fields["manifest_filepath"] = None
    fields["swift_filepath"] = entry.get("swift_audio_filepath", "")
    return fields


def _stats(candidates: Candidates) -> dict[str, Any]:
    entry = candidates.recording.entry
    return {
        **candidates.losses.to_dict(),
        "swift_path": entry.get("swift_audio_filepath", ""),
        "audio_sample_rate": candidates.recording.sample_rate,
    }
