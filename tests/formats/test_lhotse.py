import random
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.manifest import parse_recording
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.windows import build_windows
from alm_beam.formats.lhotse import FORMAT
from alm_beam.sample import SHIPPED
from tests.formats.gathered import check_entry_or_fault, entries, fault, json_values

RECORDING = {
    "id": "meeting",
    "sources": [{"type": "file", "channels": [0, 1], "source": "audio/meeting.flac"}],
    "sampling_rate": 16000,
    "num_samples": 480000,
    "duration": 30.0,
    "channel_ids": [0, 1],
}
AUDIO = {
    "audio_item_id": "meeting",
    "audio_filepath": "audio/meeting.flac",
    "audio_sample_rate": 16000,
    "duration": 30.0,
    "audio_num_channels": 2,
}
MONO = {**RECORDING, "channel_ids": [0], "sources": [{"type": "file", "channels": [0], "source": "audio/meeting.flac"}]}


def supervision(start=0.1, duration=0.2, **fields):
    return {"id": "s", "recording_id": "meeting", "start": start, "duration": duration, "channel": 0, **fields}


def cut(start, *supervisions, recording=RECORDING, **fields):
    stated = {} if recording is None else {"recording": recording}
    return {
        "id": "c",
        "start": start,
        "duration": 5.0,
        "channel": [0, 1],
        "supervisions": list(supervisions),
        **stated,
        "type": "MultiCut",
        **fields,
    }


def test_supervisions_and_their_recording_make_one_entry_in_any_order():
    words = [["good", 0.1, 0.2, 0.75], ["morning", 0.4, 0.7, None], ["all", 1.2, 0.1]]
    lines = [
        supervision(2, 1, id="s2", channel=1),
        RECORDING,
        supervision(
            speaker="ann",
            text="good morning all",
            language="en",
            gender="F",
            custom={"metrics": {"bandwidth": 7000}, "text": "of the supervision", "note": None},
            alignment={"word": words, "phone": [["g", 0.1, 0.05]]},
        ),
    ]
    first = {
        "start": 0.1,
        "end": 0.3,
        "speaker": "ann",
        "text": "good morning all",
        "id": "s",
        "channel": 0,
        "language": "en",
        "gender": "F",
        "words": [
            {"word": "good", "start": 0.1, "end": 0.3, "confidence": 0.75},
            {"word": "morning", "start": 0.4, "end": 1.1},
            {"word": "all", "start": 1.2, "end": 1.3},
        ],
        "metrics": {"bandwidth": 7000},
    }
    expected = {**AUDIO, "segments": [first, {"start": 2, "end": 3, "id": "s2", "channel": 1}]}
    for _ in range(4):
        assert entries(FORMAT, lines) == [expected]
        random.Random(0).shuffle(lines)


def test_alignments_from_before_lhotse_1_8_are_objects():
    [entry] = entries(FORMAT, [supervision(alignment={"word": [{"symbol": "a", "start": 0.1, "duration": 0.2}]})])
    assert entry["segments"][0]["words"] == [{"word": "a", "start": 0.1, "end": 0.3}]


def test_supervisions_without_recording_and_recordings_without_supervisions_are_entries():
    assert entries(FORMAT, [supervision()]) == [
        {"audio_item_id": "meeting", "segments": [{"start": 0.1, "end": 0.3, "id": "s", "channel": 0}]}
    ]
    assert entries(FORMAT, [RECORDING]) == [{**AUDIO, "segments": []}]
    assert entries(FORMAT, [cut(3.0)]) == [{**AUDIO, "segments": []}]


def test_the_channel_of_a_recording_of_one_is_left_out():
    [entry] = entries(FORMAT, [MONO, supervision()])
    assert entry["audio_num_channels"] == 1
    assert "channel" not in entry["segments"][0]


def test_channels_that_are_not_listed_are_those_of_the_source():
    recording = {name: value for name, value in RECORDING.items() if name != "channel_ids"}
    assert entries(FORMAT, [recording]) == [{**AUDIO, "segments": []}]


def test_in_a_cut_supervisions_count_from_its_start_and_words_from_that_of_the_recording():
    spoken = supervision(-0.3, 1.1, alignment={"word": [["yes", 10.05, 0.1]]})
    [entry] = entries(FORMAT, [cut(10.1, spoken, supervision(0.2, 0.1, id="s2"))])
    assert [(each["start"], each["end"]) for each in entry["segments"]] == [(9.8, 10.9), (10.3, 10.4)]
    assert entry["segments"][0]["words"] == [{"word": "yes", "start": 10.05, "end": 10.15}]


def test_a_cut_without_recording_is_named_by_its_supervisions():
    assert entries(FORMAT, [cut(1.0, supervision(), recording=None)])[0]["audio_item_id"] == "meeting"


