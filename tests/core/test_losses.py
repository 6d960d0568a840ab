import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.losses import GAP, SPEECH, Finding, Losses, LossReason, LossStats, Lost, left_to_right_sum

counts = st.integers(0, 10**9)
seconds = st.floats(0, 1e9)
losses = st.builds(
    Losses,
    segments=counts,
    seconds=seconds,
    lost=st.lists(counts, min_size=len(LossReason), max_size=len(LossReason)),
    lost_seconds=st.lists(seconds, min_size=len(LossReason), max_size=len(LossReason)),
    truncations=counts,
    by_rule=st.dictionaries(st.sampled_from(["wer.wer", GAP, SPEECH]), st.builds(Lost, counts, seconds)),
)
stats = st.builds(
    LossStats,
    recordings=counts,
    rejected=st.dictionaries(st.sampled_from(["not_json", "cut_off"]), st.integers(1, 99)).map(Counter),
    longest_candidates=counts,
    longest_candidate_seconds=seconds,
    candidate_windows=counts,
    kept_windows=counts,
    kept_seconds=seconds,
    audio_seconds=seconds,
    candidate_covered_seconds=seconds,
    kept_covered_seconds=seconds,
    most_audio_seconds=st.none() | seconds,
    losses=losses,
    findings=st.dictionaries(st.sampled_from([each.value for each in Finding]), st.integers(1, 99)).map(Counter),
)


def close(one: LossStats, other: LossStats) -> bool:
    mine, theirs = one.to_dict(), other.to_dict()
    return mine.keys() == theirs.keys() and all(
        abs(value - theirs[name]) <= 1e-9 * max(abs(value), 1) if isinstance(value, float) else value == theirs[name]
        for name, value in mine.items()
    )


@given(stats, stats, stats)
def test_merging_is_associative_and_commutative_up_to_rounding(a, b, c):
    assert close((a + b) + c, a + (b + c))
    assert close(a + b, b + a)
    assert a + LossStats() == a


@given(stats, stats)
def test_merging_leaves_its_parts_alone(a, b):
    before = a.to_dict(), b.to_dict()
    total = a + b
    total += b
    assert (a.to_dict(), b.to_dict()) == before


@given(stats)
def test_json_round_trip(a):
    assert LossStats.from_dict(json.loads(json.dumps(a.to_dict()))) == a


def test_rules_add_up_in_the_order_in_which_they_are_stated():
    one = Losses(by_rule={"pesq": Lost(1, 2.0), GAP: Lost()})
    total = Losses()
    total += one
    total += Losses(by_rule={"pesq": Lost(3, 0.5), GAP: Lost(1, 1.0)})
    assert one.by_rule == {"pesq": Lost(1, 2.0), GAP: Lost()}
    assert list(total.by_rule.items()) == [("pesq", Lost(4, 2.5)), (GAP, Lost(1, 1.0))]
    named = {**total.to_dict(), "lost_win_full_data": []}
    assert [name for name in named if name.startswith("lost_")][6:8] == ["lost_pesq", "lost_gap"]
    assert (named["dur_lost_pesq"], named["dur_lost_gap"]) == (2.5, 1.0)
    assert Losses.from_dict(named, 0) == total


def test_what_an_earlier_version_did_not_count_is_none():
    assert LossStats.from_dict({"recordings": 3, "version": "0.0.1"}) == LossStats(recordings=3)


def test_the_reject_fraction_is_of_all_entries():
    assert LossStats().reject_fraction == 0
    assert LossStats(recordings=3, rejected=Counter(not_json=1)).reject_fraction == 0.25


def test_sums_are_plain_on_every_python():
    assert left_to_right_sum([0.1] * 10) == 0.9999999999999999
    assert left_to_right_sum([]) == 0.0
