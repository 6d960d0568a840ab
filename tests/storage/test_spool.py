"""A pipe is read once, to its end, and its copy is gone when it is not needed any more."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import alm_beam
from alm_beam.storage.discovery import InputError, find_manifests
from alm_beam.storage.lines import read_manifests
from alm_beam.storage.spool import Spool
from tests.manifests import ENTRIES, lines
from tests.storage.test_compression import COMPRESS


@pytest.fixture(autouse=True)
def copies(tmp_path, monkeypatch) -> Callable[[], list[Path]]:
    """What is in the folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return lambda: [path for path in folder.rglob("*") if path.is_file()]


def fifo(path: Path, content: bytes) -> Path:
    """A named pipe that somebody writes the content to, once."""

    def give() -> None:
        with contextlib.suppress(BrokenPipeError):  # where a test wants the reader to fail
            path.write_bytes(content)

    os.mkfifo(path)
    threading.Thread(target=give, daemon=True).start()
    return path


def test_a_pipe_is_read_under_its_own_name(tmp_path, copies):
    path = fifo(tmp_path / "m", lines())
    read = read_manifests(str(path))
    assert len(copies()) == 1
    placed = [(line.file, line.text) for line in read]
    assert placed == [(str(path), text) for text in lines().splitlines()]
    assert copies() == []


def test_a_link_to_a_pipe_is_that_pipe(tmp_path):
    fifo(tmp_path / "m", lines())
    (tmp_path / "link.jsonl").symlink_to("m")
    assert len([*read_manifests(str(tmp_path / "link.jsonl"))]) == len(ENTRIES)


def test_a_pipe_that_is_named_twice_is_read_twice(tmp_path, copies):
    path = str(fifo(tmp_path / "m", lines()))
    read = read_manifests(path, path)
    assert len(copies()) == 1
    assert len([*read]) == 2 * len(ENTRIES)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_what_a_pipe_gives_may_be_compressed(tmp_path, suffix):
    path = fifo(tmp_path / "m", COMPRESS[suffix](lines()))
    assert [line.text for line in read_manifests(str(path))] == lines().splitlines()


def test_a_message_about_what_a_pipe_gave_names_the_pipe(tmp_path):
    path = fifo(tmp_path / "m", COMPRESS[".gz"](lines())[:-9])
    with pytest.raises(OSError, match=f"^{path}: the compressed data is cut off"):
        [*read_manifests(str(path))]


def test_a_pipe_that_gives_nothing_is_refused(tmp_path, copies):
    with pytest.raises(InputError, match="not a single byte"):
        read_manifests(str(fifo(tmp_path / "m", b"")))
    assert copies() == []


def test_a_copy_goes_with_whoever_holds_it(tmp_path, copies):
    read = read_manifests(str(fifo(tmp_path / "m", lines())))
    assert len(copies()) == 1
    del read
    assert copies() == []


def test_a_fork_that_ends_removes_nothing(tmp_path, copies):
    spool = Spool()
    spool.copy_of(str(fifo(tmp_path / "m", lines())))
    pid = os.fork()
    if not pid:
        spool.remove()
        os._exit(0)
    os.waitpid(pid, 0)
    assert len(copies()) == 1
    spool.remove()
    assert copies() == []


def test_a_disk_without_room_is_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nosuch"))
    with pytest.raises(InputError, match=r"cannot be copied to .*nosuch .*; TMPDIR may name"):
        read_manifests(str(fifo(tmp_path / "m", lines())))


def test_a_pipe_is_refused_where_another_process_would_have_to_read_it(tmp_path):
    path = fifo(tmp_path / "m", lines())
    for refused in (lambda: find_manifests([str(path)]), lambda: alm_beam.ReadManifests(str(path))):
        with pytest.raises(InputError, match="is a pipe, which this process alone can read"):
            refused()
    [*read_manifests(str(path))]  # for its writer to end


@pytest.mark.parametrize(
    ("stdin", "path"), [("/dev/stdin", "/dev/stdin"), ("m.jsonl", None), ("m.jsonl.gz", None), ("gone", "/dev/stdin")]
)
def test_standard_input_may_be_anything_that_can_be_read(tmp_path, stdin, path):
    """A file is found by its own name, so that other processes find it, too; one without a name is copied."""
    code = (
        "import alm_beam\n"
        "for line in alm_beam.read_manifests('/dev/stdin'): print(line.file, line.offset)\n"
        "import os; print(os.listdir(os.environ['TMPDIR']))"
    )
    ending = ".gz" if stdin.endswith(".gz") else ""
    (tmp_path / "m.jsonl").write_bytes(lines())
    (tmp_path / f"m.jsonl{ending}").write_bytes(COMPRESS[".gz"](lines()) if ending else lines())
    (tmp_path / "gone").write_bytes(lines())
    environment = {**os.environ, "TMPDIR": tempfile.gettempdir()}
    given = {"input": lines()} if stdin == "/dev/stdin" else {"stdin": (tmp_path / stdin).open("rb")}
    (tmp_path / "gone").unlink()
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, **given)
    *placed, left = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in placed] == [path or str(tmp_path / stdin)] * len(ENTRIES)
    assert left == "[]"
