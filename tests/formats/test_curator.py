from collections import Counter
from pathlib import Path

import orjson
import pytest
from hypothesis import given

from alm_beam.core.recording_ids import recording_id
from alm_beam.formats.curator import FORMAT
from tests.formats.gathered import check_entry_or_fault, entries, fault, json_values

FETCHED = Path(__file__).parents[3] / "shared" / "inputs" / "fetched"

AUDIO = {"audio_filepath": "audio/a.opus", "audio_item_id": "a", "resampled_audio_filepath": "resampled/a.wav"}
WORDS = [{"word": "good", "start": 0.24, "end": 0.4, "confidence": 0.09}]
BASE = {
    **AUDIO,
    "duration": 60.0,
    "segments": [
        {"speaker": "no-speaker", "start": 0, "end": 0.2, "text": "", "words": []},
        {
            "speaker": "a_SPEAKER_00",
            "start": 0.2,
            "end": 1.03,
            "text": "good",
            "words": WORDS,
            "metrics": {"bandwidth": 7500, "pesq_squim": 1.1},
        },
        {"speaker": "no-speaker", "start": 1.03, "end": 41, "text": "", "words": []},
        {
            "speaker": "a_SPEAKER_01",
            "start": 41,
            "end": 42,
            "text": "bye",
            "words": [],
            "metrics": {"bandwidth": [None, 9000]},
        },
    ],
    "overlap_segments": [],
    "split_offsets": [0.0, 39.5],
    "split_timestamps": [39.5],
    "text": "good bye",
    "alignment": WORDS,
}


def row(start=100, end=2300, **fields):
    return {
        "original_file": "audio/a.wav",
        "original_start_ms": start,
        "original_end_ms": end,
        "duration_ms": end - start,
        "duration": (end - start) / 1000,
        "speaker_id": "speaker_0",
        **fields,
    }


def spoken(*speakers):
    return {**AUDIO, "segments": [{"start": i, "end": i + 1, "speaker": each} for i, each in enumerate(speakers)]}


def test_segments_of_nobody_are_left_out_and_the_words_that_are_there_twice():
    [entry] = entries(FORMAT, [BASE])
    expected = {name: value for name, value in BASE.items() if name != "alignment"}
    assert entry == {**expected, "segments": [BASE["segments"][1], BASE["segments"][3]]}
    assert recording_id(entry) == recording_id(BASE)


def test_the_alignment_stays_where_no_segment_has_words():
    entry = {**AUDIO, "segments": [{"start": 0, "end": 1, "words": []}], "alignment": WORDS}
    assert entries(FORMAT, [entry]) == [entry]


@pytest.mark.parametrize(
    ("label", "kept"),
    [
        ("A,no-speaker", "A"),
        ("no-speaker,A", "A"),
        ("A,no-speaker,B", "A,B"),
        ("A,,no-speaker", "A"),
        ("A, no-speaker", "A"),
        ("A,B", "A,B"),
        ("A,,B", "A,,B"),
        ("no-speaker-2", "no-speaker-2"),
        (7, 7),
    ],
)
def test_a_label_of_several_loses_nobody(label, kept):
    [entry] = entries(FORMAT, [spoken(label)])
    assert [each["speaker"] for each in entry["segments"]] == [kept]


@pytest.mark.parametrize("label", ["no-speaker", "no-speaker,no-speaker", "no-speaker,", " no-speaker"])
def test_a_label_of_nobody_leaves_its_segment_out(label):
    assert entries(FORMAT, [spoken(label)]) == [{**AUDIO, "segments": []}]


@pytest.mark.parametrize("label", [None, ""])
def test_a_segment_without_label_stays_without(label):
    assert entries(FORMAT, [spoken(label)]) == [{**AUDIO, "segments": [{"start": 0, "end": 1}]}]


def test_an_entry_with_its_original_file_is_an_entry():
    entry = {"original_file": "a.wav", "segments": [{"start": 0, "end": 1, "speaker": "A"}]}
    assert entries(FORMAT, [entry]) == [entry]


def test_segments_are_put_in_order():
    listed = [{"start": start, "end": 9, "text": text} for start, text in ((3, "c"), (1, "a"), (3, "d"), (1, "b"))]
    [entry] = entries(FORMAT, [{**AUDIO, "segments": listed}])
    assert [each["text"] for each in entry["segments"]] == ["a", "b", "c", "d"]


SORTFORMER = [{"start": 1.5, "end": 2.0, "speaker": "speaker_1"}, {"start": 0.5, "end": 1, "speaker": "speaker_0"}]


