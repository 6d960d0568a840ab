"""Words as tools write them: without times, under another key, as plain text; and what truncation leaves of them."""

import json
from typing import Any

import pytest

from alm_beam.core import truncation
from alm_beam.core.config import ALL, GREEDY, LONGEST, MOST_AUDIO, EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.entries import serialise_entry
from alm_beam.core.faults import BadEntry
from alm_beam.core.findings import findings_of
from alm_beam.core.losses import Finding, LossReason
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.truncation import Truncator
from alm_beam.core.windows import build_windows
from tests.core.test_rules import recording_of
from tests.core.test_windows import TEN, built, segment
from tests.obvious import text_of


def left_of(words: Any) -> tuple[float, str, list[Any]]:
    """The end, text and words of a segment from 8 s on that is truncated at 12 s."""
    window = built(segment(0, 8), segment(8, 14, "b", words=words))[0]
    last = window.segments[-1]
    assert last["end"] == window.end
    return last["end"], last["text"], last["words"]


def timed(end: float | None, word: str = "w") -> dict[str, Any]:
    return {"word": word, "end": end}


@pytest.mark.parametrize(
    ("words", "end", "text"),
    [
        pytest.param([timed(9, "in"), {"word": "2024"}, timed(13, "out")], 9, "in 2024", id="kept with the one before"),
        pytest.param([timed(9, "in"), timed(13, "out"), {"word": "5"}], 9, "in", id="or gone with it"),
        pytest.param([{"word": "$"}, timed(None, "5"), timed(9, "in"), timed(13, "out")], 9, "$ 5 in", id="first ones"),
        pytest.param([{"word": "$"}, timed(13, "out")], 8, "", id="first ones whose first with an end is late"),
        pytest.param([{"word": "a", "start": 8.5}, timed(9, "b")], 9, "a b", id="a start alone is no end"),
        pytest.param([timed(13, "late"), {"word": "x"}, timed(9, "in"), {"word": "y"}], 9, "in y", id="in disorder"),
        pytest.param([{"word": "no"}, {"word": "ends"}], 8, "", id="no word has an end: none is in time"),
        pytest.param([timed(None)], 8, "", id="null ends only"),
        pytest.param(["good", "morning"], 8, "", id="plain strings have no end"),
        pytest.param("good morning", 8, "", id="nor has a single one"),
        pytest.param(
            ["good", timed(9, "b"), "morning", timed(13, "out")], 9, "good b morning", id="some plain strings"
        ),
        pytest.param(None, 8, "", id="null"),
        pytest.param([], 8, "", id="no words"),
        pytest.param([{"text": "in", "end": 9}, {"text": "out", "end": 13}], 9, "in", id="text instead of word"),
        pytest.param([{"text": "a", "end": 9}, {"word": "b", "end": 10}], 10, "a b", id="mixed"),
        pytest.param([{"word": "a", "text": "A.", "end": 9}], 9, "a", id="word comes before text"),
        pytest.param([{"word": None, "text": "A.", "end": 9}], 9, "A.", id="unless it is null"),
        pytest.param([{"word": "", "text": "A.", "end": 9}], 9, "", id="an empty word is a word, as in the reference"),
    ],
)
def test_what_is_left(words, end, text):
    left_end, left_text, left_words = left_of(words)
    assert (left_end, left_text) == (end, text)
    assert " ".join(filter(None, map(text_of, left_words))) == text


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        ({"word": "a", "end": 9}, "segments[1].words: expected a list, found object"),
        (False, "segments[1].words: expected a list, found boolean false"),
        (0, "segments[1].words: expected a list, found number 0"),
        ([timed(9), 5], "segments[1].words[1]: expected an object with `word` and `end`, or a string, found number 5"),
        ([None], "segments[1].words[0]: expected an object with `word` and `end`, or a string, found null"),
        ([["a", 9]], "segments[1].words[0]: expected an object with `word` and `end`, or a string, found list"),
        ([{"end": "9"}], 'segments[1].words[0].end: expected a number of seconds, or null, found string "9"'),
        ([{"end": True}], "segments[1].words[0].end: expected a number of seconds, or null, found boolean true"),
        ([{"end": [9]}], "segments[1].words[0].end: expected a number of seconds, or null, found list"),
        ([{"end": 9, "word": 5}], "segments[1].words[0].word: expected a string, found number 5"),
        ([{"end": 9, "text": {"a": 1}}], "segments[1].words[0].text: expected a string, found object"),
        (["a", {"end": 9, "text": 5}], "segments[1].words[1].text: expected a string, found number 5"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_said_with_its_place(words, detail):
    with pytest.raises(BadEntry) as refused:
        left_of(words)
    assert (refused.value.reason.value, refused.value.detail) == ("words_malformed", detail)


@pytest.mark.parametrize("words", [[timed(9, "in"), {"end": 13, "word": 5}], [{"end": 13, "word": 5}, timed(9, "in")]])
def test_the_text_of_a_word_that_is_not_kept_does_not_matter(words):
    assert left_of(words)[:2] == (9, "in")


def test_many_long_texts_are_joined_when_they_are_read(monkeypatch):
    words = [timed(index / 10, f"w{index}") for index in range(200)]
    entry = {"audio_sample_rate": 16000, "segments": [segment(0, 30, words=words)]}
    held = Truncator(recording_of(entry))
    monkeypatch.setattr(truncation, "_HELD_CHARS", 0)
    joined = Truncator(recording_of(entry))
    for limit in (-1, 3, 5.05, 2, 19.9):
        one, other = held.truncate(0, limit), joined.truncate(0, limit)
        assert (one.end, one.text) == (other.end, other.text)
        assert one.text.split() == [f"w{index}" for index in range(200) if index / 10 <= limit]
    assert not isinstance(joined.truncate(0, 19.9).kept, str)


RELATIVE = [timed(0.5), timed(2)]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        pytest.param(RELATIVE, 1, id="the last word ends before the segment starts"),
        pytest.param([timed(9), *RELATIVE], 0, id="another ends within it"),
        pytest.param([*RELATIVE, {"word": "x"}], 1, id="a word without an end"),
        pytest.param([{"word": "x"}], 0, id="no word has an end"),
        pytest.param([], 0, id="no words"),
    ],
)
def test_words_that_count_from_the_segments_start_are_counted(words, count):
    segments = [segment(0, 4), segment(4, 7), segment(8, 40, "b", words=words), segment(41, 42), segment(42, 50, "b")]
    found = findings_of(filter_overlaps(built(*segments)), EntryConfig())
    assert found[Finding.RELATIVE_WORD_TIMES.value] == count


