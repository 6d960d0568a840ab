"""The entries as one file: all of them, replaced and removed as shards are, and nobody else's file touched."""

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from alm_beam.cli.windows import main
from alm_beam.core.config import ConfigError, EntryConfig, JobConfig
from alm_beam.core.losses import LossStats
from alm_beam.jobs.windows import run
from alm_beam.storage import staged_run
from alm_beam.storage.index.open import open_index
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.outputs import ENTRIES, JOBS, REJECTS, WINDOWS
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.staged_run import StagedRun
from alm_beam.transforms import one_file
from alm_beam.transforms.finish import _FinishRun
from tests.manifests import lines, output_entries, write
from tests.runners.test_local import TWO_WORKERS
from tests.servers.stores import Store
from tests.transforms.test_write import staged, write_shards

OUTPUTS = replace(WINDOWS, files=(*WINDOWS.files, "all.jsonl"))


def entries_of(path: Path) -> list[dict]:
    found = map(json.loads, path.read_bytes().splitlines())
    return sorted(found, key=lambda entry: json.dumps(entry, sort_keys=True))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def finish(run_, entries: list[str], name: str = "all.jsonl") -> None:
    facts = {"parameters": {"entries_file": name}}
    step = _FinishRun(run_, {ENTRIES: 1, REJECTS: 0}, facts, 1.0, one_file={ENTRIES: name})
    [*step.process(LossStats(), [], [], entries, [])]


@pytest.mark.parametrize("flags", [(), (*TWO_WORKERS, "--num_shards=3")])
def test_it_holds_what_the_shards_would(tmp_path, flags):
    for number in range(2):
        write(tmp_path / "in" / f"{number}.jsonl")
    assert main([f"--input={tmp_path}/in", f"--output={tmp_path}/shards"]) == 0
    assert main([f"--input={tmp_path}/in", f"--output={tmp_path}/one", "--entries_file=all.jsonl", *flags]) == 0
    assert entries_of(tmp_path / "one" / "all.jsonl") == output_entries(tmp_path / "shards") != []
    assert not [*(tmp_path / "one").glob("alm_output-*")]
    assert len([*(tmp_path / "one").glob("cuts-*.jsonl")]) == (3 if flags else 1)
    assert not [*(tmp_path / "one").glob("beam-temp*")]


def test_several_shards_are_joined_also_when_the_step_is_tried_again(tmp_path, monkeypatch):
    run_ = replace(staged(tmp_path), folder=RunFolder(str(tmp_path), OUTPUTS))
    shards = write_shards(run_, b"one", b"two", b"three")
    publish = type(run_).publish
    monkeypatch.setattr(type(run_), "publish", lambda *_: (_ for _ in ()).throw(OSError("the worker is gone")))
    with pytest.raises(OSError, match="gone"):
        finish(run_, shards)
    assert "all.jsonl" not in names(tmp_path)
    monkeypatch.setattr(type(run_), "publish", publish)
    finish(run_, shards)
    assert sorted((tmp_path / "all.jsonl").read_bytes().split()) == [b"one", b"three", b"two"]
    assert names(tmp_path) == {"all.jsonl", "loss_stats.json", "_SUCCESS"}


def test_what_was_joined_in_part_is_joined_anew(tmp_path, monkeypatch):
    run_ = replace(staged(tmp_path), folder=RunFolder(str(tmp_path), OUTPUTS))
    shards = write_shards(run_, b"one", b"two")
    copy = one_file.shutil.copyfileobj

    def broken(source, target, length):
        copy(source, target, length)
        raise OSError("the disk is full")

    monkeypatch.setattr(one_file.shutil, "copyfileobj", broken)
    with pytest.raises(OSError, match=r"all\.jsonl: the disk is full"):
        finish(run_, shards)
    monkeypatch.setattr(one_file.shutil, "copyfileobj", copy)
    finish(run_, shards)
    assert sorted((tmp_path / "all.jsonl").read_bytes().split()) == [b"one", b"two"]


def test_it_is_joined_in_a_store(store: Store):
    url = f"{store.bucket()}/out"
    folder = RunFolder(url, OUTPUTS, options_by_protocol(store.options, [url]))
    run_ = StagedRun.of(folder, uuid.uuid4().hex)
    folder.prepare()
    finish(run_, write_shards(run_, b"one", b"two"))
    assert {*store.names(url)} == {"all.jsonl", "loss_stats.json", "_SUCCESS"}
    assert sorted(store.read(f"{url}/all.jsonl").split()) == [b"one", b"two"]


