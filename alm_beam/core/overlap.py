"""Which of the overlapping candidate windows of one recording stay."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

from alm_beam.core.config import GREEDY, MOST_AUDIO, OverlapConfig
from alm_beam.core.losses import LossStats, left_to_right_sum
from alm_beam.core.manifest import ManifestLine, Placed
from alm_beam.core.most_audio import most_audio_positions
from alm_beam.core.window_columns import Times, Windows
from alm_beam.core.windows import Candidates

_MATCHED_DIGITS = 6
_CLOSE = 2 * 10**-_MATCHED_DIGITS


@dataclass(slots=True)
class Selection(Placed):
    """The windows of a recording that stay.

    Attributes:
        candidates: those that they were chosen from, and the recording.
        config: how they were chosen.
        among: the times of `candidates.choices`, sorted.
        times: the times that stay, sorted.
        kept: indices into `candidates.choices` of the windows that stay, ascending: more than `times` where the greedy
            selection met windows of identical times.
    """

    candidates: Candidates
    config: OverlapConfig
    among: list[Times]
    times: list[Times]
    kept: list[int]

    @property
    def line(self) -> ManifestLine:
        """Where the recording came from."""
        return self.candidates.line

    def windows(self) -> Windows:
        """The windows that stay."""
        some = self.candidates.choices.at(self.kept)
        return some if isinstance(some, Windows) else some.with_speakers(self.candidates.recording)

    def loss_stats(self) -> LossStats:
        """What became of the recording, as its part of the run's statistics."""
        built, recording = self.candidates.windows, self.candidates.recording
        return LossStats(
            recordings=1,
            windows=len(built),
            window_seconds=left_to_right_sum(built.durations),
            candidates=len(self.among),
            filtered_windows=len(self.kept),
            filtered_seconds=_seconds(self.times),
            audio_seconds=max(recording.ends) - min(recording.starts) if recording.segments else 0.0,
            candidate_seconds=covered_seconds(self.among),
            covered_seconds=covered_seconds(self.times),
            most_audio_seconds=self._most_audio_seconds(),
            losses=self.candidates.losses,
        )

    def _most_audio_seconds(self) -> float | None:
        if not self.config.compare_selection:
            return None
        if self.config.selection == MOST_AUDIO:
            return _seconds(self.times)
        return _seconds(self.among[at] for at in most_audio_positions(self.among, self.config))


def filter_overlaps(candidates: Candidates, config: OverlapConfig) -> Selection:
    """The windows that stay: of every pair that overlaps too much one goes at least."""
    choices = candidates.choices
    times = list(zip(choices.starts, choices.ends))
    among = sorted(times)
    if config.selection == GREEDY:
        stay = kept_positions(among, config)
        indices = sorted(_alike(among, stay))
    else:
        stay = indices = most_audio_positions(among, config)
    if among != times:
        order = sorted(range(len(times)), key=times.__getitem__)
        indices = sorted([order[at] for at in indices])
    return Selection(candidates, config, among, [among[at] for at in stay], indices)


def covered_seconds(times: Iterable[Times]) -> float:
    """How long at least one window lasts, seconds.

    Args:
        times: sorted.
    """
    total, covered = 0.0, -math.inf
    for start, end in times:
        if end > covered:
            total += end - (start if start > covered else covered)
            covered = end
    return total


def _seconds(times: Iterable[Times]) -> float:
    return left_to_right_sum(end - start for start, end in times)


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
