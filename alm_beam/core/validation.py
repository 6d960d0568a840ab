"""What a manifest is like: counts, examples and distributions that can be added up over its entries, in fixed space."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from alm_beam.core.distribution import Distribution
from alm_beam.core.losses import LossStats

MOST_EXAMPLES = 3
"""So many examples are kept of each reason and each problem."""


class Problem(str, Enum):
    """What looks wrong in a manifest, or does not fit the flags. The values are the codes in the JSON of `validate`."""

    MILLISECONDS = "milliseconds"
    UNORDERED = "unordered_segments"
    NEGATIVE_TIMES = "negative_times"
    SHORT_DURATION = "duration_before_end"
    REPEATED_AUDIO = "repeated_audio"
    SHARED_ID = "shared_id"
    NO_SPEAKER = "no_speaker_segments"
    JOINT_LABELS = "joint_labels"
    RELATIVE_WORDS = "relative_word_times"
    WORDS_OUTSIDE = "words_outside_segment"
    MALFORMED_WORDS = "malformed_words"
    LOW_SAMPLE_RATE = "low_sample_rate"
    OUT_OF_REACH = "bandwidth_out_of_reach"
    NO_LENGTH = "segments_without_length"
    LONG_PAUSE = "long_pauses"
    CROSSTALK = "crosstalk_out_of_order"


HARMLESS = frozenset({Problem.NO_LENGTH, Problem.LONG_PAUSE, Problem.CROSSTALK})
"""Those that a manifest may well have, and that leave it fit."""


class Missing(str, Enum):
    """What an entry or a segment may state, and does not. The values are the codes in the JSON of `validate`."""

    SAMPLE_RATE = "sample_rate"
    AUDIO = "audio_filepath"
    DURATION = "duration"
    SPEAKER = "speaker"
    BANDWIDTH = "bandwidth"
    WORDS = "words"
    WORD_TIMES = "word_times"


OF_ENTRIES = frozenset({Missing.SAMPLE_RATE, Missing.AUDIO, Missing.DURATION})
"""What an entry states; the others are stated by segments."""

OF_SPEECH = frozenset({Missing.BANDWIDTH, Missing.WORDS, Missing.WORD_TIMES})
"""What only segments of speech have; those labelled `no-speaker` are not counted."""


class Measured(str, Enum):
    """What the distributions are of. The values are the names in the JSON of `validate`."""

    SEGMENT_SECONDS = "segment_seconds"
    PAUSE_SECONDS = "pause_seconds"
    RECORDING_SECONDS = "recording_seconds"
    SPEAKERS = "speakers"
    BANDWIDTH = "bandwidth_hz"
    SAMPLE_RATE = "sample_rate_hz"


class Example(NamedTuple):
    """Where something was met.

    Attributes:
        file: path or URL of the manifest.
        offset: byte offset of the entry's line, in uncompressed bytes.
        detail: what was found.
    """

    file: str
    offset: int
    detail: str


class Found(NamedTuple):
    """Something that looks wrong in an entry.

    Attributes:
        problem: what it is.
        number: how often, in the unit of the problem: entries, segments or pauses.
        detail: the first of them, and what was found.
    """

    problem: Problem
    number: int
    detail: str


@dataclass(slots=True)
class Validation:
    """What is known of the entries of a manifest, or of a part of it. Adding two gives that of both parts.

    Attributes:
        entries: all entries, rejected ones included.
        examined: entries whose segments could be looked at. One that lacks nothing but its sample rate is among them,
            although it is rejected.
        segments: the segments of the examined entries.
        segment_seconds: how long they last together.
        speech_segments: those of them that are not labelled `no-speaker`.
        rejects: entries that `windows` would reject, by the code of the reason.
        reject_examples: the first of them, by reason.
        missing: how many entries or segments do not state something, by the code of `Missing`.
        problems: how often a problem was met, by its code.
        problem_examples: the first of them, by code.
        separators: segments whose label names several speakers, by what stands between these.
        distributions: by the name of what they are of.
        stats: what `windows` would make of the entries, with the flags that were given.

    >>> total = Validation(entries=2) + Validation.of_reject(Example("m.jsonl", 120, "found a list"), "not_object")
    >>> total.entries, total.rejects["not_object"], total.is_fit
    (3, 1, False)
    """

    entries: int = 0
    examined: int = 0
    segments: int = 0
    segment_seconds: float = 0.0
    speech_segments: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    reject_examples: dict[str, list[Example]] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    problem_examples: dict[str, list[Example]] = field(default_factory=dict)
    separators: Counter[str] = field(default_factory=Counter)
    distributions: dict[str, Distribution] = field(
        default_factory=lambda: {each.value: Distribution() for each in Measured}
    )
    stats: LossStats = field(default_factory=LossStats)

    @classmethod
    def of_reject(cls, example: Example, reason: str) -> "Validation":
        """What is known of one entry that would be rejected, for a reason that is given by its code."""
        validation = cls(entries=1)
        validation.reject(example, reason)
        return validation

    def reject(self, example: Example, reason: str) -> None:
        """Counts an entry as rejected."""
        self.rejects[reason] += 1
        _add_examples(self.reject_examples, reason, [example])
        self.stats += LossStats.of_reject(reason)

    def add_problem(self, found: Found, file: str, offset: int) -> None:
        """Counts a problem that was found in the entry at this place."""
        self.problems[found.problem.value] += found.number
        _add_examples(self.problem_examples, found.problem.value, [Example(file, offset, found.detail)])

    @property
    def faults(self) -> list[Problem]:
        """The problems that were met and are not harmless, in their order."""
        return [each for each in Problem if self.problems[each.value] and each not in HARMLESS]

    @property
    def is_fit(self) -> bool:
        """Whether nothing is rejected, nothing looks wrong, and there are windows."""
        return not self.rejects.total() and not self.faults and self.stats.kept_windows > 0

    def whole_of(self, missing: Missing) -> int:
        """The number of entries or segments of which so many lack something."""
        if missing in OF_ENTRIES:
            return self.examined
        return self.speech_segments if missing in OF_SPEECH else self.segments

    def __iadd__(self, other: "Validation") -> "Validation":
        self.entries += other.entries
        self.examined += other.examined
        self.segments += other.segments
        self.segment_seconds += other.segment_seconds
        self.speech_segments += other.speech_segments
        self.rejects.update(other.rejects)
        self.missing.update(other.missing)
        self.problems.update(other.problems)
        self.separators.update(other.separators)
        for name, distribution in other.distributions.items():
            self.distributions[name] += distribution
        for reason, examples in other.reject_examples.items():
            _add_examples(self.reject_examples, reason, examples)
        for problem, examples in other.problem_examples.items():
            _add_examples(self.problem_examples, problem, examples)
        self.stats += other.stats
        return self

    def __add__(self, other: "Validation") -> "Validation":
        total = Validation()
        total += self
        total += other
        return total

    def to_dict(self) -> dict[str, Any]:
        """The counts, examples and distributions, as the JSON of `validate` has them."""
        return {
            "entries": self.entries,
            "examined": self.examined,
            "segments": self.segments,
            "segment_seconds": self.segment_seconds,
            "speech_segments": self.speech_segments,
            "rejected": self.rejects.total(),
            "rejects": {
                reason: {"count": count, "examples": _as_dicts(self.reject_examples[reason])}
                for reason, count in self.rejects.most_common()
            },
            "missing": {each.value: {"count": self.missing[each.value], "of": self.whole_of(each)} for each in Missing},
            "problems": {
                each.value: {
                    "count": self.problems[each.value],
                    "is_harmless": each in HARMLESS,
                    "examples": _as_dicts(self.problem_examples[each.value]),
                }
                for each in Problem
                if self.problems[each.value]
            },
            "distributions": {name: each.to_dict() for name, each in self.distributions.items()},
            "windows": self.stats.to_dict(),
        }


def _add_examples(examples: dict[str, list[Example]], code: str, more: Iterable[Example]) -> None:
    examples[code] = [*examples.get(code, ()), *more][:MOST_EXAMPLES]


def _as_dicts(examples: Iterable[Example]) -> list[dict[str, Any]]:
    return [each._asdict() for each in examples]
