"""RTTM to entries, and back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.faults import BadEntry
from alm_beam.formats.format import PASSED_OVER, Piece
from alm_beam.formats.rttm import FORMAT, rttm_line


def pieces_of(text: str) -> list[Piece]:
    return [piece for line in text.encode().splitlines() for piece in FORMAT.pieces(line, "")]


def entry_of(text: str) -> dict:
    return FORMAT.entry("m", pieces_of(text))


def test_segments_are_by_start_and_keep_what_is_stated():
    entry = entry_of(
        ";; made by hand\n"
        "SPEAKER m 1 5.0 1.5 <NA> <NA> bob 0.75 <NA>\n"
        "\n# another comment\n"
        "SPEAKER\tm  2\t0.10 0.20 <NA> <NA> ann <NA> <NA>\r\n"
        "SPEAKER m <NA> 5.0 1 <NA> <NA> <NA>\n"
    )
    assert entry == {
        "audio_item_id": "m",
        "segments": [
            {"start": 0.1, "end": 0.3, "speaker": "ann", "channel": "2"},
            {"start": 5.0, "end": 6.5, "speaker": "bob", "channel": "1", "confidence": 0.75},
            {"start": 5.0, "end": 6.0},
        ],
    }


def test_other_types_are_passed_over_by_name():
    types = ["SPKR-INFO", "NON-LEX", "NON-SPEECH", "SEGMENT", "NOSCORE", "NO_RT_METADATA", "IP", "CB", "A/P", "SU"]
    found = pieces_of("".join(f"{each} m 1 <NA> <NA> <NA> unknown ann <NA>\n" for each in types))
    assert found == [Piece("", PASSED_OVER, each) for each in types]


def test_lexemes_are_words_of_their_speaker():
    entry = entry_of(
        "SPEAKER m 1 0 4 <NA> <NA> ann <NA>\n"
        "SPEAKER m 1 1 4 <NA> <NA> bob <NA>\n"
        "LEXEME m 1 2.0 0.5 yes lex bob 0.9\n"
        "LEXEME m 1 1.0 0.5 well lex ann <NA>\n"
        "LEXEME m 1 <NA> <NA> uh fp ann <NA>\n"
        "LEXEME m 1 3.0 0.5 what lex carl <NA>\n"
    )
    ann, bob = entry["segments"]
    assert (ann["text"], bob["text"]) == ("well", "yes")
    assert bob["words"] == [{"word": "yes", "start": 2.0, "end": 2.5, "confidence": 0.9}]
    assert entry["words_without_segment"] == 1


def test_a_line_that_comes_twice_counts_once():
    line = "SPEAKER m 1 0 4 <NA> <NA> ann <NA>\n"
    entry = entry_of(line + line + line.replace("ann", "bob"))
    assert [each["speaker"] for each in entry["segments"]] == ["ann", "bob"]
    assert entry["repeated_segments"] == 1


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        ("SPEAKER m 1 0.5", "field_count", "found 4"),
        ("SPEAKER m 1 0 1 <NA> <NA> John Smith jr <NA> <NA>", "field_count", "a field holds no spaces"),
        ("SPEAKER m 1 0 1 <NA> <NA> John Smith <NA>", "confidence_not_number", "found 'Smith'"),
        ("SPEAKER m 1 x 1 <NA> <NA> a <NA>", "time_not_number", "start (field 4)"),
        ("SPEAKER m 1 0,5 1 <NA> <NA> a <NA>", "time_not_number", "found '0,5'"),
        ("SPEAKER m 1 1_0 1 <NA> <NA> a <NA>", "time_not_number", "found '1_0'"),
        ("SPEAKER m 1 <NA> 1 <NA> <NA> a <NA>", "time_not_number", "found '<NA>'"),
        ("SPEAKER m 1 0 nan <NA> <NA> a <NA>", "time_not_finite", "duration (field 5): nan"),
        ("SPEAKER m 1 -inf 1 <NA> <NA> a <NA>", "time_not_finite", "start (field 4): -inf"),
        ("SPEAKER m 1 1e999 1 <NA> <NA> a <NA>", "time_not_finite", "1e999"),
        ("SPEAKER m 1 1e308 1.5e308 <NA> <NA> a <NA>", "time_not_finite", "too large to add"),
        ("SPEAKER m 1 0 -0.5 <NA> <NA> a <NA>", "end_before_start", "found -0.5"),
        ("SPOKEN m 1 0 1 <NA> <NA> a <NA>", "unknown_line_type", "found one of type 'SPOKEN'"),
        ('{"segments": []}', "unknown_line_type", "expected a line as SPEAKER"),
    ],
)
def test_a_bad_line_says_where_and_what_is_expected(line, reason, detail):
    with pytest.raises(BadEntry) as raised:
        pieces_of(line)
    assert raised.value.reason.value == reason
    assert detail in raised.value.detail


def test_other_encodings_are_refused_by_the_byte():
    with pytest.raises(BadEntry, match=r"byte 33 of the line: .*iconv"):
        list(FORMAT.pieces("SPEAKER m 1 0.5 0.5 <NA> <NA> Zo\xeb <NA>".encode("latin-1").replace(b"Zo", b"Zoe"), ""))


@given(
    st.integers(0, 10**7),
    st.integers(0, 10**6),
    st.integers(0, 5),
)
def test_ends_have_the_digits_of_the_text(start, duration, digits):
    scale = Decimal(10) ** -digits
    line = f"SPEAKER m 1 {start * scale:f} {duration * scale:f} <NA> <NA> a <NA>"
    [segment] = entry_of(line)["segments"]
    assert repr(segment["end"]) == repr(float((start + duration) * scale))


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(line):
    for text in (line, b"SPEAKER " + line, b"LEXEME m 1 0 1 " + line):
        try:
            pieces = list(FORMAT.pieces(text.replace(b"\n", b""), ""))
        except BadEntry:
            continue
        FORMAT.entry("m", [piece for piece in pieces if piece.kind != PASSED_OVER])


def test_names_that_are_made_fields_stay_different():
    odd = ["a b", "a%20b", "a%2520b", "a\tb", "a\u00a0b", "a_b", "<NA>", "<na>", "%3CNA>", "\ufeffa"]
    lines = [rttm_line("m", "1", Decimal(0), Decimal(1), name) for name in odd]
    speakers = [piece.value["speaker"] for line in lines for piece in FORMAT.pieces(line, "")]
    assert len(set(speakers)) == len(odd)


TIMES = st.floats(0, 1e5, allow_subnormal=False).map(lambda value: round(value, 6))
NAMES = st.text(st.characters(codec="utf-8"), min_size=1)


@given(NAMES, st.lists(st.tuples(TIMES, TIMES, st.none() | NAMES, st.sampled_from(["1", "2", "A"])), max_size=6))
def test_round_trip(recording, turns):
    """What is written is read again: the times to the last digit, and as many names as there were."""
    lines, spoken = [], []
    for one, other, speaker, channel in turns:
        start, end = sorted((one, other))
        spoken.append((start, end, speaker, channel))
        lines.append(rttm_line(recording, channel, Decimal(repr(start)), Decimal(repr(end)), speaker))
    pieces = [piece for line in lines for piece in FORMAT.pieces(line, "")]
    assert len({piece.recording for piece in pieces}) <= 1
    segments = FORMAT.entry("m", pieces)["segments"]
    expected = sorted(dict.fromkeys(spoken), key=lambda each: each[0])
    assert [(each["start"], each["end"], each["channel"]) for each in segments] == [
        (start, end, channel) for start, end, _, channel in expected
    ]
    names = {(each.get("speaker"), given) for each, (_, _, given, _) in zip(segments, expected)}
    assert len(names) == len({written for written, _ in names}) == len({given for _, given in names})
    assert all((written is None) == (given is None) for written, given in names)
    plain = {(written, given) for written, given in names if given and given.isalnum() and given.isascii()}
    assert all(written == given for written, given in plain)
