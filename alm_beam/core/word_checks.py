"""What looks wrong in the words of a recording's segments."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import Recording
from alm_beam.core.truncation import SegmentWords
from alm_beam.core.validation import Found, Problem

NEAR_SECONDS = 0.5
"""A word may end so long before its segment starts, or after it ends: aligners place words so."""


@dataclass(slots=True)
class WordChecks:
    """What was found in the words of some segments.

    Attributes:
        without_words: how many segments have no words.
        without_times: how many have words none of which states an end.
        problems: what looks wrong in the others. Malformed words are an error only where a segment is truncated.
    """

    without_words: int = 0
    without_times: int = 0
    problems: list[Found] = field(default_factory=list)


def check_words(recording: Recording, indices: Sequence[int]) -> WordChecks:
    """Looks at the words of the segments at these indices.

    >>> from alm_beam.core.manifest import parse_recording
    >>> segments = [{"start": 5, "end": 9, "words": [{"word": "yes", "end": 1.5}]}, {"start": 9, "end": 11}]
    >>> checks = check_words(parse_recording({"audio_sample_rate": 16000, "segments": segments}), [0, 1])
    >>> checks.without_words, checks.problems[0].detail
    (1, 'segments[0] lasts from 5 to 9, and its words end from 1.5 to 1.5')
    """
    checks = WordChecks()
    counts: Counter[Problem] = Counter()
    details: dict[Problem, str] = {}
    for index in indices:
        if not recording.words[index]:
            checks.without_words += 1
            continue
        try:
            words = SegmentWords(recording, index)
        except BadEntry as fault:
            counts[Problem.MALFORMED_WORDS] += 1
            details.setdefault(Problem.MALFORMED_WORDS, fault.detail)
            continue
        times = words.times()
        checks.without_words += times is None
        if times is None or times[1] == math.inf:
            checks.without_times += times is not None
            continue
        start, end = recording.starts[index], recording.ends[index]
        if words.precede_segment():
            problem = Problem.RELATIVE_WORDS
        elif times[0] < start - NEAR_SECONDS or times[1] > end + NEAR_SECONDS:
            problem = Problem.WORDS_OUTSIDE
        else:
            continue
        counts[problem] += 1
        span = f"lasts from {start} to {end}, and its words end from {times[0]} to {times[1]}"
        details.setdefault(problem, f"{recording.place_of(index)} {span}")
    checks.problems = [Found(problem, counts[problem], detail) for problem, detail in details.items()]
    return checks
