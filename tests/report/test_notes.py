"""What the summary tells of a run beside its figures."""

from collections import Counter

import pytest

from alm_beam.cli.windows import main
from alm_beam.core.config import JobConfig, ManifestConfig, WindowConfig
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.losses import Finding, LossStats
from alm_beam.core.manifest import parse_recording
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.windows import build_windows
from alm_beam.report.notes import notes
from alm_beam.report.summary import render_summary
from tests.manifests import write

GOOD = {"metrics": {"bandwidth": 8000}}
NOBODY = {"speaker": "no-speaker", "metrics": {}}


def turns(count: int = 60, seconds: float = 5.0, unit: float = 1.0, **fields: object) -> list[dict]:
    """Segments of two speakers, without pauses; each has a word that ends soon."""
    begins = [n * seconds * unit for n in range(count)]
    return [
        {
            "start": begin,
            "end": begin + seconds * unit,
            "speaker": "ab"[n % 2],
            "words": [{"word": "yes", "end": begin + unit}],
            **GOOD,
            **fields,
        }
        for n, begin in enumerate(begins)
    ]


def entry(segments: list[dict], rate: float = 16000) -> dict:
    return {"audio_filepath": "a.wav", "audio_sample_rate": rate, "segments": segments}


def without_speaker(segment: dict) -> dict:
    return {name: value for name, value in segment.items() if name != "speaker"}


def stats_of(*entries: dict, config: WindowConfig = WindowConfig()) -> LossStats:
    total = LossStats()
    for each in entries:
        total += loss_stats(filter_overlaps(build_windows(parse_recording(each), config)))
    return total


def test_a_run_with_windows_has_no_note():
    stats = stats_of(entry(turns()))
    assert stats.kept_windows
    assert notes(stats, WindowConfig()) == []


@pytest.mark.parametrize(
    ("files", "note"),
    [
        (1, "1 file is no manifest, and nothing of it was read; see rejects-*"),
        (1200, "1,200 files are no manifests, and nothing of them was read; see rejects-*"),
    ],
)
def test_files_that_were_not_read_are_no_ordinary_rejects(files, note):
    stats = stats_of(entry(turns())) + LossStats(rejected=Counter(not_a_manifest=files, not_json=3))
    assert notes(stats, WindowConfig()) == [note]


CAUSES = {
    "no recordings": ([], "the input has no entry"),
    "no segments": ([entry([])], "the recordings have no segments"),
    "sample rate in kHz": ([entry(turns(), rate=16)], "the sample rate is below --min_sample_rate=16000"),
    "milliseconds": ([entry(turns(unit=1000))], "times look like milliseconds"),
    "half in milliseconds": (
        [entry(turns(unit=1000)), entry(turns(10))],
        "times look like milliseconds",
    ),
    "no metrics": ([entry(turns(metrics=None))], "try --min_bandwidth=0"),
    "bandwidth in kHz": ([entry(turns(metrics={"bandwidth": 8}))], "less than --min_bandwidth=8000"),
    "by speaker": ([entry(sorted(turns(20), key=lambda each: -each["start"]))], "not in the order of time"),
    "short": ([entry(turns(10))], "shorter than the shortest window (108 s)"),
    "one speaker": ([entry(turns(speaker="a"))], "try --min_speakers=1"),
    "no speaker": (
        [entry([{**each, "speaker": ["a", "no-speaker"][n % 2]} for n, each in enumerate(turns())])],
        "stop at segments labelled no-speaker; --skip_no_speaker leaves those out",
    ),
    "no speaker, not measured": (
        [entry([with_pause for each in turns() for with_pause in (each, {**each, **NOBODY})])],
        "--skip_no_speaker",
    ),
    "nobody": ([entry(turns(**NOBODY))], "all segments are labelled no-speaker"),
    "speech without bandwidth": (
        [entry([with_pause for each in turns(metrics={}) for with_pause in (each, {**each, **NOBODY})])],
        "--default_bandwidth",
    ),
    "speech of low bandwidth": (
        [entry([pair for each in turns(metrics={"bandwidth": 7}) for pair in (each, {**each, **NOBODY})])],
        "less than --min_bandwidth=8000",
    ),
    "without labels": ([entry([without_speaker(each) for each in turns(5, seconds=140)])], "no run of segments lasts"),
    "half the sample rate": (
        [entry(turns(metrics={"bandwidth": 7968}))],
        "audio of 16000 Hz cannot reach --min_bandwidth=8000, since what is measured stays below half its rate; "
        "try --min_bandwidth=7000",
    ),
    "low bandwidth between": (
        [entry([{**each, "metrics": {"bandwidth": 4000 if n % 5 == 4 else 8000}} for n, each in enumerate(turns())])],
        "stop at segments of less than --min_bandwidth=8000",
    ),
    "long segments": ([entry(turns(5, seconds=140))], "no run of segments lasts 108 to 132 s"),
}


