"""The windows of one recording as columns: lists with one item per window.

A window is a slice of its recording's segments, of which the last may be truncated. The columns hold indices and times
only, so that no segment is copied. `core.window` makes one window into an object.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from operator import sub
from typing import TypeAlias, TypeVar

from alm_beam.core.manifest import Recording
from alm_beam.core.speaker_labels import SpeakerLabel
from alm_beam.core.truncation import Truncation

MIN_SEGMENTS_PER_WINDOW = 2

SPEAKER_DURATIONS = 5
"""The number of speakers whose durations an entry states for each window."""

Times: TypeAlias = tuple[float, float]
"""Start and end of a window, seconds."""

_Columns = TypeVar("_Columns", bound="WindowSlices")


@dataclass(slots=True)
class WindowSlices:
    """Which segments each window contains, and when it starts and ends.

    Attributes:
        firsts: index of the first segment.
        stops: index after the last segment.
        truncations: how the last segment is truncated; None if it is whole.
        starts: seconds, the start of the first segment.
        ends: seconds, the end of the last segment, after truncation.
    """

    firsts: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    truncations: list[Truncation | None] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.firsts)

    def take(self: _Columns, indices: list[int]) -> _Columns:
        """The windows at these indices, as columns of their own."""
        return type(self)(*[list(map(getattr(self, name).__getitem__, indices)) for name in self.__match_args__])

    def with_speakers(self, recording: Recording) -> "WindowColumns":
        """The same windows with their durations and those of their speakers. `recording` is the one they belong to."""
        slices = (self.firsts, self.stops, self.truncations)
        durations = list(map(sub, self.ends, self.starts))
        speaker_durations = [speaker_durations_of(recording, *each) for each in zip(*slices)]
        return WindowColumns(*slices, self.starts, self.ends, durations, speaker_durations)


@dataclass(slots=True)
class WindowColumns(WindowSlices):
    """Windows with all that an entry states of them.

    Attributes:
        durations: seconds, ends - starts.
        speaker_durations: see `speaker_durations_of`. They may be empty where they would take longer than all else:
            in windows of more than MANY_SEGMENTS segments, and in recordings whose run of segments is not the window
            (see `core.windows`). `with_speakers` computes them.
    """

    durations: list[float] = field(default_factory=list)
    speaker_durations: list[list[float]] = field(default_factory=list)

    def with_speakers(self, recording: Recording) -> "WindowColumns":
        """These windows, with the durations of their speakers. `recording` is the one that they belong to."""
        if [] not in self.speaker_durations:
            return self
        known = [
            each or speaker_durations_of(recording, first, stop, truncation)
            for first, stop, truncation, each in zip(self.firsts, self.stops, self.truncations, self.speaker_durations)
        ]
        return replace(self, speaker_durations=known)


@dataclass(slots=True)
class LostCandidate:
    """A candidate that is no window because of its duration or its number of segments.

    Attributes:
        first: index of its first segment.
        stop: index after its last segment; equal to `first` if it has none.
        truncation: how the last segment is truncated; None if it is whole.
        stopped_at: index of the segment that ended its growth; of the recording's last segment if none did.
    """

    first: int
    stop: int
    truncation: Truncation | None
    stopped_at: int


def speaker_durations_of(recording: Recording, first: int, stop: int, truncation: Truncation | None) -> list[float]:
    """How long the speakers of a window speak, in seconds.

    The durations of each speaker's segments are added from left to right, as the reference (NeMo Curator's ALM
    pipeline) adds them. A segment of several speakers counts for each of them.

    Args:
        recording: the window's recording.
        first: index of the window's first segment.
        stop: index after the last segment.
        truncation: how the last segment is truncated; None if it is whole.

    Returns:
        SPEAKER_DURATIONS numbers: those of the speakers who speak longest, in descending order, then zeros.
    """
    durations = recording.durations[first:stop]
    if truncation is not None:
        durations[-1] = truncation.end - recording.starts[stop - 1]
    sums: defaultdict[SpeakerLabel, float] = defaultdict(float)
    for label, seconds in zip(recording.speakers[first:stop], durations):
        if isinstance(label, tuple):
            for speaker in label:
                sums[speaker] += seconds
        else:
            sums[label] += seconds
    sums.pop(None, None)
    return (sorted(sums.values(), reverse=True) + [0.0] * SPEAKER_DURATIONS)[:SPEAKER_DURATIONS]
