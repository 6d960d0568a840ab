"""One process at a time makes the index of a folder.

On this machine's filesystems a lock says so, which the system takes from a process that ends, however it ends.
Elsewhere it is a file that the process removes when it has ended. One of a process that was killed has to be removed.
"""

import os
import platform
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from alm_beam.storage.index.format import FOLDER, IndexFault
from alm_beam.storage.paths import Located, errors_that_name, is_local
from alm_beam.storage.search import BEAM_TEMPORARY
from alm_beam.storage.secrets import shown

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CLAIM = f"{BEAM_TEMPORARY}{FOLDER}-claim"
"""The file, in the folder of the cuts, of the process that makes their index."""


@contextmanager
def sole_maker(place: Located) -> Iterator[Callable[[], None]]:
    """For as long as the block lasts, no other process makes the index of the folder.

    It gives a function that raises IndexFault where another process has begun all the same, as some stores cannot tell
    which of two came first. Call it before anything is put in place.

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
                return lock
        except BlockingIOError:
            os.close(lock)
            raise IndexFault(f"{_at_work(place)}; wait for it") from None
        except FileNotFoundError:
            pass  # the one that had it has ended and removed it
        except OSError:
            os.close(lock)
            return None
        os.close(lock)


def release_claim(place: Located, process: int) -> None:
    """Removes the claim of a process of this machine that was ended, where there are no locks."""
    claim = _Claim(place, f"{place.path}/{CLAIM}")
    with suppress(Exception):
        if (claim.content() or b"").startswith(_process(process).encode()):
            place.fs.rm_file(f"{place.path}/{CLAIM}")


def _process(pid: int) -> str:
    return f"process {pid} on {platform.node()}, "


class _Claim:
    """A claim where there are no locks."""

    def __init__(self, place: Located, path: str):
        self._place, self._path = place, path
        self._own = f"{_process(os.getpid())}{uuid.uuid4().hex}\n".encode()

    def take(self) -> None:
        """Makes the claim.

        Raises:
            IndexFault: there is one of another process.
        """
        with errors_that_name(self._place.url(self._path)):
            if not self.content():  # an empty one is what was to be locked
                self._create()
        self.check()

    def check(self) -> None:
        """Nothing, where the claim is this process's own.

        Raises:
            IndexFault: it is not.
        """
        with errors_that_name(self._place.url(self._path)):
            content = self.content()
        if content != self._own:
            claim = shown(self._place.url(self._path))
            raise IndexFault(f"{_at_work(self._place)}; wait for it. If it was killed, remove {claim}")

    def release(self) -> None:
        """Removes the claim, if it is still this process's own."""
        with suppress(Exception):
            if self.content() == self._own:
                self._place.fs.rm_file(self._path)

    def _create(self) -> None:
        """Writes the claim, if there is none; a store that cannot tell writes it all the same."""
        try:
            if is_local(self._place.fs):
                with open(self._path, "xb") as file:
                    file.write(self._own)
            else:
                self._place.fs.pipe_file(self._path, self._own, mode="create")
        except Exception:
            if not self.content():
                self._place.fs.pipe_file(self._path, self._own)

    def content(self) -> bytes | None:
        """What the file holds; None without one."""
        self._place.fs.invalidate_cache()
        try:
            return bytes(self._place.fs.cat_file(self._path))
        except FileNotFoundError:
            return None


def _at_work(place: Located) -> str:
    where = shown(place.url(place.path))
    return f"{where}: another process makes this index now, and this one has changed nothing"
