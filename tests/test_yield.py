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
    assert ("most_audio_dur" in stats) == ("--selection=most_audio" not in command)


def test_what_the_comparison_promises_is_what_the_other_selection_keeps(tmp_path):
    kept = {}
    for flag, name in (("--compare_selection", "most_audio_dur"), ("--selection=most_audio", "filtered_dur")):
        flags = ["--candidates=all", "--overlap_percentage=30", flag]
        assert main(["windows", f"--input={REPO}/alm_beam/sample_data", f"--output={tmp_path / name}", *flags]) == 0
        kept[name] = json.loads((tmp_path / name / "loss_stats.json").read_text())[name]
    assert kept["most_audio_dur"] == pytest.approx(kept["filtered_dur"], rel=1e-9)


def test_what_most_audio_would_keep_is_stated_without_being_asked_for_and_changes_nothing_else(tmp_path, capsys):
    left, stated = {}, {}
    for name, flags in (("default", []), ("asked", ["--compare_selection"]), ("off", ["--compare_selection=false"])):
        assert main(["windows", f"--input={REPO}/alm_beam/sample_data", f"--output={tmp_path / name}", *flags]) == 0
        stated[name] = [line.split() for line in capsys.readouterr().out.splitlines() if "would keep" in line]
        files = [path for pattern in ("*.jsonl", "index/*") for path in sorted((tmp_path / name).glob(pattern))]
        left[name] = {path.name: path.read_bytes() for path in files if path.name != "index.json"}
        left[name]["stats"] = json.loads((tmp_path / name / "loss_stats.json").read_text())
    parameters = {name: each["stats"].pop("parameters") for name, each in left.items()}
    given = {name: each["compare_selection"] for name, each in parameters.items()}
    assert given == {"default": None, "asked": True, "off": False}
    assert len(left["default"]) > 3
    assert left["default"] == left["asked"]
    assert stated["default"] == stated["asked"] == [["--selection=most_audio", "would", "keep", "0.66", "h", "111.4%"]]
    assert left["default"]["stats"].pop("most_audio_dur") == pytest.approx(2373.4, abs=0.05)
    assert left["default"] == left["off"]
    assert stated["off"][0][-2:] == ["see", "--compare_selection"]


@pytest.mark.parametrize(("repeat_factor", "is_stated"), [(28, True), (29, False)])  # of 278,818 bytes
def test_what_most_audio_would_keep_is_stated_unasked_for_up_to_8_mb_of_input(tmp_path, repeat_factor, is_stated):
    flags = [f"--input={REPO}/alm_beam/sample_data", f"--output={tmp_path}/out", f"--repeat_factor={repeat_factor}"]
    assert main(["windows", *flags, "--no_candidate_windows", "--no_cuts"]) == 0
    assert ("most_audio_dur" in json.loads((tmp_path / "out" / "loss_stats.json").read_text())) == is_stated


def test_a_greedy_run_with_all_candidates_is_told_that_it_may_keep_less(tmp_path, capsys):
    kept = {}
    for name, flags in (
        ("longest", []),
        ("all", ["--candidates=all"]),
        ("most", ["--candidates=all", "--selection=most_audio"]),
    ):
        flags += ["--overlap_percentage=80", f"--input={REPO}/alm_beam/sample_data", f"--output={tmp_path / name}"]
        assert main(["windows", *flags]) == 0
        kept[name] = json.loads((tmp_path / name / "loss_stats.json").read_text())["filtered_dur"]
        assert ("note: --selection=greedy with --candidates=all can keep less" in capsys.readouterr().out) == (
            name == "all"
        )
    assert kept["all"] < kept["longest"] < kept["most"]
