"""The rules for what is said in a window: how much of it is speech, and how much of that is one speaker's.

They are off by default, as the reference (NeMo Curator's ALM pipeline) does not have them. They apply to windows that
obey all other rules.

Speech is what at least one segment of the window covers. It is found by what it is not. Where starts ascend, nobody
speaks before a segment if it starts after the latest end of those before it. The pauses from each start on are a chain,
and a start shares all but the first of its links with later starts: those that its own segment does not bridge. So the
pauses of all starts are found in one pass, from the last start to the first, and a window without pauses is exactly all
speech. Windows whose starts do not ascend are looked at one by one, within a limit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from alm_beam.core.config import WindowConfig
from alm_beam.core.losses import GAP, SHARE, SPEECH, left_to_right_sum
from alm_beam.core.manifest import Recording
from alm_beam.core.size_limits import MANY_SEGMENTS, MAX_STEPS, too_large
from alm_beam.core.speaker_labels import SpeakerLabel
from alm_beam.core.truncation import Truncation

_FEW_SPEAKERS = 8
"""Adding up the durations of so many speakers is no step that counts."""

_Pauses: TypeAlias = "tuple[int, float, _Pauses] | None"
"""The pauses of a start: the index of the segment after the first one, when that begins (seconds), and the others."""

_TOO_LARGE = (
    f"it takes more than {MAX_STEPS:,} steps to find how much of its windows is speech and whose: check whether so "
    "many segments overlap in time, sort them by `start`, or leave out --min_speech and --max_speaker_share"
)


def rules_on(config: WindowConfig) -> list[str]:
    """The names of the optional rules that a configuration has, in the order in which losses are stated.

    >>> rules_on(WindowConfig(min_metrics={"pesq": 2}, max_metrics={"wer.wer": 0.3, "pesq": 4}, max_gap=5))
    ['pesq', 'wer.wer', 'gap']
    """
    metrics = dict.fromkeys(name for name, _ in (*config.min_metrics, *config.max_metrics))
    asked = {GAP: config.max_gap is not None, SPEECH: config.min_speech > 0, SHARE: config.max_speaker_share < 1}
    return [*metrics, *(name for name, is_on in asked.items() if is_on)]


class SpeechRules:
    """Which windows of a recording have too little speech, or too much of one speaker."""

    def __init__(self, recording: Recording, config: WindowConfig):
        self._recording = recording
        self._min_speech, self._max_share = config.min_speech, config.max_speaker_share
        self._checks_speech, self._checks_share = config.min_speech > 0, config.max_speaker_share < 1
        if self._checks_speech:
            self._pauses, self._ordered_until = _find_pauses(recording.starts, recording.ends)
        self._steps = 0

    @property
    def are_on(self) -> bool:
        """Whether there is anything to check."""
        return self._checks_speech or self._checks_share

    def from_start(self, first: int) -> Callable[[int, Truncation | None], str | None]:
        """A function that gives the name of the first rule that a window breaks, or None, from where the window stops.

        The windows begin with the segment `first`. They are given by stop (index after the last segment) and by how
        the last segment is truncated, in ascending order; only the last of them may be truncated.

        Raises:
            BadEntry: the function does, if the recording takes too many steps: see `size_limits`.
        """
        speech = self._speech_from(first) if self._checks_speech else None
        share = self._share_from(first) if self._checks_share else None

        def broken(stop: int, truncation: Truncation | None) -> str | None:
            if speech is not None and speech(stop, truncation) < self._min_speech:
                return SPEECH
            if share is not None and share(stop, truncation) > self._max_share:
                return SHARE
            return None

        return broken

    def _speech_from(self, first: int) -> Callable[[int, Truncation | None], float]:
        """Gives the share of each window of a start that is speech."""
        starts, ends = self._recording.starts, self._recording.ends
        start = starts[first]
        pauses, ordered_until = self._pauses[first], self._ordered_until[first]
        silence, count = 0.0, 0

        def speech(stop: int, truncation: Truncation | None) -> float:
            nonlocal pauses, silence, count
            end = ends[stop - 1] if truncation is None else truncation.end
            if stop > ordered_until or end < starts[stop - 1]:  # its words end before it starts
                self._take_steps(stop - first)
                ends_here = [*ends[first : stop - 1], end]
                return covered_seconds_within(starts[first:stop], ends_here, start, end) / (end - start)
            while pauses is not None and pauses[0] < stop:
                index, begin, pauses = pauses
                silence += starts[index] - begin
                count += 1
                if count > MANY_SEGMENTS:
                    self._take_steps(1)
            return (end - start - silence) / (end - start)

        return speech

    def _share_from(self, first: int) -> Callable[[int, Truncation | None], float]:
        """Gives the share of the speech in each window of a start that the speaker has who speaks longest.

        It is 0 where nobody does whose label is known.
        """
        speakers, durations = self._recording.speakers, self._recording.durations
        sums: defaultdict[SpeakerLabel, float] = defaultdict(float)
        after = first

        def add(labels: Iterable[SpeakerLabel], seconds_of_each: Iterable[float]) -> None:
            for label, seconds in zip(labels, seconds_of_each):
                if isinstance(label, tuple):
                    for speaker in label:
                        sums[speaker] += seconds
                else:
                    sums[label] += seconds
            sums.pop(None, None)

        def share(stop: int, truncation: Truncation | None) -> float:
            nonlocal after
            whole_stop = stop if truncation is None else stop - 1
            self._take_steps(max(whole_stop - max(after, first + MANY_SEGMENTS), 0) + max(len(sums) - _FEW_SPEAKERS, 0))
            add(speakers[after:whole_stop], durations[after:whole_stop])
            after = whole_stop
            if truncation is not None:
                add([speakers[whole_stop]], [truncation.end - self._recording.starts[whole_stop]])
            total = left_to_right_sum(sums.values())
            return max(sums.values()) / total if total > 0 else 0.0

        return share

    def _take_steps(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise too_large(_TOO_LARGE)


def covered_seconds_within(starts: Sequence[float], ends: Sequence[float], begin: float, end: float) -> float:
    """How much of the time from `begin` to `end` at least one of the segments covers, seconds. They have any order.

    >>> covered_seconds_within([4, 0, 3], [5, 2, 9], 1, 8)
    6.0
    """
    covered, latest = 0.0, begin
    for start, stop in sorted(zip(starts, ends)):
        since, until = max(start, latest), min(stop, end)
        if until > since:
            covered += until - since
            latest = until
    return covered


def _find_pauses(starts: Sequence[float], ends: Sequence[float]) -> tuple[list[_Pauses], list[int]]:
    """The pauses from each start on, and the index of the segment before which the starts from there no longer ascend.

    The pauses are those until that segment.
    """
    count = len(starts)
    chains: list[_Pauses] = [None] * count
    ordered_until = [count] * count
    pauses: _Pauses = None
    for first in range(count - 2, -1, -1):
        following, end = starts[first + 1], ends[first]
        if following < starts[first]:
            pauses, ordered_until[first] = None, first + 1
            continue
        ordered_until[first] = ordered_until[first + 1]
        while pauses is not None and starts[pauses[0]] <= end:
            pauses = pauses[2]
        if pauses is not None and pauses[1] < end:
            pauses = (pauses[0], end, pauses[2])
        if following > end:
            pauses = (first + 1, end, pauses)
        chains[first] = pauses
    return chains, ordered_until
