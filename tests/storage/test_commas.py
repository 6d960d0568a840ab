"""A comma is a part of a name where there is a file of that name; else it stands between two."""

import time

import fsspec
import pytest

from alm_beam.storage.commas import paths_in
from tests.manifests import write


@pytest.mark.parametrize(
    ("names", "text", "paths"),
    [
        ([], "a.jsonl,b.jsonl", ["a.jsonl", "b.jsonl"]),
        ([], " a.jsonl , b.jsonl,", ["a.jsonl", "b.jsonl"]),
        ([], "", []),
        ([], " , ,", []),
        (["a,b.jsonl"], "a,b.jsonl", ["a,b.jsonl"]),
        (["a,b.jsonl"], "x.jsonl,a,b.jsonl,c.jsonl", ["x.jsonl", "a,b.jsonl", "c.jsonl"]),
        (["a, b.jsonl"], " a, b.jsonl ,c.jsonl", ["a, b.jsonl", "c.jsonl"]),
        (["a, b.jsonl"], "a,b.jsonl", ["a", "b.jsonl"]),
        (["a,b/c,d.jsonl"], "a,b/c,d.jsonl,e", ["a,b/c,d.jsonl", "e"]),
        (["a,b/c.jsonl"], "a,b", ["a,b"]),
        (["a1", "b1"], "a*,b*", ["a*", "b*"]),
        (["a,b/1.jsonl", "c.jsonl"], "a,b/*.jsonl,c.jsonl", ["a,b/*.jsonl", "c.jsonl"]),
        (["a/1.jsonl", "b/1.jsonl"], "a/*.jsonl,b/*.jsonl", ["a/*.jsonl", "b/*.jsonl"]),
        (["day,1.jsonl", "day,2.jsonl"], "day,*.jsonl", ["day,*.jsonl"]),
        (["a", "b.jsonl", "a,b.jsonl"], "a,b.jsonl", ["a,b.jsonl"]),
        (["file,1.jsonl"], "file://{}/file,1.jsonl,file://{}/b", ["file://{}/file,1.jsonl", "file://{}/b"]),
        (["in/a,b.jsonl"], "{}/in/a,b.jsonl,{}/c", ["{}/in/a,b.jsonl", "{}/c"]),
    ],
)
def test_which_paths_a_text_names(tmp_path, monkeypatch, names, text, paths):
    monkeypatch.chdir(tmp_path)
    for name in names:
        write(tmp_path / name)
    assert paths_in(text.replace("{}", str(tmp_path))) == [path.replace("{}", str(tmp_path)) for path in paths]


def test_a_url_may_hold_commas():
    fs = fsspec.filesystem("memory")
    for name in ("/commas/a,b.jsonl", "/commas/c,d/e.jsonl"):
        fs.pipe_file(name, b"{}")
    text = "memory://commas/a,b.jsonl,memory://commas/c,d,memory://commas/x,y"
    assert paths_in(text) == [
        "memory://commas/a,b.jsonl",
        "memory://commas/c,d",
        "memory://commas/x",
        "y",
    ]


def test_what_many_parts_may_be_together_is_looked_for_within_bounds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [f"{number:05}.jsonl" for number in range(5000)]
    began = time.monotonic()
    assert paths_in(",".join(names)) == names
    assert time.monotonic() - began < 60
