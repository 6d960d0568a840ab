"""What a sweep says of a recording is what runs by its combinations say, each on its own."""

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.config import ALL, LONGEST, EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.entries import serialise_entry
from alm_beam.core.faults import BadEntry
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import ManifestLine, Recording, parse_recording
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.parameters import ConfigError
from alm_beam.core.sweep import SweepPlan, is_in_sample, sweep_recording
from alm_beam.core.sweep_config import Combination, SweepConfig
from alm_beam.core.sweep_stats import Row, SweepStats
from alm_beam.core.windows import build_windows
from alm_beam.core.write_bounds import WriteBounds
from tests.core.test_output_size import CROWDS
from tests.core.test_rules import recording_of
from tests.strategies import entries, overlap_configs, rule_configs, window_configs, with_joint_labels

NEEDED = {"input": "in.jsonl", "output": "out"}


def single(recording: Recording, combination: Combination, entry: EntryConfig) -> LossStats | str:
    """What a run of its own would say: figures, or why it rejects the recording."""
    try:
        kept = filter_overlaps(build_windows(recording, combination.windows), combination.overlap)
        serialise_entry(kept, entry)
        serialise_cuts(kept, entry)
        stats = loss_stats(kept, entry)
    except BadEntry as fault:
        return str(fault)
    stats.findings.clear()
    return stats


def swept(recording: Recording, combinations: list[Combination], entry: EntryConfig) -> list[LossStats | str]:
    outcomes = sweep_recording(recording, SweepPlan.of(combinations, entry))
    return [str(each) if isinstance(each, BadEntry) else each for each in outcomes]


def check(recording: Recording, combinations: list[Combination], entry: EntryConfig = EntryConfig()) -> list:
    found = swept(recording, combinations, entry)
    assert found == [single(recording, each, entry) for each in combinations]
    return found


def combinations_of(windows: list[WindowConfig], overlaps: list[OverlapConfig]) -> list[Combination]:
    return [Combination({}, each, overlap.for_windows(each)) for overlap in overlaps for each in windows]


@settings(max_examples=150, deadline=None)
@given(entries(), st.lists(window_configs(), min_size=2, max_size=5), st.lists(overlap_configs, min_size=1, max_size=3))
def test_any_entry_by_any_configurations(entry, windows, overlaps):
    check(recording_of(entry), combinations_of(windows, overlaps))


@settings(max_examples=120, deadline=None)
@given(
    with_joint_labels(),
    st.lists(rule_configs(LONGEST) | rule_configs(ALL), min_size=2, max_size=5),
    st.sampled_from(["greedy", "most_audio"]),
)
def test_rules_that_are_off_by_default(entry, windows, selection):
    line = ManifestLine("m.jsonl", 0, json.dumps(entry).encode())
    overlaps = [OverlapConfig(selection=selection), OverlapConfig(overlap_percentage=0, target_duration=3)]
    check(parse_recording(line), combinations_of(windows, overlaps))


