"""Where the audio files are that cuts name by relative paths."""

import os
from collections.abc import Sequence

from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.text import visible
from alm_beam.storage.audio_files import audio_url
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.paths import canonical, info_of, is_local, located
from alm_beam.storage.secrets import shown


class AudioPlaces:
    """Finds files by their relative paths, in the one folder of several that holds each. What it found it remembers.

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "a.wav").touch()
    >>> AudioPlaces([f"{folder}/nothing", str(folder)]).url("a.wav") == f"{folder}/a.wav"
    True
    """

    def __init__(self, roots: Sequence[str], options: StorageOptions = NO_OPTIONS):
        """
        Args:
            roots: absolute paths or URLs of folders; at least one.
            options: fsspec's, by protocol.
        """
        self._roots = roots
        self._options = options
        self._found: dict[str, str] = {}

    def url(self, path: str) -> str:
        """The path or URL of the file; where no folder holds it, what it would be in the last one.

        Raises:
            BadEntry: several folders hold a file of that name, and nothing says which is meant.
        """
        if "://" in path or os.path.isabs(path):
            return path
        if path not in self._found:
            self._found[path] = self._searched(path)
        return self._found[path]

    def _searched(self, path: str) -> str:
        urls = {self._name(url): url for url in (audio_url(path, root) for root in self._roots)}
        found = [url for url in urls.values() if len(urls) == 1 or self._is_there(url)]
        if len(found) > 1:
            several = " and ".join(visible(shown(url)) for url in found)
            what = f"{visible(path)} is {several}; name the folder that is meant by --audio_root"
            raise BadEntry(RejectReason.AUDIO_MISSING, what)
        return found[0] if found else [*urls.values()][-1]

    def _name(self, url: str) -> str:
        """A name that is the same for every spelling of the place."""
        try:
            return canonical(url, self._options)
        except ValueError:  # it names nothing that could be; who opens the file says why
            return url

    def _is_there(self, url: str) -> bool:
        try:
            place = located(url, self._options)
            if is_local(place.fs):
                return os.path.exists(place.path)
            return info_of(place.fs, place.path) is not None
        except Exception:  # filesystems raise all kinds; who opens the file says what is wrong with it
            return False
