"""Words that are lifted out of a line before it is parsed: nothing else may change by it."""

import json
import subprocess
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.config import EntryConfig
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine, parse_recording, whole_segments
from alm_beam.core.words import lift_words
from tests.core.test_rules import output_of
from tests.core.test_windows import TEN, segment
from tests.strategies import entries

WORDS = [{"word": "ä", "end": 1.5, "start": 1}, {"word": "", "end": 2, "x": {"words": []}}]
PLAIN = {"audio_sample_rate": 16000, "segments": [segment(0, 4, words=WORDS), segment(4, 5), segment(5, 9, words=[])]}
LAYOUTS: list[dict[str, Any]] = [{}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": 1}]


def line(entry: dict, **layout: Any) -> bytes:
    return json.dumps(entry, **layout).encode()


def recording(text: bytes):
    return parse_recording(ManifestLine("m", 0, text))


@settings(max_examples=500, deadline=None)
@given(entries(), st.sampled_from(LAYOUTS))
def test_the_segments_are_those_of_the_line(entry, layout):
    found = recording(line(entry, **layout))
    assert whole_segments(found) == entry["segments"]
    assert [json.loads(words or "0") for words in found.words] == [s.get("words", 0) for s in entry["segments"]]
    assert all(segment.get("words") is None for segment in found.segments)


@pytest.mark.parametrize("layout", LAYOUTS[:3])
def test_words_of_an_ordinary_line_become_no_objects(layout):
    text = line(PLAIN, **layout)
    entry, words = lift_words(text)
    assert [json.loads(each or "0") for each in words] == [WORDS, 0, []]
    assert entry == {**PLAIN, "segments": [{**s, "words": None} if "words" in s else s for s in PLAIN["segments"]]}


def test_words_of_the_entry_itself_are_no_hindrance():
    assert lift_words(line({"words": WORDS, **PLAIN})) is not None


ODD = {
    "no words": line({**PLAIN, "segments": [segment(0, 4)]}),
    "words of the entry": line({"words": [], **PLAIN}),
    "the same words deeper in": line({**PLAIN, "segments": [segment(0, 4, a={"words": []}, words=[])]}),
    "words deeper in only": line({**PLAIN, "segments": [segment(0, 4, a={"words": []}), segment(4, 5, words=[])]}),
    "a string that looks like it": line({**PLAIN, "segments": [segment(0, 4, a='"words": []', words=[])]}),
    "a list that looks like it": line({**PLAIN, "segments": [segment(0, 4, a=["words", []], words=[])]}),
    "words twice": line(PLAIN).replace(b'"words": []', b'"words": [], "words": [{"end": 7}]'),
    "segments twice": line(PLAIN).replace(b'"segments"', b'"segments": [{"words": [1]}], "segments"'),
    "an escaped key": line(PLAIN).replace(b'"words"', b'"word\\u0073"'),
    "wide spaces": line(PLAIN).replace(b'"words": ', b'"words"  :   '),
    "null words": line({**PLAIN, "segments": [segment(0, 4, words=None), segment(4, 5, words=WORDS)]}),
    "a large number": line(PLAIN).replace(b'"start": 1}', b'"start": 1' + b"0" * 30 + b"}"),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_lines_hold_what_they_hold(text):
    expected = orjson.loads(text)
    assert whole_segments(recording(text)) == expected["segments"]
    assert all(segment.get("words") is None for segment in recording(text).segments)
    kept = {name: value for name, value in recording(text).entry.items() if name != "segments"}
    assert kept == {name: value for name, value in expected.items() if name != "segments"}


@pytest.mark.parametrize(
    ("broken", "reason"), [(b"\xff", "not_utf8"), (b"\n", "not_json"), (b"\\ud800", "not_json"), (b'"', "not_json")]
)
def test_words_that_are_no_json_are_refused_though_nobody_reads_them(broken, reason):
    text = line(PLAIN, ensure_ascii=False).replace("ä".encode(), broken)
    with pytest.raises(BadEntry) as refused:
        recording(text)
    assert refused.value.reason.value == reason


def test_a_number_that_is_too_large_matters_where_words_are_written():
    text = line(PLAIN).replace(b'"start": 1}', b'"start": 1e999}')
    assert recording(text).words[0]
    with pytest.raises(BadEntry, match=r"not_json: segments\[0\].words"):
        whole_segments(recording(text))


def test_words_nested_too_deep_are_refused_if_they_are_not_lifted():
    deep = line(PLAIN).replace(b'"words": []', b'"words" : ' + b"[" * 300 + b"]" * 300)
    with pytest.raises(BadEntry, match="too_deep"):
        recording(deep)


@pytest.mark.parametrize("dropped", [frozenset(), frozenset({"words"})])
def test_kept_words_are_written_whole_and_of_a_cut_segment_as_far_as_it_goes(dropped):
    crossing = segment(8, 14, "b", words=[{"end": 9, "word": "x", "p": 1}, {"end": 13, "word": "y"}])
    segments = [segment(0, 8, words=WORDS), crossing]
    fields = EntryConfig(dropped, frozenset())
    written = output_of({"audio_sample_rate": 16000, "segments": segments}, TEN, fields=fields)
    assert written["segments"] == segments, "an entry's own field, which drop_fields_top_level keeps here"
    found = [segment.get("words") for segment in written["windows"][0]["segments"]]
    assert found == ([None, None] if dropped else [WORDS, [{"end": 9, "word": "x", "p": 1}]])


def test_large_ends_of_words_are_ends():
    words = [{"end": 9, "word": "x"}, {"end": 10**30, "word": "y"}]
    entry = {"audio_sample_rate": 16000, "segments": [segment(0, 8), segment(8, 14, "b", words=words)]}
    assert output_of(entry, TEN)["filtered"] == [[9, 0]]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are kept on Linux")
@pytest.mark.parametrize("megabytes", [250, 500, 1000])
@pytest.mark.parametrize("words", [[], [{"word": "yes", "end": 1}]])
def test_a_line_without_room_to_parse_it_is_no_bad_entry(megabytes, words):
    """orjson says of it that it is no JSON, or ends the process, as the room goes."""
    code = f"""
import json, resource
from alm_beam.core.manifest import parse_recording
segments = [{{"start": 0, "end": 2, "text": "x" * (100 << 20), "words": {words}}}]
line = json.dumps({{"audio_sample_rate": 16000, "segments": segments}}).encode()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + ({megabytes} << 20),) * 2)
try:
    parse_recording(line)
except MemoryError:
    print("no room")
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, "no room\n"), process.stderr
