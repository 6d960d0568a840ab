"""What looks wrong in a recording, although it can be read."""

import math
from collections.abc import Iterator

from alm_beam.core.config import WindowConfig
from alm_beam.core.faults import described
from alm_beam.core.findings import is_in_milliseconds, is_out_of_reach, is_unordered
from alm_beam.core.manifest import NO_SPEAKER, Recording
from alm_beam.core.recording_ids import stated_id
from alm_beam.core.repeats import SeenRecordings
from alm_beam.core.stated_audio import stated_audio
from alm_beam.core.stated_fields import audio_path
from alm_beam.core.validation import Found, Problem

ROUNDING_SECONDS = 0.1
"""A segment may end so much later than the audio that the entry states, by rounding."""

LONG_PAUSE_SECONDS = 600.0

CROSSTALK_SECONDS = 1.0
"""A segment that overlaps those in front of it may start so much before the latest of them."""

SEPARATORS = (",", ";", "|", "+", "&")
"""What tools put between the names in a label that names several speakers."""


def problems(recording: Recording, windows: WindowConfig, seen: SeenRecordings, *, has_rate: bool) -> Iterator[Found]:
    """What looks wrong in a recording, or does not fit the rules of windows.

    Args:
        recording: the recording.
        windows: the rules.
        seen: the recordings before it; this one is added.
        has_rate: whether its sample rate is known.

    >>> from alm_beam.core.manifest import parse_recording
    >>> segments = [{"start": 5, "end": 9, "speaker": "a"}, {"start": 0, "end": 4, "speaker": "b"}]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "duration": 8.5, "segments": segments})
    >>> for found in problems(recording, WindowConfig(min_bandwidth=0), SeenRecordings(), has_rate=True):
    ...     print(found.problem.value, "|", found.detail)
    unordered_segments | segments[1] starts at 0, before the one in front of it, which starts at 5
    duration_before_end | segments[0] ends at 9, and the entry states a duration of 8.5
    """
    yield from _problems_of_times(recording)
    yield from _problems_of_names(recording, seen)
    if has_rate:
        yield from _problems_of_audio(recording, windows)


def pauses(recording: Recording) -> list[tuple[float, float]]:
    """The times in which nobody speaks between two segments: start and end, seconds, in the order of time."""
    found: list[tuple[float, float]] = []
    times = sorted(zip(recording.starts, recording.ends))
    latest = times[0][1] if times else 0.0
    for start, end in times:
        if start > latest:
            found.append((latest, start))
        latest = max(latest, end)
    return found


def _problems_of_times(recording: Recording) -> Iterator[Found]:
    starts, ends, durations = recording.starts, recording.ends, recording.durations
    if not starts:
        return
    if is_in_milliseconds(recording):
        half = sorted(durations)[len(durations) // 2]
        yield Found(Problem.MILLISECONDS, 1, f"half of the segments last {half:g} s or longer")
    if is_unordered(recording):
        far = _first_far_back(recording)
        index = far or next(index for index in range(1, len(starts)) if starts[index] < starts[index - 1])
        detail = (
            f"{recording.place_of(index)} starts at {starts[index]}, before the one in front of it, which starts at "
        )
        yield Found(Problem.UNORDERED if far else Problem.CROSSTALK, 1, f"{detail}{starts[index - 1]}")
    if min(starts) < 0:
        index = next(index for index, start in enumerate(starts) if start < 0)
        count = sum(start < 0 for start in starts)
        yield Found(Problem.NEGATIVE_TIMES, count, f"{recording.place_of(index)} starts at {starts[index]}")
    stated, last = stated_audio(recording).end, max(ends)
    if stated is not None and last > stated + ROUNDING_SECONDS:
        detail = f"{recording.place_of(ends.index(last))} ends at {last}, and the entry states a duration of {stated}"
        yield Found(Problem.SHORT_DURATION, 1, detail)
    if 0 in durations:
        index = durations.index(0)
        detail = f"{recording.place_of(index)} starts and ends at {starts[index]}"
        yield Found(Problem.NO_LENGTH, durations.count(0), detail)
    long = [(start, end) for start, end in pauses(recording) if end - start > LONG_PAUSE_SECONDS]
    if long:
        yield Found(Problem.LONG_PAUSE, len(long), f"nobody speaks from {long[0][0]} to {long[0][1]}")


def _first_far_back(recording: Recording) -> int | None:
    """The index of the first segment that steps back further in time than crosstalk does; None if there is none.

    Diarizers now and then write the later of two segments that overlap first, which moves a window by a second at most.
    Windows of segments that are sorted by speaker, or not at all, are wrong.
    """
    latest = before = -math.inf  # the latest start so far, and the start of the segment in front
    for index, (start, end) in enumerate(zip(recording.starts, recording.ends)):
        if start < before and (latest - start > CROSSTALK_SECONDS or end <= latest):
            return index
        latest, before = max(latest, start), start
    return None


def _problems_of_names(recording: Recording, seen: SeenRecordings) -> Iterator[Found]:
    is_repeated, is_shared = seen.repeats(recording.entry)
    if is_repeated:
        detail = f"an earlier entry has the same audio file: {described(audio_path(recording.entry))}"
        yield Found(Problem.REPEATED_AUDIO, 1, detail)
    if is_shared:
        detail = f"an earlier entry has the same id, and other audio: {described(stated_id(recording.entry))}"
        yield Found(Problem.SHARED_ID, 1, detail)
    joint = joint_labels(recording)
    if joint:
        first = min(joint)
        label = described(recording.speakers[first])
        detail = f"{recording.place_of(first)}.speaker seems to name several speakers: {label}"
        yield Found(Problem.JOINT_LABELS, len(joint), detail)
    unassigned = [index for index, segment in enumerate(recording.segments) if segment.get("speaker") == NO_SPEAKER]
    if unassigned:
        yield Found(
            Problem.NO_SPEAKER, len(unassigned), f"{recording.place_of(unassigned[0])} is labelled {NO_SPEAKER}"
        )


def joint_labels(recording: Recording) -> dict[int, str]:
    """What stands between the names in labels that seem to name several speakers, by the index of the segment.

    A label does if one of its names is also the label of a segment of the recording, or `no-speaker`; and if it was
    not split when the recording was parsed.

    >>> from alm_beam.core.manifest import parse_recording
    >>> segments = [{"start": 0, "end": 1, "speaker": label} for label in ("ann", "ann,ben", "Smith, John")]
    >>> joint_labels(parse_recording({"audio_sample_rate": 16000, "segments": segments}))
    {1: ','}
    """
    texts = [speaker for speaker in recording.speakers if type(speaker) is str]
    known = {*texts, NO_SPEAKER}
    joint = {
        label: between
        for between in reversed(SEPARATORS)
        for label in known
        if between in label and not known.isdisjoint(map(str.strip, label.split(between)))
    }
    return {index: joint[label] for index, label in enumerate(recording.speakers) if label in joint} if joint else {}


def _problems_of_audio(recording: Recording, windows: WindowConfig) -> Iterator[Found]:
    rate = recording.sample_rate
    if rate < windows.min_sample_rate:
        detail = f"a sample rate of {rate:g} Hz is below --min_sample_rate={windows.min_sample_rate:g}"
        yield Found(Problem.LOW_SAMPLE_RATE, 1, detail)
    if is_out_of_reach(recording, windows.min_bandwidth):
        detail = f"audio of {rate:g} Hz has nothing above {rate / 2:g} Hz: it cannot reach --min_bandwidth="
        yield Found(Problem.OUT_OF_REACH, 1, f"{detail}{windows.min_bandwidth:g}")
