"""Two that make the index of one folder at a time, and one that is killed: there is one whole index, or the old one."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest

from alm_beam.storage import paths
from alm_beam.storage.connections import NO_OPTIONS, connect
from alm_beam.storage.index import build, claim
from alm_beam.storage.index.build import PARTS, make_index, merge_parts
from alm_beam.storage.index.claim import CLAIM, sole_maker
from alm_beam.storage.index.open import IndexFault, open_index
from alm_beam.storage.index.verify import verify_index
from alm_beam.storage.paths import located
from tests.servers.stores import Store
from tests.storage.cuts import LINES, read_lines, write_shards

AT_WORK = "another process.* makes this index now"


class Killed(BaseException):
    """What ends a process that is killed: nothing that it would clean up is done."""


class Watched:
    """A filesystem of which each call is first told to `before`."""

    def __init__(self, fs: fsspec.AbstractFileSystem, before: Callable[[], None]):
        self._fs, self._before = fs, before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._fs, name)
        if not callable(found) or name == "invalidate_cache":
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._before()
            return found(*args, **kwargs)

        return call


class Hook:
    """Does something at a call of a filesystem, counted from 1, in the thread that made it.

    Attributes:
        at: the number of the call; 0 for none.
        calls: how many there were.
    """

    def __init__(self) -> None:
        self.at = self.calls = 0
        self.action: Callable[[], None] = lambda: None
        self._thread = threading.get_ident()
        self._is_acting = False

    def __call__(self) -> None:
        if self._is_acting or threading.get_ident() != self._thread:
            return
        self.calls += 1
        if self.calls == self.at:
            self._is_acting = True
            try:
                self.action()
            finally:
                self._is_acting = False

    def start(self, at: int, action: Callable[[], None]) -> None:
        self.at, self.calls, self.action = at, 0, action


@pytest.fixture
def hook(monkeypatch) -> Hook:
    """Of the calls of every filesystem that the index's code makes; and, where it locks a file, of that."""
    hook = Hook()

    def watched(url: str, options: Any) -> Any:
        fs, path = connect(url, options)
        return Watched(fs, hook), path

    monkeypatch.setattr(paths, "connect", watched)
    for name in ("open", "unlink", "stat"):
        original = getattr(os, name)
        monkeypatch.setattr(claim.os, name, lambda *a, original=original, **k: (hook(), original(*a, **k))[1])
    return hook


@pytest.fixture(params=["lock", "claim"])
def _manner(request: pytest.FixtureRequest, monkeypatch) -> None:
    """How one is told from two on this machine: by a lock, or, where there are none, by a file."""
    if request.param == "claim":
        monkeypatch.setattr(claim, "fcntl", None)


def outcome(url: str, options: Any = NO_OPTIONS, *, overwrite: bool = True) -> str:
    """How making an index ends."""
    try:
        make_index(url, overwrite=overwrite, skip_unusable=False, options=options)
    except IndexFault as fault:
        text = str(fault)
        return "at work" if "makes this index now" in text else "exists" if "there is an index" in text else text
    return "made"


def sound(url: str, options: Any = None) -> bool:
    index = open_index(url, storage_options=options)
    verify_index(index)
    return True


def both(hook: Hook, at: int, one: Callable[[], str], other: Callable[[], str]) -> tuple[str, ...]:
    """How one ends, and the other that begins and ends at a call of the first, if there are so many."""
    others: list[str] = []
    hook.start(at, lambda: others.append(other()))
    ended = one()
    hook.start(0, lambda: None)
    return (ended, *others)


@pytest.mark.usefixtures("_manner")
@pytest.mark.parametrize("first", [True, False], ids=["overwrite", "plain"])
@pytest.mark.parametrize("second", [True, False], ids=["beside overwrite", "beside plain"])
def test_another_that_runs_at_any_point_of_one(tmp_path, hook, first, second):
    """It begins and ends between two calls of the first, whichever they are."""
    seen = []
    for at in range(1, 1000):
        folder = write_shards(tmp_path / str(at), LINES[:40], 2)
        if first:
            make_index(str(folder), overwrite=False, skip_unusable=False, options=NO_OPTIONS)
        one, other = partial(outcome, str(folder), overwrite=first), partial(outcome, str(folder), overwrite=second)
        ends = both(hook, at, one, other)
        if len(ends) == 1:
            break
        seen.append(ends)
        assert sound(str(folder))
        assert {path.name.partition("-")[0] for path in folder.iterdir()} == {"cuts", "index"}
    expected = {("made", "at work")}
    expected |= {("made", "made")} if first and second else set()
    expected |= {("made", "exists")} if not second else set()
    expected |= {("exists", "made")} if not first else set()
    assert {*seen} <= expected
    refused = [number for number, (_, other) in enumerate(seen) if other == "at work"]
    assert refused == [*range(refused[0], refused[-1] + 1)], "from the beginning to the end of its work"
    assert len(refused) > (20 if second or not first else 0)


