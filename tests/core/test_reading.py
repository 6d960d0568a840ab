"""Entries as the tools upstream write them: each is read as the same entry would be if it had been edited before."""

import math
from copy import deepcopy
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.config import EntryConfig, ManifestConfig, WindowConfig
from alm_beam.core.cuts import serialise_cuts, to_cuts
from alm_beam.core.entries import to_entry
from alm_beam.core.faults import BadEntry
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.manifest import Recording, parse_recording, whole_segments
from alm_beam.core.overlap import KeptWindows, filter_overlaps
from alm_beam.core.windows import build_windows
from tests import strategies

WINDOWS = WindowConfig(target_window_duration=10, tolerance=0.5, min_speakers=1, min_bandwidth=0)
TURNS = [{"start": 5 * n, "end": 5 * n + 5, "speaker": "ab"[n % 2]} for n in range(4)]
PLAIN = {"audio_sample_rate": 16000, "segments": TURNS}
COLUMNS = ("sample_rate", "words", "starts", "ends", "durations", "total_duration", "speakers", "bandwidths")


def kept(
    entry: dict[str, Any], config: ManifestConfig = ManifestConfig(), windows: WindowConfig = WINDOWS
) -> KeptWindows:
    return filter_overlaps(build_windows(parse_recording(entry, config), windows))


def columns(recording: Recording) -> list[Any]:
    return [getattr(recording, name) for name in COLUMNS]


def of_bandwidths(*values: Any) -> dict[str, Any]:
    turns = [{"start": n, "end": n + 1, "metrics": {"bandwidth": value}} for n, value in enumerate(values)]
    return {"audio_sample_rate": 16000, "segments": turns}


def fault_of(entry: dict[str, Any] | bytes, config: ManifestConfig = ManifestConfig()) -> tuple[str, str]:
    with pytest.raises(BadEntry) as refused:
        parse_recording(entry, config)
    return refused.value.reason.value, refused.value.detail


RATES = {
    "first": ({"audio_sample_rate": 16000, "sample_rate": 8000, "sampling_rate": 48000}, 16000),
    "second": ({"sampling_rate": 48000, "sample_rate": 8000}, 8000),
    "third": ({"sampling_rate": 48000}, 48000),
    "nulls go on": ({"audio_sample_rate": None, "sample_rate": None, "sampling_rate": 48000}, 48000),
    "default": ({"audio_sample_rate": None}, 22050),
    "what is not used may be anything": ({"audio_sample_rate": 16000, "sample_rate": "fast"}, 16000),
}


@pytest.mark.parametrize(("fields", "rate"), RATES.values(), ids=RATES)
def test_the_first_rate_that_is_stated_counts(fields, rate):
    assert parse_recording({**fields, "segments": []}, ManifestConfig(default_sample_rate=22050)).sample_rate == rate


@pytest.mark.parametrize("field", ["audio_sample_rate", "sample_rate", "sampling_rate"])
@pytest.mark.parametrize(
    ("value", "found"),
    [("16000", 'string "16000"'), (True, "boolean true"), (math.nan, "nan"), (np.float32("inf"), "inf")],
)
def test_a_rate_that_is_none_is_named_by_its_field(field, value, found):
    expected = ("sample_rate_not_number", f"{field}: expected a number of Hz, found {found}")
    assert fault_of({field: value, "segments": []}, ManifestConfig(default_sample_rate=16000)) == expected


def test_an_entry_without_a_rate_is_told_of_the_flag():
    reason, detail = fault_of({"audio_sample_rate": None, "segments": []})
    assert reason == "sample_rate_missing"
    assert "audio_sample_rate, sample_rate, sampling_rate" in detail
    assert "--default_sample_rate" in detail


BANDWIDTHS = [(7500, 7500), ([7500, 5250.5, 9000], 5250.5), ([None, 8000, None], 8000), ([0, 1], 0)]
MISSING = [None, [], [None, None]]


@pytest.mark.parametrize("as_json", [False, True])
def test_the_least_of_a_list_is_its_bandwidth(as_json):
    entry = of_bandwidths(*(value for value, _ in BANDWIDTHS), *MISSING)
    given = orjson.dumps(entry) if as_json else entry
    for default in (0, 4000):
        recording = parse_recording(given, ManifestConfig(default_bandwidth=default))
        assert recording.bandwidths == [least for _, least in BANDWIDTHS] + [default] * len(MISSING)


