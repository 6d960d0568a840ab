"""What a sweep shows: its table, and its page."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from alm_beam.core.losses import Losses, LossStats, Lost
from alm_beam.core.sweep_config import SweepConfig
from alm_beam.core.sweep_stats import SweepStats
from alm_beam.report.sweep import MOST_ROWS, commands_of, render_sweep, sweep_csv
from alm_beam.report.sweep_page import MOST_FIGURES, sweep_page
from tests.schemas import check

FACTS: dict[str, Any] = {"parameters": {"input": ["a.jsonl"], "truncation": [True, False]}, "version": "0.0"}
HOSTILE = '<script>"\x1b'


TABLE = """\
  target
  window                                kept  distinct     of        low   low       few      no
duration  truncation  candidates  kept     h         h  audio  bandwidth  rate  speakers  window   pesq  rejected
      60       false           0     3  4.50      3.00   3.0%      25.0%  0.0%      0.0%   50.0%  10.0%         0
      60        true           0     2  3.00      2.00   2.0%      25.0%  0.0%      0.0%   50.0%  10.0%         0
      30       false           0     1  1.50      1.00   1.0%      25.0%  0.0%      0.0%   50.0%  10.0%         0
      30        true           0     0  0.00      0.00   0.0%      25.0%  0.0%      0.0%   50.0%  10.0%         0
