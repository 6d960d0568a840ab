"""Copies of what can be read only once."""

import os
import shutil
import tempfile
import weakref

from alm_beam.core.file_kinds import compressed_ending
from alm_beam.storage.local_files import UnfitError, own_descriptor
from alm_beam.storage.paths import reason

_CHUNK = 1 << 20


class Spool:
    """Copies of pipes in a temporary folder of this machine; TMPDIR may name its place.

    They go with `remove`, or else when nobody holds the object any more, at the latest with this process.

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
        descriptor = own_descriptor(path)
        with open(path if descriptor is None else os.dup(descriptor), "rb") as pipe:
            os.set_blocking(pipe.fileno(), True)  # or a slow writer would look like the end
            first = pipe.read(_CHUNK)
            if not first:
                raise OSError("it gives not a single byte; did the command fail that was to write to it?")
            try:
                copy = f"{self._made_folder()}/{len(self._copies)}{compressed_ending(first)}"
                with open(copy, "xb") as file:
                    file.write(first)
                    shutil.copyfileobj(pipe, file, _CHUNK)
            except OSError as error:
                where = f"it cannot be copied to {tempfile.gettempdir()}"
                raise OSError(f"{where} ({reason(error)}); TMPDIR may name a folder with more room") from None
        return copy

    def _made_folder(self) -> str:
        if self._removed is None:
            self._folder = tempfile.mkdtemp(prefix="alm_beam-pipe-")
            self._removed = weakref.finalize(self, _remove_own, self._folder, os.getpid())
        return self._folder


class NoSpool(Spool):
    """In place of a spool where nothing is to be read that can be read only once."""

    def copy_of(self, path: str) -> str:
        """
        Raises:
            UnfitError: always; it says what to do.
        """
        raise UnfitError(
            "can be read only once, so a dry run would leave the run nothing of it; write what it gives to a file, and "
            "name that"
        )


def _remove_own(folder: str, pid: int) -> None:
    if os.getpid() == pid:  # a fork has the object, too
        shutil.rmtree(folder, ignore_errors=True)
