"""The audio files of a folder, by the names of their recordings."""

import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from alm_beam.core.recording_ids import AUDIO_ENDING
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.paths import errors_that_name, info_of, is_local, located
from alm_beam.storage.search import ANY_FOLDERS, Search, Step, local_files, remote_files

_SEARCH = Search("", (ANY_FOLDERS, Step(re.compile(rf".*(?:{AUDIO_ENDING.pattern})", re.IGNORECASE | re.DOTALL))), "")


class Match(NamedTuple):
    """What was found for a recording.

    Attributes:
        path: the path or URL of its audio; None unless there is exactly one.
        others: those of several files, any of which may be it, from the folder that was searched.
    """

    path: str | None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class AudioFiles:
    """The audio files below a folder. They are listed once, and none is opened.

    Attributes:
        root: the folder, as an absolute path or a URL.
        by_name: paths from the folder, by the name of the file without its ending.
    """

    root: str
    by_name: dict[str, list[str]]

    @classmethod
    def below(cls, root: str, options: StorageOptions = NO_OPTIONS) -> "AudioFiles":
        """Those below a folder, what is hidden left out.

        Raises:
            OSError: the folder cannot be listed, or is missing.
        """
        with errors_that_name(root):
            place = located(root, options)
            search = _SEARCH._replace(root=place.path)
            found: Iterable[str]
            if is_local(place.fs):
                if not os.path.isdir(place.path):
                    raise FileNotFoundError("there is no such folder")
                found = local_files(search)
            else:
                found = [path for path, info in remote_files(place.fs, search) if info["type"] != "directory"]
                if not found and info_of(place.fs, place.path) is None:
                    raise FileNotFoundError("there is no such folder")
            by_name: defaultdict[str, list[str]] = defaultdict(list)
            for path in sorted(found):
                by_name[_without_ending(posixpath.basename(path))].append(path)
        return cls(place.url(place.path), dict(by_name))

    def match(self, recording: str) -> Match:
        """The audio of a recording: the file that has its name. With folders in the name, they have to be the same.

        >>> files = AudioFiles("/audio", {"a": ["mon/a.wav", "tue/a.wav"], "b": ["b.wav"], "c": ["c.flac", "c.wav"]})
        >>> files.match("b").path, files.match("tue/a").path, files.match("c.wav").path, files.match("d").path
        ('/audio/b.wav', '/audio/tue/a.wav', '/audio/c.wav', None)
        >>> files.match("a").others
        ('mon/a.wav', 'tue/a.wav')
        """
        wanted = _composed(recording).strip("/")
        candidates = self.by_name.get(_without_ending(posixpath.basename(wanted)), [])
        exact = [path for path in candidates if _ends_with(_composed(path), wanted)]
        # A name may itself have a dot and what looks like an ending.
        found = exact or [path for path in candidates if _ends_with(_without_ending(path), wanted)]
        if not found:
            dotted = self.by_name.get(posixpath.basename(wanted), [])
            found = [path for path in dotted if _ends_with(_without_ending(path), wanted)]
        if len(found) == 1:
            return Match(f"{self.root}/{found[0]}")
        return Match(None, tuple(found))

    def path_of(self, stated: str) -> str | None:
        """The path or URL of the file that a relative path names from the folder; None where it names none.

        >>> AudioFiles("/audio", {"a": ["mon/a.wav"]}).path_of("./mon/a.wav")
        '/audio/mon/a.wav'
        """
        path = posixpath.normpath(stated.replace("\\", "/"))
        named = self.by_name.get(_without_ending(posixpath.basename(path)), [])
        found = [each for each in named if _composed(each) == _composed(path)]
        return f"{self.root}/{found[0]}" if found else None


def audio_url(path: str, root: str | None) -> str:
    """Where an audio file is that an entry names: its path or URL, below the root if it is relative.

    >>> audio_url("a.wav", "s3://lake/audio/"), audio_url("/data/a.wav", "s3://lake"), audio_url("a.wav", None)
    ('s3://lake/audio/a.wav', '/data/a.wav', 'a.wav')
    """
    if root is None or "://" in path or path.startswith("/"):
        return path
    return f"{root.rstrip('/')}/{path}"


def _without_ending(path: str) -> str:
    return AUDIO_ENDING.sub("", _composed(path))


def _composed(text: str) -> str:
    """The text with letters and their accents as one character: filesystems of macOS have them apart."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _ends_with(path: str, name: str) -> bool:
    return path == name or path.endswith(f"/{name}")
