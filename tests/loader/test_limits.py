"""A loader keeps to the limits of its process, whatever the number of sources and shards."""

import errno
import os
import subprocess
import sys
import textwrap
import threading

import pytest

from alm_beam.loader import Partition, WindowLoader
from alm_beam.loader import shards as shards_module
from alm_beam.storage.index.open import open_index
from alm_beam.storage.mapped import mapped
from tests.loader.cuts import cut, write_cuts

pytest.importorskip("resource")


@pytest.fixture(scope="module")
def many_shards(tmp_path_factory) -> list[str]:
    """Two folders of 300 shards each, and 80 of 3, with 840 windows."""
    root = tmp_path_factory.mktemp("many")
    sizes = [(300, 300), (300, 300), *[(3, 3)] * 80]
    folders, first = [], 0
    for windows, shards in sizes:
        cuts = [cut(number) for number in range(first, first + windows)]
        folders.append(write_cuts(root / str(first), cuts, shards))
        first += windows
    return folders


def run_limited(limit: str, code: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs the code in a process of its own, with so many files, or so much memory."""
    name, _, number = limit.partition("=")
    begin = f"import resource, sys\nresource.setrlimit(resource.{name}, ({number}, {number}))\n"
    command = [sys.executable, "-c", begin + textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("limit", [64, 1024])
def test_open_files(many_shards, limit):
    code = """
    import os
    from alm_beam.loader import WindowLoader
    loader = WindowLoader(sys.argv[1:])
    assert len({window["id"] for _ in range(2) for window in loader}) == 840
    print(len([name for name in os.listdir("/proc/self/fd") if int(name) > 2]) if os.path.isdir("/proc/self/fd") else 0)
    """
    ran = run_limited(f"RLIMIT_NOFILE={limit}", code, *many_shards)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 10, "no file stays open"


def test_open_files_of_threads_and_forked_workers(many_shards):
    code = """
    import multiprocessing, threading
    from alm_beam.loader import Partition, WindowLoader
    found = []
    def read(rank):
        found.extend(window["id"] for window in WindowLoader(sys.argv[1:], partition=Partition(rank, 4)))
    threads = [threading.Thread(target=read, args=(rank,)) for rank in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 840

    context = multiprocessing.get_context("fork")
    loader, results = WindowLoader(sys.argv[1:]), context.SimpleQueue()
    begun = iter(loader)
    next(begun)
    def work(worker):
        loader.partition = Partition(0, 1, worker, 2)
        loader.set_epoch(0)
        results.put([window["id"] for window in loader])
    workers = [context.Process(target=work, args=(worker,)) for worker in range(2)]
    for worker in workers:
        worker.start()
    whole = [each for _ in workers for each in results.get()]
    for worker in workers:
        worker.join()
    assert len(set(whole)) == len(whole) == 840
    assert len(list(begun)) == 839
    """
    ran = run_limited("RLIMIT_NOFILE=64", code, *many_shards)
    assert ran.returncode == 0, ran.stderr


def test_shards_that_were_mapped_last_stay_mapped(tmp_path, monkeypatch):
    """One budget for all readers of the process."""
    monkeypatch.setattr(shards_module, "_all_mapped", type(shards_module._all_mapped)())
    monkeypatch.setattr(shards_module, "_MAX_MAPPED", 3)
    folders = [write_cuts(tmp_path / name, [cut(number) for number in range(3)], shards=3) for name in "ab"]
    loader = WindowLoader(folders)
    one, other = loader.readers
    rows = {int(row["shard"]): number for number, row in enumerate(one.index.rows)}
    more_rows = {int(row["shard"]): number for number, row in enumerate(other.index.rows)}
    for shard in range(3):
        one[rows[shard]]
    other[more_rows[0]]
    assert (sorted(one._shards), sorted(other._shards)) == ([1, 2], [0])
    other[more_rows[1]]
    assert (sorted(one._shards), sorted(other._shards)) == ([2], [0, 1])
    assert len({window["start"] for window in loader}) == 3
    assert len(one._shards) + len(other._shards) == 3


def test_threads_that_share_a_few_mappings(many_shards, monkeypatch):
    monkeypatch.setattr(shards_module, "_MAX_MAPPED", 2)
    loader, found = WindowLoader(many_shards[:2]), []

    def read(rank: int) -> None:
        mine = WindowLoader(many_shards[:2], partition=Partition(rank, 4))
        mine.readers = loader.readers
        found.extend(window["id"] for window in mine)

    threads = [threading.Thread(target=read, args=(rank,)) for rank in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 600


@pytest.mark.parametrize(("number", "help_text"), [(errno.EMFILE, "ulimit -n"), (errno.ENOMEM, "raise the limit")])
def test_a_limit_is_named_with_the_file_and_what_helps(many_shards, monkeypatch, number, help_text):
    def refused(*_: int) -> memoryview:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(shards_module, "mapped", refused)
    with pytest.raises(OSError, match=rf"cuts-\d+-of-00300\.jsonl: .*{os.strerror(number)}.*{help_text}"):
        list(WindowLoader(many_shards[0]))


def test_a_mapping_outlives_its_file_and_ends_with_its_last_user(tmp_path, cuts):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 1000)
    with path.open("rb") as file:
        content = mapped(file.fileno(), 10_000)
    path.unlink()
    part = content[5:15]
    del content
    assert bytes(part) == b"5678901234"
    assert part.readonly
    assert mapped(0, 0) == b""
    with pytest.raises(OSError, match="Bad file descriptor"):
        mapped(10**6, 1)
    assert not open_index(cuts).rows.flags.writeable
