"""Every window of a recording, and entries that hold those chosen from them."""

import pytest
from hypothesis import given, settings

from alm_beam.core.config import ALL, GREEDY, LONGEST, MOST_AUDIO, EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.windows import build_windows
from tests import obvious
from tests.core.test_rules import output_of, recording_of
from tests.core.test_windows import TEN, segment
from tests.strategies import entries, overlap_configs, window_configs


def with_all(config: WindowConfig) -> WindowConfig:
    return WindowConfig(
        config.target_window_duration,
        config.tolerance,
        min_speakers=config.min_speakers,
        max_speakers=config.max_speakers,
        truncation=config.truncation,
        drop_empty_truncations=config.drop_empty_truncations,
        candidates=ALL,
    )


@settings(max_examples=1500, deadline=None)
@given(entries(), window_configs())
def test_all_windows_are_those_of_the_obvious_rules(entry, config):
    expected = obvious.all_windows(entry, config)
    found = build_windows(recording_of(entry), with_all(config)).columns
    times = [(gathered[0]["start"], gathered[-1]["end"]) for gathered, _ in expected]
    assert list(zip(found.starts, found.ends)) == times
    assert [stop - first for first, stop in zip(found.firsts, found.stops)] == [len(held) for held, _ in expected]


@settings(max_examples=500, deadline=None)
@given(entries(), window_configs(), overlap_configs)
def test_kept_ones_are_written_as_windows_are(entry, config, overlap):
    overlap = OverlapConfig(overlap.overlap_percentage, overlap.target_duration, selection=MOST_AUDIO)
    every = obvious.all_windows(entry, config)
    written = output_of(entry, with_all(config), overlap)
    for window in written["filtered_windows"]:
        assert (window["segments"], window["speaker_durations"]) in every
    times = [[window["segments"][-1]["end"], window["segments"][0]["start"]] for window in written["filtered_windows"]]
    assert sorted(times) == sorted(written["filtered"])
    assert written["filtered_dur_list"] == [end - start for end, start in written["filtered"]]
    assert written["windows"] == output_of(entry, config, overlap)["windows"]


def test_without_candidates_the_kept_ones_are_the_same():
    entry = {"audio_sample_rate": 16000, "segments": [segment(n, n + 1, "ab"[n % 2], words=[]) for n in range(30)]}
    overlap = OverlapConfig(0, 5, MOST_AUDIO)
    for candidates, count in ((LONGEST, 4), (ALL, 6)):
        config = WindowConfig(target_window_duration=5, tolerance=0.5, candidates=candidates)
        whole = output_of(entry, config, overlap, EntryConfig())
        less = output_of(entry, config, overlap, EntryConfig(candidate_windows=False))
        assert less["filtered_windows"] == whole["filtered_windows"]
        assert len(less["filtered_windows"]) == count


def test_a_crowd_that_ends_together_gives_one_window_for_each_start():
    crowd = [segment(0, 10, "ab"[n % 2]) for n in range(200)]
    found = build_windows(recording_of({"audio_sample_rate": 16000, "segments": crowd}), with_all(TEN)).columns
    assert list(zip(found.firsts, found.stops)) == [(first, 200) for first in range(199)]


def test_rounding_at_the_least_duration_is_that_of_the_rules():
    entry = {"audio_sample_rate": 16000, "segments": [segment(1.12, 5), segment(5, 10.12, "b")]}
    assert 10.12 < 1.12 + 9 <= 1.12 + (10.12 - 1.12)
    config = WindowConfig(target_window_duration=10, tolerance=0.1, candidates=ALL)
    assert build_windows(recording_of(entry), config).columns.ends == [10.12]


def test_of_one_end_the_window_of_whole_segments_counts():
    segments = [segment(0, 5, "a"), segment(5, 10, "b"), segment(10, 20, "a", words=[])]
    found = build_windows(recording_of({"audio_sample_rate": 16000, "segments": segments}), with_all(TEN))
    assert found.longest.stops == [3]
    assert (found.columns.stops, found.columns.truncations) == ([2], [None])


def test_a_start_whose_longest_candidate_is_lost_may_have_a_shorter_window():
    segments = [segment(0, 4, "a"), segment(4, 10, "b"), segment(9, 20, "a", words=[{"word": "x", "end": 5}])]
    config = WindowConfig(target_window_duration=10, tolerance=0.2)
    entry = {"audio_sample_rate": 16000, "segments": segments}
    assert not output_of(entry, config)["filtered_windows"]
    assert output_of(entry, with_all(config))["filtered"] == [[10, 0]]


@pytest.mark.parametrize(
    ("selection", "candidates", "says"),
    [(GREEDY, LONGEST, False), (MOST_AUDIO, LONGEST, True), (GREEDY, ALL, True), (MOST_AUDIO, ALL, True)],
)
@pytest.mark.parametrize("rate", [8000, 16000])
def test_entries_say_when_the_reference_would_have_chosen_otherwise(selection, candidates, says, rate):
    entry = {"audio_sample_rate": rate, "segments": [segment(0, 5, "a"), segment(5, 10, "b")]}
    config = WindowConfig(target_window_duration=10, candidates=candidates)
    written = output_of(entry, config, OverlapConfig(selection=selection))
    said = {name: written[name] for name in ("selection", "candidates") if name in written}
    assert said == ({"selection": selection, "candidates": candidates} if says else {})
