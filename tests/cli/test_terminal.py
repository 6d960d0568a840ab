"""What all commands have in common on a terminal: help, JSON, and text of others that controls nothing."""

import contextlib
import gzip
import io
import json
import shlex
import wave
from pathlib import Path

import pytest

from alm_beam.cli.main import _COMMANDS, main
from tests.manifests import lines, write

HOSTILE = "\x1b[31mred\u202e\x07\x9b2J\r\x00end"


def said(capfd, *arguments: str) -> tuple[int, str, str]:
    capfd.readouterr()
    try:
        code = main(list(arguments))
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    return code, *capfd.readouterr()


def help_of(command: str) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit):
        main([command, "--help"])
    return text.getvalue()


@pytest.mark.parametrize("command", _COMMANDS)
def test_help_has_a_usage_of_one_line_groups_and_examples(command):
    usage, blank, *rest = help_of(command).splitlines()
    assert usage.startswith(f"usage: alm-beam {command} ")
    assert usage.endswith(" [flags]")
    assert blank == ""
    titles = [line for line in rest if line.endswith(":") and not line.startswith(" ")]
    assert titles[0] == "options:"
    assert len(titles) >= 3
    assert titles[-1] == "Examples:"
    examples = rest[rest.index("Examples:") + 1 :]
    assert 1 <= len(examples) <= 3
    assert all(example.startswith(f"  alm-beam {command}") for example in examples)


def test_the_usage_names_what_has_to_be_given():
    assert help_of("windows").startswith("usage: alm-beam windows --input PATH --output DIR [flags]\n")
    sizes = "(--max_num_elements | --max_seconds | --batch_size)"
    assert help_of("batches").startswith(f"usage: alm-beam batches DIR ... {sizes} [flags]\n")
    assert help_of("schema").startswith("usage: alm-beam schema [NAME] [flags]\n")


