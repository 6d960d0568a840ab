"""What docs/more-audio.md says of other selections, by its own commands."""

import json
import re
import shlex
from pathlib import Path

import pytest

from alm_beam.cli.main import main

REPO = Path(__file__).parents[1]
PAGE = (REPO / "docs" / "more-audio.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^alm-beam (windows .*)$", PAGE, re.M)
ROWS = dict(re.findall(r"^\| `(out/.*?)` \| (.*) \|$", PAGE, re.M))
STATED = ("filtered_windows", "filtered_dur", "covered_dur", "candidate_dur", "audio_dur")


def test_every_row_has_a_command():
    assert [re.findall("--output (\\S+)", command)[0] for command in COMMANDS] == list(ROWS)
    assert len(ROWS) == 6


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_states_what_its_commands_give(command, tmp_path, monkeypatch, capsys):
    (tmp_path / "alm_beam").symlink_to(REPO / "alm_beam")
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 0
    output = re.findall("--output (\\S+)", command)[0]
    stats = json.loads(Path(output, "loss_stats.json").read_text())
    assert ROWS[output] == " | ".join(
        f"{stats[name]:,.1f}" if name.endswith("dur") else str(stats[name]) for name in STATED
    )
    summary = " ".join(capsys.readouterr().out.split())
    audio = stats["audio_dur"]
    for text, name in (
        (f"in any candidate {stats['candidates']:,}", "candidate_dur"),
        (f"in any kept window {stats['filtered_windows']}", "covered_dur"),
        (f"kept windows, overlaps included {stats['filtered_windows']}", "filtered_dur"),
        ("--selection=most_audio would keep", "most_audio_dur"),
    ):
        if name in stats:
            assert f"{text} {stats[name] / 3600:.2f} h {stats[name] / audio:.1%}" in summary
    assert ("most_audio_dur" in stats) == ("--compare_selection" in command)


def test_what_the_comparison_promises_is_what_the_other_selection_keeps(tmp_path):
    kept = {}
    for flag, name in (("--compare_selection", "most_audio_dur"), ("--selection=most_audio", "filtered_dur")):
        flags = ["--candidates=all", "--overlap_percentage=30", flag]
        assert main(["windows", f"--input={REPO}/alm_beam/sample_data", f"--output={tmp_path / name}", *flags]) == 0
        kept[name] = json.loads((tmp_path / name / "loss_stats.json").read_text())[name]
    assert kept["most_audio_dur"] == pytest.approx(kept["filtered_dur"], rel=1e-9)
