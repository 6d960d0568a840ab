"""What is known of entries: what is missing, what looks wrong, and how values are spread."""

import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.config import JobConfig
from alm_beam.core.distribution import Distribution
from alm_beam.core.faults import RejectReason
from alm_beam.core.inspection import inspected
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import ManifestLine, manifest_line
from alm_beam.core.repeats import SeenRecordings
from alm_beam.core.validation import HARMLESS, Measured, Missing, Problem, Validation
from tests.core.test_manifest import BAD, line
from tests.strategies import entries

GOOD = {"metrics": {"bandwidth": 9000}}
NAMES = {"audio_filepath": "a.wav", "audio_sample_rate": 48000, "duration": 301.0}


def turns(count: int = 60, **fields: Any) -> list[dict[str, Any]]:
    """Segments of two speakers, of 5 s each, without pauses; each has a word."""
    return [
        {
            "start": 5.0 * n,
            "end": 5.0 * n + 5,
            "speaker": "ab"[n % 2],
            "words": [{"word": "yes", "end": 5.0 * n + 1}],
            **GOOD,
            **fields,
        }
        for n in range(count)
    ]


def entry(segments: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    return {**NAMES, "segments": turns() if segments is None else segments, **fields}


def changed(index: int, **fields: Any) -> list[dict[str, Any]]:
    """The turns with one of them changed."""
    segments = turns()
    segments[index].update(fields)
    return segments


def validated(*entries: dict[str, Any] | ManifestLine, **parameters: Any) -> Validation:
    config = JobConfig.of({"input": "m.jsonl", "output": "windows", **parameters})
    total, seen = Validation(), SeenRecordings()
    for each in entries:
        at = each if isinstance(each, ManifestLine) else manifest_line(each)
        total += inspected(at, config, seen).validation
    return total


def test_a_fit_manifest_is_fit():
    found = validated(entry(), entry(audio_filepath="b.wav"))
    assert found.is_fit
    assert not found.problems
    assert not found.missing.total()
    assert (found.entries, found.examined, found.segments, found.speech_segments) == (2, 2, 120, 120)
    assert found.segment_seconds == 600
    assert found.stats.kept_windows > 2


PROBLEMS = [
    (
        Problem.MILLISECONDS,
        1,
        "half of the segments last 400 s",
        entry([{"start": 0, "end": 400, **GOOD}], duration=400),
    ),
    (Problem.UNORDERED, 1, "segments[4] starts at 1.0, before", entry(changed(4, start=1.0))),
    (Problem.UNORDERED, 1, "segments[4] starts at 13.9, before", entry(changed(4, start=13.9))),
    (Problem.UNORDERED, 1, "segments[4] starts at 14.5, before", entry(changed(4, start=14.5, end=15.0, words=[]))),
    (Problem.UNORDERED, 1, "segments[30] starts at 5.0, before", entry(turns()[::2] + turns()[1::2])),
    (Problem.CROSSTALK, 1, "segments[4] starts at 14.0, before", entry(changed(4, start=14.0))),
    (
        Problem.NEGATIVE_TIMES,
        2,
        "segments[0] starts at -9.0",
        entry([*changed(0, start=-9.0)[:1], *changed(1, start=-0.5)[1:]]),
    ),
    (
        Problem.SHORT_DURATION,
        1,
        "segments[59] ends at 300.0, and the entry states a duration of 299",
        entry(duration=299),
    ),
    (Problem.NO_SPEAKER, 1, "segments[7] is labelled no-speaker", entry(changed(7, speaker="no-speaker"))),
    (
        Problem.JOINT_LABELS,
        1,
        'segments[9].speaker seems to name several speakers: string "b, c"',
        entry(changed(9, speaker="b, c")),
    ),
    (Problem.JOINT_LABELS, 60, '"x+no-speaker"', entry(turns(speaker="x+no-speaker"))),
    (
        Problem.RELATIVE_WORDS,
        59,
        "segments[1] lasts from 5.0 to 10.0, and its words end from 2 to 2",
        entry(turns(words=[{"word": "a", "end": 2}])),
    ),
    *(
        (
            Problem.WORDS_OUTSIDE,
            1,
            f"its words end from {first} to {last}",
            entry(changed(2, words=[{"word": "a", "end": first}, {"word": "b", "end": last}])),
        )
        for first, last in ((9.4, 12.0), (12.0, 15.6))
    ),
    (Problem.MALFORMED_WORDS, 1, "segments[3].words: expected a list, found number 7", entry(changed(3, words=7))),
    (
        Problem.LOW_SAMPLE_RATE,
        1,
        "a sample rate of 15999 Hz is below --min_sample_rate=16000",
        entry(audio_sample_rate=15999),
    ),
    (
        Problem.OUT_OF_REACH,
        1,
        "audio of 16000 Hz has nothing above 8000 Hz: it cannot reach --min_bandwidth=8000",
        entry(turns(metrics={"bandwidth": 7999}), audio_sample_rate=16000),
    ),
    (Problem.OUT_OF_REACH, 1, "--min_bandwidth=8000", entry(turns(metrics=None), audio_sample_rate=16000)),
    (Problem.NO_LENGTH, 1, "segments[5] starts and ends at 25.0", entry(changed(5, end=25.0, words=[]))),
    (
        Problem.LONG_PAUSE,
        1,
        "nobody speaks from 300.0 to 900.5",
        entry([*turns(), {"start": 900.5, "end": 901, **GOOD}], duration=901),
    ),
]


@pytest.mark.parametrize(("problem", "number", "detail", "given"), PROBLEMS)
def test_what_looks_wrong_is_found_and_nothing_else(problem, number, detail, given):
    found = validated(given)
    assert set(found.problems) == {problem.value}
    assert found.problems[problem.value] == number
    [example] = found.problem_examples[problem.value]
    assert detail in example.detail
    assert found.faults == ([] if problem in HARMLESS else [problem])


def test_every_problem_is_tried():
    assert {problem for problem, *_ in PROBLEMS} | {Problem.REPEATED_AUDIO, Problem.SHARED_ID} == set(Problem)


@pytest.mark.parametrize(
    "given",
    [
        entry(duration=299.95),
        entry(changed(9, speaker="Smith, John")),
        entry(changed(2, words=[{"word": "a", "end": 9.6}, {"word": "b", "end": 15.4}, {"word": "7"}])),
        entry(turns(metrics={"bandwidth": 8000}), audio_sample_rate=16000),
        entry([*turns(), {"start": 899, "end": 900, "speaker": "a", **GOOD}], duration=900),
    ],
)
def test_what_is_near_to_wrong_is_not(given):
    assert not validated(given).problems


def test_flags_that_fit_leave_nothing_wrong():
    given = entry([*changed(7, speaker="no-speaker")[:-1], {**turns()[-1], "speaker": "a,b"}], audio_sample_rate=8000)
    assert len(validated(given).problems) == 3
    fit = {"skip_no_speaker": True, "speaker_separator": ",", "min_sample_rate": 8000}
    assert not validated(given, **fit).problems


def test_a_recording_that_comes_again_is_found_and_one_of_the_same_id():
    found = validated(
        entry(), entry(id="x"), entry(id="x", audio_filepath="b.wav"), entry(audio_filepath="c.wav", id="y")
    )
    assert dict(found.problems) == {"repeated_audio": 1, "shared_id": 1}
    assert 'same audio file: string "a.wav"' in found.problem_examples["repeated_audio"][0].detail
    assert 'same id, and other audio: string "x"' in found.problem_examples["shared_id"][0].detail
    assert not validated(entry(audio_filepath=None), entry(audio_filepath=None)).problems


def test_so_many_recordings_are_remembered_and_no_more():
    seen = SeenRecordings(most=2)
    first = [seen.repeats({"audio_filepath": name}) for name in ("a", "b")]
    assert (first, seen.is_full) == ([(False, False)] * 2, False)
    assert [seen.repeats({"audio_filepath": name}) for name in ("c", "c", "a")] == [(False, False)] * 2 + [
        (True, False)
    ]
    assert seen.is_full


def test_what_is_missing_is_counted_among_those_that_may_have_it():
    segments = changed(0, speaker="no-speaker", metrics=None, words=[])
    segments[1].update(speaker=None, metrics={"bandwidth": [None, None]}, words=None)
    segments[2].update(words=[{"word": "a"}, "b"], metrics={"bandwidth": 0})
    del segments[3]["words"], segments[3]["speaker"], segments[3]["metrics"]
    found = validated(entry(segments), {"segments": [], "duration": "long", "audio_filepath": ""})
    assert {each: found.missing[each.value] for each in Missing} == {
        Missing.SAMPLE_RATE: 1,
        Missing.AUDIO: 1,
        Missing.DURATION: 1,
        Missing.SPEAKER: 2,
        Missing.BANDWIDTH: 2,
        Missing.WORDS: 2,
        Missing.WORD_TIMES: 1,
    }
    assert [found.whole_of(each) for each in (Missing.AUDIO, Missing.SPEAKER, Missing.WORDS)] == [2, 60, 59]


def test_an_entry_without_a_rate_is_rejected_and_yet_looked_at():
    found = validated(entry(changed(7, speaker="no-speaker"), audio_sample_rate=None))
    assert found.rejects == {"sample_rate_missing": 1}
    assert (found.examined, found.problems["no_speaker_segments"], found.stats.kept_windows) == (1, 1, 0)
    assert found.distributions["sample_rate_hz"].count == 0
    assert not validated(entry(audio_sample_rate=None), default_sample_rate=48000).rejects


@pytest.mark.parametrize(("reason", "text", "detail"), BAD)
def test_what_windows_would_reject_is_rejected_with_its_place(reason, text, detail):
    found = validated(line(text, offset=77))
    assert found.rejects == {reason: 1}
    [example] = found.reject_examples[reason]
    assert example[:2] == ("m.jsonl", 77)
    assert detail in example.detail
    assert not found.is_fit


def test_three_examples_are_kept():
    bad = ManifestLine("m.jsonl", 0, b"[]")
    found = validated(*[bad._replace(offset=n) for n in range(9)], *[entry(duration=9) for _ in range(9)])
    assert found.rejects[RejectReason.NOT_OBJECT.value] == found.problems["duration_before_end"] == 9
    assert [example.offset for example in found.reject_examples["not_object"]] == [0, 1, 2]
    assert len(found.problem_examples["duration_before_end"]) == 3


def test_distributions_are_of_what_they_say():
    segments = [
        {"start": 1, "end": 3, "speaker": "a", **GOOD},
        {"start": 2, "end": 2.5, "speaker": "b,no-speaker", "metrics": {"bandwidth": [8000, None, 4000]}},
        {"start": 4.5, "end": 5, "speaker": "no-speaker", "metrics": {"bandwidth": 100}},
    ]
    found = validated({"audio_sample_rate": 16000, "segments": segments}, speaker_separator=",").distributions
    spread = {name: (each.count, each.least, each.greatest) for name, each in found.items()}
    assert spread == {
        Measured.SEGMENT_SECONDS: (3, 0.5, 2),
        Measured.PAUSE_SECONDS: (1, 1.5, 1.5),
        Measured.RECORDING_SECONDS: (1, 5, 5),
        Measured.SPEAKERS: (1, 2, 2),
        Measured.BANDWIDTH: (2, 4000, 9000),
        Measured.SAMPLE_RATE: (1, 16000, 16000),
    }


def close(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, up to the rounding of sums."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[name], other[name]) for name in one)
    return math.isclose(one, other, abs_tol=1e-9) if isinstance(one, float) else one == other


@settings(max_examples=40, deadline=None)
@given(st.lists(entries(), max_size=5), st.integers(0, 5))
def test_parts_add_up_to_the_whole_and_stay_as_they_are(given_entries, at):
    config, seen = JobConfig(("m.jsonl",), "windows"), SeenRecordings()
    parts = [inspected(manifest_line(each), config, seen).validation for each in given_entries]
    first, second = sum(parts[:at], Validation()), sum(parts[at:], Validation())
    before = first.to_dict()
    assert close((first + second).to_dict(), validated(*given_entries).to_dict())
    assert close(first.to_dict(), before)


_VALUES = st.lists(st.floats(0, 1e6) | st.integers(0, 100), min_size=1, max_size=60)


@given(_VALUES, st.integers(0, 60), st.sampled_from([5, 25, 50, 75, 95]))
def test_percentiles_are_near_the_exact_ones(values, at, percent):
    spread = Distribution.of(values[:at])
    spread += Distribution.of(values[at:])
    exact = sorted(values)[max(math.ceil(percent / 100 * len(values)) - 1, 0)]
    assert spread.percentile(percent) == pytest.approx(exact, rel=0.006, abs=0.001)
    assert (spread.count, spread.least, spread.greatest) == (len(values), min(values), max(values))
    assert spread.least <= spread.percentile(percent) <= spread.greatest


def test_a_distribution_takes_fixed_space():
    def spread_of(values: Iterable[float]) -> int:
        return len(Distribution.of(values).counts)

    assert spread_of(1.0001**n for n in range(-200_000, 400_000)) <= 10_802
    assert spread_of([-5, 0, 1e-9, 1e9, 1e300]) == 2
    assert Distribution().percentile(50) == 0


def test_what_windows_would_make_is_counted():
    found = validated(entry(), ManifestLine("m.jsonl", 0, b"[]"))
    assert found.stats.recordings == 1
    assert found.stats.rejected == {"not_object": 1}
    assert found.stats != LossStats()
