import os
from pathlib import Path

import fsspec
import pytest

from alm_beam.storage.discovery import NoManifestError, find_manifests


@pytest.fixture
def tree(tmp_path) -> Path:
    names = ["a.jsonl", "b.json", "sub/c.JSONL", "sub/d.jsonl.gz", "sub/e.json.zst", "sub/deep/f.jsonl.bz2"]
    others = ["notes.txt", "a.jsonl.bak", "jsonl", "sub/g.csv", "beam-temp-alm_output-1/x.jsonl"]
    for name in names + others:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")
    return tmp_path / "in"


def found(*inputs: object) -> list[str]:
    return [os.path.basename(manifest.path) for manifest in find_manifests([str(each) for each in inputs])]


def test_a_folder_is_searched_recursively_for_manifests_and_nothing_else(tree):
    assert found(tree) == ["a.jsonl", "b.json", "c.JSONL", "d.jsonl.gz", "f.jsonl.bz2", "e.json.zst"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.jsonl", ["a.jsonl"]),
        ("**/*.jsonl*", ["a.jsonl", "a.jsonl.bak", "d.jsonl.gz", "f.jsonl.bz2"]),
        ("[ab].json", ["b.json"]),
        ("s?b/*.zst", ["e.json.zst"]),
        ("*", ["a.jsonl", "a.jsonl.bak", "b.json", "jsonl", "notes.txt"]),
    ],
)
def test_a_glob_gives_every_file_that_it_matches(tree, pattern, names):
    assert found(tree / pattern) == names


def test_a_file_is_taken_whatever_its_name_and_as_often_as_it_is_named(tree):
    assert found(tree / "notes.txt", tree / "notes.txt", tree / "b.json") == ["notes.txt", "notes.txt", "b.json"]


def test_a_name_with_glob_characters_is_a_file_first(tree):
    (tree / "x[1].jsonl").write_bytes(b"{}")
    assert found(tree / "x[1].jsonl") == ["x[1].jsonl"]


@pytest.mark.parametrize("pattern", ["*.parquet", "missing.jsonl", "empty", "beam-temp-*/*"])
def test_an_input_that_names_nothing_is_refused_by_name(tree, pattern):
    (tree / "empty").mkdir()
    with pytest.raises(NoManifestError, match=pattern.replace("*", r"\*")) as refused:
        find_manifests([str(tree / "a.jsonl"), str(tree / pattern)])
    assert refused.value.pattern == str(tree / pattern)


def test_local_paths_are_absolute_and_sizes_are_known(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert find_manifests(["a.jsonl", f"file://{tree}/b.json"]) == [(f"{tree}/a.jsonl", 2), (f"{tree}/b.json", 2)]


def test_urls_of_other_filesystems_stay_urls():
    with fsspec.open("memory://discovery/a.jsonl", "wb") as file:
        file.write(b"{}")
    assert find_manifests(["memory://discovery"]) == [("memory:///discovery/a.jsonl", 2)]


def test_a_link_keeps_its_own_name(tree):
    (tree / "blob").write_bytes(b"{}")
    (tree / "linked.jsonl.gz").symlink_to(tree / "blob")
    assert found(tree / "linked.jsonl.gz") == ["linked.jsonl.gz"]
