"""`alm-beam convert`: its flags, what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest

from alm_beam.cli.main import main
from alm_beam.sample import write_sample

TURN = "SPEAKER {} 1 {} 1.5 <NA> <NA> ann <NA> <NA>\n"


@pytest.fixture
def rttm(tmp_path) -> Path:
    path = tmp_path / "in" / "all.rttm"
    path.parent.mkdir()
    path.write_text("".join(TURN.format(name, start) for name in "abcd" for start in (0, 2)))
    return path.parent


def status(*arguments: object) -> int:
    try:
        return main(["convert", *map(str, arguments)])
    except SystemExit as ended:
        return int(str(ended.code))


def test_the_summary_tells_what_was_written_and_not_found(rttm, tmp_path, capsys):
    (rttm / "other.rttm").write_text("SPKR-INFO a 1 <NA> <NA> <NA> unknown ann <NA>\nnonsense\n")
    audio = tmp_path / "audio"
    audio.mkdir()
    for name in ("a.wav", "b.wav", "b.flac"):
        (audio / name).touch()
    out = tmp_path / "out"
    assert (
        status("--from=rttm", "--input", rttm, "--output", out, "--audio_root", audio, "--max_reject_fraction=0.1") == 0
    )
    printed = " ".join(capsys.readouterr().out.split())
    for expected in (
        "recordings 4",
        "segments 8 0.00 h 12.0 s",
        "audio found 1 25.0%",
        "audio not found 2 50.0%",
        "audio ambiguous 1 25.0%",
        "lines passed over 1 SPKR-INFO 1",
        "rejected lines or files 1 10.0% unknown_line_type 1",
        "note: no audio below --audio_root has the name of 2 recordings (c, d)",
        "note: more than one audio file has the name of 1 recording (b); none was taken",
        f"output: {out}",
        f"next: alm-beam measure --input {out} --output measured/",
    ):
        assert expected in printed


def test_recordings_without_audio_are_no_failure(rttm, tmp_path, capsys):
    assert status("--input", rttm, "--output", tmp_path / "out") == 0
    assert "4 recordings (a, b, c, ...) got no audio_filepath; --audio_root DIR" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--from=srt",), "invalid choice: 'srt'"),
        (("--to=nemo", "--from=rttm"), "--from=rttm: means nothing beside --to"),
        (("--audio_rot=x",), "did you mean --audio_root?"),
        (("--max_reject_fraction=2",), "--max_reject_fraction=2: must be a fraction"),
        (("--num_shards=2",), "unknown argument --num_shards"),
        (("--audio_root=nosuch",), "--audio_root=nosuch: cannot be listed"),
    ],
)
def test_a_wrong_flag_ends_with_2(rttm, tmp_path, capsys, flags, why):
    assert status("--input", rttm, "--output", tmp_path / "out", *flags) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_input_ends_with_2(tmp_path, capsys):
    assert status("--from=rttm", "--input", tmp_path / "nosuch", "--output", tmp_path / "out") == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_too_many_rejects_end_with_1(rttm, tmp_path, capsys):
    (rttm / "other.rttm").write_text("nonsense\n")
    assert status("--input", rttm, "--output", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert f"the run failed; {tmp_path / 'out'} is not complete: 1 of 9 lines or files were rejected (11.11%)" in error


def test_an_earlier_run_stays(rttm, tmp_path, capsys):
    assert status("--input", rttm, "--output", tmp_path / "out") == 0
    assert status("--input", rttm, "--output", tmp_path / "out") == 2
    (rttm / "other.rttm").write_text("nonsense\n")
    assert status("--input", rttm, "--output", tmp_path / "out", "--overwrite") == 1
    assert "the earlier run in" in capsys.readouterr().err


def test_names_of_others_control_no_terminal(tmp_path, capsys):
    (tmp_path / "x.rttm").write_text(TURN.format("a\x1b[2J\u202e", 1))
    assert status("--input", tmp_path / "x.rttm", "--output", tmp_path / "out") == 0
    assert "a\\x1b[2J\\u202e" in capsys.readouterr().out


def test_cuts_to_others(tmp_path, capsys):
    write_sample(str(tmp_path / "in.jsonl"), recordings=3, seed=1)
    assert main(["windows", "--input", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "windows")]) == 0
    capsys.readouterr()
    cuts = json.loads((tmp_path / "windows" / "loss_stats.json").read_text())["filtered_windows"]
    assert status("--to=nemo", "--input", tmp_path / "windows", "--output", tmp_path / "nemo") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"cuts {cuts}" in printed
    assert f"lines written {cuts}" in printed
    assert "measure" not in printed
