"""Whether the audio files that entries name are there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from alm_beam.core.text import visible
from alm_beam.storage.audio_files import audio_url
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.paths import info_of, located, reason
from alm_beam.storage.secrets import shown

MOST_NAMED = 10
"""So many files that are not there are named."""

_AT_A_TIME = 16
"""Lookups under way: a store may take a tenth of a second for each."""

_WAITING = 1024
"""Paths that are collected before they are looked up."""


@dataclass(slots=True)
class AudioCheck:
    """What was found of audio files.

    Attributes:
        present: files that are there.
        absent: files that are not there.
        unknown: files of which the store did not tell.
        named: path and reason of the first of those that are absent or unknown.
    """

    present: int = 0
    absent: int = 0
    unknown: int = 0
    named: list[tuple[str, str]] = field(default_factory=list)


class AudioLookup:
    """Looks up audio files, several at a time. Nothing of them is read.

    Attributes:
        check: what was found so far.

    >>> from pathlib import Path
    >>> Path("audio").mkdir()
    >>> Path("audio/monday.wav").touch()
    >>> with audio_lookup("audio") as files:
    ...     files.look_up("monday.wav")
    ...     files.look_up("sunday.wav")
    >>> files.check.present, files.check.named
    (1, [('audio/sunday.wav', 'does not exist')])
    """

    def __init__(self, root: str | None, options: StorageOptions, pool: ThreadPoolExecutor):
        self._root, self._options, self._pool = root, options, pool
        self._paths: list[str] = []
        self.check = AudioCheck()

    def look_up(self, path: str) -> None:
        """Looks the file up, now or with the next ones. Relative paths are below the root."""
        self._paths.append(path)
        if len(self._paths) == _WAITING:
            self.finish()

    def finish(self) -> None:
        """Looks up what is left."""
        places = [audio_url(path, self._root) for path in self._paths]
        self._paths.clear()
        check = self.check
        for place, (is_absent, why) in zip(places, self._pool.map(self._why_not, places)):
            check.present += not why
            check.absent += is_absent
            check.unknown += bool(why) and not is_absent
            if why and len(check.named) < MOST_NAMED:
                check.named.append((visible(shown(place)), visible(why)))

    def _why_not(self, place: str) -> tuple[bool, str]:
        """Whether there is no such file, and why it cannot be read; empty where it can."""
        try:
            fs, path, _ = located(place, self._options)
            info = info_of(fs, path)
        except Exception as error:  # filesystems raise all kinds, and some messages hold what no log may show
            return False, reason(error)
        if info is None:
            return True, "does not exist"
        is_folder = info["type"] == "directory"
        return is_folder, "is a folder" if is_folder else ""


@contextmanager
def audio_lookup(root: str | None, options: StorageOptions = NO_OPTIONS) -> Iterator[AudioLookup]:
    """A place to look up audio files; when it is left, all of them are looked up.

    Args:
        root: folder that relative paths are below, a path or URL; None for the working directory.
        options: fsspec's, by protocol.
    """
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        files = AudioLookup(root, options, pool)
        yield files
        files.finish()
