"""The rules that the reference does not have: pauses, speech, one speaker's share, metrics, and joint labels."""

import json
import time
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core import window_rules
from alm_beam.core.config import (
    ALL,
    GREEDY,
    LONGEST,
    MOST_AUDIO,
    ConfigError,
    EntryConfig,
    ManifestConfig,
    OverlapConfig,
    WindowConfig,
)
from alm_beam.core.cuts import to_cuts
from alm_beam.core.entries import to_entry
from alm_beam.core.faults import BadEntry
from alm_beam.core.growth_limits import find_gap_limits, find_speaker_limits, find_speaker_stops
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.losses import LossReason
from alm_beam.core.manifest import Recording, parse_recording
from alm_beam.core.metric_limits import metrics_outside
from alm_beam.core.overlap import KeptWindows, filter_overlaps
from alm_beam.core.window_rules import SpeechRules, rules_on
from alm_beam.core.windows import build_windows
from tests import obvious
from tests.core.test_rules import KEEP_ALL, recording_of
from tests.core.test_windows import segment
from tests.strategies import exact_entries, overlap_configs, rule_configs, with_joint_labels

KEEP_EVERY_PAIR = OverlapConfig(overlap_percentage=100, target_duration=10)
ANY_BANDWIDTH = WindowConfig(target_window_duration=10, tolerance=0.2, min_bandwidth=0)


def heard(entry: dict[str, Any]) -> Recording:
    """The recording of an entry; labels with commas name several speakers."""
    return parse_recording(entry, ManifestConfig(speaker_separator=","))


def kept_of(entry: dict[str, Any], config: WindowConfig, overlap: OverlapConfig = KEEP_EVERY_PAIR) -> KeptWindows:
    return filter_overlaps(build_windows(heard(entry), config), overlap)


def entry_of(*segments: dict[str, Any]) -> dict[str, Any]:
    return {"audio_filepath": "a.wav", "audio_sample_rate": 16000, "segments": list(segments)}


@settings(max_examples=600, deadline=None)
@given(exact_entries() | with_joint_labels(), rule_configs())
def test_candidates_are_those_of_the_obvious_rules(entry, config):
    expected = obvious.candidates(entry, config)
    output = to_entry(kept_of(entry, config), KEEP_ALL)
    assert [(w["segments"], w["speaker_durations"]) for w in output["windows"]] == expected["windows"]
    segments = entry["segments"]
    assert output["stats"]["lost_win_full_data"] == [
        {"index": first, "window_segs": held, "next_seg": segments[at], "prev_seg": segments[max(first - 1, 0)]}
        for first, held, at in expected["lost"]
    ]
    reasons = ["bw", "sr", "spk", "win", "no_spkr", "next_seg_bm", *rules_on(config)]
    assert {name: output["stats"][f"lost_{name}"] for name in reasons} == {name: expected[name] for name in reasons}
    counted = [name for name in output["stats"] if name.startswith("lost_")]
    assert counted == [
        *(f"lost_{name}" for name in ["bw", "sr", "spk", "win", "no_spkr", "next_seg_bm"]),
        *(f"lost_{name}" for name in rules_on(config)),
        "lost_win_full_data",
    ]
    assert output["truncation_events"] == expected["truncations"]


@settings(max_examples=600, deadline=None)
@given(exact_entries() | with_joint_labels(), rule_configs(ALL))
def test_all_windows_are_those_of_the_obvious_rules(entry, config):
    expected = obvious.all_windows(entry, config)
    found = build_windows(heard(entry), config).columns
    assert list(zip(found.starts, found.ends)) == [(held[0]["start"], held[-1]["end"]) for held, _ in expected]
    assert [stop - first for first, stop in zip(found.firsts, found.stops)] == [len(held) for held, _ in expected]