EXAMPLES = [
    line.strip() for command in _COMMANDS for line in help_of(command).partition("\nExamples:\n")[2].splitlines()
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_works(example, worked, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(worked)
    words = shlex.split(example.partition(" > ")[0])[1:]
    if "--output" in words:
        words[words.index("--output") + 1] = str(tmp_path / "out")
    words += {"sample": ["--recordings=3"], "check-loader": ["--num_workers=0", "--world_size=1", "--limit=2"]}.get(
        words[0], []
    )
    code, out, errors = said(capfd, *words)
    assert code == 0, errors
    assert "--json" not in words or json.loads(out)


@pytest.fixture(scope="module")
def worked(tmp_path_factory) -> Path:
    """A folder with what the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    turns = [(n, n + 0.9, "xy"[n % 2]) for n in range(140)]
    rttm = "".join(f"SPEAKER a 1 {start} {end - start} <NA> <NA> {who} <NA> <NA>\n" for start, end, who in turns)
    write(folder / "diarized" / "a.rttm", rttm.encode())
    sound(folder / "audio" / "a.wav", 140)
    spoken = [
        {"start": each[0], "end": each[1], "speaker": each[2], "text": "so", "metrics": {"bandwidth": 8000}}
        for each in turns
    ]
    entry = {"audio_filepath": f"{folder}/audio/a.wav", "audio_sample_rate": 16000, "duration": 140, "segments": spoken}
    manifest = write(folder / "manifests" / "m.jsonl", lines([entry])).read_bytes()
    write(folder / "day" / "m.jsonl.gz", gzip.compress(manifest))
    assert main(["windows", f"--input={folder}/manifests", f"--output={folder}/windows"]) == 0
    shorter = (f"--output={folder}/shorter_windows", "--target_window_duration=60")
    assert main(["windows", f"--input={folder}/manifests", *shorter]) == 0
    write(folder / "cuts" / "cuts.jsonl", (folder / "windows" / "cuts-00000-of-00001.jsonl").read_bytes())
    return folder


def sound(path: Path, seconds: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * (125 * seconds))


def hostile_entry(folder: Path) -> dict:
    """An entry whose every text is hostile, and whose audio is there."""
    audio = folder / f"{HOSTILE.translate({0: None, 13: None})}.wav"
    sound(audio, 60)
    spoken = [
        {"start": n, "end": n + 0.9, "speaker": f"{HOSTILE}{n % 2}", "text": HOSTILE, "metrics": {"bandwidth": 8000}}
        for n in range(60)
    ]
    named = dict.fromkeys(("id", "audio_item_id", "corpus", "source", "language", "split", HOSTILE), HOSTILE)
    return {"audio_filepath": str(audio), "audio_sample_rate": 16000, "duration": 60, "segments": spoken, **named}


def test_no_text_of_a_file_controls_the_terminal_in_any_command(tmp_path, capfd):
    named = tmp_path / HOSTILE.translate({0: None, ord("["): None})  # what no folder of a run may have
    bad = [json.dumps(HOSTILE), "{" + HOSTILE, json.dumps({"audio_filepath": HOSTILE, "segments": HOSTILE})]
    entry = hostile_entry(tmp_path)
    source = write(named / "m.jsonl", lines([entry]) + "".join(f"{line}\n" for line in bad).encode())
    write(
        named / "t" / "a.rttm", f"SPEAKER {HOSTILE} 1 0 x <NA> <NA> {HOSTILE}\nSPEAKER a 1 0 1 <NA> <NA> x\n".encode()
    )
    out, many = named / "w", "--max_reject_fraction=1"
    small = ["--target_window_duration=20", "--min_bandwidth=0"]
    runs = [
        (0, ["windows", f"--input={source}", f"--output={out}", many, *small]),
        (0, ["windows", f"--input={source}", f"--output={named / 'w2'}", many, "--min_metrics", f"{HOSTILE}=3"]),
        (1, ["windows", f"--input={source}", f"--output={named / 'w3'}", "--max_reject_fraction=0"]),
        (0, ["windows", f"--input={source}", f"--output={named / 'w4'}", "--dry_run"]),
        (0, ["measure", f"--input={source}", f"--output={named / 'm'}", many]),
        (0, ["measure", f"--input={source}", f"--output={named / 'm2'}", "--dry_run"]),
        (0, ["shards", f"--input={out}", f"--output={named / 's'}", many]),
        (0, ["shards", f"--input={out}", f"--output={named / 's2'}", "--dry_run"]),
        (0, ["convert", "--from=rttm", f"--input={named / 't'}", f"--output={named / 'c'}", many]),
        (0, ["convert", "--from=rttm", f"--input={named / 't'}", f"--output={named / 'c2'}", "--dry_run"]),
        (1, ["validate", str(source), "--check_audio"]),
        (0, ["index", str(out), "--overwrite"]),
        (0, ["index", str(out), "--check"]),
        (0, ["batches", str(out), "--batch_size=2"]),
        (0, ["check-loader", str(out), "--num_workers=0", "--world_size=1"]),
        (2, ["check-loader", str(out), "--loader", f"{HOSTILE}:f"]),
        (0, ["sample", str(named / "s.jsonl"), "--recordings=1"]),
        (2, ["schema", HOSTILE]),
        (0, ["sweep", f"--input={source}", f"--output={named / 'sw'}", many, "--min_metrics", f"{HOSTILE}=3;none"]),
        (0, ["sweep", f"--input={source}", f"--output={named / 'sw2'}", "--dry_run"]),
        (0, ["report", str(out), f"--output={named / 'report.html'}"]),
        (1, ["report", str(named), f"--output={named / 'none.html'}"]),
    ]
    assert {run[0] for _, run in runs} == {*_COMMANDS}
    writers = ("windows", "measure", "shards", "convert", "sweep")
    has_json = {*writers, "validate", "index", "batches", "check-loader", "sample"}
    for expected, run in runs:
        for more in ([], ["--json", "--overwrite"] if run[0] in writers else ["--json"]):
            if more and run[0] not in has_json:
                continue
            code, printed, errors = said(capfd, *run, *more)
            where = " ".join([*run, *more])
            assert all(line.isprintable() for line in (printed + errors).split("\n")), where
            assert code == expected, where + errors
            assert printed + errors, where
            if more and code == 0:
                assert isinstance(json.loads(printed), dict), where


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("windows", "loss_stats.json"),
        ("sweep", "sweep.json"),
        ("measure", "measure_stats.json"),
        ("shards", "shards_stats.json"),
        ("convert", "convert_stats.json"),
    ],
)
def test_a_job_gives_its_statistics_as_json(worked, tmp_path, capfd, command, file):
    source = {"shards": "windows", "convert": "diarized"}.get(command, "manifests")
    flags = [f"--input={worked / source}", f"--output={tmp_path}/out", "--json", "--progress=false"]
    code, printed, errors = said(capfd, command, *flags)
    assert (code, errors) == (0, "")
    given = json.loads(printed)
    assert given.pop("output") == f"{tmp_path}/out"
    assert given == json.loads((tmp_path / "out" / file).read_text())
