"""Which of the overlapping candidate windows of one recording stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

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
            window_seconds=left_to_right_sum(built.durations),
            filtered_windows=len(self.kept),
            filtered_seconds=left_to_right_sum(end - start for start, end in self.times),
            losses=self.candidates.losses,
        )


def filter_overlaps(candidates: Candidates, config: OverlapConfig) -> Selection:
    """The windows that stay when every pair that overlaps too much has lost one."""
    windows = candidates.windows
    times = list(zip(windows.starts, windows.ends))
    ordered = sorted(times)
    kept = kept_positions(ordered, config)
    stay, indices = [ordered[at] for at in kept], sorted(_alike(ordered, kept))
    if ordered != times:
        order = sorted(range(len(times)), key=times.__getitem__)
        indices = sorted([order[at] for at in indices])
    return Selection(candidates, stay, indices)


def kept_positions(times: Sequence[Times], config: OverlapConfig) -> list[int]:
    """Which of the times stay, ascending.

    One time after the other is compared with each later one that is still there and starts before it ends. Where their
    overlap, as a fraction of the shorter, reaches the threshold, the one whose duration is further from the target
    goes; on a tie the shorter; on a tie again the later. One that has gone removes no others.

    The comparisons of one end early where even the shortest of all windows, had it the next one's start, would overlap
    too little: later ones start later still. Rounding keeps order, so this leaves no pair out.

    Args:
        times: sorted.
        config: the threshold and the target.
    """
    threshold, target = config.threshold, config.target_duration
    durations = [end - start for start, end in times]
    distances = [abs(duration - target) for duration in durations]
    shortest = min(durations, default=0.0)
    count = len(times)
    stays = [True] * count
    for index, (_, end) in enumerate(times):
        if not stays[index]:
            continue
        duration, distance = durations[index], distances[index]
        for other in range(index + 1, count):
            if not stays[other]:
                continue
            other_start, other_end = times[other]
            if other_start >= end:
                break
            other_duration = durations[other]
            shorter = duration if duration < other_duration else other_duration
            overlap = ((end if end < other_end else other_end) - other_start) / shorter if shorter else 0.0
            if overlap < threshold:
                if shortest and (end - other_start) / shortest < threshold:
                    break
                continue
            other_distance = distances[other]
            if distance < other_distance or (distance == other_distance and duration >= other_duration):
                stays[other] = False
            else:
                stays[index] = False
                break
    return list(compress(range(count), stays))


def _alike(times: Sequence[Times], kept: list[int]) -> set[int]:
    """Those that stay, and every other that is equal to one of them when rounded.

    So the reference goes from times back to windows: of windows with identical times all stay. As the times are
    sorted, those that round alike stand where their starts are close.
    """
    alike = set(kept)
    count = len(times)
    for at in kept:
        start = times[at][0]
        for step in (-1, 1):
            other = at + step
            while 0 <= other < count and abs(times[other][0] - start) <= _CLOSE:
                if _rounded(times[other]) == _rounded(times[at]):
                    alike.add(other)
                other += step
    return alike


def _rounded(times: Times) -> Times:
    return round(times[0], _MATCHED_DIGITS), round(times[1], _MATCHED_DIGITS)