@pytest.mark.parametrize("segments", [{}, {"segments": None}])
def test_diarized_segments_are_the_segments_where_there_are_none(segments):
    assert entries(FORMAT, [{**AUDIO, **segments, "diar_segments": SORTFORMER}]) == [
        {**AUDIO, "segments": SORTFORMER[::-1]}
    ]


def test_diarized_segments_beside_segments_are_left_out():
    assert entries(FORMAT, [{**spoken("A"), "diar_segments": SORTFORMER}]) == [spoken("A")]


@pytest.mark.parametrize(
    "listed",
    [
        [{"start": 0.5, "end": 1.25}],
        [[0.5, 1.25]],
        [{"start_ms": 500, "end_ms": 1250}],
    ],
)
def test_speech_without_speakers_is_segments_without(listed):
    assert entries(FORMAT, [{**AUDIO, "vad_segments": listed}]) == [
        {**AUDIO, "segments": [{"start": 0.5, "end": 1.25}]}
    ]


def test_nested_speech_keeps_its_other_fields():
    nested = {"start_ms": 100, "end_ms": 300, "segment_num": 0, "original_file": "a.wav", "duration": 0.2}
    [entry] = entries(FORMAT, [{**AUDIO, "segments": [nested]}])
    assert entry["segments"] == [
        {"start": 0.1, "end": 0.3, "segment_num": 0, "original_file": "a.wav", "duration": 0.2}
    ]


def test_rows_of_a_file_are_its_segments_wherever_they_stand():
    lines = [
        row(5000, 6001, speaker_id="speaker_1", sample_rate=48000, num_speakers=2, utmos_mos=3.5),
        row(0, 10, original_file="b.wav", speaker_id=None),
        row(sample_rate=48000, num_speakers=2),
    ]
    assert entries(FORMAT, lines) == [
        {
            "audio_filepath": "audio/a.wav",
            "sample_rate": 48000,
            "num_speakers": 2,
            "segments": [
                {"start": 0.1, "end": 2.3, "speaker": "speaker_0"},
                {"start": 5.0, "end": 6.001, "speaker": "speaker_1", "utmos_mos": 3.5},
            ],
        },
        {"audio_filepath": "b.wav", "segments": [{"start": 0.0, "end": 0.01}]},
    ]


def test_a_row_that_lists_its_segments_has_no_pauses_in_them():
    lines = [
        row(diar_segments=[[0.1, 0.9], [1.5, 2.3]], speaking_duration=1.6),
        row(900, 1500, speaker_id="speaker_1", diar_segments=[{"start": 0.9, "end": 1.5, "speaker": "own"}]),
    ]
    assert entries(FORMAT, lines) == [
        {
            "audio_filepath": "audio/a.wav",
            "segments": [
                {"start": 0.1, "end": 0.9, "speaker": "speaker_0", "speaking_duration": 1.6},
                {"start": 0.9, "end": 1.5, "speaker": "own"},
                {"start": 1.5, "end": 2.3, "speaker": "speaker_0", "speaking_duration": 1.6},
            ],
        }
    ]


