"""The figures of a report's page, against those of two recordings that were worked out by hand."""

import html
import re
from pathlib import Path

import orjson
import pytest

from alm_beam.cli.main import main
from tests.manifests import write

LONG = [(0, 400, "a"), (500, 900, "b"), (1250, 1310, "a"), (3000, 3400, "c")]
"""Its candidate windows are 0 to 900 s and 500 to 1310 s; the first is nearer to 1000 s, and kept."""

SHORT = [(10_000, 10_600, "a"), (10_650, 11_050, "b")]
"""Its one window has all of it."""


def entry(name: str, turns: list[tuple[int, int, str]]) -> bytes:
    segments = [{"start": start, "end": end, "speaker": speaker} for start, end, speaker in turns]
    named = {"id": name, "audio_filepath": f"{name}.wav", "audio_sample_rate": 16000, "segments": segments}
    return orjson.dumps(named) + b"\n"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run of both, and of a line that is no entry."""
    folder: Path = tmp_path_factory.mktemp("figures")
    manifest = write(folder / "m.jsonl", entry("long", LONG) + entry("short", SHORT) + b"[]\n")
    rules = ("--target_window_duration=1000", "--tolerance=0.2", "--min_bandwidth=0", "--overlap_percentage=40")
    run = ("--max_reject_fraction=1", "--direct_num_workers=1", f"--input={manifest}", f"--output={folder / 'out'}")
    assert main(["windows", *rules, *run]) == 0
    return (folder / "out" / "report.html").read_text(encoding="utf-8")


def texts(found: list[str]) -> list[str]:
    """What is read of pieces of HTML."""
    return [html.unescape(re.sub("<[^>]*>", "", each)) for each in found]


def drawing(page: str, title: str) -> str:
    """The drawing whose title this is."""
    [found] = re.findall(f"<svg[^>]*><title>{re.escape(title)}</title>.*?</figure>", page)
    return str(found)


def described(page: str, title: str) -> str:
    """What is said of a drawing to those who do not see it."""
    return texts(re.findall("<desc>(.*?)</desc>", drawing(page, title)))[0]


def rows(page: str, caption: str) -> list[list[str]]:
    """The cells of a table."""
    [found] = re.findall(f"<table><caption>{re.escape(caption)}</caption>.*?<tbody>(.*?)</tbody>", page)
    return [texts(re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row)) for row in re.findall("<tr>(.*?)</tr>", found)]


def test_the_lead_counts_one_of_each_as_one(written):
    lead = texts(re.findall("<h1>.*?</h1><p>(.*?)</p>", written))
    assert lead == ["2 recordings of 1.24 h gave 2 windows with 0.54 h of them (43.8%); rejected: 1 entry."]


def test_the_funnel_has_hours_in_candidates_and_kept(written):
    """Of 3400 + 1050 s, 1310 + 1050 s are in candidate windows, and 900 + 1050 s in kept ones."""
    funnel = "Hours: from hours in to hours kept"
    assert described(written, funnel) == (
        "hours in: 1.24 h (100.0%); in any candidate window: 0.66 h (53.0%); in any kept window: 0.54 h (43.8%)"
    )
    widths = re.findall('width="([^"]*)" height="14" class="f-(c7|candidate|kept)"', drawing(written, funnel))
    assert widths == [("100%", "c7"), ("53.03%", "candidate"), ("43.82%", "kept")]


HISTOGRAMS = {
    "Window duration": "2 windows; median about 15:20, half of them from about 15:10 to about 17:30. "
    "15:00 to 15:20: 1, 17:20 to 17:40: 1",  # 900 s and 1050 s
    "Speakers per window": "2 windows; most often 2. 2: 2",
    "Balance: share of who speaks longest": "2 windows; median about 55 %, half of them from about 52 % to about 62 %. "
    "50 % to 55 %: 1, 60 % to 65 %: 1",  # 400 of 800 s, and 600 of 1000 s
    "Share of speech": "2 windows; median about 90 %, half of them from about 88 % to about 98 %. "
    "85 % to 90 %: 1, 95 % to 100 %: 1",  # 800 of 900 s, and 1000 of 1050 s
    "Longest pause": "2 windows; median about 1:00, half of them from about 45 s to about 1:30. "
    "30 s to 1:00: 1, 1:00 to 2:00: 1",  # 50 s and 100 s
    "Yield: share of a recording that is kept": "2 recordings; median about 30 %, half of them from about 28 % to "
    "about 98 %. 25 % to 30 %: 1, 95 % to 100 %: 1",  # 900 of 3400 s, and all
}


@pytest.mark.parametrize("title", HISTOGRAMS)
def test_a_histogram_says_what_it_has(written, title):
    assert described(written, title) == HISTOGRAMS[title]


@pytest.mark.parametrize(
    ("name", "said", "candidates", "kept"),
    [
        # 900, 810 and 500 s of 3400 s, in shares of 10000
        (
            "long",
            "4 segments of 3 speakers, 2 candidate windows, 1 kept window",
            ["M0 99h2647", "M1471 99h2382"],
            "2647",
        ),
        ("short", "2 segments of 2 speakers, 1 candidate window, 1 kept window", ["M0 71h10000"], "10000"),
    ],
)
def test_a_time_line_has_segments_candidates_and_kept_windows(written, name, said, candidates, kept):
    title = f"Time line of {name}"
    assert described(written, title) == said
    drawn = drawing(written, title)
    assert re.findall('d="(M[^"]*?)v9[^"]*" class="f-candidate"', drawn) == candidates
    assert re.findall('d="M0 [0-9]+h([0-9]+)v9[^"]*" class="f-kept"', drawn) == [kept]
    assert re.findall('d="M0 1h([0-9]+)v[^"]*" class="box"', drawn) == [kept]


def test_the_tables_have_totals_losses_and_recordings(written):
    assert rows(written, "Totals") == [
        ["recordings", "2"],
        ["hours of audio", "1.24 h"],
        ["segments", "6"],
        ["candidate windows", "3"],
        ["kept windows", "2"],
        ["kept hours, overlaps included", "0.54 h"],
        ["kept hours, each counted once", "0.54 h"],
        ["share of the audio that is kept", "43.8%"],
        ["recordings without a kept window", "0"],
        ["truncated segments", "0"],
        ["rejected entries", "1 (33.3%)"],
    ]
    losses = {row[0]: row[1:5] for row in rows(written, "Segments that start no window, by reason")}
    # 60 + 400 + 400 s of 2260 s of segments
    assert losses.pop("no window of the right duration") == ["3", "50.0%", "0.24 h", "38.1%"]
    assert {tuple(each) for each in losses.values()} == {("0", "0.0%", "0.00 h", "0.0%")}
    lost = rows(written, "The recordings with most audio in no kept window; entries that are the same count once")
    [[*figures, place]] = lost
    assert figures == ["long", "41:40", "73.5%", "56:40", "1"]  # 2500 of 3400 s
    assert place.endswith("m.jsonl, byte 0")
    assert [row[:3] for row in rows(written, "Rejected entries by reason")] == [["not_object", "1", "100.0%"]]
