"""A run that writes audio shards and was cut short: the same command does the rest, and nothing else."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from alm_beam.storage.staged_run import FILES
from tests.jobs.cuts import cuts_in, files_in, job, many, noise, shar_audio, stats

REPO = Path(__file__).parents[2]
FLAGS = ["--windows_per_shard=4"]
CRASH = """
import os, signal, sys
import alm_beam.transforms.sliced_windows as made
before = made.slices
def slices(url, *args, **more):
    if "r03" in url:
        os.kill(os.getpid(), signal.SIGSEGV)
    return before(url, *args, **more)
made.slices = slices
from alm_beam.cli.shards import main
sys.exit(main(sys.argv[1:]))
"""
"""The job with a decoder that dies of one file."""


WAIT = """
import os, sys, time
from alm_beam.transforms.made_shard import ShardMaker
made, before = [], ShardMaker._made
def one_more(*args):
    while len(made) >= {shards} and not os.path.exists({until!r}):
        time.sleep(0.01)
    made.append(before(*args))
    return made[-1]
ShardMaker._made = one_more
from alm_beam.cli.shards import main
sys.exit(main(sys.argv[1:]))
"""
"""The job, which waits for a file once so many shards are made."""


def started(
    *flags: object, job: Sequence[str] = ("pipelines/build_shards.py",), **more: object
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *job, *map(str, flags)],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


def staged(out: Path) -> list[Path]:
    """The records of the shards that are whole."""
    return [*out.glob("beam-temp-alm_beam-*/made/*.json")]


@pytest.fixture
def source(tmp_path) -> Path:
    return many(tmp_path, 6)


@pytest.fixture
def cut_short(tmp_path, source) -> Path:
    """A folder that a run left which was cut short after five of six shards."""
    lost = tmp_path / "audio" / "r05.flac"
    lost.rename(tmp_path / "r05.flac")
    assert job(tmp_path / "out", source, flags=FLAGS) == 1, "four of 24 are rejected"
    (tmp_path / "r05.flac").rename(lost)
    assert len(staged(tmp_path / "out")) == 5
    return tmp_path / "out"


def taken_over(out: Path, source: Path, *more: str) -> int:
    assert job(out, source, flags=[*FLAGS, *more]) == 0
    assert not list(out.glob("beam-temp-*"))
    expected = out.with_name("expected")
    assert job(expected, source, flags=[*FLAGS, *(each for each in more if each != "--overwrite")]) == 0
    assert {**files_in(out), "input_cfg.yaml": b""} == {**files_in(expected), "input_cfg.yaml": b""}
    return int(stats(out)["taken_over"])


def test_shards_that_are_whole_are_taken_over(cut_short, source):
    assert taken_over(cut_short, source) == 5


@pytest.mark.parametrize(
    "flag", ["--overwrite", "--format=webdataset", "--audio_format=wav", "--sample_rate=8000", "--order=shuffled"]
)
def test_with_other_flags_all_are_made_anew(cut_short, source, flag):
    assert taken_over(cut_short, source, flag) == 0


def test_of_other_cuts_none_is_taken_over(cut_short, source):
    source.write_text(source.read_text().replace('"speaker": "a"', '"speaker": "b"'))
    assert taken_over(cut_short, source) == 0


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-5], id="cut off"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:700] + bytes([data[700] ^ 1]) + data[701:], id="another bit"),
        pytest.param(lambda data: data + b"\0", id="longer"),
    ],
)
@pytest.mark.parametrize("kind", [f"{FILES}/shar/*.000002.tar", "shards-cuts/000002.jsonl"])
def test_a_shard_that_is_damaged_is_made_anew(cut_short, source, damage, kind):
    [path] = cut_short.glob(f"beam-temp-alm_beam-*/{kind}")
    path.write_bytes(damage(path.read_bytes()))
    assert taken_over(cut_short, source) == 4


def test_a_shard_whose_file_is_gone_is_made_anew(cut_short, source):
    [path] = cut_short.glob(f"beam-temp-alm_beam-*/{FILES}/shar_index/cuts.000001.jsonl.idx")
    path.unlink()
    assert taken_over(cut_short, source) == 4


def test_a_shard_whose_audio_has_changed_is_made_anew(cut_short, source, tmp_path):
    noise(tmp_path / "audio" / "r01.flac", 2.5, seed=99)
    assert taken_over(cut_short, source) == 4


def test_what_a_run_that_was_killed_has_half_written_goes(cut_short, source):
    [folder] = cut_short.glob("beam-temp-alm_beam-*")
    for name in ("unfinished", "begun", "shards-rejects"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "left").write_bytes(b"x")
    assert taken_over(cut_short, source) == 5


@pytest.mark.parametrize(
    "seen",
    [
        "*",
        "beam-temp-*/plan/*",
        "beam-temp-*/begun/*",
        "beam-temp-*/made/*",
        "beam-temp-*/index/*",
        "cuts-*.jsonl",
        "shar/*.tar",
        "shards_stats.json",
    ],
)
def test_a_run_killed_once_something_is_seen_is_not_complete_and_the_same_command_completes_it(tmp_path, seen):
    source, out = many(tmp_path, 12), tmp_path / "out"
    out.mkdir()
    flags = (f"--input={source}", f"--output={out}", "--windows_per_shard=2")
    process = started(*flags)
    while process.poll() is None and not list(out.glob(seen)):
        time.sleep(0.001)
    with suppress(ProcessLookupError):  # it has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    is_complete = (out / "_SUCCESS").exists()
    if is_complete:  # the signal may come late where little is left to do
        assert len(shar_audio(out)) == 48
    again = started(*flags, *(["--overwrite"] if is_complete else []))
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert len(shar_audio(out)) == len(cuts_in(out)) == stats(out)["windows"] == 48
    assert not list(out.glob("beam-temp-*"))


def test_a_run_that_is_killed_at_four_fifths_goes_on_there(tmp_path):
    source, out = many(tmp_path, 20, windows=10), tmp_path / "out"
    flags = (f"--input={source}", f"--output={out}", "--windows_per_shard=10", "--direct_num_workers=1")
    process = started(*flags, job=("-c", WAIT.format(shards=16, until=str(tmp_path / "never"))))
    while process.poll() is None and len(staged(out)) < 16:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (out / "_SUCCESS").exists()
    assert len(staged(out)) == 16
    again = started(*flags)
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert stats(out)["taken_over"] == 16
    assert len(shar_audio(out)) == 200


def test_a_full_disk_ends_with_a_message_and_the_run_goes_on_once_there_is_room(tmp_path):
    source, out = many(tmp_path, 6, seconds=4.0), tmp_path / "out"
    flags = (f"--input={source}", f"--output={out}", *FLAGS)
    process = started(*flags, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)))
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "File too large" in errors.splitlines()[-1]
    assert not (out / "_SUCCESS").exists()
    assert job(out, source, flags=FLAGS) == 0
    assert len(shar_audio(out)) == 24


@pytest.mark.parametrize("workers", [[], ["--windows_per_shard=1000"]])
def test_a_decoder_that_dies_is_told_with_its_shard_and_its_file(tmp_path, source, workers):
    command = [sys.executable, "-c", CRASH, f"--input={source}", f"--output={tmp_path}/out", *FLAGS, *workers]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "a worker process was ended by signal 11" in last
    assert f"(from {tmp_path}/audio/r03.flac)" in last
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert job(tmp_path / "out", source, flags=[*FLAGS, *workers]) == 0


def test_of_two_runs_at_once_into_one_folder_one_is_complete_and_the_other_says_why_it_is_not(tmp_path):
    """The first waits until the second has taken over what it has made, and has made the rest."""
    source, out, until = many(tmp_path, 6), tmp_path / "out", tmp_path / "ended"
    flags = (f"--input={source}", f"--output={out}", *FLAGS, "--direct_num_workers=1")
    first = started(*flags, job=("-c", WAIT.format(shards=2, until=str(until))))
    while first.poll() is None and len(staged(out)) < 2:
        time.sleep(0.001)
    second = started(*flags)
    _, errors = second.communicate()
    assert second.returncode == 0, errors
    until.touch()
    _, errors = first.communicate()
    assert first.returncode == 1
    assert f"another run has begun to write to {out}" in errors.splitlines()[-1]
    assert stats(out)["taken_over"] == 2
    assert len(shar_audio(out)) == 24
    assert (out / "_SUCCESS").exists()