@pytest.mark.parametrize("crowd", CROWDS)
def test_what_no_run_could_write_is_rejected_as_a_run_rejects_it(crowd):
    recording = recording_of({"audio_filepath": "a.wav", "audio_sample_rate": 16000, "segments": CROWDS[crowd]})
    windows = [WindowConfig(target_window_duration=seconds, tolerance=0.2, min_speakers=1) for seconds in (5, 10, 20)]
    combinations = combinations_of(windows, [OverlapConfig(), OverlapConfig(overlap_percentage=100)])
    whole = max(
        len(serialise_entry(filter_overlaps(build_windows(recording, each.windows), each.overlap), EntryConfig()))
        for each in combinations
    )
    for limit in (1000, whole // 3, whole - 1, whole, 2 * whole, 10 * whole):
        found = check(recording, combinations, EntryConfig(max_line_bytes=max(limit, 1000)))
        assert limit != whole - 1 or whole < 1000 or any(isinstance(each, str) for each in found)


@pytest.mark.parametrize("depth", [10, 240, 246, 248, 250, 251, 252, 253, 254, 300, 900])
@pytest.mark.parametrize("place", ["entry", "segment"])
def test_what_is_nested_too_deep_is_rejected_as_a_run_rejects_it(depth, place):
    nested = "[" * depth + "]" * depth
    own, of_segment = (nested, "0") if place == "entry" else ("0", nested)
    turns = ",".join(
        f'{{"start": {5 * n}, "end": {5 * n + 4}, "speaker": "{n % 2}", "deep": {of_segment}}}' for n in range(6)
    )
    text = f'{{"audio_filepath": "a.wav", "audio_sample_rate": 16000, "deep": {own}, "segments": [{turns}]}}'
    windows = [WindowConfig(target_window_duration=10, min_bandwidth=0), WindowConfig(target_window_duration=20)]
    found = check(parse_recording(text), combinations_of(windows, [OverlapConfig()]))
    assert any(isinstance(each, str) for each in found) == (depth > 253)


def test_most_recordings_need_no_second_look():
    turns = [{"start": 3.0 * n, "end": 3.0 * n + 2.5, "speaker": "ab"[n % 2]} for n in range(5000)]
    recording = recording_of({"audio_sample_rate": 16000, "segments": turns})
    kept = filter_overlaps(build_windows(recording, WindowConfig(min_bandwidth=0)))
    assert WriteBounds(recording, EntryConfig()).hold(kept)
    size = len(serialise_entry(kept, EntryConfig()))
    assert not WriteBounds(recording, EntryConfig(max_line_bytes=size)).hold(kept)


def test_words_that_are_malformed_are_a_fault_where_they_are_needed_alone():
    turns = [{"start": 4.0 * n, "end": 4.0 * n + 4, "speaker": "ab"[n % 2], "words": [5]} for n in range(8)]
    recording = recording_of({"audio_sample_rate": 16000, "segments": turns})
    windows = [
        WindowConfig(target_window_duration=seconds, min_bandwidth=0, truncation=truncation)
        for seconds, truncation in ((9, True), (9, False), (16, True))
    ]
    found = check(recording, combinations_of(windows, [OverlapConfig()]))
    assert [isinstance(each, str) for each in found] == [True, False, True]
    stats = SweepStats.of_outcomes(
        sweep_recording(recording, SweepPlan.of(combinations_of(windows, [OverlapConfig()]), EntryConfig()))
    )
    assert (stats.recordings, stats.partly_rejected, dict(stats.rejected)) == (0, 1, {"words_malformed": 1})
    assert [each.recordings for each in stats.parts] == [0, 1, 0]


def test_the_sample_depends_on_the_line_alone():
    texts = [json.dumps({"id": number}).encode() for number in range(5000)]
    lines = [ManifestLine("a.jsonl", 7 * number, text) for number, text in enumerate(texts)]
    for fraction in (0.01, 0.5):
        chosen = [line.text for line in lines if is_in_sample(line, fraction)]
        assert len(chosen) == pytest.approx(5000 * fraction, rel=0.25)
        elsewhere = [ManifestLine("b.jsonl.gz", 0, b"\xef\xbb\xbf" + text + b"\r") for text in texts]
        assert [text for text, line in zip(texts, elsewhere) if is_in_sample(line, fraction)] == chosen
    assert {line.text for line in lines if is_in_sample(line, 0.01)} <= {
        line.text for line in lines if is_in_sample(line, 0.5)
    }
    assert all(is_in_sample(line, 1) for line in lines)


class TestConfig:
    def test_every_combination_is_there_once(self):
        config = SweepConfig.of(
            {**NEEDED, "target_window_duration": "30, 60", "truncation": "true,false", "max_gap": "none,5"}
        )
        assert config.varied == ["target_window_duration", "truncation", "max_gap"]
        assert [
            (each.windows.target_window_duration, each.windows.truncation, each.windows.max_gap)
            for each in config.combinations
        ] == [(seconds, truncation, gap) for seconds in (30, 60) for truncation in (True, False) for gap in (None, 5)]
        assert pickle.loads(pickle.dumps(config)) == config

    def test_one_value_each_is_one_combination(self):
        [combination] = SweepConfig.of({**NEEDED, "overlap_percentage": 30}).combinations
        assert combination == ({}, WindowConfig(), OverlapConfig(overlap_percentage=30, target_duration=120.0))

    def test_limits_have_commas_of_their_own(self):
        config = SweepConfig.of({**NEEDED, "min_metrics": "none; pesq=2,snr.mean=3; pesq=3"})
        assert [each.windows.min_metrics for each in config.combinations] == [
            (),
            (("pesq", 2.0), ("snr.mean", 3.0)),
            (("pesq", 3.0),),
        ]
        assert SweepConfig.of({**NEEDED, "min_metrics": {"pesq": 2}}).combinations[0].windows.min_metrics

    def test_values_that_do_not_go_together_are_left_out(self):
        config = SweepConfig.of({**NEEDED, "min_speakers": [1, 2, 3], "max_speakers": [2, 5]})
        assert len(config.combinations) == 5
        [left] = config.left_out
        assert left.varied == {"min_speakers": 3, "max_speakers": 2}
        assert str(left.error).startswith("max_speakers=2: must be a whole number from min_speakers (3)")

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"target_window_duration": "30,,60"}, r"target_window_duration=: there is an empty value; it must be"),
            ({"target_window_duration": "30,30.0"}, r"target_window_duration=30.0: must not be given twice"),
            ({"target_window_duration": []}, r"target_window_duration=\(\): must be a number of seconds"),
            ({"tolerance": [0.1, 2]}, r"tolerance=2: must be a fraction, 0 <= tolerance < 1"),
            ({"min_speakers": "1,two"}, r"min_speakers=two: must be a whole number"),
            ({"min_speakers": [True]}, r"min_speakers=True: must be a whole number"),
            ({"truncation": "true,maybe"}, r"truncation=maybe: must be true or false"),
            ({"selection": "greedy,best"}, r"selection=best: must be greedy or most_audio"),
            ({"max_gap": "5,all"}, r"max_gap=all: must be a number of seconds .*, or none"),
            ({"min_metrics": "pesq=2;pesq=x"}, r"min_metrics=pesq=x: must be names with a number each"),
            ({"min_metrics": "pesq=2;"}, r"min_metrics=: there is an empty value; it must be names with a number each"),
            ({"min_metrics": ""}, r"min_metrics=: there is an empty value"),
            ({"min_metrics": "bw=2"}, r"min_metrics=bw=2.0: must not name 'bw'"),
            ({"min_speakers": 4, "max_speakers": [2, 3]}, r"max_speakers=2: .* from min_speakers \(4\)"),
            ({"compare_selection": True}, r"compare_selection: is no parameter"),
            (
                {"target_window_duration": list(range(1, 41)), "overlap_percentage": list(range(30))},
                r"target_window_duration: makes 1,200 combinations with the others \(target_window_duration: 40, "
                r"overlap_percentage: 30\); a sweep has at most 1,000",
            ),
        ],
    )
    def test_what_is_wrong_is_named(self, given, message):
        with pytest.raises(ConfigError, match=message):
            SweepConfig.of({**NEEDED, **given})