@settings(max_examples=300, deadline=None)
@given(
    exact_entries() | with_joint_labels(),
    st.sampled_from([LONGEST, ALL]).flatmap(rule_configs),
    overlap_configs,
    st.sampled_from([GREEDY, MOST_AUDIO]),
)
def test_kept_windows_are_of_the_candidates_with_every_selection(entry, config, overlap, selection):
    overlap = replace(overlap, selection=selection)
    allowed = obvious.all_windows(entry, config) if config.candidates == ALL else None
    allowed = obvious.candidates(entry, config)["windows"] if allowed is None else allowed
    kept = kept_of(entry, config, overlap)
    written = to_entry(kept, KEEP_ALL)
    assert all((w["segments"], w["speaker_durations"]) in allowed for w in written["filtered_windows"])
    assert [list(window.speaker_durations) for window in kept] == [
        window["speaker_durations"] for window in written["filtered_windows"]
    ]
    assert len(kept) >= bool(allowed)
    assert loss_stats(kept).losses.to_dict().items() <= written["stats"].items()


@settings(max_examples=400, deadline=None)
@given(exact_entries() | with_joint_labels(), rule_configs())
def test_every_segment_starts_a_window_or_is_lost_for_one_reason(entry, config):
    built = build_windows(heard(entry), config)
    losses = built.losses
    rules = {name: lost.segments for name, lost in losses.by_rule.items()}
    assert list(rules) == rules_on(config)
    pause = rules.pop("gap", 0)
    main = (LossReason.BANDWIDTH, LossReason.SAMPLE_RATE, LossReason.WINDOW, LossReason.SPEAKERS)
    assert len(built) + sum(losses.lost[reason] for reason in main) + sum(rules.values()) == len(entry["segments"])
    parts = losses.lost[LossReason.NO_SPEAKER] + losses.lost[LossReason.NEXT_BANDWIDTH] + pause
    assert parts <= losses.lost[LossReason.WINDOW]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=25), st.integers(0, 4), st.booleans())
def test_gap_limits(times, max_gap, are_ordered):
    times = sorted(times) if are_ordered else times
    starts, ends = [start for start, _ in times], [start + length for start, length in times]
    count = len(times)
    assert find_gap_limits(starts, ends, max_gap) == [
        next((at for at in range(first + 1, count) if starts[at] - max(ends[first:at]) > max_gap), count)
        for first in range(count)
    ]


LABELS = st.lists(
    st.sampled_from(["a", "b", 0, None, "no-speaker", ("a", "b"), ("b", "a"), ("c", "d", "e"), ("a", "e")]), max_size=25
)


@settings(max_examples=400, deadline=None)
@given(LABELS, st.integers(1, 5))
def test_limits_and_stops_of_joint_labels(labels, number):
    names = [set(label) if isinstance(label, tuple) else {label} - {None} for label in labels]
    count = len(labels)
    stops = [
        next((stop for stop in range(first, count + 1) if len(set().union(*names[first:stop])) >= number), count + 1)
        for first in range(count)
    ]
    assert find_speaker_stops(labels, number) == stops
    limits = [
        next(
            (
                at
                for at in range(first, count)
                if "no-speaker" in names[at] or len(set().union(*names[first : at + 1])) > number
            ),
            count,
        )
        for first in range(count)
    ]
    assert find_speaker_limits(labels, number).limits == limits


def test_a_long_segment_bridges_a_pause_for_the_starts_before_it_only():
    entry = entry_of(segment(0, 9), segment(1, 2, "b"), segment(8, 10, "b"), segment(10, 12, "a"))
    config = replace(ANY_BANDWIDTH, max_gap=3)
    built = build_windows(recording_of(entry), config)
    assert [(window.start, window.end) for window in built] == [(0, 12)]
    assert built.losses.by_rule["gap"] == (1, 1)


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), min_size=2, max_size=9),
    st.booleans(),
    st.sampled_from([0.25, 0.5, 0.625, 0.75, 0.875, 1]),
)
def test_speech_of_every_slice(times, are_ordered, min_speech):
    times = sorted(times) if are_ordered else times
    parts = [segment(start, start + length, "ab"[at % 2]) for at, (start, length) in enumerate(times)]
    config = replace(ANY_BANDWIDTH, min_speech=min_speech)
    rules = SpeechRules(recording_of(entry_of(*parts)), config)
    for first, each in enumerate(parts):
        broken = rules.from_start(first)
        for stop in range(first + 1, len(parts) + 1):
            if parts[stop - 1]["end"] > each["start"]:
                assert broken(stop, None) == obvious.speech_rule_broken(parts[first:stop], config)


