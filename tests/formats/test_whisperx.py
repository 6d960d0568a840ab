import orjson
import pytest
from hypothesis import given

from alm_beam.core.manifest import parse_recording
from alm_beam.core.truncation import Truncator, truncated
from alm_beam.formats.whisperx import FORMAT
from tests.formats.gathered import check_entry_or_fault, entries, fault, json_values

WHISPERX = {
    "segments": [
        {
            "start": 0.031,
            "end": 3.5,
            "text": " It costs 40 $ today.",
            "words": [
                {"word": "It", "start": 0.031, "end": 0.2, "score": 0.81, "speaker": "SPEAKER_00"},
                {"word": "costs", "start": 0.3, "end": 0.7, "score": 0.9, "speaker": "SPEAKER_01"},
                {"word": "40"},
                {"word": "$"},
                {"word": "today.", "start": 2.9, "end": 3.5, "score": 0.5},
            ],
            "speaker": "SPEAKER_00",
        },
        {"start": 3.6, "end": 4, "text": " Yes.", "words": [{"word": "Yes.", "start": 3.6, "end": 4, "score": 1}]},
    ],
    "word_segments": [{"word": "It", "start": 0.031, "end": 0.2, "score": 0.81}],
    "language": "en",
}
WHISPER = {
    "text": " Hello there. Bye.",
    "segments": [
        {
            "id": 0,
            "seek": 0,
            "start": 0.0,
            "end": 2.24,
            "text": " Hello there.",
            "tokens": [50364, 2425],
            "temperature": 0.0,
            "avg_logprob": -0.27,
            "compression_ratio": 0.9,
            "no_speech_prob": 0.01,
            "words": [{"word": " Hello", "start": 0.0, "end": 0.5, "probability": 0.6}],
        },
        {"id": 1, "seek": 0, "start": 2.24, "end": 3, "text": " Bye.", "tokens": [1]},
    ],
    "language": "en",
}


def segment(**fields):
    return {"segments": [{"start": 0, "end": 1, "text": " a", **fields}]}


def word(**fields):
    return segment(words=[{"word": "a"}, {"word": "b", **fields}])


def test_a_document_is_the_entry_of_the_recording_that_its_file_names():
    assert entries(FORMAT, [WHISPERX], "meeting") == [
        {
            "audio_item_id": "meeting",
            "language": "en",
            "segments": [
                {
                    "start": 0.031,
                    "end": 3.5,
                    "speaker": "SPEAKER_00",
                    "text": "It costs 40 $ today.",
                    "words": [
                        {"word": "It", "start": 0.031, "end": 0.2, "confidence": 0.81},
                        {"word": "costs", "start": 0.3, "end": 0.7, "confidence": 0.9, "speaker": "SPEAKER_01"},
                        {"word": "40"},
                        {"word": "$"},
                        {"word": "today.", "start": 2.9, "end": 3.5, "confidence": 0.5},
                    ],
                },
                {
                    "start": 3.6,
                    "end": 4,
                    "text": "Yes.",
                    "words": [{"word": "Yes.", "start": 3.6, "end": 4, "confidence": 1}],
                },
            ],
        }
    ]


def test_words_without_times_stay_in_a_truncated_segment():
    [entry] = entries(FORMAT, [WHISPERX])
    truncator = Truncator(parse_recording({**entry, "audio_sample_rate": 16000}))
    kept = truncated(entry["segments"][0], truncator.truncate(0, 2.0), keeps_words=True)
    assert (kept["end"], kept["text"]) == (0.7, "It costs 40 $")


def test_what_openai_whisper_writes_has_no_speakers():
    [entry] = entries(FORMAT, [WHISPER])
    assert entry == {
        "audio_item_id": "file",
        "language": "en",
        "segments": [
            {
                "start": 0.0,
                "end": 2.24,
                "text": "Hello there.",
                "id": 0,
                "temperature": 0.0,
                "avg_logprob": -0.27,
                "compression_ratio": 0.9,
                "no_speech_prob": 0.01,
                "words": [{"word": "Hello", "start": 0.0, "end": 0.5, "confidence": 0.6}],
            },
            {"start": 2.24, "end": 3, "text": "Bye.", "id": 1},
        ],
    }


def test_a_list_of_segments_is_a_document_and_so_is_one_with_a_byte_order_mark():
    expected = [{"audio_item_id": "file", "segments": entries(FORMAT, [WHISPERX])[0]["segments"]}]
    assert entries(FORMAT, [WHISPERX["segments"]]) == expected
    assert entries(FORMAT, [b"\xef\xbb\xbf" + orjson.dumps(WHISPERX["segments"])]) == expected


def test_a_document_without_speech_is_an_entry_without_segments():
    assert entries(FORMAT, [{"segments": [], "language": "en"}]) == [
        {"audio_item_id": "file", "language": "en", "segments": []}
    ]


