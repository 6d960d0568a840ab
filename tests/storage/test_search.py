"""A name that a shell's glob would not match is matched by none here."""

import glob
import os

import pytest

from alm_beam.storage.search import glob_search, local_files
from tests.manifests import write

PATHS = [
    "m.jsonl",
    ".m.jsonl",
    "a/m.jsonl",
    "a/.m.jsonl",
    "a/b/m.jsonl",
    "a/.b/m.jsonl",
    ".a/m.jsonl",
    ".a/.b/.m.jsonl",
    ".a/b/m.jsonl",
    "..a/m.jsonl",
    "a.jsonl/m.jsonl",
]

PATTERNS = [
    "*",
    ".*",
    "*.jsonl",
    "?m.jsonl",
    "[.]m.jsonl",
    ".m.jsonl",
    ".?.jsonl",
    "**/*.jsonl",
    "**/m.jsonl",
    "**/.m.jsonl",
    "**/.*",
    "*/m.jsonl",
    ".*/m.jsonl",
    "..*/*",
    "[.]*/*",
    "?a/*",
    ".a/**/*",
    ".a/**/.*",
    "**/.b/*",
    "**/.*/*",
    "**/.*/**/*.jsonl",
    "a/*/m.jsonl",
    "*/*",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    root = tmp_path_factory.mktemp("search")
    for path in PATHS:
        write(root / path)
    return str(root)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_glob_matches_what_pythons_own_does(folder, pattern):
    expected = {path for path in glob.glob(pattern, root_dir=folder, recursive=True) if path in PATHS}
    search = glob_search(folder, pattern)
    assert {*local_files(search)} == expected
    assert {path for path in PATHS if search.finds(path)} == expected


@pytest.mark.parametrize(
    ("pattern", "path", "finds"),
    [
        ("**/*.jsonl", "lost+found/m.jsonl", False),
        ("*/*.jsonl", "#recycle/m.jsonl", False),
        ("*/*.jsonl", "$Recycle.Bin/m.jsonl", False),
        ("#*/*.jsonl", "#recycle/m.jsonl", True),
        ("**/lost*/*.jsonl", "a/lost+found/m.jsonl", True),
        ("**/@eaDir/**", "a/@eaDir/b/m.jsonl", True),
        ("**/*.jsonl", "beam-temp-1/m.jsonl", False),
        ("beam*/*.jsonl", "beam-temp-1/m.jsonl", False),
        ("**", "a/b/m.jsonl", True),
        ("**/**/*.jsonl", "m.jsonl", True),
        ("a/**", "a/b/m.jsonl", True),
        ("a/**", "b/m.jsonl", False),
        ("*/*", "m.jsonl", False),
        ("*/*", "a/b/m.jsonl", False),
        ("a\nb/*.jsonl", "a\nb/m\n.jsonl", True),
    ],
)
def test_what_a_glob_finds(pattern, path, finds):
    assert glob_search("", pattern).finds(path) is finds


def test_folders_that_no_file_can_be_meant_in_are_not_looked_into(tmp_path, monkeypatch):
    for path in PATHS:
        write(tmp_path / path)
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(os.path.relpath(path, tmp_path)) or scandir(path))
    assert [*local_files(glob_search(str(tmp_path), "a/*.jsonl"))] == ["a/m.jsonl"]
    assert listed == [".", "a"]


def test_links_among_many_folders_end(tmp_path):
    for number in range(12):
        write(tmp_path / str(number) / "m.jsonl")
        for other in range(12):
            (tmp_path / str(number) / f"to-{other}").symlink_to(f"../{other}")
    assert len([*local_files(glob_search(str(tmp_path), "**/*.jsonl"))]) == 12
    assert len([*local_files(glob_search(str(tmp_path), "**/to-*/*.jsonl"))]) == 12