def test_a_segment_that_ends_within_a_pause_of_later_ones_shortens_it():
    entry = entry_of(segment(0, 5), segment(1, 3, "b"), segment(6, 8, "a"))
    config = WindowConfig(target_window_duration=8, tolerance=0, min_bandwidth=0, min_speech=0.875)
    assert [(window.start, window.end) for window in build_windows(recording_of(entry), config)] == [(0, 8)]


def test_a_pause_ends_with_the_window_where_words_end_before_their_segment():
    entry = entry_of(segment(0, 5), segment(7, 20, "b", words=[{"word": "w", "end": 6}]))
    config = WindowConfig(target_window_duration=6, tolerance=0.5, min_bandwidth=0, min_speech=0.8)
    assert [(window.start, window.end) for window in build_windows(recording_of(entry), config)] == [(0, 6)]


def test_without_pauses_all_is_speech():
    tenths = entry_of(*(segment(n / 10, (n + 1) / 10, "ab"[n % 2]) for n in range(100)))
    assert len(build_windows(recording_of(tenths), replace(ANY_BANDWIDTH, min_speech=1))) == 21


def test_one_speaker_alone_has_all_of_the_speech():
    alone = entry_of(*(segment(n / 10, (n + 1) / 10) for n in range(100)))
    config = replace(ANY_BANDWIDTH, min_speakers=1)
    assert not build_windows(recording_of(alone), replace(config, max_speaker_share=0.999999))
    nobody = entry_of(*(segment(n / 10, (n + 1) / 10, None) for n in range(100)))
    nobody["segments"][0]["speaker"] = "a"
    built = build_windows(recording_of(nobody), replace(config, max_speaker_share=0.5))
    assert built.losses.by_rule["share"].segments == 1
    assert not len(built)


def test_the_longest_that_fails_does_not_take_the_shorter_ones_with_it():
    entry = entry_of(segment(0, 5), segment(5, 9, "b"), segment(11.5, 12, "a"))
    for config in (replace(ANY_BANDWIDTH, min_speech=0.8), replace(ANY_BANDWIDTH, max_speaker_share=0.5625)):
        built = build_windows(recording_of(entry), replace(config, candidates=ALL))
        name = rules_on(config)[0]
        assert (len(built.longest), built.losses.by_rule[name].segments) == (0, 1)
        assert [(window.start, window.end) for window in built] == [(0, 9)]


@pytest.mark.parametrize(
    ("crowd", "rules", "candidates", "is_too_much"),
    [
        ("ordered", {"max_gap": 1}, LONGEST, False),
        ("ordered", {"min_speech": 0.5}, LONGEST, False),
        ("ordered", {"max_speaker_share": 0.9}, LONGEST, True),
        ("ordered", {"max_speaker_share": 0.9}, ALL, True),
        ("unordered", {"max_gap": 1}, LONGEST, True),
        ("unordered", {"min_speech": 0.5, "max_speaker_share": 0.9}, ALL, True),
        ("pauses", {"max_gap": 1}, LONGEST, False),
        ("pauses", {"min_speech": 0.6}, LONGEST, True),
    ],
)
def test_a_crowd_is_no_hang(crowd, rules, candidates, is_too_much):
    count = 100_000
    length, step = (0.00005, 0.0001) if crowd == "pauses" else (20, 0.0001)
    starts = [n * step for n in range(count)]
    if crowd == "unordered":
        starts[1::2] = [start - 1.5 * step for start in starts[1::2]]
    parts = [segment(start, start + length, "ab"[n % 2]) for n, start in enumerate(starts)]
    recording = recording_of(entry_of(*parts))
    config = WindowConfig(target_window_duration=25 if length == 20 else 8, candidates=candidates, **rules)
    begin = time.process_time()
    with pytest.raises(BadEntry, match=r"entry_too_large: .*check whether so many") if is_too_much else nullcontext():
        build_windows(recording, config)
    assert time.process_time() - begin < 20


