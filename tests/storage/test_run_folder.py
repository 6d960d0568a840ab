import pytest
from fsspec.implementations.local import LocalFileSystem

from alm_beam.storage import run_folder
from alm_beam.storage.discovery import Manifest


def test_clearing_takes_all_of_a_run_and_nothing_else(tmp_path):
    run = ["_SUCCESS", "loss_stats.json", "alm_output-00000-of-00002.jsonl", "rejects-00001-of-00002.jsonl"]
    run += ["cuts-00000-of-00002.jsonl", "index/index.json", "index/rows.bin", "beam-temp-index-parts/x"]
    others = [
        "notes.txt",
        "alm_output.jsonl",
        "my_alm_output-00000-of-00001.jsonl",
        "sub/alm_output-00000-of-00001.jsonl",
        "index/notes.txt",
    ]
    for name in [
        *run,
        *others,
        "beam-temp-alm_output-12ab/part",
        "beam-temp-rejects-12ab/part",
        "beam-temp-other-1/part",
    ]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert run_folder.is_finished(str(tmp_path))
    run_folder.clear(str(tmp_path))
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*others, "beam-temp-other-1/part"}
    assert not run_folder.is_finished(str(tmp_path))


def test_the_marker_goes_first(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError("no more")

    for name in ("_SUCCESS", "alm_output-00000-of-00001.jsonl"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(LocalFileSystem, "rm", fail)
    with pytest.raises(OSError, match="no more"):
        run_folder.clear(str(tmp_path))
    assert not (tmp_path / "_SUCCESS").exists()


def test_clearing_makes_the_folder(tmp_path):
    run_folder.clear(str(tmp_path / "new" / "out"))
    assert list((tmp_path / "new" / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_noticed(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        run_folder.clear(str(tmp_path / "file" / "out"))


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
        ("memory://in", "in", False),
    ],
)
def test_whether_an_input_would_find_the_output(tmp_path, monkeypatch, pattern, output, inside):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "m.jsonl").write_bytes(b"")
    assert run_folder.is_inside_input(output, [pattern]) is inside


def test_a_link_to_the_input_folder_is_that_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert run_folder.is_inside_input(str(tmp_path / "link" / "out"), [str(tmp_path / "in")])


def test_whether_a_manifest_is_a_file_of_a_run_in_the_folder(tmp_path):
    shard = Manifest(f"{tmp_path}/alm_output-00001-of-00002.jsonl", 1)
    assert run_folder.holds_any(str(tmp_path), [shard])
    assert not run_folder.holds_any(str(tmp_path / "other"), [shard])
    assert not run_folder.holds_any(str(tmp_path), [Manifest(f"{tmp_path}/m.jsonl", 1)])
