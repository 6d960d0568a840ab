"""The documented fields of cuts. What the real Lhotse says to them is in test_cuts_in_lhotse.py."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.cut_labels import CutLabels
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.stated_audio import UNKNOWN_SECONDS
from alm_beam.core.supervisions import rounded_exactly
from alm_beam.core.windows import build_windows
from tests.core.test_rules import recording_of
from tests.core.test_windows import TEN, segment
from tests.strategies import entries, overlap_configs, window_configs

TWO = [segment(1.5, 6, "a", text="good morning"), segment(6.5, 11.25, "b", text="hello")]
DEFAULT = EntryConfig()
AUDIO = {"audio_filepath": "/data/meeting.1.wav", "audio_sample_rate": 16000}
NAME = "meeting.1-ba749637"
ALL_OVERLAPS = OverlapConfig(target_duration=10, overlap_percentage=100)


def cut_lines(
    entry: dict[str, Any],
    fields: EntryConfig = DEFAULT,
    windows: WindowConfig = TEN,
    overlap: OverlapConfig = ALL_OVERLAPS,
) -> list[bytes]:
    candidates = build_windows(recording_of({"audio_sample_rate": 16000, **entry}), windows)
    return serialise_cuts(filter_overlaps(candidates, overlap), fields).lines


def cuts(entry: dict[str, Any], **how: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cut_lines(entry, **how)]


def test_a_cut_has_the_fields_of_lhotse():
    [cut] = cuts({**AUDIO, "duration": 20.5, "source": "ami", "lang": "en", "segments": TWO})
    identity = cut.pop("id")
    assert identity.startswith(f"{NAME}-1500-11250-")
    assert len(identity) == len(f"{NAME}-1500-11250-") + 8
    metrics = {"bandwidth": 8000}
    shared = {"recording_id": NAME, "channel": 0, "language": "en"}
    assert cut == {
        "start": 1.5,
        "duration": 9.75,
        "channel": 0,
        "supervisions": [
            {"id": f"{NAME}-0", **shared, "text": "good morning", "speaker": "a", "custom": {"metrics": metrics}}
            | {"start": 0.0, "duration": 4.5},
            {"id": f"{NAME}-1", **shared, "text": "hello", "speaker": "b", "custom": {"metrics": metrics}}
            | {"start": 5.0, "duration": 4.75},
        ],
        "recording": {
            "id": NAME,
            "sources": [{"type": "file", "channels": [0], "source": "/data/meeting.1.wav"}],
            "sampling_rate": 16000,
            "num_samples": 328000,
            "duration": 20.5,
            "channel_ids": [0],
        },
        "custom": {
            "source": "ami",
            "lang": "en",
            "num_speakers": 2,
            "speaker_durations": [4.75, 4.5, 0.0, 0.0, 0.0],
            "speech_fraction": 0.94871795,
            "overlap_fraction": 0.0,
            "longest_gap": 0.5,
            "turns": 1,
        },
        "type": "MonoCut",
    }


def test_a_truncated_segment_ends_with_its_last_word():
    words = [{"word": "a", "start": 5, "end": 9.5}, {"word": "b", "start": 9.5, "end": 14}]
    entry = {**AUDIO, "segments": [segment(0, 5, "a"), segment(5, 14, "b", text="a b", words=words)]}
    [cut] = cuts(entry)
    assert cut["duration"] == 9.5
    assert cut["supervisions"][1] | {"text": "a", "start": 5.0, "duration": 4.5} == cut["supervisions"][1]
    assert "words" not in cut["supervisions"][1].get("custom", {})
    [kept] = cuts(entry, fields=EntryConfig(drop_fields=frozenset()))
    assert kept["supervisions"][1]["custom"]["words"] == words[:1]


def test_times_are_rounded_as_lhotse_does():
    [cut] = cuts({**AUDIO, "segments": [segment(0.1, 5.3, "a"), segment(5.4, 10.1, "b")]})
    assert (cut["start"], cut["duration"]) == (0.1, 10.0)
    assert [(each["start"], each["duration"]) for each in cut["supervisions"]] == [(0.0, 5.2), (5.3, 4.7)]


def test_the_same_window_has_the_same_id_and_another_one_has_not():
    entry = {**AUDIO, "segments": TWO}
    [first] = cut_lines(entry)
    assert cut_lines(json.loads(json.dumps(entry))) == [first]
    others = [
        {**entry, "audio_filepath": "/other/meeting.1.wav"},
        {**entry, "source": "x"},
        {**entry, "segments": [TWO[0], {**TWO[1], "text": "bye"}]},
        {**entry, "segments": [TWO[0], {**TWO[1], "speaker": "c"}]},
        {**entry, "segments": [TWO[0], segment(7, 8, "a"), TWO[1]]},
    ]
    ids = [json.loads(first)["id"], *(cuts(other)[0]["id"] for other in others)]
    assert len(set(ids)) == len(ids)
    assert {each.partition("-")[0] for each in ids} == {"meeting.1"}
    assert {tuple(each.split("-")[2:4]) for each in ids} == {("1500", "11250")}


def test_the_same_window_has_the_same_line_in_every_process():
    code = (
        "from tests.core.test_cuts import *\n"
        "fields = {name: 1 for name in 'abcdefgh'}\n"
        "print(cut_lines({**AUDIO, **fields, 'segments': [{**each, **fields} for each in TWO]}))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True)
        for seed in "123"
    ]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert b'"custom":{"a":1,"b":1' in runs[0].stdout
    assert len({run.stdout for run in runs}) == 1


def test_the_language_of_a_segment_is_its_language_before_its_lang():
    [cut] = cuts({**AUDIO, "segments": [{**TWO[0], "language": "de", "lang": "en"}, {**TWO[1], "lang": "en"}]})
    assert [each["language"] for each in cut["supervisions"]] == ["de", "en"]


def test_windows_of_identical_times_have_ids_of_their_own():
    found = cuts({**AUDIO, "segments": [segment(0, 5, "a"), segment(0, 5, "c"), segment(5, 10, "b")]})
    assert [(cut["start"], cut["duration"]) for cut in found] == [(0, 10), (0, 10)]
    assert len({cut["id"] for cut in found}) == 2


@pytest.mark.parametrize(
    ("fields", "name"),
    [({}, NAME), ({"id": 'x%d"é', "audio_item_id": "z"}, 'x%d"é'), ({"audio_filepath": None}, "unknown-af9f32dd")],
)
def test_what_names_the_recording(fields, name):
    [cut] = cuts({**AUDIO, **fields, "segments": TWO})
    assert {each["recording_id"] for each in cut["supervisions"]} == {name}
    assert cut["id"].startswith(f"{name}-1500-")
    assert cut.get("recording", {"id": name})["id"] == name


NO_DURATIONS = [None, "20", True, 0, -3, 0.00001, [20], {"seconds": 20}]


@pytest.mark.parametrize("stated", NO_DURATIONS)
def test_a_recording_whose_duration_is_unknown_lasts_a_little_longer_than_its_segments(stated):
    [cut] = cuts({**AUDIO, "duration": stated, "segments": TWO})
    assert cut["recording"]["duration"] == 11.25 + UNKNOWN_SECONDS
    assert cut["recording"]["num_samples"] == round((11.25 + UNKNOWN_SECONDS) * 16000)
    assert cut["custom"]["duration"] == stated


@pytest.mark.parametrize("stated", [11, 11.2, 6.50007, 11.25, 11.3, 3600])
def test_a_cut_ends_where_the_audio_ends(stated):
    [cut] = cuts({**AUDIO, "duration": stated, "segments": TWO})
    assert (cut["recording"]["duration"], cut["recording"]["num_samples"]) == (stated, round(stated * 16000))
    assert "duration" not in cut["custom"]
    end = min(stated, 11.25)
    assert cut["duration"] == round(end - 1.5, 8)
    spoken = [round(end - 6.5, 8), 4.5]
    assert [each["duration"] for each in cut["supervisions"]] == spoken[::-1]
    assert cut["custom"]["speaker_durations"] == [*sorted(spoken, reverse=True), 0, 0, 0]


def test_what_is_said_behind_the_end_of_the_audio_is_not_in_the_cut():
    [cut] = cuts({**AUDIO, "duration": 6.5, "segments": TWO})
    assert cut["duration"] == 5.0
    assert [each["text"] for each in cut["supervisions"]] == ["good morning"]
    assert (cut["custom"]["num_speakers"], cut["custom"]["speaker_durations"]) == (1, [4.5, 0, 0, 0, 0])


@pytest.mark.parametrize("stated", [0.2, 1, 1.5, 1.50003])
def test_a_window_that_starts_behind_the_audio_gives_no_cut_and_is_counted(stated):
    entry = {**AUDIO, "duration": stated, "segments": TWO}
    assert cuts(entry) == []
    assert findings(entry)["windows_behind_audio"] == 1


def test_a_window_before_the_audio_gives_no_cut_and_is_counted():
    entry = {**AUDIO, "segments": [segment(-10, -5, "a"), segment(-5, -0.5, "b"), segment(0, 5, "a"), segment(5, 10)]}
    assert [cut["start"] for cut in cuts(entry)] == [0]
    assert findings(entry)["windows_behind_audio"] == 1


def findings(entry: dict[str, Any], fields: EntryConfig = DEFAULT) -> dict[str, int]:
    kept = filter_overlaps(build_windows(recording_of({"audio_sample_rate": 16000, **entry}), TEN), ALL_OVERLAPS)
    return dict(loss_stats(kept, fields).findings)


def test_what_is_said_outside_a_window_is_not_in_its_cut():
    told = [segment(20, 24, "a"), segment(60, 64, "c", text="later"), segment(2, 6, "d"), segment(24.5, 30, "b")]
    cut, *_ = cuts({**AUDIO, "segments": told}, windows=WindowConfig(target_window_duration=50, tolerance=0.9))
    assert (cut["start"], cut["duration"]) == (20, 10)
    assert [(each["id"], each["start"], each["duration"]) for each in cut["supervisions"]] == [
        (f"{NAME}-0", 0, 4),
        (f"{NAME}-3", 4.5, 5.5),
    ]
    assert (cut["custom"]["num_speakers"], cut["custom"]["speaker_durations"]) == (2, [5.5, 4, 0, 0, 0])


@pytest.mark.parametrize(
    ("start", "end", "inside"),
    [
        (18, 20, None),
        (18, 20.00005, None),
        (18, 21, (0, 1)),
        (18, 31, (0, 10)),
        (29, 31, (9, 1)),
        (29.99995, 31, None),
        (30, 31, None),
        (20, 20, (0, 0.0000625)),
        (25, 25, (5, 0.0000625)),
        (30, 30, (9.9999375, 0.0000625)),
        (25, 25.00001, (5, 0.0000625)),
    ],
)
def test_a_segment_is_limited_to_its_window(start, end, inside):
    told = [segment(20, 24, "a"), segment(start, end, "c"), segment(24.5, 30, "b")]
    cut, *_ = cuts({**AUDIO, "segments": told})
    found = {each["speaker"]: (each["start"], each["duration"]) for each in cut["supervisions"]}
    assert found.pop("c", None) == inside
    assert found == {"a": (0, 4), "b": (4.5, 5.5)}
    assert cut["custom"]["num_speakers"] == 2 + (inside is not None)


@pytest.mark.parametrize("words", [None, [], [{"word": "late", "end": 15}], [{"word": "early", "end": 9}]])
def test_a_segment_of_which_truncation_leaves_nothing_is_not_in_the_cut(words):
    last = segment(10, 16, "c", text="late") | ({} if words is None else {"words": words})
    cut, *_ = cuts({**AUDIO, "segments": [segment(0, 5, "a"), segment(5, 10, "b"), last]})
    assert [each["speaker"] for each in cut["supervisions"]] == ["a", "b"]
    assert cut["custom"]["num_speakers"] == 2


@pytest.mark.parametrize(
    ("speakers", "seconds"),
    [
        ([1, "1"], [9.25]),
        ([0, "0"], [9.25]),
        ([1, "b"], [4.75, 4.5]),
        ([1, 2], [4.75, 4.5]),
        (["a", None], [4.5]),
        (["a", ""], [4.5]),
    ],
)
def test_the_speakers_of_a_cut_are_as_many_as_it_states(speakers, seconds):
    entry = {**AUDIO, "segments": [each | {"speaker": speaker} for each, speaker in zip(TWO, speakers)]}
    [cut] = cuts(entry, windows=WindowConfig(target_window_duration=10, min_speakers=1))
    stated = {each.get("speaker") for each in cut["supervisions"]} - {None}
    assert cut["custom"]["num_speakers"] == len(stated) == len(seconds)
    assert cut["custom"]["speaker_durations"] == (seconds + [0] * 5)[:5]


@pytest.mark.parametrize(
    "fields", [{"audio_filepath": None}, {"audio_filepath": ""}, {"audio_sample_rate": 16000.5}, {"duration": 1e300}]
)
def test_without_a_file_that_could_be_read_there_is_no_recording_and_its_fields_are_custom(fields):
    [cut] = cuts({**AUDIO, **fields, "segments": TWO})
    assert "recording" not in cut
    assert (AUDIO | fields).items() <= cut["custom"].items()
    assert [each["text"] for each in cut["supervisions"]] == ["good morning", "hello"]


def test_a_url_is_read_as_one():
    [cut] = cuts({**AUDIO, "audio_filepath": "s3://bucket/a.wav", "segments": TWO})
    assert cut["recording"]["sources"] == [{"type": "url", "channels": [0], "source": "s3://bucket/a.wav"}]


def test_fields_of_the_segment_and_of_the_entry_come_along_but_for_the_dropped():
    third = {
        "score": [1],
        "width": {"width": 1},
        "grid": {"array": 1},
        "gender": "f",
        "lang": "de",
        "text": 7,
        "speaker": 3,
    }
    entry = {**AUDIO, "segments": [TWO[0], {**TWO[1], **third}], "note": {"width": 2}, "drop": 1, "num_speakers": 9}
    entry["turns"] = "many"
    fields = EntryConfig(drop_fields=frozenset({"metrics"}), drop_fields_top_level=frozenset({"drop"}))
    [cut] = cuts(entry, fields=fields)
    assert "custom" not in cut["supervisions"][0]
    last = cut["supervisions"][1]
    assert (last["gender"], last["language"], last["speaker"]) == ("f", "de", "3")
    assert last["custom"] == {"score": [1], "width": [{"width": 1}], "grid": [{"array": 1}], "text": 7}
    of_speech = {"speech_fraction", "overlap_fraction", "longest_gap", "turns"}
    assert cut["custom"].keys() == {"note", "num_speakers", "speaker_durations"} | of_speech
    assert (cut["custom"]["note"], cut["custom"]["num_speakers"], cut["custom"]["turns"]) == ([{"width": 2}], 2, 1)
    [without] = cuts(entry, fields=EntryConfig(drop_fields=frozenset({"speaker", "text", "start", "metrics"})))
    assert without["supervisions"][0].keys() == {"id", "recording_id", "channel", "start", "duration"}


def test_what_is_nested_as_deep_as_an_entry_may_be():
    deep: Any = 1
    for _ in range(253):
        deep = [deep]
    [cut] = cuts({**AUDIO, "deep": deep, "segments": [{**TWO[0], "deep": deep}, TWO[1]]})
    assert cut["custom"]["deep"] == cut["supervisions"][0]["custom"]["deep"] == deep


def test_what_is_written_alike_is_so_in_every_run():
    more = dict.fromkeys("caebd", 1) | {"text": None}
    [cut] = cuts({**AUDIO, "segments": [{**segment, **more} for segment in TWO]})
    for supervision in cut["supervisions"]:
        assert list(supervision["custom"]) == ["a", "b", "c", "d", "e", "metrics", "text"]


def test_the_nearest_statement_of_a_language_holds():
    third = segment(11.5, 12, "a", lang="it", language=5)
    entry = {**AUDIO, "lang": "en", "segments": [TWO[0], {**TWO[1], "language": "de"}, third]}
    [cut] = cuts(entry, windows=WindowConfig(target_window_duration=10, tolerance=0.1))
    assert [each["language"] for each in cut["supervisions"]] == ["en", "de", "it"]
    assert cut["supervisions"][2]["custom"]["language"] == 5


@settings(max_examples=300, deadline=None)
@given(entries(), window_configs(), overlap_configs)
def test_a_cut_depends_on_its_window_alone(entry, windows, overlap):
    kept = filter_overlaps(build_windows(recording_of(entry), windows), overlap)
    for fields in (DEFAULT, EntryConfig(drop_fields=frozenset())):
        alone = [serialise_cuts(replace(kept, indices=[at]), fields).lines for at in kept.indices]
        assert serialise_cuts(kept, fields).lines == [line for [line] in alone]


@settings(max_examples=300, deadline=None)
@given(
    entries(), window_configs(), overlap_configs, st.sampled_from(["", "en", 7, None]), st.sampled_from(["", "x", 3])
)
def test_what_an_index_states_of_a_cut_is_what_its_line_states(entry, windows, overlap, language, source):
    entry |= {"language": language, "source": source}
    kept = filter_overlaps(build_windows(recording_of(entry), windows), overlap)
    cuts = serialise_cuts(kept, DEFAULT)
    stated = [json.loads(line) for line in cuts.lines]
    assert cuts.durations == [cut["duration"] for cut in stated]
    assert cuts.labels == [CutLabels.of(cut) for cut in stated]


@settings(max_examples=2000)
@given(st.floats(0, 1e10) | st.integers(0, 10**14).map(lambda number: number / 1e9) | st.floats(0, 2e-8))
def test_times_are_rounded_as_python_rounds_them(seconds):
    assert rounded_exactly(seconds) == round(seconds, 8)


def test_a_recording_without_windows_has_no_cuts():
    assert cut_lines({**AUDIO, "segments": []}) == []


def check(cut: dict[str, Any]) -> None:
    """What Lhotse's `validate` asserts, and that a cut agrees with its supervisions."""
    assert cut["start"] >= 0
    assert cut["duration"] > 0
    recording = cut["recording"]
    assert recording["duration"] > 0
    assert abs(recording["num_samples"] / recording["sampling_rate"] - recording["duration"]) < 0.001
    assert recording["duration"] >= cut["start"] + cut["duration"] - 1e-8 or cut["duration"] < 0.001
    assert all(type(recording[name]) is int for name in ("sampling_rate", "num_samples"))
    spoken: dict[str | None, float] = {}
    for supervision in cut["supervisions"]:
        assert supervision["duration"] > 0
        assert supervision["start"] >= 0
        assert supervision["start"] + supervision["duration"] <= cut["duration"] + 1e-8
        assert supervision["recording_id"] == recording["id"]
        assert supervision["channel"] == cut["channel"] == 0
        speaker = supervision.get("speaker")
        assert type(speaker) in (str, type(None))
        spoken[speaker] = spoken.get(speaker, 0) + supervision["duration"]
    spoken.pop(None, None)
    assert cut["custom"]["num_speakers"] == len(spoken)
    longest = sorted(spoken.values(), reverse=True) + [0] * 5
    assert cut["custom"]["speaker_durations"] == pytest.approx(longest[:5], abs=0.01)


