"""Entries whose output would be too large are refused before it is made; what is not written does not count."""

import json
import re
from typing import Any

import pytest

from alm_beam.core import all_windows, output_size, overlap, windows
from alm_beam.core.config import ALL, EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.entries import serialise_entry
from alm_beam.core.faults import BadEntry
from alm_beam.core.overlap import KeptWindows, filter_overlaps
from alm_beam.core.windows import build_windows
from tests.core.test_rules import recording_of
from tests.core.test_windows import TEN, segment

WITHOUT = {"candidate_windows": False}


def kept_of(segments: list[dict[str, Any]], config: WindowConfig = TEN) -> KeptWindows:
    entry = {"audio_filepath": "a.wav", "audio_sample_rate": 16000, "segments": segments}
    return filter_overlaps(build_windows(recording_of(entry), config))


def words(count: int, until: float) -> list[dict[str, Any]]:
    return [{"word": "w" * 20, "end": 1 + index * until / count} for index in range(count)]


CROWDS = {
    "all at one time": [segment(0, 10, "ab"[n % 2], text="hello") for n in range(60)],
    "one after the other": [segment(n / 100, 10, "ab"[n % 2], text="hello") for n in range(60)],
    "too short for windows": [segment(0, 5, "ab"[n % 2]) for n in range(60)],
    "a long one at the end": [*[segment(n / 100, 1) for n in range(60)], segment(1, 40, "c", words=words(300, 20))],
    "an end of each": [segment(n / 100, 10 + n / 100, "ab"[n % 2], text="\\u00e9\\n") for n in range(60)],
}


@pytest.mark.parametrize("more", [{}, WITHOUT, {"drop_fields": ""}, {"drop_fields": "words,text,speaker,metrics"}])
@pytest.mark.parametrize("crowd", CROWDS)
def test_a_line_of_the_limit_is_written_and_a_longer_one_is_refused(crowd, more):
    kept = kept_of(CROWDS[crowd])
    line = serialise_entry(kept, EntryConfig(**more))
    if len(line) < 50_000:
        assert crowd == "too short for windows" or not more.get("candidate_windows", True)
        return
    assert serialise_entry(kept, EntryConfig(**more, max_line_bytes=len(line))) == line
    with pytest.raises(BadEntry, match="entry_too_large: the line of alm_output would have at least"):
        serialise_entry(kept, EntryConfig(**more, max_line_bytes=len(line) - 1))
    with pytest.raises(BadEntry, match="entry_too_large") as refused:
        serialise_entry(kept, EntryConfig(**more, max_line_bytes=int(len(line) * 0.95)))
    at_least = int(re.findall(r"at least ([\d,]+) bytes", refused.value.detail)[0].replace(",", ""))
    assert 0.95 * len(line) < at_least <= len(line)


def test_the_detail_says_what_it_would_have_been_and_what_helps():
    kept = kept_of(CROWDS["one after the other"])
    whole, less = (len(serialise_entry(kept, EntryConfig(**more))) for more in ({}, WITHOUT))
    with pytest.raises(BadEntry) as refused:
        serialise_entry(kept, EntryConfig(max_line_bytes=less + 1000))
    found = re.fullmatch(
        r"the line of alm_output would have at least ([\d,]+) bytes, more than --max_line_bytes=(\d+), "
        r"with 60 candidates and 1 kept windows of 60 segments; "
        r"--no_candidate_windows leaves about ([\d,]+) bytes, or raise --max_line_bytes",
        refused.value.detail,
    )
    assert found
    bytes_with, limit, bytes_without = (int(number.replace(",", "")) for number in found.groups())
    assert limit == less + 1000
    assert bytes_with == pytest.approx(whole, rel=0.1)
    assert bytes_without == pytest.approx(less, rel=0.2)
    assert len(serialise_entry(kept, EntryConfig(max_line_bytes=less + 1000, **WITHOUT))) == less


def test_own_fields_count_and_are_named():
    entry = {"audio_sample_rate": 16000, "segments": [], "notes": "x" * 5000}
    kept = filter_overlaps(build_windows(recording_of(entry), TEN))
    with pytest.raises(BadEntry, match=r"own fields have 5,\d+; leave some out with --drop_fields_top_level"):
        serialise_entry(kept, EntryConfig(max_line_bytes=5000))
    assert serialise_entry(kept, EntryConfig(max_line_bytes=5000, drop_fields_top_level="notes"))


