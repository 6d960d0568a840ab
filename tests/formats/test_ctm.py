"""RTTM with CTM: which segment has a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.faults import BadEntry
from alm_beam.formats.ctm import FORMAT
from alm_beam.formats.format import PASSED_OVER, Piece
from alm_beam.formats.placed_words import TOLERANCE, Word, place_words


def entry_of(text: str) -> dict:
    pieces = [piece for line in text.encode().splitlines() for piece in FORMAT.pieces(line, "")]
    return FORMAT.entry("m", [piece for piece in pieces if piece.kind != PASSED_OVER])


def texts(entry: dict) -> list[str | None]:
    return [segment.get("text") for segment in entry["segments"]]


TURNS = "SPEAKER m 1 0 2 <NA> <NA> ann <NA>\nSPEAKER m 1 1.5 2.5 <NA> <NA> bob <NA>\n"


def test_words_go_to_the_segment_with_most_of_their_time():
    entry = entry_of(
        TURNS
        + "m 1 1.4 0.5 both 0.5\n"  # 0.5 s in ann's, 0.4 in bob's
        + "m 1 1.6 0.2 tie\n"  # as much in both: the first
        + "m 1 1.9 0.5 late\n"
        + "m 1 0.1 0.2 first <NA>\n"
    )
    assert texts(entry) == ["first both tie", "late"]
    assert entry["segments"][0]["words"] == [
        {"word": "first", "start": 0.1, "end": 0.3},
        {"word": "both", "start": 1.4, "end": 1.9, "confidence": 0.5},
        {"word": "tie", "start": 1.6, "end": 1.8},
    ]


def test_a_word_outside_goes_to_the_nearest_or_to_none():
    entry = entry_of(TURNS + "m 1 4.2 0.1 near\nm 1 4.3 0.1 far\nm 1 9 1 away\n")
    assert texts(entry) == [None, "near"]
    assert entry["words_without_segment"] == 2
    assert TOLERANCE == 0.25


def test_channels_separate_only_where_both_state_them():
    turns = "SPEAKER m 1 0 2 <NA> <NA> ann <NA>\nSPEAKER m 2 0 2 <NA> <NA> bob <NA>\n"
    assert texts(entry_of(turns + "m B 0.5 0.5 right\nm A 0.5 0.5 left\n")) == ["left", "right"]
    assert texts(entry_of(turns + "m <NA> 0.5 0.5 either\n")) == ["either", None]
    from_zero = turns.replace("m 1", "m 0").replace("m 2", "m 1")
    assert texts(entry_of(from_zero + "m 2 0.5 0.5 right\n")) == [None, "right"]
    unstated = turns.replace("m 1", "m <NA>").replace("m 2", "m <NA>")
    assert texts(entry_of(unstated + "m 2 0.5 0.5 any\n")) == ["any", None]


def test_of_alternatives_the_first_counts():
    entry = entry_of(
        TURNS
        + "m 1 * * <ALT_BEGIN>\nm 1 0.1 0.2 you\nm 1 0.3 0.2 know\nm 1 * * <ALT>\nm 1 0.1 0.4 y'know\n"
        + "m 1 * * <ALT>\nm 1 0.1 0.4 @\nm 1 * * <ALT_END>\nm 1 0.6 0.2 then\n"
        + "m 1 * * <ALT_BEGIN>\nm 1 0.9 0.1 @\nm 1 * * <ALT>\nm 1 0.9 0.1 uh\nm 1 * * <ALT_END>\n"
    )
    assert texts(entry)[0] == "you know then"


def test_a_word_without_duration_lasts_no_time():
    entry = entry_of(TURNS + "m 1 0.5 <NA> hello\n")
    assert entry["segments"][0]["words"] == [{"word": "hello", "start": 0.5, "end": 0.5}]


def test_noises_are_passed_over():
    [piece] = FORMAT.pieces(b"m 1 0.5 0.1 %BREATH <NA> non-lex ann", "")
    assert piece == Piece("", PASSED_OVER, "CTM non-lex")


def test_words_that_come_twice_count_once():
    assert texts(entry_of(TURNS + "m 1 0.1 0.2 hello\n" * 2))[0] == "hello"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"m 1 0.5 0.1", "field_count"),
        (b"m 1 0.5 0.1 good morning", "confidence_not_number"),
        (b"m 1 x 0.1 hello", "time_not_number"),
        (b"m 1 0.5 -1 hello", "end_before_start"),
        (b"SPEAKER m 1 0.5 0.1", "field_count"),  # a line of RTTM that is cut off is none of CTM
    ],
)
def test_bad_lines(line, reason):
    with pytest.raises(BadEntry) as raised:
        list(FORMAT.pieces(line, ""))
    assert raised.value.reason.value == reason


SPANS = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda span: (span[0] / 8, (span[0] + span[1]) / 8))


def obvious(segments: list[dict], word: dict) -> int | None:
    """The index of a word's segment, by looking at all of them."""
    shared = [min(each["end"], word["end"]) - max(each["start"], word["start"]) for each in segments]
    most = max(shared, default=-1)
    return shared.index(most) if most >= -TOLERANCE else None


@given(st.lists(SPANS, max_size=8), st.lists(SPANS, max_size=8))
def test_as_the_obvious_way(turns, spoken):
    segments = [{"start": start, "end": end} for start, end in sorted(turns, key=lambda span: span[0])]
    words = [{"word": str(index), "start": start, "end": end} for index, (start, end) in enumerate(spoken)]
    expected = [obvious(segments, word) for word in words]
    outside = place_words(segments, [Word(word) for word in words])
    found = {word["word"]: index for index, each in enumerate(segments) for word in each.get("words", ())}
    assert [found.get(word["word"]) for word in words] == expected
    assert outside == expected.count(None)