@pytest.mark.parametrize(("entries", "cause"), CAUSES.values(), ids=CAUSES)
def test_a_run_without_windows_says_why(entries, cause):
    stats = stats_of(*entries)
    assert not stats.kept_windows
    assert [note for note in notes(stats, WindowConfig()) if cause in note and note.startswith("no windows: ")]


@pytest.mark.parametrize(
    ("rules", "changes", "cause", "row"),
    [
        ({"max_gap": 1}, {"seconds": 6.5}, "pauses of more than --max_gap=1 s", "  of those, stopped at a pause"),
        ({"min_speech": 1}, {"seconds": 6.5}, "less than --min_speech=1 of", "too little speech"),
        ({"max_speaker_share": 0.25}, {}, "more than --max_speaker_share=0.25 of", "too much of one speaker"),
        ({"min_metrics": {"pesq": 3}, "require_metrics": True}, {}, "pesq outside", "pesq outside its limit"),
        ({"max_metrics": {"bandwidth": 7}}, {}, "bandwidth outside its limit", "bandwidth outside its limit"),
        ({"max_metrics": {"\x1b[31m": 7}, "require_metrics": True}, {}, "\\x1b[31m outside", "\\x1b[31m outside its"),
    ],
)
def test_a_rule_that_loses_most_is_the_cause_and_a_row_of_the_summary(rules, changes, cause, row):
    config = JobConfig(("in.jsonl",), "out", windows=WindowConfig(**rules))
    segments = [each | {"end": each["start"] + 5} for each in turns(**changes)]
    stats = stats_of(entry(segments), config=config.windows)
    assert not stats.kept_windows
    assert cause in notes(stats, config.windows)[0]
    assert f"  {row}" in render_summary(stats, config)
    plain = JobConfig(("in.jsonl",), "out")
    assert row not in render_summary(stats_of(entry(segments)), plain)


def test_what_most_of_the_input_has_is_the_cause_not_what_a_little_of_it_has():
    stats = stats_of(entry(turns(10)), entry(turns(10)), entry(turns(10, metrics=None)))
    assert "shorter than" in notes(stats, WindowConfig())[0]


def test_missing_bandwidth_is_no_cause_where_none_is_asked_for():
    config = WindowConfig(min_bandwidth=0)
    stats = stats_of(entry(turns(10, metrics=None)), config=config)
    assert "shorter than" in notes(stats, config)[0]


def test_only_rejects():
    assert notes(LossStats.of_reject("not_json"), WindowConfig()) == ["no windows: every entry was rejected"]


def test_only_rejects_for_want_of_a_rate_name_the_flag():
    stats = LossStats(rejected=Counter(sample_rate_missing=3, not_json=2))
    [note] = notes(stats, WindowConfig())
    assert note.startswith("no windows: every entry was rejected, as they state no sample rate; --default_sample_rate")
    assert "`alm-beam measure`" in note
    stats.rejected["not_json"] = 4
    assert notes(stats, WindowConfig()) == ["no windows: every entry was rejected"]