def test_a_supervision_in_several_cuts_counts_once_and_whole():
    whole, trimmed = supervision(-1, 4, text="all of it"), supervision(0, 2, text="of it")
    for lines in ([cut(5, whole), cut(6, trimmed)], [cut(6, trimmed), cut(5, whole)], [cut(5, whole)] * 3):
        [entry] = entries(FORMAT, lines)
        assert [(each["start"], each["end"], each["text"]) for each in entry["segments"]] == [(4, 8, "all of it")]


def test_supervisions_of_one_id_that_are_apart_or_of_two_speakers_are_several():
    lines = [supervision(0, 2), supervision(2, 2), supervision(0, 2, speaker="b"), supervision(0.5, 1, speaker="b")]
    [entry] = entries(FORMAT, lines)
    assert [(each["start"], each.get("speaker")) for each in entry["segments"]] == [(0, None), (0, "b"), (2, None)]


def test_two_supervisions_of_one_id_without_length_are_one():
    [entry] = entries(FORMAT, [supervision(5, 0), supervision(5, 0), supervision(6, 0)])
    assert [each["start"] for each in entry["segments"]] == [5, 6]


def test_in_a_cut_its_recording_counts_not_what_its_supervisions_were_made_for():
    [entry] = entries(FORMAT, [cut(0, supervision(recording_id="before it was saved"))])
    assert entry["audio_item_id"] == "meeting"
    assert len(entry["segments"]) == 1


TIMES = st.integers(0, 12)


@given(st.lists(st.tuples(TIMES, TIMES, st.sampled_from("ab"), st.sampled_from(["x", None]))))
def test_of_supervisions_with_one_id_those_stay_that_overlap_no_longer_one(drawn):
    lines = [supervision(start, duration, id=name, speaker=who) for start, duration, name, who in drawn]
    kept: list[tuple] = []
    for start, duration, *whose in sorted(drawn, key=lambda each: -each[1]):
        twins = [each for each in kept if each[2:] == whose]
        if not any(
            start == other or (start < other + lasts and other < start + duration) for other, lasts, *_ in twins
        ):
            kept.append([start, duration, *whose])
    found = [
        [each["start"], each["end"] - each["start"], each["id"], each.get("speaker")]
        for entry in entries(FORMAT, lines)
        for each in entry["segments"]
    ]
    assert sorted(found, key=str) == sorted(kept, key=str)
    assert [each[0] for each in found] == sorted(each[0] for each in found)


def test_a_resampled_recording_has_the_rate_of_its_file():
    resampled = {
        **RECORDING,
        "sampling_rate": 8000,
        "transforms": [
            {"name": "Resample", "kwargs": {"source_sampling_rate": 16000, "target_sampling_rate": 24000}},
            {"name": "Resample", "kwargs": {"source_sampling_rate": 24000, "target_sampling_rate": 8000}},
        ],
    }
    assert entries(FORMAT, [resampled, RECORDING]) == [{**AUDIO, "segments": []}]