def test_a_later_run_leaves_nothing_of_it(tmp_path):
    source, out = write(tmp_path / "m.jsonl"), tmp_path / "out"
    common = [f"--input={source}", f"--output={out}", "--no_cuts", "--no_report"]
    assert main([*common, "--entries_file=a.jsonl"]) == 0
    with pytest.raises(SystemExit):
        main([*common, "--entries_file=b.jsonl"])
    assert names(out) == {"a.jsonl", "loss_stats.json", "_SUCCESS"}
    assert main([*common, "--entries_file=b.jsonl", "--overwrite"]) == 0
    assert names(out) == {"b.jsonl", "loss_stats.json", "_SUCCESS"}
    assert main([*common, "--overwrite"]) == 0
    assert names(out) == {"alm_output-00000-of-00001.jsonl", "loss_stats.json", "_SUCCESS"}


def test_what_a_run_left_that_was_cut_short_while_it_published_goes(tmp_path, monkeypatch):
    run_ = replace(staged(tmp_path), folder=RunFolder(str(tmp_path), OUTPUTS))
    shards = write_shards(run_, b"one")
    move = staged_run.move

    def cut_short(fs, sources, targets):
        move(fs, sources, targets)
        raise OSError("killed")

    monkeypatch.setattr(staged_run, "move", cut_short)
    with pytest.raises(OSError, match="killed"):
        finish(run_, shards)
    monkeypatch.setattr(staged_run, "move", move)
    assert "all.jsonl" in names(tmp_path)
    RunFolder(str(tmp_path)).prepare()  # of a run that writes shards
    assert names(tmp_path) == set()


def test_a_file_of_somebody_else_is_not_replaced(tmp_path, capfd):
    source, out = write(tmp_path / "m.jsonl"), tmp_path / "out"
    write(out / "all.jsonl", b"mine")
    for flags in ((), ("--overwrite",)):
        with pytest.raises(SystemExit):
            main([f"--input={source}", f"--output={out}", "--entries_file=all.jsonl", *flags])
        assert "holds all.jsonl, which no run of this job has left there" in capfd.readouterr().err
    assert main([f"--input={source}", f"--output={out}"]) == 0
    assert main([f"--input={source}", f"--output={out}", "--overwrite"]) == 0
    assert (out / "all.jsonl").read_bytes() == b"mine"


def test_an_input_is_not_replaced(tmp_path):
    source = write(tmp_path / "all.jsonl")
    config = JobConfig((str(source),), str(tmp_path), entry=EntryConfig(entries_file="all.jsonl"))
    with pytest.raises(ConfigError, match="is a file of an earlier run"):
        run(config)
    assert source.read_bytes() == lines()


@pytest.mark.parametrize("name", ["a/b", ".a", "", "a*", "a.gz", "a.GZ", "a\0", "a\n", "a\udce9", "ä" * 128])
def test_what_is_no_name_of_a_file_is_refused(name):
    with pytest.raises(ConfigError, match="entries_file"):
        EntryConfig(entries_file=name)


def test_names_of_what_jobs_write_are_refused(tmp_path):
    of_jobs = {path.partition("/")[0] for job in JOBS for path in job.samples()}
    assert {"report_stats.json", "sweep.json", "shar", "index", "cuts-00000-of-00001.jsonl.idx"} <= of_jobs
    names_of_runs = {*of_jobs, "_SUCCESS", "failed_run", "beam-temp-alm_beam-1", "beam-temp-x"}
    source = write(tmp_path / "m.jsonl")
    for name in (*names_of_runs, *map(str.swapcase, names_of_runs)):
        config = JobConfig((str(source),), str(tmp_path / "out"), entry=EntryConfig(entries_file=name))
        with pytest.raises(ConfigError, match="is a name that files or folders of runs have"):
            run(config)
    assert not (tmp_path / "out").exists()


def test_a_run_of_curators_shape_is_read_like_any_other(tmp_path):
    """The cuts, their index and the statistics stand beside the one file."""
    source, out = write(tmp_path / "m.jsonl"), tmp_path / "out"
    assert main([f"--input={source}", f"--output={out}", "--entries_file=all.jsonl"]) == 0
    kept = sum(len(entry["filtered_windows"]) for entry in entries_of(out / "all.jsonl"))
    assert len(open_index(str(out))) == kept > 0
    assert json.loads((out / "loss_stats.json").read_text())["parameters"]["entries_file"] == "all.jsonl"
