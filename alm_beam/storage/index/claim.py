"""One process at a time makes the index of a folder.

On this machine's filesystems a lock says so, which the system takes from a process that ends, however it ends.
Elsewhere it is a file of a fixed name, which is only written where there is none, and is written anew every few
seconds: one that is not is of a process that is gone. Its age is told by the store's own clock.
"""

import os
import platform
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import orjson

from alm_beam.storage.discovery import BEAM_TEMPORARY
from alm_beam.storage.index.format import FOLDER, IndexFault
from alm_beam.storage.paths import Located, errors_that_name, info_of, is_local, modified
from alm_beam.storage.secrets import shown

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CLAIM = f"{BEAM_TEMPORARY}{FOLDER}-claim"
"""The file, in the folder of the cuts, of the process that makes their index."""

RENEW_SECONDS = 20.0
DEAD_SECONDS = 120.0
"""A claim that was not renewed for so long is of a process that is gone."""


@contextmanager
def sole_maker(place: Located) -> Iterator[Callable[[], None]]:
    """For as long as the block lasts, no other process makes the index of the folder.

    It gives a function that raises IndexFault where another process took over, as this one was thought to be gone. Call
    it before anything is put in place.

    Raises:
        IndexFault: another process is at work.
        OSError: the folder cannot be written.
    """
    path = f"{place.path}/{CLAIM}"
    lock = _locked(place, path) if is_local(place.fs) else None
    if lock is None:
        claim = _Claim(place, path)
        claim.take()
        try:
            yield claim.check
        finally:
            claim.release()
        return
    try:
        yield lambda: None
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)  # while it is locked: who opened it meanwhile sees that it is no longer the folder's
        os.close(lock)


def _locked(place: Located, path: str) -> int | None:
    """An open file that this process alone has locked; None where the filesystem has no locks."""
    if fcntl is None:
        return None
    while True:
        with errors_that_name(place.url(path)):
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                with suppress(OSError):  # it is for the message of others alone
                    os.truncate(lock, 0)
                    os.write(lock, orjson.dumps(_process()))
                return lock
        except BlockingIOError:
            other = os.pread(lock, 1000, 0)
            os.close(lock)
            raise _other_at_work(place, path, other) from None
        except FileNotFoundError:
            pass  # the one that had it has ended and removed it
        except OSError:
            os.close(lock)
            return None
        os.close(lock)


class _Claim:
    """A claim where there are no locks."""

    def __init__(self, place: Located, path: str):
        self._place, self._path = place, path
        self._own = orjson.dumps({**_process(), "run": uuid.uuid4().hex})
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="alm_beam-index-claim", daemon=True)

    def take(self) -> None:
        """Makes the claim.

        Raises:
            IndexFault: there is one of another process, which is alive as far as can be told.
        """
        with errors_that_name(self._place.url(self._path)):
            other = self._content()
            if other is not None and self._is_dead(other) and self._content() == other:
                self._place.fs.rm_file(self._path)
                other = self._content()
            if other is None:
                self._create()
                other = self._content()
        if other != self._own:
            raise _other_at_work(self._place, self._path, other)
        self._renewing.start()

    def check(self) -> None:
        """Nothing, where the claim is still this process's own.

        Raises:
            IndexFault: it is not.
        """
        with errors_that_name(self._place.url(self._path)):
            other = self._content()
        if other != self._own:
            raise _other_at_work(self._place, self._path, other)

    def release(self) -> None:
        """Removes the claim. One that cannot be removed dies."""
        self._ended.set()
        if self._renewing.is_alive():
            self._renewing.join()
        with suppress(Exception):
            if self._content() == self._own:
                self._place.fs.rm_file(self._path)

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            with suppress(Exception):  # it is tried again, and `check` tells if that was too late
                if self._content() == self._own:
                    self._place.fs.pipe_file(self._path, self._own)

    def _create(self) -> None:
        """Writes the claim, if there is none; a store that cannot tell writes it all the same."""
        try:
            if is_local(self._place.fs):
                with open(self._path, "xb") as file:
                    file.write(self._own)
            else:
                self._place.fs.pipe_file(self._path, self._own, mode="create")
        except Exception:
            if self._content() is None:
                self._place.fs.pipe_file(self._path, self._own)

    def _content(self) -> bytes | None:
        self._place.fs.invalidate_cache()
        try:
            return bytes(self._place.fs.cat_file(self._path))
        except FileNotFoundError:
            return None

    def _is_dead(self, content: bytes) -> bool:
        """Whether its process is gone: it was one of this machine and is there no longer, or does not renew it."""
        if not content:  # what was to be locked by one that was killed, or could not be
            return True
        known, own = _decoded(content), _process()
        if known.get("machine") == own["machine"] and isinstance(known.get("pid"), int):
            with suppress(PermissionError, OverflowError):
                if not _is_running(known["pid"]):
                    return True
        info = info_of(self._place.fs, self._path)
        return info is not None and self._now() - modified(info) > DEAD_SECONDS

    def _now(self) -> float:
        """The time by the store's clock, in seconds since 1970; 0 where it tells none."""
        probe = f"{self._path}-{uuid.uuid4().hex}"
        self._place.fs.pipe_file(probe, b"")
        try:
            return modified(self._place.fs.info(probe))
        finally:
            self._place.fs.rm_file(probe)


def _process() -> dict[str, Any]:
    """What tells this process from others: its number, and where that number means it."""
    machine = [platform.node()]
    with suppress(OSError):  # of Linux; two containers may have one name
        with open("/proc/sys/kernel/random/boot_id") as file:
            machine.append(file.read().strip())
        machine.append(os.readlink("/proc/self/ns/pid"))
    return {"host": platform.node(), "machine": " ".join(machine), "pid": os.getpid()}


def _is_running(pid: int) -> bool:
    if pid < 1 or os.name != "posix":
        return True  # as far as can be told
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _decoded(content: bytes) -> dict[str, Any]:
    with suppress(orjson.JSONDecodeError):
        known = orjson.loads(content)
        if isinstance(known, dict):
            return known
    return {}


def _other_at_work(place: Located, path: str, other: bytes | None) -> IndexFault:
    """
    Args:
        place: the folder of the cuts.
        path: of the claim.
        other: what the claim holds, if that is known.
    """
    known = _decoded(other or b"")
    who = f" (process {known.get('pid')} on {str(known.get('host'))[:100]})" if known else ""
    text = (
        f"{shown(place.url(place.path))}: another process{who} makes this index now, and this one has changed nothing"
    )
    if is_local(place.fs) and fcntl is not None:
        return IndexFault(f"{text}; wait for it")
    claim = shown(place.url(path))
    return IndexFault(f"{text}; wait for it. If it was killed, its claim, {claim}, ends in {DEAD_SECONDS:.0f} seconds")