""".splitlines()


def config_of(**swept: Any) -> SweepConfig:
    return SweepConfig.of({"input": ["in.jsonl"], "output": "out", **swept})


def stats_of(config: SweepConfig, **more: Any) -> SweepStats:
    """Figures that grow from combination to combination."""
    parts = [
        LossStats(
            recordings=3,
            kept_windows=n,
            kept_seconds=5400.0 * n,
            kept_covered_seconds=3600.0 * n,
            audio_seconds=360_000.0,
            losses=Losses(10, 100.0, [2, 0, 0, 5, 1, 0], [25.0, 0.0, 0.0, 50.0, 5.0, 0.0], **more),
        )
        for n in range(len(config.combinations))
    ]
    left_out = [{"parameters": each.varied, "reason": str(each.error)} for each in config.left_out]
    found = SweepStats(recordings=3, parts=parts)
    return found.named([each.varied for each in config.combinations], commands_of(config), config.sweep.aim, left_out)


def test_the_table_has_the_best_first_and_every_figure():
    config = config_of(target_window_duration=[30, 60], truncation=[True, False])
    shown = render_sweep(stats_of(config, by_rule={"gap": Lost(1, 5.0), "pesq": Lost(1, 10.0)}), config).splitlines()
    assert shown[:7] == TABLE
    assert shown[7:] == [
        "3 entries, 0 rejected",
        "most distinct hours: 3.00 h, by",
        "  alm-beam windows --input=in.jsonl --output=out/windows --target_window_duration=60 --truncation=false",
        "output: out",
    ]


def test_a_terminal_does_not_show_hundreds_of_lines():
    config = config_of(target_window_duration=list(range(30, 30 + MOST_ROWS + 5)))
    assert "\n... and 5 more in sweep.csv\n" in render_sweep(stats_of(config), config)
    assert len(sweep_csv(stats_of(config)).splitlines()) == 1 + MOST_ROWS + 5


def test_the_table_fits_the_terminal_whatever_metrics_are_called():
    config = config_of(min_metrics=[{"a" * 300: 1}, {"\u4e2d" * 300: 1}, {}], overlap_percentage=[0, 50])
    stats = stats_of(config, by_rule={"b" * 300: Lost(1, 5.0)})
    whole = render_sweep(stats, config).splitlines()
    table = whole[: whole.index("3 entries, 0 rejected")]
    assert max(map(cell_len, table)) < 170
    for width in (120, 80, 40):
        shown = render_sweep(stats, config, width).splitlines()
        *table, without = shown[: shown.index("3 entries, 0 rejected")]
        assert max(map(cell_len, table)) <= width
        assert without.startswith("no room here, but columns of sweep.csv: ")
        assert "distinct" in "".join(table)
        assert shown[-4:] == whole[-4:]


def test_losses_stand_in_their_columns_where_combinations_have_other_rules():
    config = config_of(min_metrics=[{"snr": 1}, {"pesq": 1}, {}])
    stats = stats_of(config)
    for row, rules in zip(stats.rows, ({"snr": Lost(1, 7.0)}, {"pesq": Lost(1, 9.0)}, {})):
        row.stats.losses.by_rule = rules
    shown = render_sweep(stats, config).splitlines()
    assert shown[1].split()[-3:] == ["snr", "pesq", "rejected"]
    assert [line.split()[-3:] for line in shown[2:5]] == [["-", "-", "0"], ["-", "9.0%", "0"], ["7.0%", "-", "0"]]


@pytest.mark.parametrize(
    ("recordings", "said"),
    [
        (0, "no recording was looked at, so no combination is the best"),
        (3, "no combination keeps any window, so none is the best"),
    ],
)
def test_where_nothing_is_kept_no_combination_is_the_best(recordings, said):
    config = config_of(overlap_percentage=[0, 50])
    stats = SweepStats().named([each.varied for each in config.combinations], commands_of(config), "kept_hours", [])
    for row in stats.rows:
        row.stats.recordings = recordings
    assert said in render_sweep(stats, config).splitlines()
    assert "alm-beam windows" not in render_sweep(stats, config)
    page = parsed(sweep_page(stats, FACTS))
    assert not [*page.iter("pre")]
    assert stats.to_dict()["best"] is None
    check("sweep", [{**stats.to_dict(), **FACTS}])


def test_passwords_in_urls_are_in_no_command():
    config = SweepConfig.of({"input": "https://user:hunter2@host/a b.jsonl", "output": "s3://bucket/x/"})
    [command] = commands_of(config)
    assert "hunter2" not in command
    assert command.endswith(" --output=s3://bucket/x/windows")


def parsed(page: str) -> ElementTree.Element:
    """The page, which has to be well-formed, but for `meta`, which HTML does not close."""
    return ElementTree.fromstring(re.sub(r"(<meta [^>]*)>", r"\1/>", page.removeprefix("<!doctype html>")))


def test_the_page_shows_every_combination_and_escapes_all():
    config = config_of(
        target_window_duration=[30, 60], overlap_percentage=[0, 50], min_metrics=[{HOSTILE: 1.0}, {"a&b": 2.0}]
    )
    stats = stats_of(config)
    page = sweep_page(stats, {**FACTS, "parameters": {"input": [HOSTILE]}})
    assert "<script" not in page
    assert "\x1b" not in page
    root = parsed(page)
    table = next(each for each in root.iter("table") if "combinations" in each.find("caption").text)
    rows = [["".join(cell.itertext()) for cell in row] for row in table.find("tbody")]
    assert [row[:4] for row in rows[:4:2]] == [
        ["1", "60", "a&b=2.0", "50"],
        ["3", "60", '<script>"\\x1b=1.0', "50"],
    ]
    assert len(rows) == 8
    titles = [each.text for each in root.iter("title")]
    assert "Most distinct hours by target_window_duration and overlap_percentage" in titles
    assert sum(each.startswith("Hours by ") for each in titles) == 3
    [best] = root.iter("pre")
    assert "".join(best.itertext()) == stats.best.command
    assert len(root.findall(".//section")) == 5


def test_a_map_has_the_most_over_the_other_parameters():
    config = config_of(target_window_duration=[30, 60], overlap_percentage=[0, 50], selection=["greedy", "most_audio"])
    stats = stats_of(config)
    stats.rows = [replace(row, stats=other.stats) for row, other in zip(stats.rows, reversed(stats.rows))]
    root = parsed(sweep_page(stats, FACTS))
    [said] = [
        each.find("desc").text
        for each in root.iter("svg")
        if each.find("title") is not None and each.find("title").text.endswith("duration and overlap_percentage")
    ]
    assert said == "30: 0 7, 50 5; 60: 0 3, 50 1"


def test_a_line_goes_through_the_best_combination():
    config = config_of(min_speakers=[1, 2, 3], max_speakers=[2, 4])
    root = parsed(sweep_page(stats_of(config), FACTS))
    said = {
        each.find("title").text: each.find("desc").text for each in root.iter("svg") if each.find("title") is not None
    }
    assert said["Hours by max_speakers"] == "kept hours: 2 none, 4 6 h; distinct hours: 2 none, 4 4 h"
    assert said["Hours by min_speakers"].startswith("kept hours: 1 1.5 h, 2 4.5 h, 3 6 h;")


@pytest.mark.parametrize("swept", [{}, {"target_window_duration": [30, 60]}])
def test_a_sweep_of_one_parameter_or_none_has_a_page(swept):
    page = sweep_page(stats_of(config_of(**swept)), FACTS)
    assert ("One parameter at a time" in page) == bool(swept)
    parsed(page)


@pytest.mark.parametrize("counts", [(1000, 1), (500, 2), (31, 32)])
def test_a_page_of_long_names_is_small(counts):
    least, most = ([{'"&<\U0001f600' * 100 + str(n): n} for n in range(count)] for count in counts)
    config = config_of(min_metrics=least, max_metrics=most)
    assert len(sweep_page(stats_of(config), {**FACTS, "parameters": {"input": ["a" * 90] * 100_000}}).encode()) < 10**6


def test_a_page_of_the_largest_sweep_is_small():
    config = config_of(
        target_window_duration=[10, 20, 30, 40],
        tolerance=[0.1, 0.2, 0.3, 0.4],
        overlap_percentage=[0, 25, 50],
        min_speakers=[1, 2],
        max_speakers=[3, 4],
        min_bandwidth=[0, 8000],
        selection=["greedy", "most_audio"],
    )
    assert len(config.combinations) == 768
    page = sweep_page(stats_of(config), FACTS)
    assert len(page) < 1_000_000
    assert page.count("Most distinct hours by") == MOST_FIGURES