def stats_of(*kept: tuple[float, float, int], aim: str = "distinct_hours") -> SweepStats:
    """Rows of kept seconds, distinct seconds and kept windows."""
    rows = [
        Row({"n": n}, "", LossStats(kept_seconds=one, kept_covered_seconds=other, kept_windows=windows))
        for n, (one, other, windows) in enumerate(kept)
    ]
    return SweepStats(rows=rows, aim=aim)


def test_the_best_has_most_of_the_aim_then_fewest_windows_then_comes_first():
    kept = [(10, 5, 3), (8, 6, 4), (9, 6.0000001, 2), (10, 6, 2), (11, 1, 9)]
    assert [row.parameters["n"] for row in stats_of(*kept).ranked()] == [2, 3, 1, 0, 4]
    assert stats_of(*kept).ties == 2
    by_kept = stats_of(*kept, aim="kept_hours")
    assert [row.parameters["n"] for row in by_kept.ranked()] == [4, 3, 0, 2, 1]
    assert by_kept.ties == 0
    assert stats_of(*kept).to_dict()["best"] == 2
    assert by_kept.to_dict()["best"] == 4


def test_statistics_are_read_back_as_they_were_written():
    stats = SweepStats.of_outcomes([LossStats(recordings=1, kept_seconds=2.5)] * 2) + SweepStats.of_reject("not_json")
    named = stats.named([{"a": 1}, {"a": 2}], ["one", "two"], "kept_hours", [{"parameters": {"a": 3}, "reason": "x"}])
    again = SweepStats.from_dict(json.loads(json.dumps(named.to_dict())))
    assert again.to_dict() == named.to_dict()
    assert [row.stats.rejected for row in again.rows] == [{"not_json": 1}] * 2


