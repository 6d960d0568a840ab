"""`alm-beam validate`: what it prints, its exit codes, and whether the commands that it prints work."""

import gzip
import itertools
import json
import os
import re
import shlex
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from alm_beam.cli.main import main
from alm_beam.sample import SHIPPED, write_sample
from tests.core.test_validation import changed, entry, turns
from tests.manifests import stats, write
from tests.schemas import check
from tests.test_schemas import INPUTS

HOSTILE = "a\x1b[2J\x07\r\n\x00\x9b31m\u202egnp.exe\u2028\x7f"


def manifest(path: Path, *entries: dict[str, Any]) -> str:
    return str(write(path, b"".join(json.dumps(each).encode() + b"\n" for each in entries)))


def status(*arguments: str) -> int:
    """The exit code of the command."""
    try:
        return main(["validate", *arguments])
    except SystemExit as ended:
        return int(str(ended.code))


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What the command says as JSON, which is what the schema says, and fits the exit code."""
    code = status(*arguments, "--json")
    verdict: dict[str, Any] = json.loads(capsys.readouterr().out)
    check("validation", [verdict])
    assert code == (0 if verdict["fit"] else 1)
    return verdict


def test_a_manifest_that_is_fit(tmp_path, capsys):
    assert status(manifest(tmp_path / "m.jsonl", entry())) == 0
    printed = capsys.readouterr().out
    assert "\nnothing looks wrong\n" in printed
    assert printed.endswith(f"  alm-beam windows --input {tmp_path}/m.jsonl --output windows\nfit for these flags\n")


def test_a_manifest_that_is_not(tmp_path, capsys):
    path = manifest(tmp_path / "m.jsonl", entry(), entry(changed(3, end=2.0)), entry(changed(7, speaker="no-speaker")))
    assert status(path) == 1
    printed = capsys.readouterr().out
    offset = len(json.dumps(entry())) + 1
    assert re.search(rf"\n  end_before_start +1 +33.3%\n      {re.escape(path)}, byte {offset:,}: segments", printed)
    assert "segments[3]: end 2.0 is before start 15.0\n" in printed
    assert "\n  1 segment: labelled no-speaker, which ends windows; --skip_no_speaker leaves them out\n" in printed
    assert "\n  1 entry: an earlier entry has the same audio; its windows would be made twice\n" in printed
    assert printed.endswith("not fit for these flags\n")


def test_nothing_is_written(tmp_path, monkeypatch):
    path = manifest(tmp_path / "m.jsonl", entry())
    monkeypatch.chdir(tmp_path)
    assert status(path) == 0
    assert os.listdir(tmp_path) == ["m.jsonl"]


def test_text_and_json_tell_the_same(tmp_path, capsys):
    hostile = tmp_path / "hostile.jsonl"
    write_sample(str(hostile), recordings=30, seed=5, hostile=True)
    bad = str(write(tmp_path / "bad.jsonl", b"[]\n{\n{}\n"))
    inputs = (str(hostile), bad, SHIPPED)
    verdict = told(capsys, *inputs, "--check_audio")
    assert status(*inputs, "--check_audio") == 1
    printed = capsys.readouterr().out
    rows = {" ".join(each[:38].split()): each[38:].split() for each in printed.splitlines()}
    assert rows["entries"][0] == f"{verdict['entries']:,}"
    assert rows["rejected entries"][0] == str(verdict["rejected"]) == "3"
    assert set(verdict["rejects"]) == {"not_object", "cut_off", "segments_missing"}
    for reason, found in verdict["rejects"].items():
        assert rows[reason][0] == str(found["count"])
    assert rows["bandwidth"] == [str(verdict["missing"]["bandwidth"]["count"]), *rows["bandwidth"][1:]]
    for problem in verdict["problems"].values():
        assert re.search(rf"^  {problem['count']} (entr|segment|pause)", printed, re.MULTILINE)
    examples = [
        each for found in (*verdict["rejects"].values(), *verdict["problems"].values()) for each in found["examples"]
    ]
    for each in examples:
        assert f"      {each['file']}, byte {each['offset']:,}: {each['detail']}\n" in printed
    segment = next(each for each in printed.splitlines() if each.startswith("  segment, s")).split()[2:]
    assert float(segment[4]) == verdict["distributions"]["segment_seconds"]["p50"]
    assert rows["candidate windows with these flags"] == [str(verdict["windows"]["candidates"])]
    assert rows["audio files that are not there"] == [str(verdict["audio"]["absent"])] == ["35"]
    for each in (*verdict["commands"], *(flag["why"] for flag in verdict["flags"]), *verdict["notes"]):
        assert each in printed


@pytest.mark.parametrize("flags", [(), ("--min_bandwidth=0", "--candidates=all", "--target_window_duration=30")])
def test_the_windows_are_those_of_a_run(flags, tmp_path, capsys):
    hostile = tmp_path / "hostile.jsonl"
    write_sample(str(hostile), recordings=20, seed=5, hostile=True)
    bad = str(write(tmp_path / "bad.jsonl", b"[]\n{\n{}\n"))
    found = told(capsys, str(hostile), bad, *flags)["windows"]
    run = ["--output", str(tmp_path / "out"), "--max_reject_fraction=1", "--direct_num_workers=1"]
    assert main(["windows", "--input", str(hostile), "--input", bad, *run, *flags]) == 0
    made = stats(tmp_path / "out")
    assert found["candidates"] > 30
    assert found == {
        **{name: pytest.approx(made[name]) for name in found},
        "rejected_by_reason": made["rejected_by_reason"],
    }


def test_every_way_to_name_manifests(tmp_path, capsys):
    folder = tmp_path / "folder"
    manifest(folder / "a.jsonl", entry())
    write(folder / "b.jsonl.gz", gzip.compress(json.dumps(entry(audio_filepath="b.wav")).encode()))
    reader, writer = os.pipe()
    os.write(writer, json.dumps(entry([])).encode())
    os.close(writer)
    for inputs, entries in {
        (str(folder),): 2,
        (f"{folder}/*.gz", f"{folder}/a.jsonl"): 2,
        (f"{folder}/a.jsonl,{folder}/b.jsonl.gz",): 2,
        (f"file://{folder}/a.jsonl",): 1,
        (f"/dev/fd/{reader}",): 1,
    }.items():
        assert told(capsys, *inputs)["entries"] == entries
    os.close(reader)


def test_a_flag_without_a_value_takes_no_input_for_one(tmp_path, capsys):
    path = manifest(tmp_path / "m.jsonl", entry(NO_SPEAKER))
    for flags, fit in {
        ("--skip_no_speaker",): True,
        ("--skip_no_speaker", "false"): False,
        ("--no_truncation",): False,
    }.items():
        assert told(capsys, *flags, path)["fit"] is fit


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch.jsonl"], "error: nosuch.jsonl: no such file or folder"),
        ([], "the following arguments are required: INPUT"),
        (["m.jsonl", "--min_bandwith=1"], "unknown argument --min_bandwith (did you mean --min_bandwidth?)"),
        (["m.jsonl", "--tolerance=2"], "--tolerance=2: must be a fraction"),
        (["m.jsonl", "--audio_root=audio"], "--audio_root says where --check_audio looks; give that, too"),
        (["m.jsonl", "--storage_options=[]"], "--storage_options: must be a JSON object"),
        (["m.jsonl", "--overwrite"], "unknown argument --overwrite"),
    ],
)
def test_a_wrong_flag_or_input_is_an_error_of_its_own(arguments, message, tmp_path, capsys, monkeypatch):
    manifest(tmp_path / "m.jsonl", entry())
    monkeypatch.chdir(tmp_path)
    assert status(*arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert not printed.out


def test_a_manifest_that_cannot_be_read_is_named(tmp_path, capsys):
    cut = write(tmp_path / "cut.jsonl.gz", gzip.compress(json.dumps(entry()).encode())[:-5])
    assert status(str(cut), "--json") == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"alm-beam validate: error: {cut}: the compressed data is cut off")
    assert not printed.out


def test_no_text_of_others_reaches_the_terminal_raw(tmp_path, capsys):
    path = manifest(tmp_path / "m.jsonl", entry(turns(speaker=f"{HOSTILE}+no-speaker"), audio_filepath=HOSTILE))
    assert status(path, "--check_audio") == 1
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.splitlines())
    assert "a\\x1b[2J\\x07\\r\\n\\x00: " not in printed
    assert "seems to name several speakers" in printed


def test_no_secret_is_shown(tmp_path, capsys):
    path = manifest(tmp_path / "m.jsonl", entry(audio_filepath="http://user:secret99@127.0.0.1:9/a.wav?sig=secret99"))
    assert status(path, "--check_audio", '--storage_options={"http": {"client_kwargs": {"x": "secret99"}}}') == 1
    assert status("http://user:secret99@127.0.0.1:9/m.jsonl?sig=secret99") == 2
    printed = capsys.readouterr()
    assert "secret99" not in printed.out + printed.err
    assert re.search("cannot be looked up +1", printed.out)


def test_audio_that_is_there_and_that_is_not(tmp_path, capsys):
    (tmp_path / "audio" / "folder.wav").mkdir(parents=True)
    for name in ("a.wav", "b.wav"):
        (tmp_path / "audio" / name).touch()
    names = ["a.wav", str(tmp_path / "audio" / "b.wav"), "folder.wav", *(f"no{n}.wav" for n in range(20)), None]
    entries = [entry([], audio_filepath=name, resampled_audio_filepath="a.wav") for name in names]
    path = manifest(tmp_path / "m.jsonl", *entries)
    found = told(capsys, path, "--check_audio", f"--audio_root={tmp_path}/audio")["audio"]
    assert (found["present"], found["absent"], found["unknown"]) == (3, 21, 0)
    assert found["named"][:2] == [
        {"audio": f"{tmp_path}/audio/folder.wav", "detail": "is a folder"},
        {"audio": f"{tmp_path}/audio/no0.wav", "detail": "does not exist"},
    ]
    assert len(found["named"]) == 10
    fit = manifest(tmp_path / "fit.jsonl", entry())
    assert status(fit, "--check_audio", f"--audio_root={tmp_path}/audio") == 0
    assert status(fit, "--check_audio", f"--audio_root={tmp_path}") == 1


NO_SPEAKER = [
    each
    for n, turn in enumerate(turns())
    for each in (
        turn,
        {"start": turn["end"] - 0.5, "end": turn["end"], "speaker": "no-speaker"} if n % 3 == 0 else None,
    )
    if each
]
JOINT = [", ".join(names) for names in itertools.permutations(("a", "b", "no-speaker"))]
MISFITS = {
    "no-speaker": (entry(NO_SPEAKER), ["skip_no_speaker"]),
    "joint labels": (
        entry([{**turn, "speaker": JOINT[n % 6]} for n, turn in enumerate(turns())]),
        ["speaker_separator"],
    ),
    "16 kHz": (entry(turns(metrics={"bandwidth": 7400}), audio_sample_rate=16000), ["min_bandwidth"]),
    "8 kHz": (entry(turns(metrics={"bandwidth": 3700}), audio_sample_rate=8000), ["min_sample_rate", "min_bandwidth"]),
    "upsampled": (entry(turns(metrics={"bandwidth": 3700})), ["min_bandwidth"]),
    "short": (entry(turns(12), duration=60), ["target_window_duration"]),
    "one speaker": (entry(turns(speaker="a")), ["min_speakers"]),
    "nothing stated": (
        entry(turns(metrics=None), audio_filepath=None, audio_sample_rate=None),
        ["default_sample_rate", "min_bandwidth"],
    ),
    "chain": (
        entry(turns(12, metrics={"bandwidth": 7000}, speaker="a,no-speaker"), duration=60.0, audio_sample_rate=16000),
        ["speaker_separator", "target_window_duration", "min_bandwidth", "min_speakers"],
    ),
}


def flags_in(command: str) -> list[str]:
    """The flags of a command of `windows` less those of files."""
    arguments = [each for each in shlex.split(command) if each.startswith("--")]
    return [each for each in arguments if each not in ("--input", "--output")]


@pytest.mark.parametrize(("misfit", "flags"), MISFITS.values(), ids=MISFITS)
def test_the_command_that_follows_gives_windows_where_there_were_none(misfit, flags, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = manifest(tmp_path / "it's m.jsonl", misfit)
    verdict = told(capsys, path, "--no_truncation")
    assert (verdict["fit"], verdict["windows"]["filtered_windows"]) == (False, 0)
    assert sorted(flag["name"] for flag in verdict["flags"]) == sorted(flags)
    [command] = verdict["commands"]
    program, *arguments = shlex.split(command)
    assert told(capsys, path, *flags_in(command))["fit"]
    assert (program, arguments[0]) == ("alm-beam", "windows")
    assert main(arguments) == 0
    assert stats(tmp_path / "windows")["filtered_windows"] > 0


def test_what_the_audio_can_tell_is_measured_first(tmp_path, capsys):
    path = manifest(tmp_path / "m.jsonl", entry(turns(metrics=None), audio_sample_rate=None))
    verdict = told(capsys, path)
    assert verdict["flags"] == []
    assert verdict["commands"] == [
        f"alm-beam measure --input {path} --output measured",
        "alm-beam windows --input measured --output windows",
    ]
    stated = told(capsys, path, "--default_sample_rate=48000", "--min_bandwidth=0")
    assert stated["commands"] == [
        f"alm-beam windows --input {path} --output windows --default_sample_rate=48000 --min_bandwidth=0"
    ]
    assert stated["fit"]


@pytest.mark.skipif(not INPUTS.is_dir(), reason=f"what Curator's chain wrote is not at {INPUTS}")
@pytest.mark.parametrize("name", ["base", "asr", "tts"])
def test_the_flags_that_follow_give_windows_of_what_curators_chain_writes(name, capsys):
    path = str(INPUTS / f"tagging_{name}.jsonl")
    verdict = told(capsys, path, "--default_sample_rate=48000")
    assert not verdict["fit"]
    [command] = verdict["commands"]
    assert told(capsys, path, *flags_in(command))["windows"]["filtered_windows"] > 0


def test_memory_does_not_grow_with_the_manifest(tmp_path):
    def peak(recordings: int) -> int:
        path = tmp_path / f"{recordings}.jsonl"
        write_sample(str(path), recordings=recordings, seed=1, hostile=True)
        tracemalloc.start()
        assert status(str(path), "--json") == 1
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(5)  # what is imported, and remembered, once
    few, many = peak(40), peak(400)
    assert many < few + 500_000
