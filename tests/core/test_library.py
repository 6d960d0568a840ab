"""What a reader of Python calls: entries that are dicts, windows that are objects, results that are dicts."""

import copy
import json
import math
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.config import ALL, LONGEST, MOST_AUDIO, EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import serialise_cuts, to_cuts
from alm_beam.core.entries import serialise_entry, to_entry
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.loss_stats import covered_seconds, loss_stats
from alm_beam.core.manifest import ManifestLine, Reject, parse_recording
from alm_beam.core.overlap import KeptWindows, filter_overlaps
from alm_beam.core.window import Window
from alm_beam.core.windows import CandidateWindows, build_windows
from tests.core.test_all_windows import with_all
from tests.core.test_windows import TEN, WORDS, segment
from tests.manifests import ENTRIES
from tests.strategies import entries, overlap_configs, window_configs

KEEP_ALL = EntryConfig(drop_fields=frozenset(), drop_fields_top_level=frozenset())


def entry_of(*segments: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"audio_filepath": "/data/a.wav", "audio_sample_rate": 16000, "segments": list(segments), **fields}


def kept_of(entry: Any, windows: WindowConfig = TEN, overlap: OverlapConfig | None = None) -> KeptWindows:
    candidates = build_windows(parse_recording(entry), windows)
    return filter_overlaps(candidates) if overlap is None else filter_overlaps(candidates, overlap)


TRUNCATED = entry_of(segment(0, 5, "a", text="w", words=[]), segment(5, 14, "b", text="x y z", words=WORDS))
EIGHT = entry_of(*[segment(3 * n, 3 * n + 3, "ab"[n % 2]) for n in range(8)])

CONVERSATIONS = [(EIGHT, TEN), (TRUNCATED, TEN), *((entry, WindowConfig()) for entry in ENTRIES)]


# What parse_recording takes


@settings(max_examples=200, deadline=None)
@given(entries())
def test_a_dict_bytes_text_and_a_line_give_the_same_recording(entry):
    text = json.dumps(entry, ensure_ascii=False)
    before = copy.deepcopy(entry)
    of_dict = parse_recording(entry)
    assert entry == before
    assert parse_recording(text) == parse_recording(text.encode())
    for line in (of_dict.line, ManifestLine("m.jsonl", 7, text.encode())):
        recording = parse_recording(line)
        assert recording.line == line
        for name in ("sample_rate", "starts", "ends", "durations", "total_duration", "speakers", "bandwidths"):
            assert getattr(recording, name) == getattr(of_dict, name)
        assert recording.entry == of_dict.entry
        assert [word and json.loads(word) for word in recording.words] == [
            word and json.loads(word) for word in of_dict.words
        ]
    assert (of_dict.line.file, of_dict.line.offset) == ("", 0)


def test_later_changes_to_a_dict_do_not_reach_the_recording():
    entry = copy.deepcopy(TRUNCATED)
    kept = kept_of(entry)
    entry["segments"][0]["speaker"] = "z"
    entry["segments"][1]["words"].clear()
    entry["audio_filepath"] = "other.wav"
    assert to_entry(kept, KEEP_ALL) == to_entry(kept_of(TRUNCATED), KEEP_ALL)


def test_numpy_numbers_and_arrays_count_as_numbers_and_lists():
    entry = entry_of(
        segment(np.float32(0.5), np.int64(4), metrics={"bandwidth": np.float64(8000)}, f0=np.array([1.5, 2])),
        segment(5, 9, "b"),
        audio_sample_rate=np.int32(16000),
    )
    recording = parse_recording(entry)
    assert (recording.sample_rate, recording.starts, recording.bandwidths) == (16000, [0.5, 5], [8000, 8000])
    assert recording.segments[0]["f0"] == [1.5, 2]


@dataclass
class Metrics:
    bandwidth: float = math.nan


