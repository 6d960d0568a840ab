"""The selection of the most audio, against all choices that there are."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.cli.flags import job_config, job_parser
from alm_beam.core.config import JobConfig
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.manifest import ManifestLine, parse_recording
from alm_beam.core.most_audio import most_audio_positions
from alm_beam.core.overlap import filter_overlaps, greedy_positions
from alm_beam.core.windows import build_windows
from tests import obvious
from tests.conformance import SHARED, all_cases, flags_of, read_lines


def times_of(starts: st.SearchStrategy, durations: st.SearchStrategy, most: int) -> st.SearchStrategy:
    pairs = st.tuples(starts, durations).map(lambda pair: (pair[0], pair[0] + pair[1]))
    return st.lists(pairs, max_size=most).map(sorted)


whole = st.integers(0, 30), st.integers(1, 12)
tenths = st.integers(0, 300).map(lambda n: n / 10), st.integers(40, 120).map(lambda n: n / 10)
any_floats = st.floats(0, 30), st.floats(0.01, 12)
percentages = st.sampled_from([0, 10, 30, 50, 80, 90, 100]) | st.floats(0, 100)
targets = st.sampled_from([1, 6, 10, 12.5])


def few(most: int) -> st.SearchStrategy:
    return st.one_of(times_of(*kind, most) for kind in (whole, tenths, any_floats))


@settings(max_examples=4000, deadline=None)
@given(few(8), percentages, targets)
def test_it_is_the_best_of_all_choices(times, percentage, target):
    threshold = percentage / 100
    assert most_audio_positions(times, threshold, target) == obvious.best_choice(times, threshold, target)


@settings(max_examples=500, deadline=None)
@given(few(60), percentages, targets)
def test_no_pair_overlaps_too_much_and_none_keeps_less_than_greedy(times, percentage, target):
    threshold = percentage / 100
    kept = [times[at] for at in most_audio_positions(times, threshold, target)]
    for at, one in enumerate(kept):
        assert not any(obvious.too_much(one, other, threshold) for other in kept[at + 1 :])
    greedy = [times[at] for at in greedy_positions(times, threshold, target)]
    assert sum(end - start for start, end in kept) >= sum(end - start for start, end in greedy) - 1e-6


@pytest.mark.parametrize(
    ("times", "percentage", "kept"),
    [
        pytest.param([(0, 10), (9, 20), (19, 30)], 0, [(0, 10), (19, 30)], id="the one between two goes"),
        pytest.param([(0, 10), (9, 31), (30, 40)], 0, [(9, 31)], id="unless it is longer"),
        pytest.param([(0, 10), (10, 20)], 0, [(0, 10), (10, 20)], id="two that only touch may stay"),
        pytest.param([(0, 10), (5, 15)], 50, [(0, 10)], id="at the threshold they may not, and the earlier stays"),
        pytest.param([(0, 10), (5.1, 15.1)], 50, [(0, 10), (5.1, 15.1)], id="below it they may"),
        pytest.param([(0, 10), (0, 10)], 100, [(0, 10)], id="of identical ones one stays"),
        pytest.param([(0, 8), (0, 10), (8, 20), (10, 20)], 0, [(0, 10), (10, 20)], id="a tie goes to the nearer"),
        pytest.param(
            [(0.1, 10.3), (10.3, 20.7), (0.1, 10.1), (10.1, 20.7)],
            0,
            [(0.1, 10.1), (10.1, 20.7)],
            id="a tie is one whatever the rounding, here of 20.6 s",
        ),
        pytest.param([(0, 10), (2, 12), (4, 14)], 0, [(0, 10)], id="then to the earlier"),
        pytest.param([], 50, [], id="nothing"),
    ],
)
def test_which_stay(times, percentage, kept):
    times = sorted(times)
    assert [times[at] for at in most_audio_positions(times, percentage / 100, 10)] == kept


@pytest.mark.parametrize(
    ("times", "percentage"),
    [
        ([(6.9, 17.4), (16.7, 20.2)], 20),
        ([(2.5, 7.9), (5.2, 16.3)], 50),
        ([(1.53, 12.16), (2.5929999999999995, 34.483)], 90),
        ([(-9.152, 0.8579999999999999), (0.0, 1.43)], 60),
    ],
)
def test_rounding_at_the_threshold_is_that_of_the_filter(times, percentage):
    threshold = percentage / 100
    assert most_audio_positions(times, threshold, 10) == obvious.best_choice(times, threshold, 10)


CROWDS = {
    "many lengths": [(start, start + length) for start in range(300) for length in range(100, 130)],
    "all touch": [(at / 5000, 120.0) for at in range(5000)] + [(120.0, 240.0 + at / 5000) for at in range(5000)],
    "rounding": [(0.1, 120.1)] * 5000 + [(60.1, 180.1)] * 5000,
    "one start": [(0, 100 + at / 1000) for at in range(10000)],
}


@pytest.mark.parametrize("percentage", [0, 50])
@pytest.mark.parametrize("crowd", CROWDS)
def test_in_a_crowd_a_window_looks_at_few_others(crowd, percentage):
    """Few: the square of their number would be more than the looks that the test allows."""
    times = [(Counted(start), Counted(end)) for start, end in sorted(CROWDS[crowd])]
    Counted.subtractions = 0
    kept = [times[at] for at in most_audio_positions(times, percentage / 100, 120)]
    assert not any(obvious.too_much(*pair, percentage / 100) for pair in pairwise(kept))
    assert Counted.subtractions < 20 * len(times)


class Counted(float):
    """A time that counts how often one is subtracted from another, or added, as each look at a window does."""

    subtractions = 0

    def __sub__(self, other: float) -> float:
        Counted.subtractions += 1
        return float(self) - other

    def __add__(self, other: float) -> float:
        Counted.subtractions += 1
        return float(self) + other


def hours(line_files: list, *more: str, **params) -> float:
    parser = job_parser("test", "", JobConfig)
    config = job_config(parser, parser.parse_args(["--input=x", "--output=y", *flags_of(params), *more]), JobConfig)
    lines = [line for path in line_files for line in read_lines(path)]
    built = (build_windows(parse_recording(ManifestLine("m", 0, line)), config.windows) for line in lines)
    return sum(loss_stats(filter_overlaps(each, config.overlap)).kept_seconds for each in built) / 3600


MOST = "--selection=most_audio"


@pytest.mark.parametrize(("folder", "case"), all_cases())
def test_never_below_greedy_nor_above_all_on_the_conformance_inputs(folder, case):
    manifest, params = [folder / case["input"]], case["params"]
    greedy = hours(manifest, **params)
    most = hours(manifest, MOST, **params)
    assert greedy == pytest.approx(case["filtered_dur"] / 3600)
    assert greedy <= most + 1e-9
    assert most <= hours(manifest, MOST, "--candidates=all", **params) + 1e-9


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the fetched conformance data is not at {SHARED}")
@pytest.mark.parametrize(
    ("manifest", "percentage", "greedy", "longest", "every"),
    [
        ("sample_input.jsonl", 0, 0.367, 0.721, 0.853),
        ("ami_dev.jsonl.xz", 0, 4.736, 6.929, 7.624),
        ("sample_input.jsonl", 50, 0.843, 0.909, 0.909),
        ("ami_dev.jsonl.xz", 50, 7.616, 11.313, 11.313),
    ],
)
def test_hours_known_to_be_possible_are_reached(manifest, percentage, greedy, longest, every):
    manifests, overlap = [SHARED / "fetched" / manifest], {"overlap_percentage": percentage}
    assert round(hours(manifests, **overlap), 3) == greedy
    assert round(hours(manifests, MOST, **overlap), 3) == longest
    assert round(hours(manifests, MOST, "--candidates=all", **overlap), 3) >= every


def test_rounding_may_put_the_whole_of_the_last_window_beyond_its_end():
    """start + (end - start) is greater than end here."""
    times = [(45.8, 174.72581935976226)]
    assert times[0][0] + (times[0][1] - times[0][0]) > times[0][1]
    assert most_audio_positions(times, 1.0, 120.0) == [0]
