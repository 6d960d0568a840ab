"""Fields of the output entry that the conformance data does not settle."""

import json

import pytest

from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.entries import serialise_entry
from alm_beam.core.faults import BadEntry
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.windows import build_windows
from tests.core.test_rules import recording_of
from tests.core.test_windows import TEN, segment

TWO = [segment(0, 5, "a"), segment(5, 10, "b")]
DEFAULT = EntryConfig()
OVERLAP_FIELDS = {
    "total_dur_window": 0.0,
    "total_dur_list_window": [],
    "total_dur_list_window_timestamps": [],
    "filtered": [],
    "filtered_windows": [],
    "filtered_dur": 0.0,
    "filtered_dur_list": [],
    "manifest_filepath": None,
    "swift_filepath": None,
}


def only_once(pairs: list) -> dict:
    assert len(dict(pairs)) == len(pairs), "a key stands twice"
    return dict(pairs)


def output(entry: dict, fields: EntryConfig = DEFAULT) -> dict:
    candidates = build_windows(recording_of({"audio_sample_rate": 16000, **entry}), TEN)
    line = serialise_entry(filter_overlaps(candidates, OverlapConfig(target_duration=10)), fields)
    return json.loads(line, object_pairs_hook=only_once)


def test_a_recording_without_windows_has_all_fields_of_the_overlap_step():
    entry = output({"segments": [], "lang": "de"})
    assert {name: entry[name] for name in OVERLAP_FIELDS} == OVERLAP_FIELDS
    assert entry["lang"] == "de"


def test_a_low_sample_rate_leaves_only_the_path_of_the_entrys_own_fields():
    entry = output({"audio_sample_rate": 8000, "audio_filepath": "a.wav", "segments": [], "lang": "de", "filtered": 1})
    assert entry.keys() == {"audio_filepath", "windows", "stats", "truncation_events", *OVERLAP_FIELDS}
    assert entry["filtered"] == []


def test_the_entrys_own_fields_give_way_to_results_but_for_the_overlap_steps_when_there_is_no_window():
    own = {
        "windows": 1,
        "stats": 2,
        "truncation_events": 3,
        "filtered": 4,
        "filtered_windows": 5,
        "manifest_filepath": 6,
    }
    without = output({**own, "segments": []})
    assert (without["windows"], without["truncation_events"]) == ([], 0)
    assert [without[name] for name in ("filtered", "filtered_windows", "manifest_filepath")] == [4, 5, 6]
    with_windows = output({**own, "segments": TWO})
    assert with_windows["filtered"] == [[10, 0]]
    assert with_windows["filtered_windows"] == with_windows["windows"]
    assert with_windows["manifest_filepath"] is None


def test_windows_of_identical_times_all_stay():
    twice = [segment(0, 5, "a"), segment(5, 10, "b"), *[segment(50, 51)] * 2, segment(0, 5, "a"), segment(5, 10, "c")]
    entry = output({"segments": twice})
    assert entry["filtered"] == [[10, 0]]
    assert len(entry["filtered_windows"]) == len(entry["windows"]) == 2


def test_swift_path_goes_to_the_stats_and_with_windows_to_the_entry():
    entry = output({"segments": TWO, "swift_audio_filepath": "swift://a"})
    assert (entry["swift_filepath"], entry["stats"]["swift_path"]) == ("swift://a", "swift://a")
    assert output({"segments": TWO})["swift_filepath"] == ""


def test_the_five_longest_speakers_are_stated_longest_first():
    six = [segment(index * 1.5, index * 1.5 + 0.25 * (index + 1), "abcdef"[index]) for index in range(6)]
    candidates = build_windows(
        recording_of({"audio_sample_rate": 16000, "segments": six}),
        WindowConfig(target_window_duration=9, tolerance=0.1, max_speakers=6),
    )
    entry = json.loads(serialise_entry(filter_overlaps(candidates, OverlapConfig()), EntryConfig()))
    assert entry["windows"][0]["speaker_durations"] == [1.5, 1.25, 1.0, 0.75, 0.5]


def test_dropped_top_level_fields_go():
    fields = EntryConfig(drop_fields_top_level=frozenset({"audio_sample_rate", "lang"}))
    assert {"audio_sample_rate", "lang"}.isdisjoint(output({"segments": TWO, "lang": "de"}, fields))
    fields = EntryConfig(drop_fields_top_level=frozenset({"audio_filepath"}))
    low = {"audio_filepath": "a.wav", "audio_sample_rate": 8000, "segments": []}
    assert "audio_filepath" not in output(low, fields)


def test_without_candidates_all_else_is_the_same():
    for segments in (TWO, [*TWO, segment(300, 301), *TWO], []):
        given = {"segments": segments, "windows": "the entry's own"}
        whole, less = output(given), output(given, EntryConfig(candidate_windows=False))
        del whole["windows"], whole["stats"]["lost_win_full_data"]
        assert less == whole


def test_by_default_words_and_segments_go():
    entry = output({"segments": [{**segment, "words": []} for segment in TWO], "words": []})
    assert {"words", "segments"}.isdisjoint(entry)
    assert "words" not in entry["windows"][0]["segments"][0]


@pytest.mark.parametrize(("later", "stay"), [(4e-7, 2), (2e-6, 1)])
def test_times_that_are_equal_in_six_digits_are_the_same(later, stay):
    shifted = [segment(later, 5, "a"), segment(5, 10, "b")]
    entry = output({"segments": [*TWO, *[segment(50, 51)] * 2, *shifted]})
    assert (len(entry["filtered"]), len(entry["filtered_windows"])) == (1, stay)


def test_what_cannot_be_written_because_it_is_nested_too_deep_is_refused():
    deep: list = []
    for _ in range(400):
        deep = [deep]
    for entry in ({"segments": [{**TWO[0], "deep": deep}]}, {"segments": [], "deep": deep}):
        with pytest.raises(BadEntry, match="too_deep"):
            output(entry)


def test_what_is_not_written_may_be_nested_too_deep():
    deep = json.loads("[" * 300 + "]" * 300)
    for entry, config in (
        ({"audio_sample_rate": 8000, "segments": [segment(0, 10, deep=deep)]}, EntryConfig()),
        ({"segments": [segment(0, 1, deep=deep)]}, EntryConfig(candidate_windows=False)),
    ):
        assert output(entry, config)["truncation_events"] == 0


def test_a_truncated_segment_keeps_no_dropped_field():
    crossing = segment(8, 14, "b", text="x y", words=[{"end": 9, "word": "x"}, {"end": 13, "word": "y"}])
    entry = {"segments": [segment(0, 8, text="first"), crossing]}
    for dropped in ({"end"}, {"text"}, {"words"}, {"speaker", "text", "end", "words"}):
        last = output(entry, EntryConfig(drop_fields=frozenset(dropped)))["windows"][0]["segments"][-1]
        assert last.keys() == crossing.keys() - dropped
        assert last.get("text", "x") == "x"
        assert last.get("end", 9) == 9
