"""Copies of what can be read only once."""

import glob
import logging
import os
import select
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from alm_beam.storage.local_files import own_descriptor, printable
from alm_beam.storage.paths import reason

_LOG = logging.getLogger(__name__)

_CHUNK = 1 << 20
_PATIENCE_SECONDS = 5

_PREFIX = "alm_beam-pipe-"
_LOCK = "lock"

_ENDINGS = {
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ\0": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
    **{bytes((0x50 + number, 0x2A, 0x4D, 0x18)): ".zst" for number in range(16)},  # frames that zstd skips
}
"""The ending of a name that says what content is compressed by, for each way in which such content begins."""

_LONGEST_START = max(map(len, _ENDINGS))


class Spool:
    """Copies of pipes in a temporary folder of this machine; TMPDIR may name its place.

    They go with `remove`, or else when nobody holds the object any more, at the latest with this process. Those of a
    process that was killed go when the next one copies a pipe.

    >>> import os
    >>> reader, writer = os.pipe()
    >>> os.write(writer, b'{"audio_filepath": "a.wav"}'), os.close(writer)
    (27, None)
    >>> spool = Spool()
    >>> with open(spool.copy_of(f"/dev/fd/{reader}"), "rb") as file:
    ...     file.read(), os.close(reader)
    (b'{"audio_filepath": "a.wav"}', None)
    >>> spool.remove()
    """

    def __init__(self) -> None:
        self._copies: dict[tuple[int, int], str] = {}
        self._folder = ""
        self._removed: weakref.finalize[..., Spool] | None = None

    def copy_of(self, path: str) -> str:
        """The path of a file with all that a pipe gives; the same one when it is asked for again.

        Where the content is compressed, the file's name says how.

        Raises:
            OSError: the pipe cannot be read, gives nothing, or its copy cannot be written.
        """
        status = os.stat(path)
        key = (status.st_dev, status.st_ino)
        if key not in self._copies:
            self._copies[key] = self._copied(path)
        return self._copies[key]

    def remove(self) -> None:
        """Removes the copies."""
        if self._removed:
            self._removed()
        self._copies.clear()
        self._removed = None

    def _copied(self, path: str) -> str:
        content = _content(path)
        first = next(content, b"")
        if not first:
            raise OSError("it gives not a single byte; did the command fail that was to write to it?")
        begins = first
        copy = f"{self._made_folder()}/{len(self._copies)}"
        with _kept_in(self._folder), open(copy, "xb") as file:
            file.write(first)
            for data in content:
                begins += data[: max(_LONGEST_START - len(begins), 0)]
                file.write(data)
        ending = next((ending for start, ending in _ENDINGS.items() if begins.startswith(start)), "")
        os.rename(copy, copy + ending)
        return copy + ending

    def _made_folder(self) -> str:
        if self._removed is None:
            parent = tempfile.gettempdir()
            _remove_abandoned(parent)
            with _kept_in(parent):
                self._folder = tempfile.mkdtemp(prefix=_PREFIX)
                lock = _locked(self._folder)
            self._removed = weakref.finalize(self, _remove_own, self._folder, lock, os.getpid())
        return self._folder


class _PipeError(OSError):
    """The pipe, and not the disk, is at fault."""


def _content(path: str) -> Iterator[bytes]:
    descriptor = own_descriptor(path)
    own = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if descriptor is None else os.dup(descriptor)
    try:
        ready = select.poll()
        ready.register(own, select.POLLIN)
        if not ready.poll(_PATIENCE_SECONDS * 1000):
            _LOG.warning("waits for what is to be written to the pipe %s", printable(path))
        while True:
            ready.poll()
            try:
                data = os.read(own, _CHUNK)
            except BlockingIOError:
                continue
            except OSError as error:
                raise _PipeError(str(error)) from None
            if not data:
                return
            yield data
    finally:
        os.close(own)


@contextmanager
def _kept_in(folder: str) -> Iterator[None]:
    try:
        yield
    except _PipeError:
        raise
    except OSError as error:
        where = f"its content cannot be kept in {folder} while the run lasts"
        raise OSError(f"{where} ({reason(error)}); TMPDIR may name a folder with more room") from None


def _locked(folder: str) -> int:
    """A lock that this process and its forks hold for as long as they live, and that is there when it is held."""
    import fcntl  # which not every system has

    lock = os.open(f"{folder}/{_LOCK}-to-be", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(f"{folder}/{_LOCK}-to-be", f"{folder}/{_LOCK}")
    return lock


def _remove_abandoned(parent: str) -> None:
    """Removes the copies of processes that were killed: their locks are free."""
    import fcntl

    for folder in glob.glob(f"{glob.escape(parent)}/{_PREFIX}*"):
        with suppress(OSError):  # another process has removed it, or it is another user's
            lock = os.open(f"{folder}/{_LOCK}", os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)


def _remove_own(folder: str, lock: int, pid: int) -> None:
    if os.getpid() == pid:  # a fork has the object, too
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
