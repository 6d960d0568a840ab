import os
from pathlib import Path

import fsspec
import pytest

from alm_beam.storage.discovery import InputError, find_manifests


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
    with pytest.raises(InputError, match=pattern.replace("*", r"\*")) as refused:
        find_manifests([str(tree / "a.jsonl"), str(tree / pattern)])
    assert refused.value.value == str(tree / pattern)


def test_links_are_followed_and_circles_are_not(tree):
    (tree.parent / "elsewhere").mkdir()
    (tree.parent / "elsewhere" / "y.jsonl").write_bytes(b"{}")
    (tree / "sub" / "link").symlink_to(tree.parent / "elsewhere")
    (tree / "sub" / "x.jsonl").symlink_to(tree / "a.jsonl")
    (tree / "sub" / "circle").symlink_to(tree)
    for names in (found(tree / "sub"), found(tree / "sub" / "**" / "*.jsonl")):
        assert [name for name in names if name in ("x.jsonl", "y.jsonl")] == ["y.jsonl", "x.jsonl"]
        assert names.count("d.jsonl.gz") <= 1
    assert found(tree / "sub" / "*.jsonl") == ["x.jsonl"]


def test_a_link_that_leads_nowhere_is_an_error_that_names_it(tree):
    (tree / "broken.jsonl").symlink_to(tree / "gone")
    for pattern in (tree, tree / "*.jsonl"):
        with pytest.raises(InputError, match=r"broken\.jsonl"):
            find_manifests([str(pattern)])


def test_a_name_that_is_not_utf8_is_an_error_that_names_it(tree):
    Path(os.fsdecode(os.fsencode(tree) + b"/x\xff.jsonl")).write_bytes(b"{}")
    with pytest.raises(InputError, match=r"udcff\.jsonl' is not UTF-8"):
        find_manifests([str(tree)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anywhere")
def test_a_folder_that_may_not_be_read_is_an_error_that_names_it(tree):
    (tree / "sub").chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        find_manifests([str(tree)])


def test_a_compressed_file_without_any_bytes_is_an_error_that_names_it(tree):
    (tree / "x.jsonl.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"x\.jsonl\.gz is cut off"):
        find_manifests([str(tree)])


def test_a_folder_with_glob_characters_in_its_name_is_a_folder_first(tree, monkeypatch):
    (tree / "a[1]").mkdir()
    (tree / "a[1]" / "z.jsonl").write_bytes(b"{}")
    monkeypatch.chdir(tree / "a[1]")
    assert found("*.jsonl") == found(tree / "a[1]" / "*") == ["z.jsonl"]


@pytest.mark.parametrize("pattern", ["nosuch://x/*.jsonl", "in/**.jsonl"])
def test_what_cannot_be_understood_is_refused_by_name(pattern):
    with pytest.raises(InputError) as refused:
        find_manifests([pattern])
    assert refused.value.value == pattern


def test_local_paths_are_absolute_and_sizes_are_known(tree, monkeypatch):
    monkeypatch.chdir(tree)
    found = find_manifests(["a.jsonl", f"file://{tree}/b.json"])
    assert [(path, size) for path, size, _ in found] == [(f"{tree}/a.jsonl", 2), (f"{tree}/b.json", 2)]


def test_urls_of_other_filesystems_stay_urls():
    with fsspec.open("memory://discovery/a.jsonl", "wb") as file:
        file.write(b"{}")
    assert [each[:2] for each in find_manifests(["memory://discovery"])] == [("memory://discovery/a.jsonl", 2)]


@pytest.mark.parametrize("url", ["simplecache::memory://discovery/a.jsonl", "memory://", "s3://", "s3:///lake/in"])
def test_a_url_that_beam_would_take_for_another_is_refused(url):
    with pytest.raises(InputError, match=r"::|after"):
        find_manifests([url])


def test_a_link_keeps_its_own_name(tree):
    (tree / "blob").write_bytes(b"{}")
    (tree / "linked.jsonl.gz").symlink_to(tree / "blob")
    assert found(tree / "linked.jsonl.gz") == ["linked.jsonl.gz"]