@pytest.mark.parametrize("metrics", [{}, {"metrics": None}, {"metrics": {}}])
def test_the_default_bandwidth_is_that_of_segments_without_metrics(metrics):
    entry = {"audio_sample_rate": 16000, "segments": [{"start": 0, "end": 1, **metrics}]}
    assert parse_recording(entry, ManifestConfig(default_bandwidth=4000)).bandwidths == [4000]


def test_bandwidths_of_arrays_are_lists():
    assert parse_recording(of_bandwidths(np.array([9000.0, 8000.0]))).bandwidths == [8000]


@pytest.mark.parametrize(
    ("value", "at", "found"),
    [
        (["8000"], "[0]", 'string "8000"'),
        ([8000, None, True], "[2]", "boolean true"),
        ([None, {}], "[1]", "object"),
        ([8000, [7000]], "[1]", "list"),
        ({"min": 8000}, "", "object"),
        ([8000, math.nan], "[1]", "nan"),
        ((8000, math.inf), "[1]", "inf"),
        (np.array([8000.0, math.nan]), "[1]", "nan"),
        (math.nan, "", "nan"),
    ],
    ids=str,
)
def test_a_list_that_holds_something_else_is_refused_by_its_place(value, at, found):
    expected = f"segments[1].metrics.bandwidth{at}: expected a number of Hz, found {found}"
    assert fault_of(of_bandwidths(8000, value)) == ("bandwidth_not_number", expected)


def test_diar_segments_are_the_segments_where_there_are_none():
    entry = {"audio_filepath": "a.wav", "source": "x", "audio_sample_rate": 16000}
    plain, diarized = kept({**entry, "segments": TURNS}), kept({**entry, "diar_segments": TURNS})
    assert len(plain) == 1
    assert to_entry(diarized) == to_entry(plain)
    assert to_cuts(diarized) == to_cuts(plain)
    assert "diar_segments" not in to_cuts(diarized)[0]["custom"]


@pytest.mark.parametrize(("dropped", "stays"), [("words,segments", 0), ("diar_segments", 0), ("words", 1), ("", 1)])
def test_diar_segments_leave_the_entry_as_segments_do(dropped, stays):
    said = [{**turn, "words": [{"word": "yes", "end": turn["end"]}]} for turn in TURNS]
    config = EntryConfig(drop_fields_top_level=dropped)
    entry = to_entry(kept({"audio_sample_rate": 16000, "diar_segments": said}), config)
    assert ("diar_segments" in entry) == stays
    assert "segments" not in entry
    if stays:
        assert entry["diar_segments"] == said


def test_diar_segments_beside_segments_are_a_field_like_others():
    entry = {
        "audio_filepath": "a.wav",
        "audio_sample_rate": 16000,
        "segments": TURNS,
        "diar_segments": "of another tool",
    }
    assert to_entry(kept(entry))["diar_segments"] == "of another tool"
    assert to_cuts(kept(entry))[0]["custom"]["diar_segments"] == "of another tool"


@pytest.mark.parametrize(
    ("segments", "reason", "place"),
    [
        ({}, "segments_not_list", "diar_segments: expected a list"),
        ([TURNS[0], 1], "segment_not_object", "diar_segments[1]: expected an object"),
        ([{"start": 0}], "time_missing", "diar_segments[0] has no end"),
        ([{"start": 2, "end": 1}], "end_before_start", "diar_segments[0]: end 1"),
        ([{"start": math.nan, "end": 1}], "time_not_finite", "diar_segments[0].start: nan"),
        ([{**TURNS[0], "speaker": 1.5}], "speaker_not_label", "diar_segments[0].speaker: "),
        ([{**TURNS[0], "metrics": []}], "metrics_not_object", "diar_segments[0].metrics: "),
        ([{**TURNS[0], "metrics": {"bandwidth": ""}}], "bandwidth_not_number", "diar_segments[0].metrics.bandwidth: "),
        (
            [{**TURNS[0], "metrics": {"bandwidth": math.nan}}],
            "bandwidth_not_number",
            "diar_segments[0].metrics.bandwid",
        ),
    ],
)
def test_messages_name_the_field(segments, reason, place):
    found, detail = fault_of({"audio_sample_rate": 16000, "diar_segments": segments})
    assert found == reason
    assert detail.startswith(place)


def test_nan_in_a_line_is_told_by_its_field():
    line = b'{"sample_rate": 16000, "diar_segments": [{"start": 0, "end": NaN}]}'
    assert fault_of(line) == ("time_not_finite", "diar_segments[0].end: nan is not a time")