def in_cut(each: dict[str, Any], begin: float, end: float, step: float) -> bool:
    return begin <= each["start"] <= each["end"] <= end or min(each["end"], end) - max(each["start"], begin) > step


@settings(max_examples=500, deadline=None)
@given(entries(), window_configs(), overlap_configs, st.sampled_from([None, 0, 5, 20.5, 60]) | st.floats(0.1, 100))
def test_hostile_segments_make_cuts_that_are_true(entry, windows, overlap, stated):
    for each in entry["segments"]:
        if each.get("speaker") == "b":
            each["speaker"] = "1"  # beside 1
    kept = filter_overlaps(build_windows(recording_of({**entry, "duration": stated}), windows), overlap)
    found = iter([json.loads(line) for line in serialise_cuts(kept, EntryConfig()).lines])
    step = 1 / entry["audio_sample_rate"]
    outside = 0
    for window, first in zip(kept, kept.columns().firsts):
        begin, end = max(window.start, 0), min(window.end, stated or math.inf)
        if end - begin < step:
            outside += 1
            continue
        cut = next(found)
        check(cut)
        assert (cut["start"], cut["duration"]) == (round(begin, 8), round(end - begin, 8))
        inside = [
            f"{cut['recording']['id']}-{first + at}"
            for at, each in enumerate(window.segments)
            if in_cut(each, begin, end, step)
            and not (window.is_truncated and each["end"] <= each["start"] and at == len(window.segments) - 1)
        ]
        assert [each["id"] for each in cut["supervisions"]] == inside
    assert next(found, None) is None
    assert loss_stats(kept).findings["windows_behind_audio"] == outside


@pytest.mark.parametrize("start", [-1e308, 1e17, -20.0])
def test_times_that_no_audio_has(start):
    entry = {**AUDIO, "segments": [segment(start, start + 4, "a"), segment(start + 4, start + 9, "b")]}
    windows = WindowConfig(target_window_duration=10, tolerance=0.99)
    for cut in cuts(entry, windows=windows):
        assert cut["start"] >= 0
        assert all(each["duration"] > 0 for each in cut["supervisions"])
