"""The overlap filter: which of the overlapping candidate windows of one recording are kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import overload

from alm_beam.core.config import GREEDY, OverlapConfig
from alm_beam.core.manifest import Element, ManifestLine
from alm_beam.core.most_audio import most_audio_positions
from alm_beam.core.size_limits import MAX_COMPARISONS, too_large
from alm_beam.core.window import Window
from alm_beam.core.window_columns import Times, WindowColumns
from alm_beam.core.windows import CandidateWindows

_MATCHED_DIGITS = 6
_CLOSE = 2 * 10**-_MATCHED_DIGITS
_DEFAULT = OverlapConfig()

_MANY_PAIRS = (
    f"more than {MAX_COMPARISONS:,} pairs of its windows overlap, but not enough for one of them to go: check whether "
    "so many segments overlap in time; a lower --overlap_percentage or --selection=most_audio needs fewer comparisons"
)


@dataclass(slots=True, repr=False)
class KeptWindows(Element, Sequence[Window]):
    """The windows of one recording that the overlap filter keeps: a sequence, ordered as the candidates are.

    A `Window` is made when one is looked at.

    Attributes:
        candidates: the windows that these were chosen from.
        config: how they were chosen.
        candidate_times: the times of all candidates, sorted.
        times: the distinct times that are kept, sorted.
        indices: indices of the kept windows in `candidates`, ascending. There are more of them than `times` if the
            greedy selection kept several windows of identical times.

    >>> from alm_beam.core.config import WindowConfig
    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.windows import build_windows
    >>> turns = [{"start": 5.0 * n, "end": 5.0 * n + 4, "speaker": "ab"[n % 2]} for n in range(4)]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": turns})
    >>> kept = filter_overlaps(build_windows(recording, WindowConfig(target_window_duration=10, min_bandwidth=0)))
    >>> len(kept), [window.start for window in kept]
    (2, [0.0, 10.0])
    """

    candidates: CandidateWindows
    config: OverlapConfig
    candidate_times: list[Times]
    times: list[Times]
    indices: list[int]
    _columns: WindowColumns | None = field(default=None, init=False, compare=False)

    @property
    def line(self) -> ManifestLine:
        """The manifest line of the recording."""
        return self.candidates.line

    def columns(self) -> WindowColumns:
        """The kept windows as columns, which are made once."""
        if self._columns is None:
            self._columns = self.candidates.columns.take(self.indices).with_speakers(self.candidates.recording)
        return self._columns

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> list[Window]: ...
    def __getitem__(self, index: int | slice) -> Window | list[Window]:
        if isinstance(index, slice):
            return [self.candidates[at] for at in self.indices[index]]
        return self.candidates[self.indices[index]]

    def __repr__(self) -> str:
        return f"KeptWindows({len(self)} of {len(self.candidates)} windows of {self.candidates.recording!r})"


def filter_overlaps(candidates: CandidateWindows, config: OverlapConfig = _DEFAULT) -> KeptWindows:
    """The windows that are kept: every pair that overlaps too much loses at least one.

    Args:
        candidates: the windows of one recording, from `build_windows`.
        config: how much overlap is too much, and which window of a pair goes. Without a `target_duration` (seconds) the
            target window duration of the candidates is used.

    Raises:
        BadEntry: too many pairs would have to be compared: see `greedy_positions`.

    >>> from alm_beam.core.config import WindowConfig
    >>> from alm_beam.core.manifest import parse_recording
    >>> from alm_beam.core.windows import build_windows
    >>> segments = [{"start": 3.0 * n, "end": 3.0 * n + 2.5, "speaker": "ab"[n % 2]} for n in range(6)]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": segments})
    >>> candidates = build_windows(recording, WindowConfig(target_window_duration=8, min_bandwidth=0))
    >>> [(window.start, window.end) for window in candidates]
    [(0.0, 8.5), (3.0, 11.5), (6.0, 14.5), (9.0, 17.5)]
    >>> [(window.start, window.end) for window in filter_overlaps(candidates)]
    [(0.0, 8.5), (6.0, 14.5)]
    >>> filter_overlaps(candidates, OverlapConfig(overlap_percentage=0))[-1]
    Window(9.0-17.5 s, 3 segments, 2 speakers)
    """
    columns = candidates.columns
    times = list(zip(columns.starts, columns.ends))
    candidate_times = sorted(times)
    threshold, target = config.threshold, target_duration_of(candidates, config)
    if config.selection == GREEDY:
        kept = greedy_positions(candidate_times, threshold, target)
        positions = sorted(_with_identical_times(candidate_times, kept))
    else:
        kept = positions = most_audio_positions(candidate_times, threshold, target)
    indices = positions
    if candidate_times != times:
        order = sorted(range(len(times)), key=times.__getitem__)
        indices = sorted([order[position] for position in positions])
    return KeptWindows(candidates, config, candidate_times, [candidate_times[position] for position in kept], indices)


def target_duration_of(candidates: CandidateWindows, config: OverlapConfig) -> float:
    """The target duration of the overlap filter, seconds: the given one, or that of the candidate windows."""
    target = config.target_duration
    return candidates.config.target_window_duration if target is None else target


def greedy_positions(times: Sequence[Times], threshold: float, target_duration: float) -> list[int]:
    """Which of the times are kept, ascending, one pair after the other as the reference (NeMo Curator's ALM pipeline).

    Each time is compared with each later one that is still kept and starts before it ends. If their overlap, as a
    fraction of the shorter, reaches the threshold, the one whose duration is further from the target goes; on a tie the
    shorter; on a tie again the later. A time that has gone removes no others.

    The comparisons of one end early if even the shortest of all windows, given the next one's start, would overlap too
    little, because later ones start later still. Rounding keeps order, so no pair is missed.

    Args:
        times: sorted, seconds.
        threshold: the overlap, as a fraction of the shorter window, from which on a pair loses one.
        target_duration: seconds.

    Raises:
        BadEntry: more than MAX_COMPARISONS pairs had to be compared.

    >>> greedy_positions([(0.0, 10.0), (4.0, 14.0), (9.0, 19.0)], threshold=0.5, target_duration=10.0)
    [0, 2]
    """
    durations = [end - start for start, end in times]
    distances = [abs(duration - target_duration) for duration in durations]
    shortest = min(durations, default=0.0)
    count = len(times)
    stays = [True] * count
    compared = 0
    for index, (_, end) in enumerate(times):
        if not stays[index]:
            continue
        if compared > MAX_COMPARISONS:
            raise too_large(_MANY_PAIRS)
        duration, distance, other = durations[index], distances[index], index
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
        compared += other - index
    return list(compress(range(count), stays))


def _with_identical_times(times: Sequence[Times], kept: list[int]) -> set[int]:
    """The positions that are kept, and every other whose times are equal to those of one of them when rounded.

    The reference finds the windows again by their rounded times, so all windows of identical times stay. Times that are
    equal when rounded have close starts, and close starts are neighbours because the times are sorted.
    """
    found = set(kept)
    count = len(times)
    for position in kept:
        start = times[position][0]
        for step in (-1, 1):
            other = position + step
            while 0 <= other < count and abs(times[other][0] - start) <= _CLOSE:
                if _rounded(times[other]) == _rounded(times[position]):
                    found.add(other)
                other += step
    return found


def _rounded(times: Times) -> Times:
    return round(times[0], _MATCHED_DIGITS), round(times[1], _MATCHED_DIGITS)
