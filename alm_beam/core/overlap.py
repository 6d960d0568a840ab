"""Which of the overlapping candidate windows of one recording stay."""

from collections.abc import Sequence
from dataclasses import dataclass

from alm_beam.core.config import OverlapConfig
from alm_beam.core.losses import LossStats, left_to_right_sum
from alm_beam.core.manifest import ManifestLine, Placed
from alm_beam.core.windows import Candidates

Times = tuple[float, float]
"""Start and end of a window, seconds."""

_MATCHED_DIGITS = 6
_CLOSE = 2 * 10**-_MATCHED_DIGITS


@dataclass(slots=True)
class Selection(Placed):
    """The windows of a recording that stay.

    Attributes:
        candidates: all of them, and the recording.
        times: those that stay, by (start, end).
        kept: indices into `candidates.windows` of those whose times stay, ascending: more than `times` where windows of
            identical times are among them.
    """

    candidates: Candidates
    times: list[Times]
    kept: list[int]

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
            filtered_windows=len(self.kept),
            filtered_seconds=left_to_right_sum(end - start for start, end in self.times),
            losses=self.candidates.losses,
        )


def filter_overlaps(candidates: Candidates, config: OverlapConfig) -> Selection:
    """The windows that stay when every pair that overlaps too much has lost one."""
    times = [(start, end) for _, _, _, start, end in candidates.windows]
    order = sorted(range(len(times)), key=times.__getitem__)
    ordered = [times[index] for index in order]
    kept = kept_positions(ordered, config)
    alike = _alike(ordered, kept)
    return Selection(candidates, [ordered[at] for at in kept], sorted([order[at] for at in alike]))


def kept_positions(times: Sequence[Times], config: OverlapConfig) -> list[int]:
    """Which of the times stay, ascending.

    One time after the other is compared with each later one that is still there and starts before it ends. Where their
    overlap, as a fraction of the shorter, reaches the threshold, the one whose duration is further from the target
    goes; on a tie the shorter; on a tie again the later. One that has gone removes no others.

    Args:
        times: sorted.
        config: the threshold and the target.
    """
    threshold = config.threshold
    durations = [end - start for start, end in times]
    distances = [abs(duration - config.target_duration) for duration in durations]
    gone = bytearray(len(times))
    for index, (_, end) in enumerate(times):
        if gone[index]:
            continue
        duration, distance = durations[index], distances[index]
        for other in range(index + 1, len(times)):
            other_start, other_end = times[other]
            if other_start >= end:
                break
            if gone[other]:
                continue
            other_duration = durations[other]
            shorter = duration if duration < other_duration else other_duration
            overlap = ((end if end < other_end else other_end) - other_start) / shorter if shorter else 0.0
            if overlap < threshold:
                continue
            other_distance = distances[other]
            if distance < other_distance or (distance == other_distance and duration >= other_duration):
                gone[other] = True
            else:
                gone[index] = True
                break
    return [index for index, has_gone in enumerate(gone) if not has_gone]


def _alike(times: Sequence[Times], kept: list[int]) -> set[int]:
    """Those that stay, and every other that is equal to one of them when rounded.

    So the reference goes from times back to windows: of windows with identical times all stay. As the times are
    sorted, those that round alike stand where their starts are close.
    """
    alike = set(kept)
    for at in kept:
        start = times[at][0]
        for side in (range(at - 1, -1, -1), range(at + 1, len(times))):
            for other in side:
                if abs(times[other][0] - start) > _CLOSE:
                    break
                if _rounded(times[other]) == _rounded(times[at]):
                    alike.add(other)
    return alike


def _rounded(times: Times) -> Times:
    return round(times[0], _MATCHED_DIGITS), round(times[1], _MATCHED_DIGITS)
