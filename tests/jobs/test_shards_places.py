"""Folders that hold files of others, and packages that are not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.cuts import cut, cuts_in, job, many, noise, recording, stats, write

REPO = Path(__file__).parents[2]
WITHOUT = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from alm_beam.cli.shards import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def source(tmp_path) -> Path:
    return write(tmp_path / "cuts.jsonl", [cut("a", recording(noise(tmp_path / "a.wav", 1), 1), 0, 1)])


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "input_cfg.yaml",
        "cuts-00000-of-00001.jsonl",
        "rejects-00000-of-00001.jsonl",
        "index/index.json",
        "shar/recording.000000.tar",
        "nemo/sharded_manifests/manifest_0.json",
        "webdataset/000017.tar",
        "parquet/corpus=a/split=b/language=c/part-00000.parquet",
    ],
)
@pytest.mark.parametrize("flags", [[], ["--overwrite"]])
def test_a_file_of_somebody_else_is_neither_removed_nor_replaced(tmp_path, source, capfd, name, flags):
    theirs = tmp_path / "out" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(SystemExit) as stopped:
        job(tmp_path / "out", source, flags=flags)
    assert stopped.value.code == 2
    assert f"out: holds {name}, which no run of this job has left there" in capfd.readouterr().err
    assert theirs.read_text() == "theirs"
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [theirs]


def test_a_finished_run_of_another_job_is_not_overwritten(tmp_path, source, capfd):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("_SUCCESS", "loss_stats.json", "alm_output-00000-of-00001.jsonl", "cuts-00000-of-00001.jsonl"):
        (out / name).write_text("{}")
    with pytest.raises(SystemExit):
        job(out, source, flags=["--overwrite"])
    assert "holds a run of alm-beam windows" in capfd.readouterr().err
    assert (out / "_SUCCESS").exists()


def test_files_with_other_names_stay_also_in_the_folders_of_the_formats(tmp_path, source):
    theirs = [tmp_path / "out" / name for name in ("notes.txt", "README", "nemo/notes.txt", "webdataset/train.tar")]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("theirs")
    assert job(tmp_path / "out", source) == 0
    assert job(tmp_path / "out", source, flags=["--overwrite", "--format=webdataset"]) == 0
    assert [path.read_text() for path in theirs] == ["theirs"] * 4
    assert len(cuts_in(tmp_path / "out")) == 1


def test_the_folder_of_shar_may_hold_nothing_else(tmp_path, source, capfd):
    """Lhotse takes each file of it for a shard."""
    out = tmp_path / "out"
    assert job(out, source) == 0
    (out / "shar" / "notes.txt").write_text("theirs")
    with pytest.raises(SystemExit):
        job(out, source, flags=["--overwrite"])
    assert "holds shar/notes.txt, which readers of Shar would take for a shard" in capfd.readouterr().err
    assert (out / "_SUCCESS").exists()
    assert job(out, source, flags=["--overwrite", "--format=nemo"]) == 0
    assert (out / "shar" / "notes.txt").read_text() == "theirs"


def test_what_a_run_left_that_failed_or_was_not_complete_is_replaced(tmp_path, capfd):
    source, out = many(tmp_path, 2), tmp_path / "out"
    assert job(out, source, flags=["--format=nemo"]) == 0
    (out / "_SUCCESS").unlink()
    assert job(out, source) == 0, capfd.readouterr().err
    (tmp_path / "audio" / "r01.flac").rename(tmp_path / "r01.flac")
    (out / "_SUCCESS").unlink()
    assert job(out, source) == 1
    (tmp_path / "r01.flac").rename(tmp_path / "audio" / "r01.flac")
    assert job(out, source) == 0, capfd.readouterr().err
    assert stats(out)["windows"] == 8


def test_files_of_others_on_a_store_stay(s3, source, capfd):
    out = f"{s3.bucket()}/out"
    theirs = s3.write(f"{out}/shar/recording.000000.tar", b"theirs")
    with pytest.raises(SystemExit):
        job(out, source, flags=[s3.flag()])
    assert "holds shar/recording.000000.tar" in capfd.readouterr().err
    assert s3.read(theirs) == b"theirs"
    s3.fs.rm_file(theirs)
    s3.write(f"{out}/notes.txt", b"theirs")
    assert job(out, source, flags=[s3.flag()]) == 0
    assert job(out, source, flags=[s3.flag(), "--overwrite"]) == 0
    assert s3.read(f"{out}/notes.txt") == b"theirs"
    assert "shar/recording.000000.tar" in s3.names(out)


@pytest.mark.parametrize(("package", "flag"), [("soxr", "--sample_rate=8000"), ("pyarrow", "--format=parquet")])
def test_a_package_that_is_not_installed_is_named_with_how_to_install_it(tmp_path, source, package, flag):
    command = [sys.executable, "-c", WITHOUT, package, f"--input={source}", f"--output={tmp_path}/out", flag]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [message] = done.stderr.splitlines()
    assert f"No module named '{package}'" in message
    assert "pip install" in message


def test_a_run_of_windows_without_cuts_is_told_from_a_folder_without_any(tmp_path, capfd):
    entry = {"audio_filepath": "a.wav", "audio_sample_rate": 16000, "duration": 9.0, "segments": []}
    source = write(tmp_path / "m.jsonl", [entry])
    windows = [sys.executable, "pipelines/build_windows.py", f"--input={source}", f"--output={tmp_path}/windows"]
    subprocess.run([*windows, "--no_cuts"], cwd=REPO, check=True, capture_output=True)
    with pytest.raises(SystemExit):
        job(tmp_path / "out", tmp_path / "windows")
    assert "holds a run of alm-beam windows that wrote no cuts; run it without --no_cuts" in capfd.readouterr().err
