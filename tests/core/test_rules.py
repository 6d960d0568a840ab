"""What holds for every entry, however hostile."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.entries import serialise_entry
from alm_beam.core.losses import LossReason
from alm_beam.core.manifest import ManifestLine, Recording, parse_recording
from alm_beam.core.overlap import filter_overlaps, greedy_positions
from alm_beam.core.windows import build_windows
from tests import obvious
from tests.strategies import entries, overlap_configs, window_configs

OVERLAP = OverlapConfig(overlap_percentage=50, target_duration=20)
KEEP_ALL = EntryConfig(drop_fields=frozenset(), drop_fields_top_level=frozenset())


def recording_of(entry: dict) -> Recording:
    return parse_recording(ManifestLine("m.jsonl", 0, json.dumps(entry).encode()))


def output_of(
    entry: dict, config: WindowConfig, overlap: OverlapConfig = OVERLAP, fields: EntryConfig = KEEP_ALL
) -> dict:
    kept = filter_overlaps(build_windows(recording_of(entry), config), overlap)
    return json.loads(serialise_entry(kept, fields))


@settings(max_examples=1500, deadline=None)
@given(entries(), window_configs())
def test_candidates_are_those_of_the_obvious_rules(entry, config):
    expected = obvious.candidates(entry, config)
    output = output_of(entry, config)
    assert [(w["segments"], w["speaker_durations"]) for w in output["windows"]] == expected["windows"]
    lost = output["stats"]["lost_win_full_data"]
    segments = entry["segments"]
    assert lost == [
        {"index": first, "window_segs": held, "next_seg": segments[at], "prev_seg": segments[max(first - 1, 0)]}
        for first, held, at in expected["lost"]
    ]
    for reason in ("bw", "sr", "spk", "win"):
        assert output["stats"][f"lost_{reason}"] == expected[reason]
    assert output["truncation_events"] == expected["truncations"]


@settings(max_examples=500, deadline=None)
@given(entries(), window_configs())
def test_every_segment_starts_a_window_or_is_lost_for_one_reason(entry, config):
    built = build_windows(recording_of(entry), config)
    lost = built.losses.lost
    if built.low_sample_rate:
        assert lost[LossReason.SAMPLE_RATE] == len(entry["segments"])
        assert not built
    else:
        reasons = (LossReason.BANDWIDTH, LossReason.WINDOW, LossReason.SPEAKERS)
        assert len(built) + sum(lost[reason] for reason in reasons) == len(entry["segments"])
        assert lost[LossReason.NO_SPEAKER] + lost[LossReason.NEXT_BANDWIDTH] <= lost[LossReason.WINDOW]


@settings(max_examples=500, deadline=None)
@given(entries(), window_configs())
def test_windows_obey_the_rules(entry, config):
    for window in output_of(entry, config)["windows"]:
        segments = window["segments"]
        speakers = {s.get("speaker") for s in segments} - {None, ""}
        assert config.min_duration <= segments[-1]["end"] - segments[0]["start"] <= config.max_duration
        assert len(segments) >= 2
        assert config.min_speakers <= len(speakers) <= config.max_speakers
        assert "no-speaker" not in speakers
        assert all(s["metrics"]["bandwidth"] >= config.min_bandwidth for s in segments)


@settings(max_examples=500, deadline=None)
@given(entries(), window_configs(), overlap_configs)
def test_kept_windows_overlap_less_than_the_threshold(entry, config, overlap):
    kept_windows = filter_overlaps(build_windows(recording_of(entry), config), overlap)
    times = kept_windows.times
    for index, one in enumerate(times):
        for other in times[index + 1 :]:
            touching = other[0] >= one[1]
            assert touching or obvious.overlap(one, other) < overlap.threshold
    windows = kept_windows.candidates.longest
    kept = {(round(s, 6), round(e, 6)) for s, e in times}
    rounded = [(round(start, 6), round(end, 6)) for start, end in zip(windows.starts, windows.ends)]
    assert [index for index, times in enumerate(rounded) if times in kept] == kept_windows.indices


window_times = st.lists(
    st.tuples(st.floats(0, 300).map(lambda t: round(t, 2)), st.floats(0.1, 40).map(lambda t: round(t, 2))).map(
        lambda pair: (pair[0], pair[0] + pair[1])
    ),
    max_size=40,
)


@settings(max_examples=500, deadline=None)
@given(window_times, overlap_configs, st.randoms())
def test_the_filter_is_idempotent_and_independent_of_order(times, config, rng):
    def kept(times: list) -> list:
        ordered = sorted(times)
        return [ordered[at] for at in greedy_positions(ordered, config.threshold, config.target_duration)]

    stay = kept(times)
    assert kept(stay) == stay
    shuffled = list(times)
    rng.shuffle(shuffled)
    assert kept(shuffled) == stay


unrelated = st.dictionaries(
    st.sampled_from(["duration", "lang", "meta", "notes", "split"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4), lambda x: st.lists(x, max_size=3)
    ),
)


@settings(max_examples=300, deadline=None)
@given(entries(), window_configs(), unrelated)
def test_unrelated_fields_change_no_window_and_come_through(entry, config, extra):
    plain, more = output_of(entry, config), output_of({**entry, **extra}, config)
    for name in ("windows", "filtered_windows", "filtered", "stats"):
        assert more[name] == plain[name]
    if entry["audio_sample_rate"] >= config.min_sample_rate:
        assert {name: more[name] for name in extra} == extra


@settings(max_examples=300, deadline=None)
@given(entries(), window_configs(), st.frozensets(st.sampled_from(["words", "metrics", "speaker", "text", "end"])))
def test_dropped_fields_go_from_the_output_and_windows_stay(entry, config, dropped):
    whole = output_of(entry, config)
    less = output_of(entry, config, fields=EntryConfig(drop_fields=dropped, drop_fields_top_level=frozenset()))
    assert less["filtered"] == whole["filtered"]
    assert less["windows"] == [
        {**window, "segments": [{k: v for k, v in s.items() if k not in dropped} for s in window["segments"]]}
        for window in whole["windows"]
    ]
