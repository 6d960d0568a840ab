"""What a report collects: bounded, the same in whatever order the parts are added, and as exact as it says."""

import json
import random
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from alm_beam.core.config import ManifestConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import to_cuts
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.histogram import Histogram
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.manifest import ManifestLine, Reject, parse_recording
from alm_beam.core.overlap import KeptWindows, filter_overlaps
from alm_beam.core.report_collector import ReportCollector, ReportConfig
from alm_beam.core.report_stats import MOST_LOST, MOST_SPANS, REJECTS_PER_REASON, TIME_LINES, Place, ReportStats
from alm_beam.core.windows import build_windows
from alm_beam.report.distributions import distribution, in_words
from alm_beam.sample import sample_entries

RULES = WindowConfig(target_window_duration=20, tolerance=0.3, min_bandwidth=0, min_speakers=1)


def kept_of(
    entry: dict[str, Any], offset: int = 0, file: str = "a.jsonl", speaker_separator: str | None = None
) -> KeptWindows:
    line = ManifestLine(file, offset, json.dumps(entry).encode())
    recording = parse_recording(line, ManifestConfig(speaker_separator=speaker_separator))
    return filter_overlaps(build_windows(recording, RULES), OverlapConfig())


def reject(offset: int, reason: RejectReason = RejectReason.NOT_JSON, file: str = "a.jsonl") -> Reject:
    return Reject(ManifestLine(file, offset, b"{" * 3000), BadEntry(reason, "detail " * 1000))


def collected(*elements: KeptWindows | Reject, share: float = 1.0) -> ReportStats:
    collector = ReportCollector(ReportConfig(RULES.min_duration, RULES.max_duration, share))
    for each in elements:
        if isinstance(each, Reject):
            collector.add_reject(each)
        else:
            collector.add(each, loss_stats(each))
    return collector.taken()


def kept_key(kept: KeptWindows) -> int:
    return xxh3_64_intdigest(kept.line.text)


def empty_as(histogram: Histogram) -> Histogram:
    return Histogram.empty(histogram.edges, is_open=histogram.is_open)


