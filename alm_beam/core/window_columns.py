"""What a window is: a slice of its recording's segments, of which the last may be cut."""

from collections import defaultdict
from dataclasses import dataclass, field, fields
from operator import sub
from typing import TypeAlias, TypeVar

from alm_beam.core.manifest import Recording
from alm_beam.core.truncation import Cut

MIN_SEGMENTS_PER_WINDOW = 2

SPEAKER_DURATIONS = 5
"""How many speakers' durations are stated of a window."""

Times: TypeAlias = tuple[float, float]
"""Start and end of a window, seconds."""

_Columns = TypeVar("_Columns", bound="Slices")


@dataclass(slots=True)
class Slices:
    """Windows of one recording, as columns.

    Attributes:
        firsts: index of the first segment.
        stops: index after the last one.
        cuts: what truncation made of the last segment; None where that is whole.
        starts: seconds, where the first segment starts.
        ends: seconds, where the last segment ends.
    """

    firsts: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    cuts: list[Cut | None] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.firsts)

    def at(self: _Columns, indices: list[int]) -> _Columns:
        """Some of the windows."""
        columns = [getattr(self, column.name) for column in fields(self)]
        return type(self)(*[[column[index] for index in indices] for column in columns])

    def with_speakers(self, recording: Recording) -> "Windows":
        """The same windows of that recording, and how long their speakers speak, added up from left to right."""
        slices = (self.firsts, self.stops, self.cuts)
        durations = list(map(sub, self.ends, self.starts))
        speaker_durations = [_speaker_durations(recording, *each) for each in zip(*slices)]
        return Windows(*slices, self.starts, self.ends, durations, speaker_durations)


@dataclass(slots=True)
class Windows(Slices):
    """Windows of one recording that are to be written.

    Attributes:
        durations: seconds, ends - starts.
        speaker_durations: for each window SPEAKER_DURATIONS numbers, seconds: its speakers' durations, the longest
            first, filled up with zeros.
    """

    durations: list[float] = field(default_factory=list)
    speaker_durations: list[list[float]] = field(default_factory=list)


@dataclass(slots=True)
class LostWindow:
    """A candidate that failed on duration or on the number of segments: the slice that it had gathered.

    Attributes:
        first: index of its first segment.
        stop: index after its last one; equal to `first` where it had none.
        cut: what truncation made of its last segment; None where that is whole.
        stopped_at: index of the segment at which growth stopped, or of the recording's last one.
    """

    first: int
    stop: int
    cut: Cut | None
    stopped_at: int


def _speaker_durations(recording: Recording, first: int, stop: int, cut: Cut | None) -> list[float]:
    durations = recording.durations[first:stop]
    if cut is not None:
        durations[-1] = cut.end - recording.starts[stop - 1]
    sums: defaultdict[str | int | None, float] = defaultdict(float)
    for speaker, seconds in zip(recording.speakers[first:stop], durations):
        sums[speaker] += seconds
    sums.pop(None, None)
    return (sorted(sums.values(), reverse=True) + [0.0] * SPEAKER_DURATIONS)[:SPEAKER_DURATIONS]
