import pickle
import re
from pathlib import Path

import orjson
import pytest

from alm_beam.core.config import WindowConfig
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.manifest import ManifestLine, Reject, is_blank, parse_recording, serialise_reject
from alm_beam.core.windows import build_windows

SEGMENT = '{"start": 0, "end": 1.5, "speaker": "a", "metrics": {"bandwidth": 8000}}'


def line(text: str | bytes, offset: int = 0) -> ManifestLine:
    return ManifestLine("m.jsonl", offset, text.encode() if isinstance(text, str) else text)


def entry(segment: str = SEGMENT, rate: str = "16000") -> str:
    return f'{{"audio_sample_rate": {rate}, "segments": [{SEGMENT}, {segment}]}}'


def segment(**fields: str) -> str:
    given = {"start": "0", "end": "1.5", "speaker": '"a"', "metrics": '{"bandwidth": 8000}', **fields}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in given.items() if value) + "}"


def long_segment(words: str) -> str:
    return entry(segment(end="500", words=words))


def with_offset(offset: str) -> str:
    return f'{{"audio_sample_rate": 16000, "offset": {offset}, "segments": [{SEGMENT}]}}'


@pytest.mark.parametrize("offset", ["0", "0.0", "-0.0", "null"])
def test_an_offset_of_nothing_is_none(offset):
    assert parse_recording(with_offset(offset)).durations == [1.5]


def test_an_offset_without_segments_is_no_matter():
    assert parse_recording('{"audio_sample_rate": 16000, "offset": 3.5, "segments": []}').segments == []


BAD = [
    ("not_utf8", entry().encode().replace(b"start", b"st\xe4rt"), "byte"),
    ("cut_off", entry()[:-20], "before its JSON does"),
    ("cut_off", entry('{"start": 0, "end": 1, "text": "日本').encode()[:-4], "within a character"),
    ("cut_off", entry()[:40] + " tru", "before its JSON does"),
    ("not_json", "hello", "one JSON object per line"),
    ("not_json", entry() + " " + entry(), "one JSON object per line"),
    ("not_json", entry().replace(", ", ",, ", 1), "one JSON object per line"),
    ("not_json", entry(segment(snr="NaN")), "NaN"),
    ("not_json", entry(segment(text='"\\ud800"')), "surrogate"),
    ("too_deep", '{"segments": ' + "[" * 2000 + "]" * 2000 + "}", "254"),
    ("not_object", "[1, 2]", "found list; if it holds entries, write one per line: jq -c '.[]'"),
    ("not_object", '"text"', 'found string "text"'),
    ("not_object", "null", "found null"),
    ("segments_missing", '{"audio_sample_rate": 16000}', "'segments'"),
    ("segments_missing", '{"audio_sample_rate": 16000, "overlap_segments": []}', "'diar_segments'"),
    ("segments_not_list", '{"audio_sample_rate": 16000, "segments": {}}', "found object"),
    ("segments_not_list", '{"segments": null, "diar_segments": []}', "segments: expected a list, found null"),
    ("segments_not_list", '{"audio_sample_rate": 16000, "segments": null}', "found null"),
    ("segment_not_object", entry("[0, 1]"), "segments[1]"),
    ("segment_not_object", entry("null"), "segments[1]"),
    ("time_missing", entry(segment(start="")), "segments[1] has no start"),
    ("time_missing", entry(segment(end="null")), "segments[1] has no end"),
    (
        "time_not_number",
        entry(segment(start='"0"')),
        'segments[1].start: expected a number of seconds, found string "0"',
    ),
    (
        "time_not_number",
        entry(segment(end="true")),
        "segments[1].end: expected a number of seconds, found boolean true",
    ),
    ("time_not_number", entry(segment(end="[]")), "segments[1].end"),
    ("time_not_finite", entry(segment(start="NaN")), "segments[1].start: nan"),
    ("time_not_finite", entry(segment(end="Infinity")), "segments[1].end: inf"),
    ("time_not_finite", entry(segment(end="1e999")), "segments[1].end: inf"),
    ("time_not_finite", entry(segment(start="-1e308", end="1e308")), "too large"),
    ("end_before_start", entry(segment(end="-0.5")), "segments[1]: end -0.5 is before start 0"),
    ("offset_not_zero", with_offset("12.5"), "offset: expected 0 or none beside segments, found number 12.5; let the"),
    ("offset_not_zero", with_offset("-1"), "found number -1"),
    ("offset_not_zero", with_offset('"0"'), 'found string "0"'),
    ("offset_not_zero", with_offset("false"), "found boolean false"),
    ("offset_not_zero", with_offset("[]"), "found list"),
    ("sample_rate_missing", f'{{"segments": [{SEGMENT}]}}', "audio_sample_rate"),
    ("sample_rate_missing", entry(rate="null"), "audio_sample_rate"),
    ("sample_rate_not_number", entry(rate='"16000"'), 'found string "16000"'),
    ("sample_rate_not_number", entry(rate="true"), "found boolean true"),
    ("sample_rate_not_number", '{"sample_rate": "fast", "segments": []}', "sample_rate: expected a number of Hz"),
    ("metrics_not_object", entry(segment(metrics="[]")), "segments[1].metrics: expected an object, found list"),
    ("metrics_not_object", entry(segment(metrics='""')), "segments[1].metrics"),
    ("metrics_not_object", entry(segment(metrics="0")), "segments[1].metrics"),
    ("bandwidth_not_number", entry(segment(metrics='{"bandwidth": "8000"}')), "segments[1].metrics.bandwidth"),
    ("bandwidth_not_number", entry(segment(metrics='{"bandwidth": false}')), "segments[1].metrics.bandwidth"),
    (
        "bandwidth_not_number",
        entry(segment(metrics='{"bandwidth": [8000, null, "9"]}')),
        'segments[1].metrics.bandwidth[2]: expected a number of Hz, found string "9"',
    ),
    ("speaker_not_label", entry(segment(speaker="1.5")), "segments[1].speaker"),
    ("speaker_not_label", entry(segment(speaker="false")), "segments[1].speaker"),
    ("speaker_not_label", entry(segment(speaker='["a"]')), "segments[1].speaker"),
    ("words_malformed", long_segment("1"), "segments[1].words: expected a list, found number 1"),
    ("words_malformed", long_segment("[1]"), "segments[1].words[0]"),
    ("words_malformed", long_segment('[{"word": "a", "end": true}]'), "segments[1].words[0]"),
    ("words_malformed", long_segment('[{"word": 1, "end": 2}]'), "segments[1].words[0].word"),
]