EMPTY = (None, [], [timed(13)], "good", "missing", [timed(9)], [timed(8.9), timed(13)])
"""Words of a segment from 9 to 14 s of which truncation at up to 12.5 s leaves nothing after its start."""


@pytest.mark.parametrize("words", EMPTY)
def test_kept_windows_that_end_with_an_empty_segment_are_counted(words):
    last = segment(9, 14, "b") if words == "missing" else segment(9, 14, "b", words=words)
    assert findings_of(filter_overlaps(built(segment(0, 8), last)), EntryConfig())[Finding.EMPTY_TRUNCATION.value] == 1


def test_a_segment_that_keeps_words_or_whose_window_is_dropped_is_no_empty_truncation():
    kept = filter_overlaps(built(segment(0, 8), segment(9, 14, "b", words=[timed(10)])))
    assert not findings_of(kept, EntryConfig())
    two = built(segment(0, 4), segment(0.5, 9, "b"), segment(9, 14, "a"))
    assert [window.is_truncated for window in two] == [True, True]
    kept = filter_overlaps(two, OverlapConfig(0))
    assert (len(kept), findings_of(kept, EntryConfig())[Finding.EMPTY_TRUNCATION.value]) == (1, 1)


def dropping(**more: Any) -> WindowConfig:
    return WindowConfig(target_window_duration=10, tolerance=0.2, drop_empty_truncations=True, **more)


@pytest.mark.parametrize("words", EMPTY)
@pytest.mark.parametrize("candidates", [LONGEST, ALL])
@pytest.mark.parametrize("selection", [GREEDY, MOST_AUDIO])
def test_a_window_may_end_before_a_segment_that_would_be_empty(words, candidates, selection):
    last = segment(9, 14, "b") if words == "missing" else segment(9, 14, "b", words=words)
    found = built(segment(0, 4), segment(4, 8.5, "b"), last, config=dropping(candidates=candidates))
    assert [(window.end, window.stop, window.is_truncated) for window in found] == [(8.5, 2, False)]
    assert found.losses.truncations == 0
    kept = filter_overlaps(found, OverlapConfig(selection=selection))
    assert (len(kept), findings_of(kept, EntryConfig())) == (1, {})


def test_without_it_the_rules_count_as_for_any_window():
    too_short = built(segment(0, 4), segment(4, 7, "b"), segment(9, 14, "b"), config=dropping())
    assert (len(too_short), too_short.losses.lost[LossReason.WINDOW]) == (0, 2)
    one_segment = built(segment(0, 9), segment(9.5, 14, "b"), config=dropping())
    assert (len(one_segment), one_segment.losses.lost[LossReason.WINDOW]) == (0, 2)
    one_speaker = built(segment(0, 4), segment(4, 8.5), segment(9, 30, "b"), config=dropping())
    assert (len(one_speaker), one_speaker.losses.lost[LossReason.SPEAKERS]) == (0, 1)


def test_a_segment_that_keeps_a_word_stays_with_the_flag():
    with_word = segment(9, 14, "b", words=[timed(10, "in"), timed(13)])
    assert [window.end for window in built(segment(0, 8), with_word, config=dropping())] == [10]


@pytest.mark.parametrize("drop_fields", ["", "words"])
def test_words_without_an_end_are_written_with_those_before_them(drop_fields):
    words = [timed(9, "in"), {"word": "5"}, timed(13)]
    candidates = build_windows(
        recording_of({"audio_sample_rate": 16000, "segments": [segment(0, 8), segment(8, 14, "b", words=words)]}), TEN
    )
    line = serialise_entry(filter_overlaps(candidates), EntryConfig(drop_fields=drop_fields))
    last = json.loads(line)["windows"][0]["segments"][-1]
    assert (last["text"], last["end"]) == ("in 5", 9)
    assert last.get("words", words[:2]) == words[:2]