def test_cuts_count_one_by_one_and_together(monkeypatch):
    kept = kept_of(CROWDS["all at one time"])
    cuts = serialise_cuts(kept, EntryConfig()).lines
    together, longest = sum(map(len, cuts)), max(map(len, cuts))
    assert len(serialise_cuts(kept, EntryConfig(max_line_bytes=2 * longest)).lines) == len(cuts)
    with pytest.raises(BadEntry, match="entry_too_large: its longest cut would have about"):
        serialise_cuts(kept, EntryConfig(max_line_bytes=longest // 2))
    monkeypatch.setattr(output_size, "_CUTS_BYTES", together // 2)
    with pytest.raises(BadEntry, match=r"its 59 cuts together .* write no cuts \(--no_cuts\)") as refused:
        serialise_cuts(kept, EntryConfig(max_line_bytes=2 * longest))
    about = int(re.findall(r"about ([\d,]+) bytes", refused.value.detail)[0].replace(",", ""))
    assert about == pytest.approx(together, rel=0.2)
    monkeypatch.setattr(output_size, "_CUTS_BYTES", 2 * together)
    assert len(serialise_cuts(kept, EntryConfig(max_line_bytes=2 * longest)).lines) == len(cuts)


def test_speakers_of_windows_of_many_segments_are_those_of_the_others(monkeypatch):
    crowd = [
        segment(n / 10, n / 10 + 3 + n % 7, "abcde"[n % 5], words=[{"word": "w", "end": n / 10 + 1}]) for n in range(90)
    ]
    expected = serialise_entry(kept_of(crowd), EntryConfig()), serialise_cuts(kept_of(crowd), EntryConfig())
    for most in (0, 5, 30):
        monkeypatch.setattr(windows, "MANY_SEGMENTS", most)
        kept = kept_of(crowd)
        assert [] in kept.candidates.longest.speaker_durations
        assert (serialise_entry(kept, EntryConfig()), serialise_cuts(kept, EntryConfig())) == expected


def test_steps_back_in_time_are_limited(monkeypatch):
    crowd = [segment(10 - n / 100, 20, "ab"[n % 2]) for n in range(60)]
    assert len(kept_of(crowd).candidates) == 59
    monkeypatch.setattr(windows, "MAX_STEPS", 1000)
    with pytest.raises(BadEntry, match="entry_too_large: too many of its segments start before the one in front"):
        kept_of(crowd)
    assert len(kept_of(sorted(crowd, key=lambda each: each["start"])).candidates) == 59


@pytest.mark.parametrize("limit", ["MAX_CANDIDATES", "MAX_STEPS"])
def test_candidates_of_each_start_are_limited(monkeypatch, limit):
    every = WindowConfig(target_window_duration=10, tolerance=0.2, candidates=ALL)
    monkeypatch.setattr(all_windows, limit, 500)
    with pytest.raises(BadEntry, match=f"entry_too_large: .*more than {getattr(all_windows, limit)} "):
        kept_of(CROWDS["an end of each"], every)
    assert kept_of(CROWDS["an end of each"])


def test_comparisons_of_windows_are_limited(monkeypatch):
    crowd = [segment(n / 10, n / 10 + 0.05, "ab"[n % 2]) for n in range(300)]
    candidates = kept_of(crowd).candidates
    assert len(filter_overlaps(candidates, OverlapConfig(100))) > 100
    monkeypatch.setattr(overlap, "MAX_COMPARISONS", 1000)
    with pytest.raises(BadEntry, match=r"entry_too_large: more than .* pairs of its windows overlap"):
        filter_overlaps(candidates, OverlapConfig(100))
    assert filter_overlaps(candidates, OverlapConfig(50))


@pytest.mark.parametrize("candidate_windows", [True, False])
def test_ten_thousand_segments_at_one_time_are_refused_at_once(candidate_windows):
    kept = kept_of([segment(0, 10, "ab"[n % 2]) for n in range(10_000)])
    config = EntryConfig(candidate_windows=candidate_windows)
    for serialise in (serialise_entry, serialise_cuts):
        with pytest.raises(BadEntry, match="entry_too_large"):
            serialise(kept, config)


def test_ten_thousand_that_overlap_are_written_without_their_candidates():
    kept = kept_of([segment(n / 10_000, 10 + n / 10_000, "ab"[n % 2]) for n in range(10_000)])
    line = json.loads(serialise_entry(kept, EntryConfig(candidate_windows=False)))
    assert len(line["filtered_windows"]) == len(serialise_cuts(kept, EntryConfig()).lines) == 1
