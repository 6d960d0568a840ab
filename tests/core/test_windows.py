"""Rules that a sentence can state, one table row or test each."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.config import WindowConfig
from alm_beam.core.losses import LossReason
from alm_beam.core.manifest import whole_segments
from alm_beam.core.truncation import Truncator
from alm_beam.core.windows import build_windows
from tests.core.test_rules import recording_of

TEN = WindowConfig(target_window_duration=10, tolerance=0.2)


def segment(start: float, end: float, speaker: Any = "a", **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "speaker": speaker, "metrics": {"bandwidth": 8000}, **more}


def built(*segments: dict[str, Any], config: WindowConfig = TEN):
    return build_windows(recording_of({"audio_sample_rate": 16000, "segments": list(segments)}), config)


@pytest.mark.parametrize(("end", "windows"), [(7.9, 0), (8, 1), (12, 1), (12.1, 0)])
def test_both_ends_of_the_duration_range_are_included(end, windows):
    config = WindowConfig(target_window_duration=10, tolerance=0.2, truncation=False)
    assert len(built(segment(0, 1), segment(1, end, "b"), config=config)) == windows


def test_one_segment_is_no_window():
    lost = built(segment(0, 10))
    assert not lost
    assert lost.losses.lost[LossReason.WINDOW] == 1


def test_growth_stops_before_one_speaker_too_many():
    config = WindowConfig(target_window_duration=10, tolerance=0.5, max_speakers=2)
    windows = built(segment(0, 3, "a"), segment(3, 6, "b"), segment(6, 9, "c"), config=config).longest
    assert (windows.ends[0], windows.stops[0]) == (6, 2)


@pytest.mark.parametrize(("label", "stops"), [("no-speaker", True), ("", False), (None, False), (0, False)])
def test_only_the_no_speaker_label_stops_growth(label, stops):
    found = built(segment(0, 3), segment(3, 6, label), segment(6, 9, "b"))
    assert len(found) == (0 if stops else 1)


def test_an_integer_speaker_counts_and_nobody_does_not():
    assert len(built(segment(0, 3, 0), segment(3, 9, 1))) == 1
    assert not built(segment(0, 3, "a"), segment(3, 9, None))


@pytest.mark.parametrize(("speaker", "counted"), [("no-speaker", 1), ("missing", 1), (None, 0), ("", 0)])
def test_a_missing_speaker_explains_a_loss_as_the_label_does(speaker, counted):
    last = segment(3, 4, speaker, metrics={"bandwidth": 0})
    if speaker == "missing":
        del last["speaker"]
    losses = built(segment(0, 3), last).losses
    assert losses.lost[LossReason.NO_SPEAKER] == counted
    assert losses.lost[LossReason.NEXT_BANDWIDTH] == 1 - counted


WORDS = [
    {"word": "x", "end": 9},
    {"word": "", "end": 10},
    {"end": 11},
    {"word": "y", "end": 12},
    {"word": "z", "end": 13},
]


def test_truncation_keeps_the_words_that_end_in_time():
    windows = built(segment(0, 8), segment(8, 14, "b", words=WORDS, text="x y z")).longest
    assert (windows.truncations[0].end, windows.truncations[0].text, windows.truncations[0].limit) == (12, "x y", 12)
    assert windows.ends[0] == 12


def test_truncation_without_a_word_in_time_ends_at_the_segments_start():
    windows = built(segment(0, 8), segment(9, 14, "b", words=WORDS[4:])).longest
    assert (windows.ends[0], windows.truncations[0].text) == (9, "")


def test_words_before_their_segment_take_time_from_its_speaker_and_who_is_absent_comes_last():
    early = segment(10, 14, "c", words=[{"end": 9, "word": "early"}])
    others = [segment(30 + index, 31 + index, speaker) for index, speaker in enumerate("de")]
    windows = built(segment(0, 5, "a"), segment(5, 9.5, "b"), early, *others).longest
    assert (windows.ends[0], windows.speaker_durations[0]) == (9, [5, 4.5, -1, 0, 0])


def test_words_in_disorder_are_kept_by_their_own_end_and_the_last_kept_one_ends_the_segment():
    words = [{"word": "late", "end": 13}, {"word": "b", "end": 11}, {"word": "a", "end": 10}]
    windows = built(segment(0, 8), segment(8, 14, "b", words=words)).longest
    assert (windows.ends[0], windows.truncations[0].text) == (10, "b a")


def test_a_truncation_counts_even_where_its_speaker_is_one_too_many():
    config = WindowConfig(target_window_duration=10, tolerance=0.2, max_speakers=2)
    found = built(segment(0, 4, "a"), segment(4, 9, "b"), segment(9, 20, "c", words=WORDS), config=config)
    assert found.losses.truncations == 2
    assert found.longest.stops[0] == 2


def test_a_segment_that_starts_at_the_limit_is_not_truncated():
    assert built(segment(0, 8), segment(12, 14, "b", words=WORDS)).losses.truncations == 0


def test_durations_are_added_from_left_to_right():
    segments = [segment(index, index + 0.1, "ab"[index % 2]) for index in range(10)]
    durations = built(*segments).longest.speaker_durations[0]
    total = 0.0
    for each in segments[::2]:
        total += each["end"] - each["start"]
    assert total in durations[:2]
    assert (
        built(*[segment(0, 0.1)] * 10).losses.seconds
        == 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1 + 0.1
        != 1.0
    )


def test_the_recording_is_left_as_it_was():
    segments = [segment(0, 8), segment(8, 14, "b", words=WORDS, text="x y z")]
    recording = recording_of({"audio_sample_rate": 16000, "segments": segments})
    build_windows(recording, TEN)
    assert whole_segments(recording) == segments


def test_crossing_is_decided_by_the_difference_and_not_by_the_sum():
    config = WindowConfig(target_window_duration=66, tolerance=0, min_speakers=1, truncation=False)
    assert 124.79 > 58.79 + 66
    assert len(built(segment(58.79, 60), segment(60, 124.79), config=config)) == 1
    config = WindowConfig(target_window_duration=13.2, tolerance=0, min_speakers=1, truncation=False)
    assert 952.35 <= 939.15 + 13.2
    assert [lost.stop for lost in built(segment(939.15, 940), segment(940, 952.35), config=config).lost] == [1, 2]


@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["a", "bc", "", None, "missing"])), max_size=12),
    st.lists(st.integers(-1, 21), min_size=1, max_size=8),
)
def test_truncating_once_more_gives_what_truncating_at_once_gives(ends_and_texts, limits):
    words = [{"end": end} if text == "missing" else {"end": end, "word": text} for end, text in ends_and_texts]
    for given_words in (words, sorted(words, key=lambda word: word["end"])):
        entry = {"audio_sample_rate": 16000, "segments": [segment(-2, 30, words=given_words)]}
        truncator = Truncator(recording_of(entry))
        for limit in limits:
            kept = [word for word in given_words if word["end"] <= limit]
            truncation = truncator.truncate(0, limit)
            assert truncation.text == " ".join(word["word"] for word in kept if word.get("word"))
            assert truncation.end == (kept[-1]["end"] if kept else -2)
