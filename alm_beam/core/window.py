"""One window as an object. It is made when somebody looks at it: the job itself works on columns."""

from dataclasses import dataclass, field

import orjson

from alm_beam.core.faults import Segment, unwritable
from alm_beam.core.manifest import Recording, parsed_words, short_seconds
from alm_beam.core.speaker_labels import distinct_names
from alm_beam.core.truncation import Truncation, truncated
from alm_beam.core.window_columns import speaker_durations_of


@dataclass(frozen=True, slots=True, repr=False)
class Window:
    """A run of consecutive segments of one recording, near the target duration.

    Windows come from `build_windows` and `filter_overlaps`. The properties are computed at each access.

    Attributes:
        recording: the recording.
        first: index of the window's first segment in the recording.
        stop: index after its last segment.
        truncation: how the last segment is truncated; None if it is whole.
        start: seconds, the start of the first segment.
        end: seconds, the end of the last segment, after truncation.

    >>> from alm_beam.core.config import WindowConfig
    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.windows import build_windows
    >>> entry = {
    ...     "audio_sample_rate": 16000,
    ...     "segments": [
    ...         {"start": 0.5, "end": 4.0, "speaker": "anna", "text": "good morning"},
    ...         {"start": 4.5, "end": 10.0, "speaker": "ben", "text": "hello"},
    ...     ],
    ... }
    >>> config = WindowConfig(target_window_duration=10, min_bandwidth=0)
    >>> window = build_windows(parse_recording(entry), config)[0]
    >>> window
    Window(0.5-10.0 s, 2 segments, 2 speakers)
    >>> window.start, window.end, window.duration, window.is_truncated
    (0.5, 10.0, 9.5, False)
    >>> window.speakers, window.speaker_durations
    (('anna', 'ben'), [5.5, 3.5, 0.0, 0.0, 0.0])
    >>> [segment["text"] for segment in window.segments]
    ['good morning', 'hello']
    """

    recording: Recording = field(hash=False)
    first: int
    stop: int
    truncation: Truncation | None = field(hash=False)
    start: float
    end: float

    @property
    def duration(self) -> float:
        """Seconds, end - start."""
        return self.end - self.start

    @property
    def is_truncated(self) -> bool:
        """Whether the last segment is shortened at a word end, to keep the maximum duration."""
        return self.truncation is not None

    @property
    def speakers(self) -> tuple[str | int, ...]:
        """The distinct speakers in order of first appearance. Segments without a label count for nobody."""
        return tuple(distinct_names(self.recording.speakers[self.first : self.stop]))

    @property
    def speaker_durations(self) -> list[float]:
        """Five numbers, seconds: how long the longest speakers speak, in descending order, then zeros."""
        return speaker_durations_of(self.recording, self.first, self.stop, self.truncation)

    @property
    def segments(self) -> list[Segment]:
        """Copies of the segments with their words, the last one truncated if the window is. Times are seconds.

        Raises:
            BadEntry: a segment is nested too deep, or its words contain a number that is too large.
        """
        copies = [_copied(self.recording, index) for index in range(self.first, self.stop)]
        if self.truncation is not None:
            copies[-1] = truncated(copies[-1], self.truncation, keeps_words=True)
        return copies

    def __repr__(self) -> str:
        times = f"{short_seconds(self.start)}-{short_seconds(self.end)} s"
        return f"Window({times}, {self.stop - self.first} segments, {len(self.speakers)} speakers)"


def _copied(recording: Recording, index: int) -> Segment:
    """A deep copy of a segment, with its words."""
    try:
        copy: Segment = orjson.loads(orjson.dumps(recording.segments[index]))
    except TypeError as error:
        raise unwritable(error) from None
    if recording.words[index]:
        copy["words"] = parsed_words(recording, index)
    return copy