TWO_VALUES = {
    "target_window_duration": [10, 14],
    "tolerance": [0.2, 0.4],
    "min_sample_rate": [16000, 20000],
    "min_bandwidth": [5000, 8000],
    "min_speakers": [2, 3],
    "max_speakers": [2, 3, 5],
    "truncation": [True, False],
    "drop_empty_truncations": [True, False],
    "max_gap": [0.4, 0.8],
    "min_speech": [0.5, 0.95],
    "max_speaker_share": [0.9, 0.5],
    "min_metrics": ["pesq=2", "pesq=3"],
    "max_metrics": ["snr=5", "snr=9"],
    "require_metrics": [True, False],
    "candidates": [LONGEST, ALL],
    "overlap_percentage": [10, 50],
    "target_duration": [9, 12],
    "selection": ["greedy", "most_audio"],
}


def turns_of_all_kinds() -> list[dict]:
    return [
        {
            "start": 2.5 * n,
            "end": 2.5 * n + (2 + n % 7 / 10 if n % 11 else 9),
            "speaker": ("a", "b", "a", "c", "b", "d")[n * n % 6],
            "metrics": {
                "bandwidth": 8000 - 500 * (n % 9 == 0) * 4,
                "pesq": 1.5 + n % 5,
                **({"snr": n % 12} if n % 4 else {}),
            },
            "words": [
                {"word": "w", "end": 2.5 * n + part} for part in ((0.5, 1.5, 1.9), (1.8, 0.4), (2.1, 0.3, 1.2))[n % 3]
            ],
        }
        for n in range(80)
    ]


@pytest.mark.parametrize("name", TWO_VALUES)
def test_each_parameter_alone_with_others_that_share_its_stages(name):
    assert set(TWO_VALUES) == set(SweepConfig.of(NEEDED).windows.values()) | set(
        SweepConfig.of(NEEDED).overlap.values()
    )
    recording = recording_of({"audio_sample_rate": 16000, "segments": turns_of_all_kinds()})
    base = {"target_window_duration": [8, 12], "tolerance": 0.3, "min_bandwidth": 7000, "min_speakers": 1}
    differ = []
    for rules in ({}, {"max_gap": 0.6}, {"min_metrics": "pesq=2", "max_metrics": "snr=9"}):
        config = SweepConfig.of({**NEEDED, **base, **rules, name: TWO_VALUES[name]})
        found = check(recording, list(config.combinations))
        differ.append(len({json.dumps(each.to_dict()) for each in found}))
    assert max(differ) > 2 or name in ("target_window_duration", "min_sample_rate")
