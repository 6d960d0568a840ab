import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from alm_beam.storage.discovery import InputError, find_manifests
from alm_beam.storage.paths import located
from tests.manifests import write


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


def test_the_rejects_and_statistics_of_a_run_are_no_manifests(tmp_path):
    manifests = ["manifest-00000-of-00001.jsonl", "measure_stats.json.gz", "rejects.jsonl"]
    for name in [
        *manifests,
        "rejects-00000-of-00001.jsonl",
        "measure_stats.json",
        "loss_stats.json",
        "report_stats.json",
        "sweep.json",
        "_SUCCESS",
    ]:
        (tmp_path / name).write_bytes(b"{}")
    assert found(tmp_path) == manifests
    assert found(tmp_path / "rejects-*", tmp_path / "loss_stats.json") == [
        "rejects-00000-of-00001.jsonl",
        "loss_stats.json",
    ]


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


@pytest.mark.parametrize("named", ["\u00e9.jsonl", "*.jsonl", ""])
def test_a_name_that_the_locale_cannot_read_is_not_to_be_changed(tmp_path, named):
    (tmp_path / "\u00e9.jsonl").write_text("{}")
    code = "import sys; from alm_beam.storage.discovery import find_manifests; find_manifests(sys.argv[1:])"
    process = subprocess.run(
        [sys.executable, "-c", code, f"{tmp_path}/{named}"],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )
    assert "cannot be read in this locale (ascii); set LC_ALL=C.UTF-8" in process.stderr
    assert "rename" not in process.stderr


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
    assert [each[:2] for each in found] == [(f"{tree}/a.jsonl", 2), (f"{tree}/b.json", 2)]


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


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.jsonl",
        ".ipynb_checkpoints/m.jsonl",
        "..2024_01_01/m.jsonl",
        "sub/.git/annex/objects/m.jsonl",
        ".snapshot/hourly.0/m.jsonl",
        ".Trash-1000/files/m.jsonl",
        "#recycle/m.jsonl",
        "@eaDir/m.jsonl",
        "sub/$RECYCLE.BIN/m.jsonl",
        "lost+found/m.jsonl",
        "~snapshot/m.jsonl",
        "System Volume Information/m.jsonl",
    ],
)
def test_what_is_hidden_is_not_found_unless_it_is_named(tree, name):
    hidden = write(tree / name)
    assert found(tree) == ["a.jsonl", "b.json", "c.JSONL", "d.jsonl.gz", "f.jsonl.bz2", "e.json.zst"]
    for pattern in ("**/*.jsonl", "**", "*/*", "*/**", "*"):
        assert str(hidden) not in [manifest.path for manifest in find_manifests([str(tree / pattern)])]
    assert found(hidden) == [hidden.name]
    assert found(hidden.parent / (hidden.name[:1] + "*.jsonl")) == [hidden.name]
    if hidden.parent != tree:
        assert hidden.name in found(hidden.parent)


def test_what_is_hidden_in_a_store_is_not_found_unless_it_is_named(store):
    bucket, options = store.bucket(), {store.scheme: store.options}
    for name in ("in/m.jsonl", "in/.ipynb_checkpoints/c.jsonl", "in/.x.jsonl", "in/#recycle/r.jsonl", "in/sub/n.jsonl"):
        store.write(f"{bucket}/{name}", b"{}")

    def names(pattern: str) -> list[str]:
        return [manifest.path.removeprefix(f"{bucket}/in/") for manifest in find_manifests([pattern], options)]

    assert names(f"{bucket}/in") == names(f"{bucket}/in/**/*.jsonl") == ["m.jsonl", "sub/n.jsonl"]
    assert names(f"{bucket}/in/*/*.jsonl") == ["sub/n.jsonl"]
    assert (
        names(f"{bucket}/in/.*/*.jsonl") == names(f"{bucket}/in/.ipynb_checkpoints") == [".ipynb_checkpoints/c.jsonl"]
    )
    assert names(f"{bucket}/in/.x.jsonl") == names(f"{bucket}/in/.*") == [".x.jsonl"]