@pytest.mark.parametrize("field", ["segments", "diar_segments"])
@pytest.mark.parametrize("words", ["[1]", "1", '[{"word": 1, "end": 5}]'])
def test_words_at_fault_have_the_index_that_the_manifest_has(field, words):
    silence = '{"start": 0, "end": 1, "speaker": "no-speaker"}'
    long = f'{{"start": 1, "end": 99, "speaker": "a", "words": {words}}}'
    recording = parse_recording(
        f'{{"sample_rate": 16000, "{field}": [{silence}, {silence}, {long}]}}', ManifestConfig(skip_no_speaker=True)
    )
    with pytest.raises(BadEntry, match="words_malformed") as refused:
        build_windows(recording, WINDOWS)
    assert refused.value.detail.startswith(f"{field}[2].words")


def test_faults_have_the_index_that_the_manifest_has():
    turns = [{"start": 0, "end": 1, "speaker": "no-speaker"}, {"start": 1, "end": 2, "metrics": 1}]
    _, detail = fault_of({"sample_rate": 8000, "segments": turns}, ManifestConfig(skip_no_speaker=True))
    assert detail.startswith("segments[1].metrics")
    turns = [{"start": 0, "end": -1, "speaker": "no-speaker"}]
    _, detail = fault_of({"sample_rate": 8000, "segments": turns}, ManifestConfig(skip_no_speaker=True))
    assert detail.startswith("segments[0]: end -1")


@st.composite
def upstream_entries(draw: st.DrawFn) -> dict[str, Any]:
    """Entries with what the tools write instead of a rate, a bandwidth, a label, or `segments`."""
    entry = draw(strategies.entries())
    rate = entry.pop("audio_sample_rate")
    for name in draw(st.lists(st.sampled_from(["audio_sample_rate", "sample_rate", "sampling_rate"]), unique=True)):
        entry[name] = draw(st.sampled_from([rate, rate, 22050, None]))
    for segment in entry["segments"]:
        if segment.get("metrics") and draw(st.booleans()):
            segment["metrics"] = {
                "bandwidth": draw(st.lists(st.sampled_from([None, 0, 7999.9, 8000, 12000]), max_size=3))
            }
        if draw(st.booleans()):
            names = st.lists(st.sampled_from(["a", "b ", "no-speaker", "", " "]), max_size=3)
            segment["speaker"] = draw(st.sampled_from([",", " ,"])).join(draw(names))
    if draw(st.booleans()):
        entry["diar_segments"] = entry.pop("segments")
    return entry


manifest_configs = st.builds(
    ManifestConfig,
    default_sample_rate=st.just(48000),
    default_bandwidth=st.sampled_from([0, 8000]),
    skip_no_speaker=st.booleans(),
    speaker_separator=st.sampled_from([None, ","]),
)


def edited(entry: dict[str, Any], config: ManifestConfig) -> tuple[dict[str, Any], list[Any]]:
    """The entry as it would be written for the defaults, and who speaks in each of its segments."""
    entry = deepcopy(entry)
    rates = [entry.pop(name, None) for name in ("audio_sample_rate", "sample_rate", "sampling_rate")]
    entry["audio_sample_rate"] = next((rate for rate in rates if rate is not None), config.default_sample_rate)
    segments, speakers = [], []
    for segment in entry.pop("diar_segments", None) or entry.pop("segments", []):
        bandwidth = (segment.get("metrics") or {}).get("bandwidth")
        each = bandwidth if isinstance(bandwidth, list) else [bandwidth]
        least = min((value for value in each if value is not None), default=config.default_bandwidth)
        label = segment.get("speaker")
        if isinstance(label, str) and config.speaker_separator and config.speaker_separator in label:
            names = [name.strip() for name in label.split(config.speaker_separator) if name.strip()]
            known = [name for at, name in enumerate(names) if name not in names[:at] and name != "no-speaker"]
            label = (*known,) if len(known) > 1 else known[0] if known else "no-speaker" if names else None
        if label == "no-speaker" and config.skip_no_speaker:
            continue
        segments.append({**segment, "metrics": {"bandwidth": least}})
        speakers.append(None if label == "" else label)
    return {**entry, "segments": segments}, speakers


