"""Which of the overlapping candidate windows of one recording stay."""

from collections.abc import Sequence
from dataclasses import dataclass

from alm_beam.core.config import OverlapConfig
from alm_beam.core.losses import LossStats, left_to_right_sum
from alm_beam.core.manifest import ManifestLine
from alm_beam.core.windows import Candidates

Times = tuple[float, float]
"""Start and end of a window, seconds."""

_MATCHED_DIGITS = 6


@dataclass(slots=True)
class Selection:
    """The windows of a recording that stay.

    Attributes:
        candidates: all of them, and the recording.
        times: those that stay, by (start, end).
        windows: indices into `candidates.windows` of those whose times stay, ascending: more than `times` where
            windows of identical times are among them.
    """

    candidates: Candidates
    times: list[Times]
    windows: list[int]

    @property
    def line(self) -> ManifestLine:
        """Where the recording came from."""
        return self.candidates.line

    def loss_stats(self) -> LossStats:
        """What became of the recording, as its part of the run's statistics."""
        built = self.candidates.windows
        return LossStats(
            recordings=1,
            windows=len(built),
            window_seconds=left_to_right_sum(window.end - window.start for window in built),
            filtered_windows=len(self.windows),
            filtered_seconds=left_to_right_sum(end - start for start, end in self.times),
            losses=self.candidates.losses,
        )


def filter_overlaps(candidates: Candidates, config: OverlapConfig) -> Selection:
    """The windows that stay when every pair that overlaps too much has lost one.

    Times are compared as the reference compares them when it goes from the times that stay back to the windows:
    rounded to 6 digits.
    """
    windows = candidates.windows
    times = kept_times([(window.start, window.end) for window in windows], config)
    kept = {(round(start, _MATCHED_DIGITS), round(end, _MATCHED_DIGITS)) for start, end in times}
    stay = [
        index
        for index, window in enumerate(windows)
        if (round(window.start, _MATCHED_DIGITS), round(window.end, _MATCHED_DIGITS)) in kept
    ]
    return Selection(candidates, times, stay)


def kept_times(times: Sequence[Times], config: OverlapConfig) -> list[Times]:
    """The times that stay, sorted by (start, end), whatever the order of the given ones.

    Windows are taken in the order of (start, end). One that is still there is compared with each later one that is
    still there and starts before it ends. Where their overlap, as a fraction of the shorter, reaches the threshold,
    the one whose duration is further from the target goes; on a tie the shorter; on a tie again the later. One that
    has gone removes no others.
    """
    ordered = sorted(times)
    threshold, target = config.threshold, config.target_duration
    gone = [False] * len(ordered)
    for index, (start, end) in enumerate(ordered):
        if gone[index]:
            continue
        duration = end - start
        distance = abs(duration - target)
        for other in range(index + 1, len(ordered)):
            other_start, other_end = ordered[other]
            if other_start >= end:
                break
            if gone[other]:
                continue
            other_duration = other_end - other_start
            shorter = min(duration, other_duration)
            overlap = (min(end, other_end) - other_start) / shorter if shorter else 0.0
            if overlap < threshold:
                continue
            other_distance = abs(other_duration - target)
            if distance < other_distance or (distance == other_distance and duration >= other_duration):
                gone[other] = True
            else:
                gone[index] = True
                break
    return [pair for pair, is_gone in zip(ordered, gone) if not is_gone]