OF_CONVERTING = {"other_format", "field_missing", "field_malformed", "recordings_differ"}
OF_READING = {"not_a_manifest", "line_too_long"}
"""Their tests are those of the reader."""

OF_METRICS = {"metric_not_number"}
"""Their tests are in test_window_rules.py."""


OF_TEXT_AND_CUTS = {
    "field_count",
    "confidence_not_number",
    "unknown_line_type",
    "repeated_recording",
    "recording_missing",
    "audio_missing",
}
"""Their tests are those of the formats, and of conversions."""


OF_AUDIO = {
    "audio_not_stated",
    "audio_denied",
    "audio_empty",
    "audio_truncated",
    "audio_unreadable",
    "audio_codec_missing",
    "audio_too_short",
    "not_a_cut",
}
"""Their tests are in tests/audio and tests/jobs."""


@pytest.mark.parametrize(("reason", "text", "detail"), BAD)
def test_a_bad_line_is_refused_with_its_reason_and_what_was_found(reason, text, detail):
    with pytest.raises(BadEntry) as refused:
        build_windows(parse_recording(line(text)), WindowConfig())
    assert refused.value.reason.value == reason
    assert detail in refused.value.detail


def test_what_its_reader_found_out_is_the_fault_of_a_line():
    fault = BadEntry(RejectReason.LINE_TOO_LONG, "the line has at least 3000 bytes")
    too_long = ManifestLine("m.jsonl", 7, b" " * 2000, fault)
    assert not is_blank(too_long)
    with pytest.raises(BadEntry, match="line_too_long: the line has at least 3000 bytes"):
        parse_recording(too_long)
    copy = pickle.loads(pickle.dumps(too_long))
    assert (copy[:3], copy.fault.reason, copy.fault.detail) == (too_long[:3], fault.reason, fault.detail)


def test_every_reason_is_walked_and_documented():
    found_elsewhere = OF_READING | OF_CONVERTING | OF_TEXT_AND_CUTS | OF_METRICS | OF_AUDIO | {"entry_too_large"}
    assert {reason for reason, _, _ in BAD} | found_elsewhere == {reason.value for reason in RejectReason}
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    section = page.partition("## Rejects")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z0-9_]+)` \|", section, re.M) == [reason.value for reason in RejectReason]


@pytest.mark.parametrize(
    "text",
    [
        entry(segment(metrics="null")),
        entry(segment(metrics="{}")),
        entry(segment(metrics='{"bandwidth": null}')),
        entry(segment(metrics="")),
    ],
)
def test_null_or_missing_metrics_are_a_bandwidth_of_zero(text):
    assert parse_recording(line(text)).bandwidths == [8000, 0]


@pytest.mark.parametrize(
    ("given", "label"), [('"b"', "b"), ("0", 0), ("7", 7), ("null", None), ('""', None), ("", None)]
)
def test_speakers_are_strings_integers_or_nobody(given, label):
    assert parse_recording(line(entry(segment(speaker=given)))).speakers == ["a", label]


def test_malformed_words_do_no_harm_where_nothing_is_truncated():
    text = entry(segment(words='"abc"'))
    build_windows(parse_recording(line(text)), WindowConfig())
    build_windows(parse_recording(line(long_segment("null"))), WindowConfig(truncation=False))


def test_a_byte_order_mark_is_passed_over_at_the_start_of_the_file_only():
    marked = b"\xef\xbb\xbf" + entry().encode()
    assert parse_recording(line(marked)).sample_rate == 16000
    with pytest.raises(BadEntry, match="not_json"):
        parse_recording(line(marked, offset=7))


@pytest.mark.parametrize(("text", "blank"), [(b"", True), (b" \t\r", True), (b"\xef\xbb\xbf", True), (b"{}", False)])
def test_blank_lines(text, blank):
    assert is_blank(line(text)) is blank


def test_a_reject_holds_its_place_and_the_start_of_the_line():
    fault = BadEntry(RejectReason.NOT_JSON, "why")
    reject = orjson.loads(serialise_reject(Reject(line("🙂" * 5000, offset=12), fault)))
    assert reject == {"file": "m.jsonl", "offset": 12, "reason": "not_json", "detail": "why", "line": "🙂" * 2000}


def test_a_line_that_is_not_utf8_can_still_be_shown():
    reject = orjson.loads(serialise_reject(Reject(line(b"a\xffb"), BadEntry(RejectReason.NOT_UTF8, ""))))
    assert reject["line"] == "a\ufffdb"


def test_the_last_of_equal_keys_holds_and_integers_beyond_64_bits_become_floats():
    text = '{"audio_sample_rate": 8000, "audio_sample_rate": 16000, "segments": [], "id": 123456789012345678901}'
    recording = parse_recording(line(text))
    assert recording.sample_rate == 16000
    assert recording.entry["id"] == 1.2345678901234568e20
