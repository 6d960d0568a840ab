"""What the command does with inputs that are no plain files, and with names that look like something else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alm_beam.cli.windows import main as run
from tests.manifests import ENTRIES, lines, output_entries, rejects, stats, write

COMMAND = [sys.executable, "-m", "alm_beam", "windows"]
FLAGS = ["--direct_num_workers=2", "--max_reject_fraction=0.5"]
REPO = Path(__file__).parents[2]


def refused(capfd, *flags: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        run([*flags])
    assert stopped.value.code == 2
    return capfd.readouterr().err.splitlines()[-1]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
def test_standard_input_is_read_whole_by_all_workers(tmp_path, mode):
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [*COMMAND, "--input=/dev/stdin", f"--output={tmp_path}/out", f"--direct_running_mode={mode}", *FLAGS],
        input=b"{\n" + lines() * 20,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert stats(tmp_path / "out")["recordings"] == 20 * len(ENTRIES)
    assert [(reject["file"], reject["offset"]) for reject in rejects(tmp_path / "out")] == [("/dev/stdin", 0)]
    assert not any((tmp_path / "tmp").glob("alm_beam*"))


def test_the_shells_substitution_is_read_and_nothing_of_it_stays_when_the_run_fails(tmp_path):
    write(tmp_path / "m.jsonl")
    (tmp_path / "tmp").mkdir()
    for source, code in (("cat m.jsonl", 0), ("echo {", 1), ("true", 2)):
        done = subprocess.run(
            ["bash", "-c", f"exec {' '.join(COMMAND)} --input <({source}) --output out --overwrite"],
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(REPO)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert stats(tmp_path / "out")["recordings"] == len(ENTRIES)
        assert not any((tmp_path / "tmp").glob("alm_beam*"))


def test_a_pipe_is_refused_for_a_runner_with_workers_elsewhere(tmp_path, capfd):
    os.mkfifo(tmp_path / "m")
    message = refused(capfd, f"--input={tmp_path}/m", f"--output={tmp_path}/out", "--runner=FlinkRunner")
    assert "is a pipe, which this process alone can read, and not the workers of this runner" in message
    assert not (tmp_path / "out").exists()


def test_what_is_passed_over_in_a_folder_is_said(tmp_path):
    write(tmp_path / "in" / "m.jsonl")
    write(tmp_path / "in" / ".ipynb_checkpoints" / "m-checkpoint.jsonl")
    os.mkfifo(tmp_path / "in" / "fifo.jsonl")
    done = subprocess.run(
        [*COMMAND, f"--input={tmp_path}/in", f"--output={tmp_path}/out"], capture_output=True, text=True, check=True
    )
    assert f"passes over {tmp_path}/in/fifo.jsonl: it is a pipe, and no file" in done.stderr
    assert stats(tmp_path / "out")["recordings"] == len(ENTRIES)


@pytest.mark.parametrize("kind", ["gone", "/proc/self/mem", "/dev/null", "circle"])
def test_an_input_that_cannot_be_read_is_found_before_an_earlier_run_is_touched(tmp_path, capfd, kind):
    source, out = write(tmp_path / "in" / "m.jsonl"), tmp_path / "out"
    assert run([f"--input={source}", f"--output={out}"]) == 0
    (out / "_SUCCESS").unlink()  # as if it had failed: such a run would be removed at once
    earlier = contents(out)
    (tmp_path / "bad.jsonl").symlink_to({"circle": "bad.jsonl"}.get(kind, kind))
    message = refused(capfd, f"--input={source}", f"--input={tmp_path}/bad.jsonl", f"--output={out}", "--overwrite")
    assert f"--input={tmp_path}/bad.jsonl: " in message
    assert contents(out) == earlier


@pytest.mark.parametrize("name", ["a::b.jsonl", "a,b.jsonl", "a, b.jsonl", "simplecache::m.jsonl"])
def test_a_manifest_is_read_whatever_its_name_looks_like(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name)
    write(tmp_path / "other.jsonl")
    assert run([f"--input={name},other.jsonl", "--output=run::1"]) == 0
    assert stats(tmp_path / "run::1")["recordings"] == 2 * len(ENTRIES)
    assert stats(tmp_path / "run::1")["parameters"]["input"] == [name, "other.jsonl"]
    assert len(output_entries(tmp_path / "run::1")) == 2 * len(ENTRIES)


def test_of_several_inputs_the_one_that_is_missing_is_named(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl")
    for given, missing in (("a.jsonl,b.jsonl", "b.jsonl"), ("a,b.jsonl", "a"), ("a::b.jsonl", "a::b.jsonl")):
        assert f"--input={missing}: no such file or folder" in refused(capfd, f"--input={given}", "--output=out")
    message = refused(capfd, "--input=a.jsonl,simplecache::s3://lake/m.jsonl", "--output=out")
    assert "--input=simplecache::s3://lake/m.jsonl: cannot be read (a chain of filesystems" in message
