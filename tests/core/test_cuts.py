"""Cuts: the documented fields here, the real lhotse where it is installed (it brings torch, gigabytes)."""

import json
import os
import subprocess
import sys
import wave
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import UNKNOWN_SECONDS, serialise_cuts
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.windows import build_windows
from tests.core.test_rules import recording_of
from tests.core.test_windows import TEN, segment
from tests.strategies import entries, overlap_configs, window_configs

TWO = [segment(1.5, 6, "a", text="good morning"), segment(6.5, 11.25, "b", text="hello")]
DEFAULT = EntryConfig()
AUDIO = {"audio_filepath": "/data/meeting.1.wav", "audio_sample_rate": 16000}
ALL_OVERLAPS = OverlapConfig(target_duration=10, overlap_percentage=100)


def cut_lines(
    entry: dict[str, Any],
    fields: EntryConfig = DEFAULT,
    windows: WindowConfig = TEN,
    overlap: OverlapConfig = ALL_OVERLAPS,
) -> list[bytes]:
    candidates = build_windows(recording_of({"audio_sample_rate": 16000, **entry}), windows)
    return serialise_cuts(filter_overlaps(candidates, overlap), fields)


def cuts(entry: dict[str, Any], **how: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cut_lines(entry, **how)]


def test_a_cut_has_the_fields_of_lhotse():
    [cut] = cuts({**AUDIO, "duration": 20.5, "source": "ami", "lang": "en", "segments": TWO})
    identity = cut.pop("id")
    assert identity.startswith("meeting.1-1500-11250-")
    assert len(identity) == len("meeting.1-1500-11250-") + 8
    metrics = {"bandwidth": 8000}
    shared = {"recording_id": "meeting.1", "channel": 0, "language": "en"}
    assert cut == {
        "start": 1.5,
        "duration": 9.75,
        "channel": 0,
        "supervisions": [
            {"id": "meeting.1-0", **shared, "text": "good morning", "speaker": "a", "custom": {"metrics": metrics}}
            | {"start": 0.0, "duration": 4.5},
            {"id": "meeting.1-1", **shared, "text": "hello", "speaker": "b", "custom": {"metrics": metrics}}
            | {"start": 5.0, "duration": 4.75},
        ],
        "recording": {
            "id": "meeting.1",
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
    assert {each.rpartition("-")[0] for each in ids} == {"meeting.1-1500-11250"}


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
    [
        ({}, "meeting.1"),
        ({"id": 'x%d"é', "audio_item_id": "z"}, 'x%d"é'),
        ({"id": 7}, "7"),
        ({"id": "", "audio_item_id": "z"}, "z"),
        ({"id": "x", "recording_id": "r"}, "r"),
        ({"audio_filepath": "s3://b/.hidden"}, ".hidden"),
        ({"audio_filepath": None}, "unknown"),
    ],
)
def test_what_names_the_recording(fields, name):
    [cut] = cuts({**AUDIO, **fields, "segments": TWO})
    assert {each["recording_id"] for each in cut["supervisions"]} == {name}
    assert cut["id"].startswith(f"{name}-1500-")
    assert cut.get("recording", {"id": name})["id"] == name


@pytest.mark.parametrize("stated", [None, "20", True, 11.2])
def test_a_recording_of_unknown_or_impossible_duration_lasts_a_little_longer_than_its_segments(stated):
    [cut] = cuts({**AUDIO, "duration": stated, "segments": TWO})
    assert cut["recording"]["duration"] == 11.25 + UNKNOWN_SECONDS
    assert cut["recording"]["num_samples"] == round((11.25 + UNKNOWN_SECONDS) * 16000)


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
    fields = EntryConfig(drop_fields=frozenset({"metrics"}), drop_fields_top_level=frozenset({"drop"}))
    [cut] = cuts(entry, fields=fields)
    assert "custom" not in cut["supervisions"][0]
    last = cut["supervisions"][1]
    assert (last["gender"], last["language"], last["speaker"]) == ("f", "de", "3")
    assert last["custom"] == {"score": [1], "width": [{"width": 1}], "grid": [{"array": 1}], "text": 7}
    assert cut["custom"].keys() == {"note", "num_speakers", "speaker_durations"}
    assert (cut["custom"]["note"], cut["custom"]["num_speakers"]) == ([{"width": 2}], 2)
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
        alone = [serialise_cuts(replace(kept, indices=[at]), fields) for at in kept.indices]
        assert serialise_cuts(kept, fields) == [line for [line] in alone]


def test_a_recording_without_windows_has_no_cuts():
    assert cut_lines({**AUDIO, "segments": []}) == []


def check(cut: dict[str, Any]) -> None:
    """What Lhotse's `validate` asserts."""
    assert cut["start"] >= 0
    assert cut["duration"] > 0
    recording = cut["recording"]
    assert recording["duration"] > 0
    assert abs(recording["num_samples"] / recording["sampling_rate"] - recording["duration"]) < 0.001
    assert recording["duration"] >= cut["start"] + cut["duration"] - 1e-8 or cut["duration"] < 0.001
    assert all(type(recording[name]) is int for name in ("sampling_rate", "num_samples"))
    for supervision in cut["supervisions"]:
        assert supervision["duration"] > 0
        assert supervision["start"] >= 0
        assert supervision["start"] + supervision["duration"] <= cut["duration"] + 1e-8
        assert supervision["recording_id"] == recording["id"]
        assert supervision["channel"] == cut["channel"] == 0
        assert type(supervision.get("speaker", "")) is str


@settings(max_examples=300, deadline=None)
@given(entries(), window_configs(), overlap_configs)
def test_hostile_segments_make_cuts_that_lhotse_takes(entry, windows, overlap):
    candidates = build_windows(recording_of(entry), windows)
    kept = filter_overlaps(candidates, overlap)
    found = [json.loads(line) for line in serialise_cuts(kept, EntryConfig())]
    assert len(found) == len(kept)
    windows = kept.columns()
    for cut, first, stop, start, end in zip(found, windows.firsts, windows.stops, windows.starts, windows.ends):
        check(cut)
        name = cut["recording"]["id"]
        assert [each["id"] for each in cut["supervisions"]] == [f"{name}-{index}" for index in range(first, stop)]
        if start >= 0 and end - start > 0.001:
            assert (cut["start"], cut["duration"]) == (round(start, 8), round(end - start, 8))


@pytest.mark.parametrize("start", [-1e308, 1e17, -20.0])
def test_times_that_no_audio_has(start):
    entry = {**AUDIO, "segments": [segment(start, start + 4, "a"), segment(start + 4, start + 9, "b")]}
    windows = WindowConfig(target_window_duration=10, tolerance=0.99)
    for cut in cuts(entry, windows=windows):
        assert cut["start"] >= 0
        assert all(each["duration"] > 0 for each in cut["supervisions"])


@pytest.fixture
def lhotse() -> Any:
    return pytest.importorskip("lhotse", reason="lhotse is not installed: it brings torch, gigabytes")


def test_lhotse_reads_and_keeps_all_of_them(lhotse, tmp_path):
    path = tmp_path / "cuts-00000-of-00001.jsonl"
    written: list[bytes] = []

    @settings(max_examples=100, deadline=None)
    @given(entries(), window_configs(), overlap_configs)
    def write(entry: dict[str, Any], windows: WindowConfig, overlap: OverlapConfig) -> None:
        kept = filter_overlaps(build_windows(recording_of(entry), windows), overlap)
        written.extend(serialise_cuts(kept, EntryConfig(drop_fields=frozenset())))

    write()
    written += cut_lines({**AUDIO, "note": {"width": 1, "id": 1, "sources": 2, "sampling_rate": 3}, "segments": TWO})
    path.write_bytes(b"".join(line + b"\n" for line in written))
    found = list(lhotse.CutSet.from_file(path))
    for cut, line in zip(found, written, strict=True):
        lhotse.validate(cut)
        assert cut.to_dict() == json.loads(line)


def tone(path: Any, seconds: float) -> str:
    """A file in which each sample is the whole seconds of its time."""
    samples = b"".join((int(at / 16000) * 100).to_bytes(2, "little") for at in range(int(seconds * 16000)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples)
    return str(path)


@pytest.mark.parametrize("stated", [None, 30.0, 5.0])
@pytest.mark.parametrize("begin", [0, 3, 20])
def test_lhotse_loads_the_audio_of_a_window(lhotse, tmp_path, stated, begin):
    path = tone(tmp_path / "a.wav", 30)
    segments = [segment(begin, begin + 5, "a"), segment(begin + 5, begin + 10, "b")]
    entry = {"audio_filepath": path, "duration": stated, "segments": segments}
    [line] = cut_lines(entry)
    cut = lhotse.MonoCut.from_dict(json.loads(line))
    samples = cut.load_audio()
    assert samples.shape == (1, 160000)
    assert [round(samples[0, at * 16000] * 32768 / 100) for at in range(10)] == list(range(begin, begin + 10))