ALIGNED = "supervisions[0].alignment.word[1]"


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        ("[1]", "not_object", "expected a JSON object per line, found list; if it holds several"),
        ("{", "cut_off", "the line ends at byte 1"),
        ({}, "other_format", "found the fields of none"),
        ({"audio_filepath": "a.wav", "segments": []}, "other_format", "found the fields audio_filepath, segments"),
        ({"recording_id": "a", "start": 0, "num_features": 80}, "other_format", "with recording_id"),
        (cut(0, type="MixedCut"), "other_format", 'found string "MixedCut"; it has several recordings'),
        ({"id": "p", "type": "PaddingCut", "duration": 3}, "other_format", 'found string "PaddingCut"'),
        (cut(0, type=None), "other_format", "type: expected MonoCut or MultiCut, found null"),
        (cut(0, recording=None), "field_missing", "expected `recording` or `supervisions`"),
        (cut(0, recording=[1]), "field_malformed", "recording: expected an object, found list"),
        (cut("0"), "time_not_number", 'start: expected a number of seconds, found string "0"'),
        (cut(0, supervisions={}), "field_malformed", "supervisions: expected a list, found object"),
        (cut(0, supervision(), 7), "field_malformed", "supervisions[1]: expected an object, found number 7"),
        (cut(0, supervision(), supervision(duration=-1)), "end_before_start", "supervisions[1].duration: expected 0"),
        (cut(0, supervision(recording_id=""), recording=None), "field_missing", "supervisions[0].recording_id"),
        (supervision(id=None), "field_missing", "id: expected a string that is not empty, found none"),
        (supervision(recording_id=7), "field_malformed", "recording_id: expected a string, found number 7"),
        (supervision(start=None), "time_missing", "start: expected a number of seconds, found none"),
        (supervision(duration=True), "time_not_number", "duration: expected a number of seconds, found boolean true"),
        (supervision(1.7e308, 1.7e308), "time_not_finite", "duration: 1.7e+308 after 1.7e+308"),
        ('{"recording_id": "a", "start": NaN}', "time_not_finite", "start: NaN is not a time"),
        ('{"recording_id": "a", "x": [{"y": -Infinity}]}', "not_json", "x[0].y: JSON has no -Infinity"),
        (supervision(speaker=1.5), "speaker_not_label", "speaker: expected a string or an integer, found number 1.5"),
        (supervision(text=["a"]), "field_malformed", "text: expected a string, found list"),
        (
            supervision(channel="A"),
            "field_malformed",
            'channel: expected an integer, or a list of them, found string "A"',
        ),
        (supervision(channel=[0, True]), "field_malformed", "channel: expected an integer"),
        (supervision(custom=[]), "field_malformed", "custom: expected an object, found list"),
        (supervision(alignment=[]), "field_malformed", "alignment: expected an object, found list"),
        (supervision(alignment={"word": "a"}), "field_malformed", "alignment.word: expected a list, found string"),
        (
            cut(0, supervision(alignment={"word": [["a", 0, 1], "b"]})),
            "words_malformed",
            f"{ALIGNED}: expected [symbol",
        ),
        (cut(0, supervision(alignment={"word": [["a", 0, 1], [1, 0, 1]]})), "words_malformed", ALIGNED),
        (cut(0, supervision(alignment={"word": [["a", 0, 1], ["b"]]})), "time_missing", f"{ALIGNED}.start"),
        (cut(0, supervision(alignment={"word": [["a", 0, 1], ["b", 0, -1]]})), "end_before_start", ALIGNED),
        (supervision(alignment={"word": [["a", 0, 1, "x"]]}), "field_malformed", "alignment.word[0].score"),
        ({**RECORDING, "id": None}, "field_missing", "id: expected a string"),
        ({**RECORDING, "sources": []}, "field_malformed", "sources: expected one, found 0"),
        (
            cut(0, recording={**RECORDING, "sources": [{}, {}]}),
            "field_malformed",
            "recording.sources: expected one, found 2",
        ),
        (
            {**RECORDING, "sources": [{"type": "command", "source": "sox a.wav -"}]},
            "field_malformed",
            'sources[0].type: expected file or url, found string "command"',
        ),
        (
            {**RECORDING, "sources": [{"type": []}]},
            "field_malformed",
            "sources[0].type: expected file or url, found list",
        ),
        ({**RECORDING, "sources": [{"type": "file"}]}, "field_missing", "sources[0].source"),
        (
            {**RECORDING, "sampling_rate": "16k"},
            "field_malformed",
            'sampling_rate: expected a number, found string "16k"',
        ),
        ({**RECORDING, "duration": None}, "time_missing", "duration: expected a number of seconds"),
        ({**RECORDING, "duration": -3}, "end_before_start", "duration: expected 0 or more seconds, found -3"),
        ({**RECORDING, "channel_ids": 2}, "field_malformed", "channel_ids: expected a list, found number 2"),
        (
            {**RECORDING, "transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}]},
            "field_malformed",
            'transforms[0].name: expected Resample, found string "Speed"',
        ),
        ({**RECORDING, "transforms": ["Speed"]}, "field_malformed", "transforms[0]: expected an object"),
        (supervision(custom={"a": orjson.Fragment("[" * 250 + "]" * 250)}), "too_deep", "254"),
    ],
)
def test_what_is_wrong_is_said_and_where(line, reason, detail):
    found, said = fault(FORMAT, line)
    assert found == reason
    assert detail in said


def test_two_recordings_of_one_id_differ():
    reason, detail = fault(FORMAT, RECORDING, cut(0, recording={**RECORDING, "duration": 31.0}))
    assert reason == "recordings_differ"
    assert "two values of duration, 30.0 and 31.0" in detail


def test_two_files_of_one_recording_differ_and_their_urls_are_not_told():
    signed = [{"type": "url", "channels": [0, 1], "source": "https://host/a.wav?X-Amz-Signature=secret"}]
    reason, detail = fault(FORMAT, RECORDING, {**RECORDING, "sources": signed})
    assert reason == "recordings_differ"
    assert "two values of audio_filepath;" in detail
    assert "secret" not in detail


FIELDS = [
    *("id", "recording_id", "start", "duration", "type", "supervisions", "sources", "recording", "source", "channel"),
    *("channel_ids", "alignment", "word", "symbol", "custom", "transforms", "name", "kwargs"),
]