def nested(levels: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(levels):
        deep = [deep]
    return deep


CIRCULAR: dict[str, Any] = {}
CIRCULAR["self"] = CIRCULAR


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({1: "one"}, "not_json", "key must be str"),
        ({"tags": {"a"}}, "not_json", "not JSON serializable: set"),
        ({"metrics": Metrics()}, "not_json", "not JSON serializable: Metrics"),
        ({"id": 2**70}, "not_json", "64-bit"),
        ({"text": "\ud800"}, "not_json", "surrogates"),
        ({"deep": nested(300)}, "too_deep", "254"),
        ({"circular": CIRCULAR}, "too_deep", "254"),
        ({"segments": ({"start": 0, "end": -1},)}, "end_before_start", "segments[0]"),
        ({"segments": None}, "segments_not_list", "null"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_a_reason(fields, reason, detail):
    with pytest.raises(BadEntry) as refused:
        parse_recording({**entry_of(), **fields})
    assert refused.value.reason.value == reason
    assert detail in refused.value.detail


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")])
def test_a_number_that_is_not_finite_is_refused_where_it_would_count(value):
    good = segment(0, 5)
    for entry, reason, place in [
        (entry_of(good, segment(value, 9)), "time_not_finite", "segments[1].start: "),
        (entry_of(good, segment(0, value)), "time_not_finite", "segments[1].end: "),
        ({**entry_of(good), "segments": (good, segment(0, value))}, "time_not_finite", "segments[1].end: "),
        (entry_of(good, audio_sample_rate=value), "sample_rate_not_number", "audio_sample_rate: "),
        (
            entry_of(good, segment(5, 9, metrics={"bandwidth": value})),
            "bandwidth_not_number",
            "segments[1].metrics.bandwidth: ",
        ),
    ]:
        with pytest.raises(BadEntry) as refused:
            parse_recording(entry)
        assert refused.value.reason.value == reason
        assert refused.value.detail.startswith(place)
        assert str(float(value)) in refused.value.detail


def test_elsewhere_a_number_that_is_not_finite_becomes_null():
    recording = parse_recording(entry_of(segment(0, 5, math.nan, snr=math.inf), score=math.nan))
    assert recording.entry["score"] is None
    assert (recording.segments[0]["snr"], recording.speakers) == (None, [None])


@pytest.mark.parametrize("entry", [None, 7, [], ("m.jsonl", 0, b"{}"), bytearray(b"{}")])
def test_other_types_are_a_type_error(entry):
    with pytest.raises(TypeError, match="an entry is a dict, str, bytes or ManifestLine"):
        parse_recording(entry)


def test_text_that_is_no_utf8_is_refused():
    with pytest.raises(BadEntry, match="not_utf8: character 6 of the text"):
        parse_recording('{"a": \ud800}')
    with pytest.raises(BadEntry, match="not_utf8: byte 6 of the line"):
        parse_recording(b'{"a": \xff}')


# Windows


def test_a_target_duration_that_is_not_given_is_that_of_the_windows():
    entry = entry_of(segment(0, 5, "a"), segment(5, 9, "b"), segment(9, 12, "a"), segment(12.5, 15.5, "b"))
    windows = WindowConfig(target_window_duration=10, tolerance=0.2)
    assert OverlapConfig().target_duration is None
    for selection in ("greedy", MOST_AUDIO):
        times = {
            target: kept_of(entry, windows, OverlapConfig(0, target, selection)).times for target in (None, 10, 500)
        }
        assert times[None] == times[10]
    greedy = [kept_of(entry, windows, OverlapConfig(0, target)).times for target in (None, 500)]
    assert greedy == [[(5, 15.5)], [(0, 12)]]
    compared = [
        kept_of(entry, windows, OverlapConfig(0, target, compare_selection=True)).times for target in (None, 10)
    ]
    assert compared[0] == compared[1]


def test_windows_are_sequences():
    kept = kept_of(EIGHT)
    candidates = kept.candidates
    for windows, count in ((candidates, 6), (kept, 2)):
        assert len(windows) == count
        every = list(windows)
        assert [window.start for window in every] == sorted(window.start for window in every)
        assert windows[-1] == every[-1] == windows[count - 1]
        assert windows[1:] == every[1:]
        assert windows[::-2] == every[::-2]
        assert windows[-2:] == every[-2:]
        assert every[1] in windows
        assert windows.index(every[1]) == 1
        assert len(set(every)) == count
        for outside in (count, -count - 1):
            with pytest.raises(IndexError):
                windows[outside]
    assert [candidates.index(window) for window in kept] == kept.indices
    assert not kept_of(entry_of())
    assert kept_of(entry_of())[:] == []


@pytest.mark.parametrize("choice", [LONGEST, ALL])
@settings(max_examples=150, deadline=None)
@given(entries(), window_configs(), overlap_configs)
def test_windows_say_what_the_entry_says(choice, entry, config, overlap):
    check_windows(kept_of(entry, with_all(config) if choice == ALL else config, overlap), entry)


@pytest.mark.parametrize("choice", [LONGEST, ALL])
@pytest.mark.parametrize("percentage", [0, 50])
@pytest.mark.parametrize(("entry", "config"), CONVERSATIONS)
def test_windows_of_conversations_say_what_the_entry_says(entry, config, percentage, choice):
    kept = kept_of(entry, with_all(config) if choice == ALL else config, OverlapConfig(percentage))
    assert kept
    check_windows(kept, entry)


def check_windows(kept: KeptWindows, entry: dict[str, Any]) -> None:
    written = to_entry(kept, KEEP_ALL)
    assert [{"segments": window.segments, "speaker_durations": window.speaker_durations} for window in kept] == written[
        "filtered_windows"
    ]
    assert {(window.end, window.start) for window in kept} >= set(map(tuple, written["filtered"]))
    for window, in_entry in zip(kept, to_entry(kept)["filtered_windows"], strict=True):
        segments = [{name: value for name, value in each.items() if name != "words"} for each in window.segments]
        assert segments == in_entry["segments"]
        assert window.duration == window.end - window.start
        assert (window.start, window.end) == (segments[0]["start"], segments[-1]["end"])
        assert window.is_truncated == (window.segments[-1] != entry["segments"][window.stop - 1])
        labels = [each.get("speaker") for each in segments]
        assert window.speakers == tuple(label for label in dict.fromkeys(labels) if label not in (None, ""))
    if kept.candidates.config.candidates == LONGEST:
        columns = kept.candidates.longest
        assert [window.speaker_durations for window in kept.candidates] == columns.speaker_durations
        assert [window.duration for window in kept.candidates] == columns.durations


def test_a_truncated_window():
    [window] = kept_of(TRUNCATED)
    assert window.is_truncated
    assert (window.start, window.end, window.duration) == (0, 12, 12)
    assert window.segments[-1] == {**TRUNCATED["segments"][1], "end": 12, "text": "x y", "words": WORDS[:4]}
    assert window.segments[0] == TRUNCATED["segments"][0]
    assert window.speaker_durations == [7, 5, 0, 0, 0]


def test_a_window_is_frozen_and_its_segments_are_copies():
    kept = kept_of(TRUNCATED)
    before = to_entry(kept, KEEP_ALL)
    window = kept[0]
    for each in window.segments:
        each["metrics"]["bandwidth"] = 0
        each["words"].append(1)
        each.clear()
    window.speaker_durations.clear()
    assert to_entry(kept, KEEP_ALL) == before
    assert kept[0] == window
    with pytest.raises(FrozenInstanceError):
        window.start = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("levels", [400, 1000])
def test_what_is_nested_too_deep_to_be_written_is_a_bad_entry(levels):
    deep = "[" * levels + "]" * levels
    text = json.dumps(entry_of(segment(0, 5), segment(5, 10, "b"), note="n"))
    of_segment, of_entry = (
        kept_of(text.replace('"b"', f'"b", "deep": {deep}')),
        kept_of(text.replace('"n"', deep)),
    )
    for look in (lambda: of_segment[0].segments, lambda: to_entry(of_segment), lambda: to_cuts(of_entry)):
        with pytest.raises(BadEntry, match="too_deep"):
            look()
    assert of_entry[0].segments == json.loads(text)["segments"]


# What comes out


@pytest.mark.parametrize("choice", [LONGEST, ALL])
@settings(max_examples=100, deadline=None)
@given(entries(), window_configs(), overlap_configs)
def test_dicts_are_what_is_written(choice, entry, config, overlap):
    kept = kept_of(entry, with_all(config) if choice == ALL else config, overlap)
    assert to_entry(kept) == json.loads(serialise_entry(kept, EntryConfig()))
    assert to_entry(kept, KEEP_ALL) == json.loads(serialise_entry(kept, KEEP_ALL))
    assert to_cuts(kept) == [json.loads(line) for line in serialise_cuts(kept, EntryConfig()).lines]
    assert to_cuts(kept, KEEP_ALL) == [json.loads(line) for line in serialise_cuts(kept, KEEP_ALL).lines]


@settings(max_examples=150, deadline=None)
@given(entries(), window_configs(), overlap_configs)
def test_the_statistics_are_those_of_the_entry(entry, config, overlap):
    check_statistics(kept_of(entry, config, overlap))


@pytest.mark.parametrize("percentage", [0, 50])
@pytest.mark.parametrize(("entry", "config"), CONVERSATIONS)
def test_the_statistics_of_conversations_are_those_of_the_entry(entry, config, percentage):
    check_statistics(kept_of(entry, config, OverlapConfig(percentage)))


def check_statistics(kept: KeptWindows) -> None:
    written, stats = to_entry(kept), loss_stats(kept)
    named = stats.to_dict()
    assert {name: named[name] for name in stats.losses.to_dict()} == {
        name: value for name, value in written["stats"].items() if name in stats.losses.to_dict()
    }
    assert (stats.recordings, stats.reject_fraction, stats.most_audio_seconds) == (1, 0, None)
    assert stats.longest_candidates == stats.candidate_windows == len(written["windows"]) == named["windows"]
    assert stats.longest_candidate_seconds == written["total_dur_window"] == named["total_dur_window"]
    assert stats.kept_windows == len(written["filtered_windows"]) == named["filtered_windows"]
    assert stats.kept_seconds == written["filtered_dur"] == named["filtered_dur"]
    assert named["truncation_events"] == written["truncation_events"]
    for seconds, name, pairs in (
        (stats.candidate_covered_seconds, "candidate_dur", written["total_dur_list_window_timestamps"]),
        (stats.kept_covered_seconds, "covered_dur", written["filtered"]),
    ):
        assert seconds == named[name] == covered_seconds(sorted((start, end) for end, start in pairs))


def test_what_another_selection_would_keep_is_stated_when_asked_for():
    greedy = loss_stats(kept_of(EIGHT, overlap=OverlapConfig(50, compare_selection=True)))
    most = loss_stats(kept_of(EIGHT, overlap=OverlapConfig(50, selection=MOST_AUDIO, compare_selection=True)))
    assert greedy.most_audio_seconds == most.most_audio_seconds == most.kept_seconds


# What is shown


def test_reprs():
    kept = kept_of(EIGHT)
    assert repr(kept.candidates.recording) == "Recording('/data/a.wav', 8 segments, 24.0 s, 16000 Hz)"
    assert repr(kept.candidates) == f"CandidateWindows(6 windows of {kept.candidates.recording!r})"
    assert repr(kept) == f"KeptWindows(2 of 6 windows of {kept.candidates.recording!r})"
    assert repr(kept[0]) == "Window(0.0-12.0 s, 4 segments, 2 speakers)"
    reject = Reject(ManifestLine("m.jsonl", 12, b"[]"), BadEntry(RejectReason.NOT_OBJECT, "found list"))
    assert repr(reject) == "Reject('m.jsonl', offset 12, not_object: 'found list')"


HOSTILE = "\x1b[31m\n\r\u202e\x00" + "x" * 10**5


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([HOSTILE, "a\nb", None, 7, [HOSTILE], {"a": HOSTILE}, "", "日本"]), st.floats(1, 1e299))
def test_reprs_are_short_lines_whatever_the_entry_holds(path, end):
    segments = [segment(-end / 2, 0, HOSTILE), segment(0, end / 2, HOSTILE + "y")]
    config = WindowConfig(target_window_duration=min(end, 1e9), tolerance=0.9)
    kept = kept_of(entry_of(*segments, audio_filepath=path, audio_sample_rate=end + 16000), config)
    made: list[Any] = [kept, kept.candidates, kept.candidates.recording, *kept]
    made.append(Window(kept.candidates.recording, 0, 2, None, -end, end))
    made.append(Reject(ManifestLine(str(path), 2**60, HOSTILE.encode()), BadEntry(RejectReason.NOT_JSON, HOSTILE)))
    for each in made:
        shown = repr(each)
        assert shown.isprintable()
        assert len(shown) < 250


def test_candidates_and_kept_windows_are_what_the_names_say():
    kept = kept_of(EIGHT)
    assert isinstance(kept, KeptWindows)
    assert isinstance(kept.candidates, CandidateWindows)
    assert kept.line == kept.candidates.line == kept.candidates.recording.line