@pytest.fixture(scope="module")
def elements() -> list[KeptWindows | Reject]:
    """60 recordings, each with some others that are the same, and rejects."""
    kept = [
        kept_of(entry, 1000 * number, f"{number % 3}.jsonl")
        for number, entry in enumerate([*sample_entries(recordings=60, seed=2), *sample_entries(recordings=9, seed=2)])
    ]
    return [
        *kept,
        *kept[:5],
        *(reject(offset) for offset in range(9)),
        *(reject(1, RejectReason.CUT_OFF, "b") for _ in "ab"),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_of_a_run_add_up_to_the_same_in_any_order(elements, seed):
    whole = collected(*elements).to_dict()
    rng = random.Random(seed)
    shuffled = rng.sample(elements, len(elements))
    stops = sorted([0, *rng.sample(range(len(elements)), 7), len(elements)])
    parts = [collected(*shuffled[start:stop]) for start, stop in pairwise(stops)]
    while len(parts) > 1:
        parts.append(parts.pop(rng.randrange(len(parts))) + parts.pop(rng.randrange(len(parts))))
    assert parts[0].to_dict() == whole
    assert (ReportStats() + parts[0]).to_dict() == whole


def test_adding_changes_neither_part(elements):
    one, other = collected(*elements[:40]), collected(*elements[40:])
    before = one.to_dict(), other.to_dict()
    assert one + other != one
    assert (one.to_dict(), other.to_dict()) == before


def test_what_is_written_is_read_back(elements):
    stats = collected(*elements)
    written = orjson.dumps(stats.to_dict())
    assert orjson.dumps(ReportStats.from_dict(orjson.loads(written)).to_dict()) == written


def test_the_lists_are_bounded_and_what_is_the_same_is_in_them_once(elements):
    stats = collected(*elements)
    assert (len(stats.lost_most), len(stats.time_lines)) == (MOST_LOST, TIME_LINES)
    assert {reason: len(each) for reason, each in stats.rejects.items()} == {
        "not_json": REJECTS_PER_REASON,
        "cut_off": 1,
    }
    assert [each.place.offset for each in stats.rejects["not_json"]] == [0, 1, 2]
    lost = [each.minus_lost for each in stats.lost_most]
    assert lost == sorted(lost)
    assert len({each.key for each in stats.lost_most}) == MOST_LOST
    assert len(orjson.dumps(stats.to_dict())) < 100_000


def test_those_that_lost_most_are_those_that_lost_most(elements):
    recordings = {each.line.text: each for each in elements if isinstance(each, KeptWindows)}
    stats = [loss_stats(each) for each in recordings.values()]
    lost = sorted((round(1000 * (each.audio_seconds - each.kept_covered_seconds)) for each in stats), reverse=True)
    assert [-each.minus_lost for each in collected(*elements).lost_most] == lost[:MOST_LOST]


def test_the_figures_of_windows_are_those_of_their_cuts(elements):
    stats = collected(*elements)
    kept = [each for each in elements if isinstance(each, KeptWindows)]
    cuts = [cut for each in kept for cut in to_cuts(each)]
    assert stats.recordings == stats.sampled == len(kept)
    assert stats.histograms["window_duration"].total == len(cuts) == sum(map(len, kept))
    for name, figures in {
        "speakers": [cut["custom"]["num_speakers"] for cut in cuts],
        "speech_fraction": [cut["custom"]["speech_fraction"] for cut in cuts],
        "longest_pause": [cut["custom"]["longest_gap"] for cut in cuts],
    }.items():
        assert stats.histograms[name] == empty_as(stats.histograms[name]).plus(figures), name
    yields = [loss_stats(each) for each in kept]
    shares = [each.kept_covered_seconds / each.audio_seconds for each in yields if each.audio_seconds]
    assert stats.histograms["yield"] == Histogram.empty(stats.histograms["yield"].edges).plus(shares)


def test_the_sample_has_about_its_share_even_of_lines_that_are_the_same():
    entry = next(sample_entries(recordings=1, seed=3))
    kept = [kept_of(entry, 5000 * number) for number in range(400)]
    assert all(len(each) for each in kept)
    assert 50 < collected(*kept, share=0.25).sampled < 150
    assert collected(*kept, share=0.25).recordings == 400


def test_the_share_follows_from_the_size_of_the_input():
    assert ReportConfig.of(RULES, 1000).share == ReportConfig.of(RULES, 0).share == 1
    assert ReportConfig.of(RULES, 40 << 20).share == 0.1


def test_times_and_labels_of_any_size():
    turns = [
        {"start": -1e290, "end": -1e289, "speaker": "x" * 100_000},
        *({"start": n, "end": n + 0.5, "speaker": f"{n}\u202e\ud800<b>" if n % 2 else None} for n in range(1000)),
        {"start": 1e290, "end": 2e290, "speaker": "y"},
    ]
    entry = {"audio_sample_rate": 16000, "segments": turns, "id": "\x00" * 100_000}
    recording = parse_recording(
        ManifestLine("f" * 100_000, 1 << 60, orjson.dumps(json.loads(json.dumps(entry).replace("\\ud800", ""))))
    )
    stats = collected(filter_overlaps(build_windows(recording, RULES), OverlapConfig()))
    written = orjson.dumps(stats.to_dict())
    assert len(written) < 20_000
    assert sum(len(spans) for _, spans in stats.time_lines[0].speakers) == MOST_SPANS


def test_a_tolerance_of_0_and_recordings_without_segments():
    edges = ReportConfig.of(WindowConfig(tolerance=0), 0).edges()
    assert edges["window_duration"] == (120, 120)
    stats = collected(kept_of({"audio_sample_rate": 16000, "segments": []}))
    assert (stats.recordings, stats.empty, stats.time_lines) == (1, 1, [])


@given(st.lists(st.floats(-5, 20)), st.lists(st.floats(-5, 20)))
def test_histograms_of_parts_add_up(some, others):
    empty = Histogram.empty([0, 1, 2.5, 10])
    whole = empty.plus([*some, *others])
    assert empty.plus(some) + empty.plus(others) == empty.plus(others).plus(some) == whole
    assert whole.total == len(some) + len(others)
    assert Histogram.of(**whole.to_dict()) == whole


def test_histograms_with_other_bins_are_not_added():
    with pytest.raises(ValueError, match="shorter"):
        Histogram.empty([0, 1, 2]) + Histogram.empty([0, 1])


def test_bins_have_their_lower_edges():
    assert Histogram.empty([0, 1, 2]).plus([-1, 0, 0.9, 1, 2, 3]).counts == (3, 3)
    assert Histogram.empty([0, 1]).quantile(0.5) is None


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_of_windows_in_disorder_are_those_of_their_cuts(seed):
    """Also where speakers have labels that are numbers, or several, or segments of no length."""
    rng = random.Random(seed)
    labels = ["a", "b", 7, "7", None, "a,b"]
    entries = []
    for _ in range(30):
        starts = sorted(rng.uniform(0, 200) for _ in range(40))
        rng.shuffle(starts) if rng.random() < 0.3 else None
        turns = [
            {"start": start, "end": start + rng.choice([0, 1, 5, 60]), "speaker": rng.choice(labels)}
            for start in starts
        ]
        entries.append({"audio_sample_rate": 16000, "id": "x", "audio_filepath": "x.wav", "segments": turns})
    kept = [kept_of(entry, speaker_separator=",") for entry in entries]
    cuts = [cut for each in kept for cut in to_cuts(each)]
    assert len(cuts) == sum(map(len, kept)) > 30
    stats = collected(*kept)
    for name, field in (("speakers", "num_speakers"), ("speech_fraction",) * 2, ("longest_pause", "longest_gap")):
        figures = [cut["custom"][field] for cut in cuts]
        assert stats.histograms[name] == empty_as(stats.histograms[name]).plus(figures), name
    durations = [cut["custom"]["speaker_durations"] for cut in cuts]
    shares = [round(max(each) / sum(each), 3) for each in durations if sum(each) > 0.01]  # 0 s is a sample there
    assert stats.histograms["speaker_share"] == empty_as(stats.histograms["speaker_share"]).plus(shares)


def test_the_last_bin_of_pauses_and_speakers_has_no_end():
    turns = [{"start": start, "end": start + 5.0, "speaker": f"s{start}"} for start in (0, 9000)]
    rules = WindowConfig(target_window_duration=9000, min_bandwidth=0)
    recording = parse_recording({"audio_sample_rate": 16000, "segments": turns})
    kept = filter_overlaps(build_windows(recording, rules))
    collector = ReportCollector(ReportConfig.of(rules, 0))
    collector.add(kept, loss_stats(kept))
    pauses = collector.taken().histograms["longest_pause"]
    assert (pauses.counts[-1], pauses.total, pauses.quantile(0.5)) == (1, 1, None)
    assert in_words("longest_pause", pauses) == ("1 window; median more than 1:00:00")
    assert "1:00:00 or more: 1" in distribution("longest_pause", pauses, "Pauses")
    many = Histogram.empty(range(13), is_open=True).plus([0, 3, 50])
    assert "3 windows; most often 0. 0: 1, 3: 1, 12 or more: 1" in distribution("speakers", many, "Speakers")


def test_of_equal_entries_the_first_is_named_whatever_comes_first(elements):
    entry = next(sample_entries(recordings=1, seed=8))
    places = [(500, "b"), (100, "c"), (100, "b"), (900, "a"), (100, "z")]
    others = [each for each in elements[:20] if isinstance(each, KeptWindows)]
    for seed in range(5):
        kept = [kept_of(entry, *place) for place in places]
        stats = collected(*random.Random(seed).sample([*kept, *others], len(kept) + len(others)))
        assert [each.place for each in stats.lost_most if each.key == kept_key(kept[0])] in ([], [Place(100, "b")])
        assert all(each.place == (100, "b") for each in stats.time_lines if each.key == kept_key(kept[0]))
        alone = collected(*random.Random(seed).sample(kept, len(kept)))
        assert [each.place for each in (*alone.lost_most, *alone.time_lines)] == [Place(100, "b")] * 2