def test_the_files_of_a_mounted_config_map_are_found_once(tmp_path):
    write(tmp_path / "..2024_01_01" / "m.jsonl")
    write(tmp_path / "..2024_01_01" / "sub" / "n.jsonl")
    (tmp_path / "..data").symlink_to("..2024_01_01")
    (tmp_path / "m.jsonl").symlink_to("..data/m.jsonl")
    (tmp_path / "sub").symlink_to("..data/sub")
    for pattern in ("", "**/*.jsonl"):
        paths = [manifest.path for manifest in find_manifests([str(tmp_path / pattern)])]
        assert paths == [f"{tmp_path}/m.jsonl", f"{tmp_path}/sub/n.jsonl"]
    assert len(find_manifests([str(tmp_path / "..data")])) == 2


def test_the_files_of_an_annex_are_found_once(tmp_path):
    write(tmp_path / ".git" / "annex" / "objects" / "X1" / "key.jsonl" / "key.jsonl")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "m.jsonl").symlink_to("../.git/annex/objects/X1/key.jsonl/key.jsonl")
    assert [manifest.path for manifest in find_manifests([str(tmp_path)])] == [f"{tmp_path}/corpus/m.jsonl"]


def test_a_file_is_found_once_by_its_own_name_whatever_links_lead_to_it(tmp_path, caplog):
    m = write(tmp_path / "in" / "m" / "m.jsonl")
    (tmp_path / "in" / "a").symlink_to("m")
    (tmp_path / "in" / "b.jsonl").symlink_to("m/m.jsonl")
    (tmp_path / "in" / "m" / "again").symlink_to("..")
    for pattern in ("in", "in/**", "in/**/*.jsonl", "in/m/*.jsonl", "in/m*/**/*.jsonl"):
        assert [manifest.path for manifest in find_manifests([str(tmp_path / pattern)])] == [str(m)], pattern
    assert "in/b.jsonl is the same file as" in caplog.text
    assert len(find_manifests([str(m), str(tmp_path / "in" / "b.jsonl"), str(tmp_path / "in")])) == 3


def test_a_file_is_found_once_though_it_has_two_hard_links(tmp_path, caplog):
    first = write(tmp_path / "daily.0" / "m.jsonl")
    (tmp_path / "daily.1").mkdir()
    os.link(first, tmp_path / "daily.1" / "m.jsonl")
    write(tmp_path / "daily.1" / "same_text.jsonl")
    paths = [manifest.path for manifest in find_manifests([str(tmp_path)])]
    assert paths == [str(first), f"{tmp_path}/daily.1/same_text.jsonl"]
    assert "daily.1/m.jsonl is the same file as" in caplog.text


def test_a_glob_finds_by_a_link_what_it_does_not_find_otherwise(tmp_path):
    write(tmp_path / "a" / "m.jsonl")
    (tmp_path / "link").symlink_to("a")
    for pattern in ("l*/m.jsonl", "**/l*/*.jsonl", "link/**"):
        assert [each.path for each in find_manifests([str(tmp_path / pattern)])] == [f"{tmp_path}/link/m.jsonl"]


@pytest.fixture
def odd(tmp_path, monkeypatch) -> Iterator[dict[str, str]]:
    """What is neither a file nor a folder, by what it is called, and all of it in one folder."""
    folder = tmp_path / "odd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    os.mkfifo("fifo.jsonl")
    Path("device.jsonl").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.jsonl")
        yield {"fifo.jsonl": "a pipe", "device.jsonl": "a device", "socket.jsonl": "a socket"}


@pytest.mark.parametrize("pattern", ["", "*", "**/*.jsonl"])
def test_what_is_no_file_is_passed_over_and_said_so(odd, tmp_path, pattern, caplog):
    with pytest.raises(InputError, match=r"no \.jsonl|no file matches"):
        find_manifests([str(tmp_path / "odd" / pattern)])
    write(tmp_path / "odd" / "m.jsonl")
    assert found(tmp_path / "odd" / pattern) == ["m.jsonl"]
    for name, kind in odd.items():
        assert f"passes over {tmp_path}/odd/{name}: it is {kind}" in caplog.text


