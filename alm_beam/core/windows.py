"""Candidate windows: for each start the longest run of segments that obeys the rules.

Each segment of enough bandwidth starts a candidate. The candidate adds the following segments until it meets one

* of low bandwidth, or with a metric that is outside its limit,
* that begins after too long a pause,
* that ends more than the maximum duration after the candidate's start (truncation may shorten it at a word end; it is
  then the window's last segment; where no word of it would be left that ends after its start,
  `drop_empty_truncations` ends the candidate before it), or
* that is `no-speaker`, or adds one speaker too many.

The candidate is a window if it lasts target ± tolerance, has at least two segments and enough speakers, and obeys the
rules for speech (`core.window_rules`). Metrics, pauses and the rules for speech count only where the configuration asks
for them; without them the windows are those of the reference (NeMo Curator's ALM pipeline).

How far candidates grow is found without walking over each of them. Only one of these limits depends on the maximum
duration; the others are found beforehand (`core.growth_limits`). For that one: if a start is not before the last one,
all segments that the last candidate held also end in time for this one, so the end of the run only moves to the right.
Only a start that goes back in time begins again with an empty run.

The run is the list of whole segments that the current candidate holds. Its durations are queued by speaker. While
segments are only added, the sum of a speaker's durations is continued. When a segment leaves, its speaker's sum has to
be computed anew, because float addition cannot be undone: at once if the segment's own candidate is a window, otherwise
before the next window. That costs no more than writing the window, which holds those segments. So each sum is computed
from left to right, as the reference does. Windows of very many segments get their sums when they are written, if they
are. So do those of recordings where a pause may end a candidate before the run ends, and where a label names several
speakers. There the run says nothing of speakers, and how far a candidate has to grow for enough of them is found
beforehand, too. Altogether the work is linear in the segments and in what the windows hold, except for starts that go
back in time, whose number of steps is limited.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import overload

from alm_beam.core.all_windows import find_all_windows
from alm_beam.core.config import ALL, WindowConfig
from alm_beam.core.growth_limits import GrowthLimits, find_growth_limits
from alm_beam.core.losses import GAP, Losses, LossReason, Lost, left_to_right_sum
from alm_beam.core.manifest import NO_SPEAKER, Element, ManifestLine, Recording
from alm_beam.core.size_limits import MANY_SEGMENTS, MAX_STEPS, too_large
from alm_beam.core.truncation import Truncator
from alm_beam.core.window import Window
from alm_beam.core.window_columns import (
    MIN_SEGMENTS_PER_WINDOW,
    SPEAKER_DURATIONS,
    LostCandidate,
    WindowColumns,
    WindowSlices,
)
from alm_beam.core.window_rules import SpeechRules, rules_on

_DEFAULT = WindowConfig()

_UNORDERED = (
    "too many of its segments start before the one in front of them although they overlap: sort them by `start`, and "
    "check whether so many overlap in time"
)


@dataclass(slots=True, repr=False)
class CandidateWindows(Element, Sequence[Window]):
    """The candidate windows of one recording: a sequence of the windows that the overlap filter chooses from.

    They are ordered by start index. A `Window` is made when one is looked at.

    Attributes:
        recording: the recording.
        config: the rules.
        low_sample_rate: the sample rate is too low for windows.
        longest: the longest window of each start, as columns.
        columns: the windows of this sequence, as columns: `longest`, or every window of each start where the
            configuration has `candidates` = ALL.
        lost: candidates that failed on duration or on the number of segments, by start index.
        losses: segments that start no window, by reason.
        relative_words: segments that had to be truncated and whose words all end before the segment starts.

    >>> from alm_beam.core.manifest import parse_recording
    >>> turns = [{"start": 5.0 * n, "end": 5.0 * n + 4, "speaker": "ab"[n % 2]} for n in range(4)]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": turns})
    >>> candidates = build_windows(recording, WindowConfig(target_window_duration=10, min_bandwidth=0))
    >>> len(candidates), candidates[-1]
    (3, Window(10.0-19.0 s, 2 segments, 2 speakers))
    """

    recording: Recording
    config: WindowConfig
    low_sample_rate: bool
    longest: WindowColumns
    columns: WindowSlices
    lost: list[LostCandidate]
    losses: Losses
    relative_words: int = 0

    @property
    def line(self) -> ManifestLine:
        """The manifest line of the recording."""
        return self.recording.line

    def __len__(self) -> int:
        return len(self.columns.firsts)

    @overload
    def __getitem__(self, index: int) -> Window: ...
    @overload
    def __getitem__(self, index: slice) -> list[Window]: ...
    def __getitem__(self, index: int | slice) -> Window | list[Window]:
        if isinstance(index, slice):
            return [self[at] for at in range(len(self))[index]]
        columns = self.columns
        return Window(
            self.recording,
            columns.firsts[index],
            columns.stops[index],
            columns.truncations[index],
            columns.starts[index],
            columns.ends[index],
        )

    def __repr__(self) -> str:
        return f"CandidateWindows({len(self)} windows of {self.recording!r})"


def build_windows(
    recording: Recording, config: WindowConfig = _DEFAULT, *, few_written: bool = False
) -> CandidateWindows:
    """The candidate windows of a recording: for each start the longest run of segments that obeys the rules.

    With `config.candidates` = ALL the sequence contains every window of each start.

    Args:
        recording: the recording, from `parse_recording`.
        config: the rules; durations in seconds, sample rate and bandwidth in Hz.
        few_written: few of them will be written, as where only those are that are kept. Then how long speakers speak is
            found when a window is written, and not for each, which is quicker if all are. The windows are the same.

    Raises:
        BadEntry: a segment has to be truncated and its words are malformed, a metric of the rules is no number, or the
            recording would take too many steps or windows: see `size_limits`.

    >>> from alm_beam.core.manifest import parse_recording
    >>> segments = [{"start": 3.0 * n, "end": 3.0 * n + 2.5, "speaker": "ab"[n % 2]} for n in range(6)]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": segments})
    >>> candidates = build_windows(recording, WindowConfig(target_window_duration=8, min_bandwidth=0))
    >>> len(candidates)
    4
    >>> candidates[0]
    Window(0.0-8.5 s, 3 segments, 2 speakers)
    >>> [window.start for window in candidates[-2:]]
    [6.0, 9.0]
    """
    most_summed = 0 if few_written else MANY_SEGMENTS
    return candidate_windows(recording, config, find_growth_limits, Truncator(recording), most_summed)


def candidate_windows(
    recording: Recording,
    config: WindowConfig,
    limits_of: Callable[[Recording, WindowConfig], GrowthLimits],
    truncator: Truncator,
    most_summed: int,
) -> CandidateWindows:
    """`build_windows` by parts that windows of several configurations may share.

    Args:
        recording: the recording.
        config: the rules.
        limits_of: `find_growth_limits`, or what gives the same.
        truncator: truncates the recording's segments. `relative_words` is what it has met so far.
        most_summed: windows of more segments have no `speaker_durations`.

    Raises:
        BadEntry: see `build_windows`.
    """
    durations = recording.durations
    losses = Losses(len(durations), recording.total_duration, by_rule=dict.fromkeys(rules_on(config), Lost()))
    if recording.sample_rate < config.min_sample_rate:
        losses.lose(LossReason.SAMPLE_RATE, durations)
        none = WindowColumns()
        return CandidateWindows(recording, config, True, none, none, [], losses)
    limits = limits_of(recording, config)
    growth = _grow(recording, config, limits, truncator, most_summed)
    _count_losses(losses, growth, recording, limits, config.min_bandwidth)
    longest, lost, speech_rules = growth.windows, growth.lost, SpeechRules(recording, config)
    if speech_rules.are_on:
        longest = _obeying(speech_rules, growth.windows, losses, durations)
    columns: WindowSlices = longest
    if config.candidates == ALL:
        columns = find_all_windows(recording, config, growth.windows, lost, speech_rules)
    return CandidateWindows(recording, config, False, longest, columns, lost, losses, growth.relative_words)


def _obeying(rules: SpeechRules, windows: WindowColumns, losses: Losses, durations: list[float]) -> WindowColumns:
    """The windows that obey the rules for speech. The starts of the others count as lost."""
    broken = [
        rules.from_start(first)(stop, truncation)
        for first, stop, truncation in zip(windows.firsts, windows.stops, windows.truncations)
    ]
    for name in losses.by_rule:
        losses.lose_by_rule(name, [durations[first] for first, rule in zip(windows.firsts, broken) if rule == name])
    return windows.take([index for index, rule in enumerate(broken) if rule is None])


@dataclass(slots=True)
class _Growth:
    """The results of growing a candidate from every start.

    Attributes:
        windows: the candidates that are windows.
        lost: candidates that failed on duration or on the number of segments.
        low_bandwidth: starts of low bandwidth, or with a metric that is outside its limit.
        few_speakers: starts of candidates with too few speakers.
        truncations: how often a candidate met a segment to be truncated. One whose speaker turned out to be one too
            many counts too; one that `drop_empty_truncations` left out does not.
        relative_words: see `Truncator`.
    """

    windows: WindowColumns = field(default_factory=WindowColumns)
    lost: list[LostCandidate] = field(default_factory=list)
    low_bandwidth: list[int] = field(default_factory=list)
    few_speakers: list[int] = field(default_factory=list)
    truncations: int = 0
    relative_words: int = 0


def _grow(
    recording: Recording, config: WindowConfig, limits: GrowthLimits, truncator: Truncator, most_summed: int
) -> _Growth:
    """Grows a candidate from every start.

    It is one function because a call for each start would cost as much as the work itself.
    """
    starts, ends, durations = recording.starts, recording.ends, recording.durations
    min_duration, max_duration = config.min_duration, config.max_duration
    truncation_allowed, min_speakers, keeps_empty = (
        config.truncation,
        config.min_speakers,
        not config.drop_empty_truncations,
    )
    speaker_limits, slots, slot_count = limits.speakers
    gap_limits, speaker_stops = limits.gaps, limits.speaker_stops
    if slot_count > MANY_SEGMENTS or speaker_stops is not None:
        most_summed = 0
    growth = _Growth()
    windows, lost = growth.windows, growth.lost
    # The run of whole segments, from `first` up to but without `after`. By slot of the speaker: the queue of its
    # durations, and their sum, which is wrong for the slots that are outdated. `speakers` counts the distinct ones.
    queues: list[deque[float]] = [deque() for _ in range(slot_count)]
    sums = [0.0] * max(slot_count, 1 + SPEAKER_DURATIONS)
    has_more_speakers = len(sums) > 1 + SPEAKER_DURATIONS
    outdated: set[int] = set()
    speakers = after = steps_back = 0
    last, previous_start = len(starts) - 1, -math.inf
    for first, start, bandwidth_limit, speaker_limit in zip(
        range(len(starts)), starts, limits.bandwidths, speaker_limits
    ):
        if bandwidth_limit == first:
            growth.low_bandwidth.append(first)
            after = first + 1
            continue
        if start < previous_start:
            steps_back += after - first + slot_count
            if steps_back > MAX_STEPS:
                raise too_large(_UNORDERED)
            outdated.update(range(slot_count))
            for queue in queues:
                queue.clear()
            speakers, after = 0, first
        previous_start = start

        limit = bandwidth_limit if bandwidth_limit < speaker_limit else speaker_limit
        while after < limit and ends[after] - start <= max_duration:
            slot, seconds = slots[after], durations[after]
            queue = queues[slot]
            if not queue:
                speakers += slot > 0
            queue.append(seconds)
            sums[slot] += seconds
            after += 1

        is_summed = False
        stop, truncation, end = after, None, ends[after - 1 if after > first else first]
        if gap_limits and gap_limits[first] <= after:
            stop = gap_limits[first]
            end = ends[stop - 1]
        elif (
            after < bandwidth_limit
            and truncation_allowed
            and starts[after] < start + max_duration
            and (after < speaker_limit or ends[after] - start > max_duration)
        ):
            growth.truncations += 1
            if after < speaker_limit:
                truncation = truncator.truncate(after, start + max_duration)
                if keeps_empty or truncation.end > starts[after]:
                    stop, end = after + 1, truncation.end
                else:
                    truncation = None
                    growth.truncations -= 1

        duration = end - start
        if not min_duration <= duration <= max_duration or stop - first < MIN_SEGMENTS_PER_WINDOW:
            next_one = stop if truncation is None else after
            lost.append(LostCandidate(first, stop, truncation, next_one if next_one < last else last))
        elif (
            speakers < min_speakers
            and (truncation is None or not slots[after] or queues[slots[after]] or speakers + 1 < min_speakers)
            if speaker_stops is None
            else stop < speaker_stops[first]
        ):
            growth.few_speakers.append(first)
        else:
            speaker_durations: list[float] = []
            if stop - first <= most_summed:
                is_summed = True
                if outdated:
                    for slot in outdated:
                        sums[slot] = left_to_right_sum(queues[slot])
                    outdated.clear()
                speaker_durations = sums[1:]
                if truncation is not None and slots[after]:
                    speaker_durations[slots[after] - 1] += end - starts[after]
                speaker_durations.sort()
                speaker_durations.reverse()
                if truncation is not None and speaker_durations[-1] < 0:  # its words end before it starts
                    absent = len(speaker_durations) - speakers - (not queues[slots[after]])
                    _move_zeros_to_end(speaker_durations, absent)
                if has_more_speakers:
                    del speaker_durations[SPEAKER_DURATIONS:]
            windows.firsts.append(first)
            windows.stops.append(stop)
            windows.truncations.append(truncation)
            windows.starts.append(start)
            windows.ends.append(end)
            windows.durations.append(duration)
            windows.speaker_durations.append(speaker_durations)

        if after == first:
            after += 1
        else:
            slot = slots[first]
            queue = queues[slot]
            queue.popleft()
            if not queue:
                speakers -= slot > 0
            if is_summed:
                total = 0.0
                for seconds in queue:
                    total += seconds
                sums[slot] = total
            else:
                outdated.add(slot)
    growth.relative_words = truncator.relative_words
    return growth


def _move_zeros_to_end(durations: list[float], count: int) -> None:
    """Moves `count` zeros after the negative durations, where those of absent speakers belong."""
    if count:
        first = durations.index(0.0)
        del durations[first : first + count]
        durations += [0.0] * count


def _count_losses(
    losses: Losses, growth: _Growth, recording: Recording, limits: GrowthLimits, min_bandwidth: float
) -> None:
    """Counts the starts that gave no window, by reason."""
    segments, speakers = recording.segments, recording.speakers
    bandwidths, durations = recording.bandwidths, recording.durations
    outside, gaps = limits.outside, limits.gaps
    gap: list[int] = []
    no_speaker: list[int] = []
    next_bandwidth: list[int] = []
    for lost in growth.lost:
        at = lost.stopped_at
        if gaps and at == gaps[lost.first]:
            gap.append(lost.first)
        elif speakers[at] == NO_SPEAKER or "speaker" not in segments[at]:
            no_speaker.append(lost.first)
        elif bandwidths[at] < min_bandwidth or outside[at] is not None:
            next_bandwidth.append(lost.first)
    low_bandwidth = [first for first in growth.low_bandwidth if bandwidths[first] < min_bandwidth]
    losses.truncations = growth.truncations
    for reason, firsts in (
        (LossReason.BANDWIDTH, low_bandwidth),
        (LossReason.SPEAKERS, growth.few_speakers),
        (LossReason.WINDOW, [lost.first for lost in growth.lost]),
        (LossReason.NO_SPEAKER, no_speaker),
        (LossReason.NEXT_BANDWIDTH, next_bandwidth),
    ):
        if firsts:
            losses.lose(reason, [durations[first] for first in firsts])
    if len(low_bandwidth) < len(growth.low_bandwidth):
        for first in growth.low_bandwidth:
            name = outside[first]
            if name is not None and bandwidths[first] >= min_bandwidth:
                losses.lose_by_rule(name, [durations[first]])
    if gap:
        losses.lose_by_rule(GAP, [durations[first] for first in gap])