def test_a_row_that_was_not_mapped_has_its_own_times():
    unmapped = {
        "original_file": "a.wav",
        "start_ms": 1500,
        "end_ms": 2000,
        "speaker_id": "s",
        "diar_segments": [[0, 1]],
    }
    separated = {"original_file": "a.wav", "speaker_id": "t", "diar_segments": [[4, 5]]}
    [entry] = entries(FORMAT, [unmapped, separated])
    assert entry["segments"] == [
        {"start": 1.5, "end": 2.0, "speaker": "s"},
        {"start": 4, "end": 5, "speaker": "t"},
    ]


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        ("[]", "not_object", "expected a JSON object per line, found list"),
        ('{"segments": [{"start": 0, "end": NaN}]}', "time_not_finite", "segments[0].end: NaN is not a time"),
        (AUDIO, "other_format", "found the fields audio_filepath, audio_item_id, resampled_audio_filepath"),
        ({}, "other_format", "found the fields of none"),
        ({**AUDIO, "segments": {}}, "segments_not_list", "segments: expected a list, found object"),
        ({**AUDIO, "diar_segments": 7}, "segments_not_list", "diar_segments: expected a list, found number 7"),
        ({**AUDIO, "segments": ["0.5 1 a"]}, "segment_not_object", "segments[0]: expected an object, found string"),
        ({**AUDIO, "segments": [{"start": 0, "end": 1}, {"end": 2}]}, "time_missing", "segments[1].start"),
        ({**AUDIO, "vad_segments": [[0.5]]}, "time_missing", "vad_segments[0].end"),
        (
            {**AUDIO, "vad_segments": [{"start_ms": 5}]},
            "time_missing",
            "vad_segments[0].end_ms: expected a number of milli",
        ),
        ({**AUDIO, "segments": [{"start": "0", "end": 1}]}, "time_not_number", "segments[0].start: expected a number"),
        (
            {**AUDIO, "segments": [{"start": 3, "end": 1}]},
            "end_before_start",
            "segments[0].end: end 1 is before start 3",
        ),
        (
            spoken("A", 1.5),
            "speaker_not_label",
            "segments[1].speaker: expected a string or an integer, found number 1.5",
        ),
        (row(original_file=""), "field_missing", "original_file: expected a string that is not empty"),
        (row(original_file="unknown"), "field_missing", "writes where it knows no file"),
        (row(original_file=7), "field_malformed", "original_file: expected a string, found number 7"),
        (row(original_start_ms="5"), "field_malformed", 'original_start_ms: expected a number, found string "5"'),
        (row(original_end_ms=None), "time_missing", "original_end_ms: expected a number of milliseconds, found none"),
        (
            {"original_file": "a.wav"},
            "time_missing",
            "original_start_ms: expected a number of milliseconds, found none",
        ),
        (row(200, 100), "end_before_start", "original_end_ms: end 100 is before start 200"),
        (row(speaker_id=[]), "speaker_not_label", "speaker_id: expected a string or an integer, found list"),
        (row(diar_segments=[[0, 1], [2]]), "time_missing", "diar_segments[1].end"),
    ],
)
def test_what_is_wrong_is_said_and_where(line, reason, detail):
    found, said = fault(FORMAT, line)
    assert found == reason
    assert detail in said


@pytest.mark.parametrize("second", [BASE, row(original_file=AUDIO["audio_filepath"])])
def test_two_lines_about_a_recording_are_not_mixed(second):
    for lines in ([BASE, second], [second, BASE]):
        reason, detail = fault(FORMAT, *lines)
        assert reason == "recordings_differ"
        assert "2 lines and rows are about this recording" in detail


def test_recordings_of_one_id_are_two_if_their_audio_is():
    other = {**BASE, "audio_filepath": "other/a.opus"}
    assert [entry["audio_filepath"] for entry in entries(FORMAT, [BASE, other])] == ["audio/a.opus", "other/a.opus"]


def test_without_audio_the_id_names_a_recording_or_else_its_content():
    named, unnamed = {"audio_item_id": "a", "segments": []}, {"segments": [{"start": 0, "end": 1}]}
    assert [piece.recording for piece in FORMAT.pieces(orjson.dumps(named), "")] == ["a"]
    assert entries(FORMAT, [named, unnamed]) == [named, unnamed]


FIELDS = [
    *("segments", "diar_segments", "vad_segments", "start", "end", "speaker", "start_ms", "end_ms", "original_file"),
    *("original_start_ms", "original_end_ms", "speaker_id", "audio_filepath", "words", "alignment", "sample_rate"),
]


@given(json_values(FIELDS, ["no-speaker", "A,no-speaker"]))
def test_whatever_a_line_holds_it_is_an_entry_or_a_fault(value):
    check_entry_or_fault(FORMAT, value)


@pytest.mark.skipif(not FETCHED.is_dir(), reason=f"what Curator wrote is not at {FETCHED}")
@pytest.mark.parametrize("mode", ["base", "asr", "tts"])
def test_what_curator_wrote_keeps_all_that_somebody_says(mode):
    lines = (FETCHED / f"tagging_{mode}.jsonl").read_bytes().splitlines()
    written = [orjson.loads(line) for line in lines]
    made = entries(FORMAT, lines)
    assert len(made) == len(written) == 2
    for entry, original in zip(made, written):
        dropped = {"alignment", "segments"}
        assert {name: entry[name] for name in entry if name != "segments"} == {
            name: original[name] for name in original if name not in dropped
        }
        spoken = [segment for segment in original["segments"] if segment["speaker"] != "no-speaker"]
        assert len(entry["segments"]) == len(spoken)
        for segment, before in zip(entry["segments"], spoken):
            labels = Counter(before["speaker"].split(","))
            labels.pop("no-speaker", None)
            assert Counter(segment["speaker"].split(",")) == labels
            assert {**segment, "speaker": before["speaker"]} == before
    if mode == "base":
        assert sum(len(entry["segments"]) for entry in made) == 54 - 28