@given(json_values(FIELDS, ["MonoCut", "file", "Resample"]))
def test_whatever_a_line_holds_it_is_an_entry_or_a_fault(value):
    check_entry_or_fault(FORMAT, value)


@pytest.mark.parametrize("candidates", ["longest", "all"])
@pytest.mark.parametrize("drops", [{"words"}, set()])
def test_our_own_cuts_become_the_entries_that_they_were_made_from(candidates, drops):
    windows = WindowConfig(candidates=candidates, target_window_duration=60)
    lines, manifest, covered = [], [], []
    for text in (Path(SHIPPED) / "conversations.jsonl").read_bytes().splitlines():
        recording = parse_recording(text)
        kept = filter_overlaps(build_windows(recording, windows), OverlapConfig(target_duration=60))
        lines += serialise_cuts(kept, EntryConfig(drop_fields=frozenset(drops))).lines
        columns, whole, cut_off = kept.columns(), set(), set()
        for first, stop, truncation in zip(columns.firsts, columns.stops, columns.truncations):
            whole |= set(range(first, stop - (truncation is not None)))
            cut_off |= {stop - 1} if truncation is not None else set()
        manifest.append(orjson.loads(text))
        covered.append((sorted(whole | cut_off), cut_off - whole))
    random.Random(1).shuffle(lines)
    by_path = {entry["audio_filepath"]: entry for entry in entries(FORMAT, lines)}
    assert len(by_path) == len(manifest) > 1
    assert any(cut_off for _, cut_off in covered) is (candidates == "longest")
    for original, (indices, cut_off) in zip(manifest, covered):
        entry = by_path[original["audio_filepath"]]
        for name in ("audio_sample_rate", "duration"):
            assert entry[name] == original[name]
        assert [segment["start"] for segment in entry["segments"]] == sorted(
            each["start"] for each in entry["segments"]
        )
        by_index = {int(segment.pop("id").rpartition("-")[2]): segment for segment in entry["segments"]}
        assert sorted(by_index) == indices
        for index, segment in by_index.items():
            expected = {name: value for name, value in original["segments"][index].items() if name not in drops}
            if index in cut_off:
                assert segment["end"] < expected["end"]
                assert expected["text"].startswith(segment["text"])
                for name in ("end", "text", "words"):
                    expected.pop(name, None)
                    segment.pop(name, None)
            assert segment == expected


@pytest.fixture
def lhotse():
    return pytest.importorskip("lhotse", reason="lhotse is not installed: it brings torch, gigabytes")


def test_what_lhotse_writes_is_one_entry_whichever_way(lhotse, tmp_path):
    item = lhotse.supervision.AlignmentItem
    sources = [lhotse.AudioSource("file", [0, 1], "meeting.wav")]
    recording = lhotse.Recording("meeting", sources, 16000, 480000, 30.0, [0, 1])
    supervisions = [
        lhotse.SupervisionSegment(
            *("s0", "meeting", 0.1, 4.2, 0, "good morning", "en", "ann", "F"),
            custom={"metrics": {"bandwidth": 7000}},
            alignment={"word": [item("good", 0.1, 0.2, 0.9), item("morning", 0.4, 0.7)]},
        ),
        lhotse.SupervisionSegment(
            *("s1", "meeting", 5.3, 6.1, [0, 1], "bye", None, "bob"), alignment={"word": [item("bye", 7.1, 0.3)]}
        ),
    ]
    recordings, segments = lhotse.RecordingSet.from_recordings([recording]), lhotse.SupervisionSet(supervisions)
    cuts = lhotse.CutSet.from_manifests(recordings=recordings, supervisions=segments)
    made = {
        "cuts": cuts,
        "windows": cuts.cut_into_windows(6, hop=3),
        "trimmed": cuts.trim_to_supervisions(keep_overlapping=False, keep_all_channels=True),
        "resampled": cuts.resample(8000),
    }
    recordings.to_file(tmp_path / "recordings.jsonl")
    segments.to_file(tmp_path / "supervisions.jsonl")
    lines = [line for name in ("recordings", "supervisions") for line in (tmp_path / f"{name}.jsonl").open("rb")]
    [expected] = entries(FORMAT, lines)
    assert [(each["start"], each["end"], each["speaker"]) for each in expected["segments"]] == [
        (0.1, 4.3, "ann"),
        (5.3, 11.4, "bob"),
    ]
    assert expected["segments"][1]["words"] == [{"word": "bye", "start": 7.1, "end": 7.4}]
    for name, cut_set in made.items():
        cut_set.to_file(tmp_path / f"{name}.jsonl")
        assert entries(FORMAT, (tmp_path / f"{name}.jsonl").open("rb")) == [expected], name
