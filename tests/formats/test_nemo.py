from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.formats.nemo import FORMAT
from tests.formats.gathered import check_entry_or_fault, entries, fault, json_values


def line(offset=0.1, duration=0.2, **fields):
    return {"audio_filepath": "audio/a.wav", "offset": offset, "duration": duration, **fields}


def test_the_lines_of_a_file_are_its_segments_wherever_they_stand():
    lines = [
        line(2.5, 1, text="two", speaker="ann", lang="en", channel=1),
        line(0.5, 1.5, audio_filepath="b.wav", text="other"),
        line(text="one", speaker="bob", id="u1"),
    ]
    assert entries(FORMAT, lines) == [
        {
            "audio_filepath": "audio/a.wav",
            "segments": [
                {"start": 0.1, "end": 0.3, "speaker": "bob", "text": "one", "id": "u1"},
                {"start": 2.5, "end": 3.5, "speaker": "ann", "text": "two", "lang": "en", "channel": 1},
            ],
        },
        {"audio_filepath": "b.wav", "segments": [{"start": 0.5, "end": 2.0, "text": "other"}]},
    ]


@pytest.mark.parametrize("offset", [{}, {"offset": None}, {"offset": 0}])
def test_without_offset_a_segment_begins_where_its_file_does(offset):
    lines = [{"audio_filepath": "a.wav", "duration": 1.5, **offset}]
    assert entries(FORMAT, lines) == [{"audio_filepath": "a.wav", "segments": [{"start": 0, "end": 1.5}]}]


def test_equal_lines_are_equal_segments():
    [entry] = entries(FORMAT, [line(text="a")] * 3)
    assert entry["segments"] == [{"start": 0.1, "end": 0.3, "text": "a"}] * 3


@pytest.mark.parametrize("speaker", [None, ""])
def test_nobody_is_no_speaker(speaker):
    assert entries(FORMAT, [line(speaker=speaker)])[0]["segments"] == [{"start": 0.1, "end": 0.3}]


def test_what_all_lines_say_of_the_recording_is_said_of_it():
    lines = [line(sample_rate=8000, audio_item_id="u1", num_channels=1), line(audio_item_id="u2", num_channels=1)]
    [entry] = entries(FORMAT, lines)
    assert entry == {
        "audio_filepath": "audio/a.wav",
        "sample_rate": 8000,
        "num_channels": 1,
        "segments": [{"start": 0.1, "end": 0.3, "audio_item_id": name} for name in ("u1", "u2")],
    }


def test_lines_of_tarred_sets_keep_their_shard():
    [entry] = entries(FORMAT, [line(audio_filepath="day_a-sub1.flac", shard_id=3)])
    assert entry["segments"] == [{"start": 0.1, "end": 0.3, "shard_id": 3}]


def test_start_and_end_that_say_the_same_are_no_fault():
    assert entries(FORMAT, [line(start=0.1, end=0.3)])[0]["segments"] == [{"start": 0.1, "end": 0.3}]


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("[]", "not_object", "expected a JSON object per line, found list"),
        ('{"audio_filepath": "a.wav", "duration": Infinity}', "time_not_finite", "duration: Infinity is not a time"),
        ('{"audio_filepath": "a.wav", "snr": NaN}', "not_json", "snr: JSON has no NaN; write null"),
        (line(segments=[]), "other_format", "the line has `segments`, so it is an entry of a manifest already"),
        (line(diar_segments=[]), "other_format", "`--from curator`"),
        ({"duration": 1}, "field_missing", "audio_filepath: expected a string that is not empty, found none"),
        (line(audio_filepath=""), "field_missing", "audio_filepath"),
        (line(audio_filepath=["a.wav", "b.wav"]), "field_malformed", "audio_filepath: expected a string, found list"),
        (line(duration=None), "time_missing", "duration: expected a number of seconds, found none"),
        (line(duration=None, rttm_filepath="a.rttm"), "time_missing", "convert it with `--from rttm`"),
        (line(duration="1.5"), "time_not_number", 'duration: expected a number of seconds, found string "1.5"'),
        (line(duration=-0.5), "end_before_start", "duration: expected 0 or more seconds, found -0.5"),
        (line(offset="0"), "time_not_number", 'offset: expected a number of seconds, found string "0"'),
        (line(offset=-1), "field_malformed", "offset: expected 0 or more seconds, found -1"),
        (line(1e308, 1.7e308), "time_not_finite", "duration: 1.7e+308 after 1e+308 is too large for a time"),
        (line(speaker={"id": 1}), "speaker_not_label", "speaker: expected a string or an integer, found object"),
        (line(text=7), "field_malformed", "text: expected a string, found number 7"),
        (line(start=0.2), "field_malformed", "start: expected none, or 0.1 as offset and duration have it, found 0.2"),
        (line(end=0.2), "field_malformed", "end: expected none, or 0.3"),
    ],
)
def test_what_is_wrong_is_said_and_where(text, reason, detail):
    found, said = fault(FORMAT, text)
    assert found == reason
    assert detail in said


TIMES = st.integers(0, 50) | st.integers(0, 500).map(lambda tenths: tenths / 10)


@given(st.lists(st.tuples(st.sampled_from("ab"), TIMES, TIMES)), st.randoms())
def test_no_line_is_lost_and_ends_are_sums_of_decimals(drawn, shuffled):
    lines = [line(start, lasts, audio_filepath=path, text=str(n)) for n, (path, start, lasts) in enumerate(drawn)]
    shuffled.shuffle(lines)
    made = entries(FORMAT, lines)
    assert len(made) == len({path for path, *_ in drawn})
    for entry in made:
        starts = [each["start"] for each in entry["segments"]]
        assert starts == sorted(starts)
        for segment in entry["segments"]:
            path, start, lasts = drawn[int(segment["text"])]
            assert (path, start) == (entry["audio_filepath"], segment["start"])
            assert segment["end"] == float(Fraction(str(start)) + Fraction(str(lasts)))
    assert sum(len(entry["segments"]) for entry in made) == len(drawn)


@given(json_values(["audio_filepath", "offset", "duration", "text", "speaker", "start", "sample_rate"], ["a.wav"]))
def test_whatever_a_line_holds_it_is_an_entry_or_a_fault(value):
    check_entry_or_fault(FORMAT, value)