@pytest.mark.parametrize("new", [LINES[40:80], [each.replace(b'"r-', b'"R-') for each in LINES[:40]]])
def test_cuts_that_are_replaced_while_one_is_at_work(tmp_path, hook, new):
    """There is no index of both, and none that passes for one of the new ones, even where these have the old sizes."""
    for at in range(1, 1000):
        folder = write_shards(tmp_path / str(at), LINES[:40], 2)
        ends = both(
            hook,
            at,
            partial(outcome, str(folder)),
            lambda folder=folder: outcome(str(write_shards(folder, new, 2))),
        )
        if len(ends) == 1:
            break
        try:
            index = open_index(str(folder), samples=40)
        except IndexFault:
            pass
        else:
            assert sorted(read_lines(index, folder)) == sorted(new)
        assert outcome(str(folder)) == "made"
        assert sorted(read_lines(open_index(str(folder)), folder)) == sorted(new)
    assert at > 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it kills a fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_one_that_is_killed_at_any_point(tmp_path, hook):
    for at in range(1, 1000):
        folder = write_shards(tmp_path / str(at), LINES[:40], 2)
        make_index(str(folder), overwrite=False, skip_unusable=False, options=NO_OPTIONS)
        write_shards(folder, LINES[40:80], 2)
        before = {path.name: path.read_bytes() for path in (folder / "index").iterdir()}
        child = os.fork()
        if not child:
            hook.start(at, lambda: os._exit(9))
            os._exit(0 if outcome(str(folder)) == "made" else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        left = {path.name: path.read_bytes() for path in (folder / "index").iterdir()}
        if code != 9:
            break
        assert "index.json" not in left or left == before or sound(str(folder))
        assert outcome(str(folder), overwrite="index.json" in left) == "made"
        assert sound(str(folder))
        assert {path.name.partition("-")[0] for path in folder.iterdir()} == {"cuts", "index"}
    assert code == 0
    assert at > 20


def killed_at(hook: Hook, at: int, url: str, options: Any) -> bool:
    """Makes an index by what stands for a process that is killed at the call; whether there were so many calls."""

    def kill() -> None:
        hook.start(1, kill)  # and nothing is done by the next calls either
        hook._is_acting = False
        raise Killed

    hook.start(at, kill)
    try:
        make_index(url, overwrite=True, skip_unusable=False, options=options)
    except Killed:
        return True
    finally:
        hook.start(0, lambda: None)
    return False


def processes(folder: Path, count: int) -> Iterator[tuple[int, str]]:
    """Exit codes and messages of so many commands at a time."""
    command = [sys.executable, "-m", "alm_beam", "index", str(folder), "--overwrite"]
    running = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL) for _ in range(count)
    ]
    for process in running:
        _, message = process.communicate()
        yield process.returncode, message


def test_real_processes(tmp_path):
    folder = write_shards(tmp_path, LINES * 20, 8)
    for _ in range(2):
        ends = [*processes(folder, 3)]
        assert 0 in [code for code, _ in ends]
        assert all(code == 0 or (code == 1 and "makes this index now" in message) for code, message in ends), ends
        assert sound(str(folder))
        assert {path.name.partition("-")[0] for path in folder.iterdir()} == {"cuts", "index"}


@pytest.mark.usefixtures("_manner")
def test_a_claim_of_a_process_that_lives_is_kept_and_told(tmp_path):
    folder = write_shards(tmp_path, LINES[:9], 1)
    with sole_maker(located(str(folder))), pytest.raises(IndexFault, match=AT_WORK):
        make_index(str(folder), overwrite=True, skip_unusable=False, options=NO_OPTIONS)
    assert outcome(str(folder)) == "made"