def test_speech_of_windows_in_disorder_is_limited(monkeypatch):
    parts = [segment(10 - n / 100, 20, "ab"[n % 2]) for n in range(60)]
    config = replace(ANY_BANDWIDTH, min_speech=0.5)
    assert len(build_windows(recording_of(entry_of(*parts)), config)) == 59
    monkeypatch.setattr(window_rules, "MAX_STEPS", 1000)
    with pytest.raises(BadEntry, match=r"entry_too_large: .* leave out --min_speech and --max_speaker_share"):
        build_windows(recording_of(entry_of(*parts)), config)
    monkeypatch.setattr(window_rules, "MANY_SEGMENTS", 40)
    parts.reverse()
    assert len(build_windows(recording_of(entry_of(*parts)), config)) == 59
    monkeypatch.setattr(window_rules, "MAX_STEPS", 100)
    with pytest.raises(BadEntry, match="entry_too_large"):
        build_windows(recording_of(entry_of(*parts)), replace(config, max_speaker_share=0.9))


def measured(**values: Any) -> dict[str, Any]:
    return {"metrics": values}


def outside(measures: list[dict[str, Any]], config: WindowConfig) -> list[str | None]:
    """What is outside in segments that have these metrics."""
    return metrics_outside(recording_of(entry_of(*({"start": 0, "end": 1, **each} for each in measures))), config)


@pytest.mark.parametrize(
    ("found", "is_outside"),
    [
        ({"pesq": 2.5}, False),
        ({"pesq": 2.4}, True),
        ({"pesq": [9, None, 2.4]}, True),
        ({"pesq": [9, None]}, False),
        ({"pesq": None}, None),
        ({"pesq": []}, None),
        ({"pesq": [None]}, None),
        ({}, None),
    ],
)
def test_the_worst_of_a_list_counts_and_what_is_missing_where_it_is_required(found, is_outside):
    for required in (False, True):
        config = WindowConfig(min_metrics={"pesq": 2.5}, require_metrics=required)
        expected = required if is_outside is None else is_outside
        assert outside([measured(**found)], config) == ["pesq" if expected else None]
    assert outside([{}, {"metrics": None}], WindowConfig(min_metrics={"pesq": 1})) == [None, None]


def test_of_a_maximum_the_largest_counts():
    assert outside([measured(wer=[0.1, 0.4])], WindowConfig(max_metrics={"wer": 0.3})) == ["wer"]
    assert outside([measured(wer=[0.1, 0.3])], WindowConfig(max_metrics={"wer": 0.3})) == [None]


def test_a_key_with_dots_comes_before_a_path():
    config = WindowConfig(max_metrics={"wer.wer": 0.3})
    both = {"wer.wer": 0.1, "wer": {"wer": 0.9}}
    assert outside([measured(**both), measured(wer={"wer": 0.9})], config) == [None, "wer.wer"]


@pytest.mark.parametrize(
    ("found", "detail"),
    [
        (
            {"wer": {"wer": "0.3"}},
            "segments[1].metrics.wer.wer: expected a number, null or a list of those, found string",
        ),
        ({"wer": {"wer": True}}, "found boolean true"),
        ({"wer": {"wer": {}}}, "found object"),
        ({"wer": {"wer": [1, "x"]}}, "segments[1].metrics.wer.wer[1]: expected a number"),
        ({"wer": 0.3}, "segments[1].metrics.wer: expected an object, found number 0.3"),
    ],
)
def test_a_metric_that_is_no_number_is_refused_with_its_place(found, detail):
    entry = entry_of(segment(0, 1), segment(1, 2) | measured(**found))
    with pytest.raises(BadEntry) as refused:
        build_windows(recording_of(entry), WindowConfig(max_metrics={"wer.wer": 0.3}))
    assert refused.value.reason.value == "metric_not_number"
    assert detail in refused.value.detail
    build_windows(recording_of(entry), WindowConfig())