def test_segments_are_put_in_the_order_of_their_starts_and_equal_ones_stay_in_theirs():
    listed = [{"start": start, "end": 9, "text": text} for start, text in ((3, "c"), (1, "a"), (3, "d"), (1, "b"))]
    [entry] = entries(FORMAT, [{"segments": listed}])
    assert [each["text"] for each in entry["segments"]] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("said", "speaker"),
    [
        ([("a", 0, 1), ("b", 1, 3), ("a", 3, 3.5)], "b"),
        ([("a", 0, 1), ("b", 1, 2), ("a", 2, 2.1)], "a"),
        ([("b", 0, 1), ("a", 1, 2)], "b"),
        ([("b", None, None), ("a", 1, 2)], "a"),
        ([("b", None, None), ("a", None, None)], "b"),
        ([("b", 3, 1), ("a", 1, 2)], "a"),
        ([("a", 0, 1), ("a", 3, 1), ("b", 1, 1.5)], "a"),
        ([(None, 0, 9), ("a", 1, 2)], "a"),
        ([(None, 0, 9)], None),
        ([], None),
    ],
)
def test_a_segment_without_speaker_has_that_of_most_of_its_words(said, speaker):
    words = [{"word": "w", "speaker": who, "start": start, "end": end} for who, start, end in said]
    for missing in ({}, {"speaker": None}, {"speaker": ""}):
        [entry] = entries(FORMAT, [segment(words=words, **missing)])
        [made] = entry["segments"]
        assert made.get("speaker") == speaker
        assert [each.get("speaker", speaker) for each in made.get("words", [])] == [who or speaker for who, *_ in said]


def test_further_fields_of_documents_and_words_stay_and_large_ones_of_segments_go():
    chars = [{"char": "a", "start": 0}]
    document = {**word(style="bold", probability=0.1, score=0.2), "model": "large-v3"}
    document["segments"][0] |= {"chars": chars, "seek": 3}
    [entry] = entries(FORMAT, [document])
    assert entry["model"] == "large-v3"
    assert entry["segments"] == [
        {"start": 0, "end": 1, "text": "a", "words": [{"word": "a"}, {"word": "b", "confidence": 0.2, "style": "bold"}]}
    ]


@pytest.mark.parametrize(
    ("document", "reason", "detail"),
    [
        ("", "not_json", "character 0 of the document: Input is a zero-length"),
        ('{"segments": [', "cut_off", "the document ends at byte 14"),
        ("hello", "not_json", "expected one JSON object per document"),
        (b'{"segments": "\xe4"}', "not_utf8", "byte 14 of the document"),
        ('{"segments": [{"start": NaN, "end": 1}]}', "time_not_finite", "segments[0].start: NaN is not a time"),
        (
            '{"segments": [{"start": 0, "end": 1, "words": [{"word": "a"}, {"word": "b", "score": NaN}]}]}',
            "not_json",
            "segments[0].words[1].score: JSON has no NaN; write null, or leave it out",
        ),
        ("3", "not_object", "expected a JSON object with `segments`, found number 3"),
        ({"transcription": []}, "segments_missing", "as WhisperX writes it"),
        ({"segments": {}}, "segments_not_list", "segments: expected a list, found object"),
        (
            {"segments": [{"start": 0, "end": 1}, "a"]},
            "segment_not_object",
            'segments[1]: expected an object, found string "a"',
        ),
        (["a"], "segment_not_object", "segments[0]"),
        (segment(start=None), "time_missing", "segments[0].start: expected a number of seconds, found none"),
        (segment(end="1"), "time_not_number", 'segments[0].end: expected a number of seconds, found string "1"'),
        (segment(start=True), "time_not_number", "segments[0].start: expected a number of seconds, found boolean true"),
        (segment(start=2), "end_before_start", "segments[0].end: end 1 is before start 2"),
        (segment(text=3), "field_malformed", "segments[0].text: expected a string, found number 3"),
        (
            segment(speaker=["a"]),
            "speaker_not_label",
            "segments[0].speaker: expected a string or an integer, found list",
        ),
        (segment(words="a"), "words_malformed", 'segments[0].words: expected a list, found string "a"'),
        (segment(words=["a"]), "words_malformed", 'segments[0].words[0]: expected an object, found string "a"'),
        (segment(words=[{"start": 0}]), "words_malformed", "segments[0].words[0].word: expected a string, found null"),
        (word(end="1"), "time_not_number", "segments[0].words[1].end: expected a number of seconds"),
        (word(score="high"), "field_malformed", 'segments[0].words[1].score: expected a number, found string "high"'),
        (word(speaker=1.5), "speaker_not_label", "segments[0].words[1].speaker"),
        ({**WHISPER, "language": ["en"]}, "field_malformed", "language: expected a string, found list"),
        (b'{"segments": [], "a": ' + b"[" * 250 + b"]" * 250 + b"}", "too_deep", "254"),
    ],
)
def test_what_is_wrong_is_said_and_where(document, reason, detail):
    found, said = fault(FORMAT, document)
    assert found == reason
    assert detail in said


def test_of_a_bad_document_no_part_is_given_out():
    given = []
    with pytest.raises(ValueError, match="segments\\[1\\]"):
        given.extend(FORMAT.pieces(orjson.dumps({"segments": [WHISPER["segments"][0], {}]}), "file"))
    assert given == []


def test_two_documents_of_one_name_are_not_mixed():
    reason, detail = fault(FORMAT, WHISPERX, WHISPER)
    assert reason == "recordings_differ"
    assert "2 documents are named 'file'" in detail


@given(json_values(["segments", "start", "end", "words", "word", "speaker", "text", "score", "language"], ["en"]))
def test_whatever_a_document_holds_it_is_an_entry_or_a_fault(value):
    check_entry_or_fault(FORMAT, value)