@given(upstream_entries(), manifest_configs)
def test_an_entry_is_read_as_if_it_had_been_edited(entry, config):
    by_hand, speakers = edited(entry, config)
    read, expected = parse_recording(entry, config), parse_recording(by_hand)
    expected.speakers = speakers
    assert columns(read) == columns(expected)
    for one in (orjson.dumps(entry), parse_recording(entry, config).line):
        assert columns(parse_recording(one, config)) == columns(expected)


@given(strategies.entries(), strategies.window_configs(), st.booleans())
def test_what_is_left_out_is_in_nothing_that_is_written(entry, windows, by_sortformer):
    without = {**entry, "segments": [each for each in entry["segments"] if each.get("speaker") != "no-speaker"]}
    if by_sortformer:
        entry["diar_segments"] = entry.pop("segments")
    found, expected = kept(entry, ManifestConfig(skip_no_speaker=True), windows), kept(without, windows=windows)
    every_field = EntryConfig(drop_fields="", drop_fields_top_level="")
    for config in (EntryConfig(), every_field):
        written = to_entry(found, config)
        if "diar_segments" in written:
            written["segments"] = written.pop("diar_segments")
        assert written == to_entry(expected, config)
        assert serialise_cuts(found, config) == serialise_cuts(expected, config)
    assert loss_stats(found) == loss_stats(expected)
    assert whole_segments(found.candidates.recording) == without["segments"]


def test_a_recording_that_nothing_names_is_named_by_what_is_left_of_its_entry():
    paused = [*TURNS, {"start": 20, "end": 21, "speaker": "no-speaker"}]
    found = kept({**PLAIN, "segments": paused}, ManifestConfig(skip_no_speaker=True))
    assert to_cuts(found) == to_cuts(kept(PLAIN)) != to_cuts(kept({**PLAIN, "segments": paused}))


def test_words_are_lifted_or_parsed_alike_where_segments_are_left_out():
    words = '"words": [{"word": "yes", "end": 4}]'
    segments = [
        f'{{"start": {n}, "end": {n + 4}, "speaker": "{"no-speaker" if n % 2 else "a"}", {words}}}' for n in range(5)
    ]
    texts = [
        f'{{"sample_rate": 16000, {pad}"segments": [{", ".join(segments)}]}}' for pad in ("", f'"x": "{"y" * 3000}", ')
    ]
    lifted, parsed = (parse_recording(text, ManifestConfig(skip_no_speaker=True)) for text in texts)
    assert lifted.words == [b'[{"word": "yes", "end": 4}]'] * 3
    assert parsed.words == [b'[{"word":"yes","end":4}]'] * 3
    assert whole_segments(lifted) == whole_segments(parsed)


def test_a_cut_points_at_the_resampled_audio_where_there_is_no_other():
    entry = {"resampled_audio_filepath": "/tmp/r/a.wav", "source": "x", "segments": TURNS, "sample_rate": 16000}
    [cut] = to_cuts(kept(entry))
    assert cut == to_cuts(kept({**PLAIN, "audio_filepath": "/tmp/r/a.wav", "source": "x"}))[0]
    assert cut["recording"]["sources"][0]["source"] == "/tmp/r/a.wav"
    assert "source" in cut["custom"]
    assert not {"resampled_audio_filepath", "sample_rate", "segments"} & cut["custom"].keys()
    for nothing in (None, ""):
        assert to_cuts(kept({**entry, "audio_filepath": nothing})) == [cut]
    assert repr(parse_recording(entry)).startswith("Recording('/tmp/r/a.wav', ")


def test_audio_that_is_stated_is_not_replaced():
    entry = {
        "audio_filepath": "a.opus",
        "resampled_audio_filepath": "a.wav",
        "audio_sample_rate": 16000,
        "segments": TURNS,
    }
    [cut] = to_cuts(kept(entry))
    assert cut["recording"]["sources"][0]["source"] == "a.opus"
    assert cut["custom"]["resampled_audio_filepath"] == "a.wav"
    assert to_entry(kept(entry))["resampled_audio_filepath"] == "a.wav"
    assert "recording" not in to_cuts(kept({**entry, "audio_filepath": 7}))[0]


def test_a_rate_that_was_not_taken_stays_in_the_cut():
    rates = {"audio_sample_rate": 16000, "sample_rate": 48000}
    custom = to_cuts(kept({"audio_filepath": "a.wav", **rates, "segments": TURNS}))[0]["custom"]
    assert custom.keys() & rates.keys() == {"sample_rate"}
    without_audio = to_cuts(kept({"sample_rate": 16000, "segments": TURNS}))[0]
    assert without_audio["custom"]["sample_rate"] == 16000