@pytest.mark.parametrize("name", ["bw", "sr", "spk", "win", "no_spkr", "next_seg_bm", "gap", "speech", "share"])
@pytest.mark.parametrize("flag", ["min_metrics", "max_metrics"])
def test_a_metric_may_not_have_the_name_of_another_reason(flag, name):
    with pytest.raises(ConfigError, match=f"{flag}.*must not name '{name}'.*lost_{name}"):
        WindowConfig(**{flag: {"pesq": 1, name: 1}})


def test_the_order_of_the_reasons_is_that_of_the_flags():
    config = WindowConfig(
        min_metrics={"b": 1, "a": 1}, max_metrics={"c": 1, "a": 2}, max_gap=1, min_speech=0.1, max_speaker_share=0.9
    )
    assert rules_on(config) == ["b", "a", "c", "gap", "speech", "share"]
    found = build_windows(recording_of(entry_of()), config).losses.to_dict()
    assert [name for name in found if name.startswith("lost_")][6:] == [f"lost_{name}" for name in rules_on(config)]
    assert not build_windows(recording_of(entry_of())).losses.by_rule


def test_speakers_of_a_joint_label_all_count():
    entry = entry_of(
        segment(0, 4, "a"),
        segment(4, 6, "b,c", text="we do"),
        segment(6, 10, "a", metrics={"pesq": 3}),
        segment(10, 12),
    )
    kept = kept_of(entry, replace(ANY_BANDWIDTH, min_speakers=3))
    window = kept[0]
    assert (window.speakers, window.speaker_durations) == (("a", "b", "c"), [10, 2, 2, 0, 0])
    assert not kept_of(entry, replace(ANY_BANDWIDTH, max_speakers=2))
    cut = to_cuts(kept)[0]
    assert (cut["custom"]["num_speakers"], cut["custom"]["speaker_durations"]) == (3, [10, 2, 2, 0, 0])
    assert cut["custom"]["turns"] == 2
    both = cut["supervisions"][1]
    assert (both["speaker"], both["custom"]["speakers"], both["text"]) == ("b,c", ["b", "c"], "we do")
    assert "speakers" not in cut["supervisions"][0].get("custom", {})
    [plain] = to_cuts(kept, EntryConfig(drop_fields="speaker,words"))[:1]
    assert "speaker" not in plain["supervisions"][1]
    assert "speakers" not in plain["supervisions"][1].get("custom", {})
    assert json.loads(json.dumps(to_entry(kept)["filtered_windows"][0]["segments"][1]["speaker"])) == "b,c"


@settings(max_examples=400, deadline=None)
@given(exact_entries() | with_joint_labels(), st.none() | st.integers(1, 30), st.integers(1, 3))
def test_cuts_state_what_is_said_in_them(entry, duration, least):
    """By the supervisions that they have, on a raster of sixteenths of a second."""
    entry = {**entry, "audio_sample_rate": 16000, **({} if duration is None else {"duration": duration})}
    config = WindowConfig(target_window_duration=8, tolerance=0.5, min_speakers=least, min_bandwidth=0)
    for cut in to_cuts(kept_of(entry, config)):
        said = cut["supervisions"]
        spans = [(each["start"], each["start"] + each["duration"]) for each in said if each["duration"] > 0.01]
        middles = [(at + 0.5) / 16 for at in range(round(cut["duration"] * 16))]
        at_once = [sum(start < middle < end for start, end in spans) for middle in middles]
        custom = cut["custom"]
        assert custom["speech_fraction"] == pytest.approx(sum(map(bool, at_once)) / len(middles), abs=1e-3)
        assert custom["overlap_fraction"] == pytest.approx(sum(each > 1 for each in at_once) / len(middles), abs=1e-3)
        quiet = "".join("x" if each else "." for each in at_once).split("x")
        if len(spans) == len(said):  # none is so short that the raster misses it
            assert custom["longest_gap"] == pytest.approx(max(map(len, quiet)) / 16, abs=1e-3)
        labels = [set(obvious.names_of(each["speaker"])) for each in said if each.get("speaker")]
        assert custom["turns"] == sum(one != other for one, other in pairwise(labels))
        assert custom["num_speakers"] == len(set().union(*labels))