OUT_OF_REACH = "bandwidth_limited_recordings"


@pytest.mark.parametrize(
    ("rate", "bandwidth", "config", "count"),
    [
        (16000, 7999, WindowConfig(), 1),
        (16000, 8000, WindowConfig(), 0),
        (16000, 3750, WindowConfig(), 1),
        (16000, 8, WindowConfig(), 0),
        (16000, None, WindowConfig(), 0),
        (16000.1, 7999, WindowConfig(), 0),
        (48000, 7999, WindowConfig(), 0),
        (8000, 3750, WindowConfig(), 0),
        (8000, 3750, WindowConfig(min_sample_rate=8000), 1),
        (16000, 8000, WindowConfig(min_bandwidth=8000.1), 1),
        (16000, 7500, WindowConfig(min_bandwidth=7000), 0),
    ],
)
def test_bandwidth_that_the_rate_does_not_allow_is_counted_by_recording(rate, bandwidth, config, count):
    stats = stats_of(entry(turns(metrics={"bandwidth": bandwidth}), rate=rate), entry([]), config=config)
    assert stats.findings[OUT_OF_REACH] == count


def test_one_segment_of_enough_bandwidth_shows_that_it_can_be_reached():
    assert stats_of(entry([*turns(metrics={"bandwidth": 7500}), *turns(1)])).findings[OUT_OF_REACH] == 0


def test_where_several_rates_are_allowed_the_note_claims_no_more_than_it_knows():
    config = WindowConfig(min_sample_rate=8000)
    [note, *_] = notes(stats_of(entry(turns(metrics={"bandwidth": 3750}), rate=8000), config=config), config)
    assert "audio of 16000 Hz or less cannot reach --min_bandwidth=8000" in note


def test_segments_of_nobody_are_counted_unless_they_are_left_out():
    pauses = [{**each, "speaker": ["a", "no-speaker", None][n % 3]} for n, each in enumerate(turns(9))]
    assert stats_of(entry(pauses)).findings["no_speaker_segments"] == 3
    skipped = parse_recording(entry(pauses), ManifestConfig(skip_no_speaker=True))
    assert "no_speaker_segments" not in loss_stats(filter_overlaps(build_windows(skipped))).findings


FOUND = {
    Finding.UNORDERED_RECORDING: "had segments out of the order of time",
    Finding.EMPTY_TRUNCATION: "--drop_empty_truncations",
    Finding.RELATIVE_WORD_TIMES: "had words that all end before the segment starts",
    Finding.WINDOW_BEHIND_AUDIO: "gave no cut",
    Finding.LARGE_FIELDS: "too large to be repeated in each cut",
    Finding.REPEATED_WINDOW: "came more than once",
}


@pytest.mark.parametrize(("finding", "text"), FOUND.items(), ids=str)
def test_what_was_met_is_told_with_its_number(finding, text):
    stats = LossStats(recordings=2000, kept_windows=1, findings=Counter({finding.value: 1234}))
    [note] = notes(stats, WindowConfig())
    assert note.startswith("1,234 ")
    assert text in note
    stats.findings[finding.value] = 1
    assert notes(stats, WindowConfig())[0].startswith("1 ")


def test_segments_out_of_order_are_counted_by_recording():
    swapped = turns()
    swapped[3], swapped[9] = swapped[9], swapped[3]
    stats = stats_of(entry(turns()), entry(swapped), entry([]))
    assert stats.findings == Counter(unordered_recordings=1, short_recordings=1)


def test_the_summary_of_a_run_shows_the_notes(tmp_path, capsys):
    manifest = write(tmp_path / "in.jsonl", b'{"audio_sample_rate": 16000, "segments": []}\n')
    assert main([f"--input={manifest}", f"--output={tmp_path / 'out'}"]) == 0
    assert "\nnote: no windows: the recordings have no segments\n" in capsys.readouterr().out
