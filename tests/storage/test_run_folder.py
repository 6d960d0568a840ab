"""The folder of a run, before the run begins."""

import pytest
from fsspec.implementations.local import LocalFileSystem

from alm_beam.storage.discovery import Manifest
from alm_beam.storage.outputs import WINDOWS
from alm_beam.storage.run_folder import RunFolder

RUN = [
    "loss_stats.json",
    "report.html",
    "report_stats.json",
    "alm_output-00000-of-00002.jsonl",
    "rejects-00001-of-00002.jsonl",
    "cuts-00000-of-00002.jsonl",
    "index/index.json",
    "index/rows.bin",
]
TEMPORARY = ["beam-temp-alm_beam-12ab/shards-cuts/x.jsonl", "failed_run/rejects-00000-of-00001.jsonl"]
OTHERS = [
    "notes.txt",
    "alm_output.jsonl",
    "my_alm_output-00000-of-00001.jsonl",
    "sub/alm_output-00000-of-00001.jsonl",
    "index/notes.txt",
    "beam-temp-other-1/part",
]


def fill(folder, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def files(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_a_broken_run_left_goes_and_nothing_else(tmp_path):
    fill(tmp_path, *RUN, *TEMPORARY, *OTHERS)
    RunFolder(str(tmp_path)).prepare()
    assert files(tmp_path) == {*OTHERS}


def test_a_finished_run_stays(tmp_path):
    fill(tmp_path, *RUN, *TEMPORARY, *OTHERS, "_SUCCESS")
    folder = RunFolder(str(tmp_path))
    assert folder.finished_at() is not None
    folder.prepare()
    assert files(tmp_path) == {*RUN, *OTHERS, "_SUCCESS"}


def test_every_output_of_a_run_is_known_as_one():
    names = [name for name in WINDOWS.samples() if "/" not in name]
    assert len(names) == 7
    assert all(map(WINDOWS.pattern.fullmatch, names))


def test_the_marker_goes_first(tmp_path, monkeypatch):
    fill(tmp_path, "_SUCCESS", "alm_output-00000-of-00001.jsonl")
    removed = LocalFileSystem.rm

    def fail(fs, path, **options) -> None:
        if "_SUCCESS" not in str(path):
            raise OSError("no more")
        removed(fs, path, **options)

    monkeypatch.setattr(LocalFileSystem, "rm", fail)
    folder = RunFolder(str(tmp_path))
    with pytest.raises(OSError, match="no more"):
        folder.remove_outputs()
    assert files(tmp_path) == {"alm_output-00000-of-00001.jsonl"}


def test_a_folder_is_made(tmp_path):
    RunFolder(str(tmp_path / "new" / "out")).prepare()
    assert list((tmp_path / "new" / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_noticed(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        RunFolder(str(tmp_path / "file" / "out")).prepare()


@pytest.mark.parametrize(
    ("pattern", "output", "inside"),
    [
        ("in", "in", True),
        ("in", "in/sub/out", True),
        ("in/", "in/../in/out", True),
        ("in", "input", False),
        ("in/m.jsonl", "in", False),
        ("in/*.jsonl", "in", True),
        ("**/*.jsonl", "in/out", True),
        ("in/a*.json", "in", False),
        ("in/loss*", "in", True),
        ("in/*.jsonl", "in/out", False),
        ("in", "in/.windows", False),
        ("in", "in/sub/#recycle/out", False),
        ("in/**/*.jsonl", "in/.windows/out", False),
        ("in/.*/*.jsonl", "in/.windows", True),
        ("memory://in", "in", False),
    ],
)
def test_whether_an_input_would_find_the_output(tmp_path, monkeypatch, pattern, output, inside):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, "in/m.jsonl")
    assert RunFolder(output).is_inside_input([pattern]) is inside


def test_a_link_to_the_input_folder_is_that_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert RunFolder(str(tmp_path / "link" / "out")).is_inside_input([str(tmp_path / "in")])


def test_whether_a_manifest_is_a_file_of_a_run_in_the_folder(tmp_path):
    shard = Manifest(f"{tmp_path}/alm_output-00001-of-00002.jsonl", 1)
    assert RunFolder(str(tmp_path)).holds_any([shard])
    assert not RunFolder(str(tmp_path / "other")).holds_any([shard])
    assert not RunFolder(str(tmp_path)).holds_any([Manifest(f"{tmp_path}/m.jsonl", 1)])