def test_a_terminal_is_called_so():
    ours, theirs = os.openpty()
    try:
        with pytest.raises(InputError, match="is a terminal"):
            find_manifests([f"/dev/fd/{theirs}"])
    finally:
        os.close(ours)
        os.close(theirs)


def test_of_many_that_are_no_files_a_few_are_named(tmp_path, caplog):
    write(tmp_path / "m.jsonl")
    for number in range(30):
        (tmp_path / f"{number}.jsonl").symlink_to("/dev/null")
    assert found(tmp_path) == ["m.jsonl"]
    assert len(caplog.records) == 11
    assert "passes over 20 more that are no files" in caplog.text


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/dev/null", "is a device"),
        ("/dev/zero", "is a device"),
        ("device.jsonl", "is a device"),
        ("socket.jsonl", "is a socket"),
        ("fifo.jsonl", "is a pipe, which this process alone can read"),
        ("/proc/version", "states a size of 0 bytes, which is not that of its content"),
        ("/proc/self/mem", "cannot be read"),
    ],
)
@pytest.mark.usefixtures("odd")
def test_what_is_no_file_is_refused_where_it_is_named(path, why):
    if not os.path.exists(path):
        pytest.skip(f"there is no {path} here")
    with pytest.raises(InputError, match=why):
        find_manifests([path])
    if path.startswith("/proc"):
        Path("link.jsonl").symlink_to(path)
        for pattern in (".", "link.jsonl", "link*"):
            with pytest.raises(InputError, match=why):
                find_manifests([pattern])


def test_a_named_link_that_leads_nowhere_is_called_so(tmp_path):
    (tmp_path / "m.jsonl").symlink_to("gone.jsonl")
    with pytest.raises(InputError, match=r"is a link to gone\.jsonl, which does not exist"):
        find_manifests([str(tmp_path / "m.jsonl")])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anywhere")
def test_a_file_that_may_not_be_read_is_an_error_that_names_it(tree):
    (tree / "sub" / "d.jsonl.gz").chmod(0)
    for pattern in ("", "sub/d.jsonl.gz", "**/*.gz"):
        with pytest.raises(InputError, match=r"access is denied .*d\.jsonl\.gz"):
            find_manifests([str(tree / pattern)])


@pytest.mark.parametrize(
    "name", ["a::b.jsonl", "simplecache::x.jsonl", "data:x.jsonl", "file:x.jsonl", "a,b.jsonl", "x%20#?[1] y.jsonl "]
)
def test_a_file_is_itself_whatever_its_name_looks_like(tmp_path, monkeypatch, name):
    path = write(tmp_path / "in" / name)
    monkeypatch.chdir(tmp_path / "in")
    for pattern in (name, str(path), f"file://{path}", "*", ".") if path.name.endswith(".jsonl") else (name, str(path)):
        [manifest] = find_manifests([pattern])
        assert manifest.path == str(path)
        assert located(manifest.path).path == str(path), "as a worker will look for it"


def test_an_object_is_itself_whatever_its_name_looks_like(store):
    bucket, options = store.bucket(), {store.scheme: store.options}
    url = store.write(f"{bucket}/in/a::b,c.jsonl", b"{}")
    for pattern in (url, f"{bucket}/in", f"{bucket}/in/a::*"):
        assert [manifest.path for manifest in find_manifests([pattern], options)] == [url]


@pytest.mark.parametrize("url", ["simplecache::nosuch.jsonl", "zip://a.jsonl::/b.zip", "s3cache::s3://lake/in"])
def test_a_chain_is_refused_by_name(url):
    with pytest.raises(InputError, match=r"a chain of filesystems \(::\) is not supported") as refused:
        find_manifests([url])
    assert refused.value.value == url