def test_a_filesystem_that_has_no_locks(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(claim.fcntl, "flock", refuse)
    folder = write_shards(tmp_path, LINES[:9], 1)
    for _ in range(2):
        assert outcome(str(folder)) == "made"
        assert {path.name.partition("-")[0] for path in folder.iterdir()} == {"cuts", "index"}
    with sole_maker(located(str(folder))), pytest.raises(IndexFault, match=f"{AT_WORK}.* remove {folder}/{CLAIM}"):
        make_index(str(folder), overwrite=True, skip_unusable=False, options=NO_OPTIONS)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    folder = write_shards(tmp_path, LINES[:9], 1)
    monkeypatch.setattr(claim.os, "open", refuse)
    with pytest.raises(PermissionError, match=f"{folder}/{CLAIM}: access is denied"):
        make_index(str(folder), overwrite=True, skip_unusable=False, options=NO_OPTIONS)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "cuts-new.jsonl").write_bytes(LINES[9]),
        lambda folder: (folder / "cuts-00001-of-00002.jsonl").unlink(),
        lambda folder: (folder / "cuts-00001-of-00002.jsonl").write_bytes(LINES[9]),
    ],
    ids=["added", "removed", "rewritten"],
)
def test_cuts_that_change_while_they_are_indexed(tmp_path, monkeypatch, change):
    """The old index stays, until somebody makes one of the new cuts."""
    folder = write_shards(tmp_path, LINES[:9], 2)
    assert outcome(str(folder)) == "made"
    before = (folder / "index" / "index.json").read_bytes()
    monkeypatch.setattr(build, "merge_parts", lambda *args: (change(folder), merge_parts(*args))[1])
    assert ".jsonl: was changed while the cuts were indexed; start again" in outcome(str(folder))
    assert (folder / "index" / "index.json").read_bytes() == before


def test_what_killed_ones_left_is_removed(tmp_path):
    folder = write_shards(tmp_path, LINES[:9], 1)
    (folder / CLAIM).touch()
    (folder / f"{PARTS}-0").mkdir()
    (folder / f"{PARTS}-0" / "cuts-00000-of-00001.jsonl.part").touch()
    assert outcome(str(folder), overwrite=False) == "made"
    assert {path.name.partition("-")[0] for path in folder.iterdir()} == {"cuts", "index"}


def options_of(store: Store) -> dict[str, Any]:
    return {store.scheme: store.options}


def shards_on(store: Store) -> str:
    url = f"{store.bucket()}/cuts"
    for number in range(2):
        store.write(f"{url}/cuts-{number}.jsonl", b"".join(each + b"\n" for each in LINES[number:40:2]))
    return url


def names(store: Store, url: str) -> set[str]:
    return {name for name in store.names(url) if not name.startswith("cuts-")}


def test_on_a_store_another_at_any_point_of_one(s3, hook):
    options, url, seen = options_of(s3), shards_on(s3), set()
    for at in range(1, 1000, 3):
        ends = both(hook, at, partial(outcome, url, options), partial(outcome, url, options))
        if len(ends) == 1:
            break
        seen.add(ends)
        assert sound(url, options)
        assert names(s3, url) == {"index/index.json", "index/rows.bin"}
    assert at > 20
    assert seen == {("made", "made"), ("made", "at work")}


def test_on_a_store_one_is_killed_at_any_point(s3, hook):
    options, url = options_of(s3), shards_on(s3)
    assert outcome(url, options) == "made"
    for at in range(1, 1000, 3):
        if not killed_at(hook, at, url, options):
            break
        left = names(s3, url)
        if CLAIM in left:
            assert outcome(url, options) == "at work"
            located(url, options).fs.rm_file(located(f"{url}/{CLAIM}", options).path)
        assert outcome(url, options, overwrite="index/index.json" in left) == "made"
        assert sound(url, options)
        assert names(s3, url) == {"index/index.json", "index/rows.bin"}
    assert at > 20


def test_on_a_store_one_whose_claim_was_taken_changes_nothing(store, monkeypatch):
    options, url = options_of(store), shards_on(store)
    assert outcome(url, options) == "made"
    before = store.read(f"{url}/index/index.json")

    def merge_while_another_takes_over(*args: Any) -> Any:
        store.write(f"{url}/{CLAIM}", b"{}")
        return merge_parts(*args)

    monkeypatch.setattr(build, "merge_parts", merge_while_another_takes_over)
    assert outcome(url, options) == "at work"
    assert store.read(f"{url}/index/index.json") == before
    assert names(store, url) == {"index/index.json", "index/rows.bin", CLAIM}
    assert store.read(f"{url}/{CLAIM}") == b"{}"
