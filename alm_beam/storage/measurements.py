"""What was measured of audio files, kept from one run that was cut short for the next."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.paths import errors_that_name, files_below, info_of, located, version_of, written_whole
from alm_beam.storage.secrets import shown

_VERSION = 1
"""Of what is kept, and of how it is measured: what another version has left is not found."""


class Measurements:
    """A folder of small files, one for each audio file and what was asked of it.

    A file is written whole or not at all. What is there from the beginning can be taken; what other workers add
    meanwhile need not be found.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> key = "9f2c"
    >>> Measurements(folder).keep(key, {"sample_rate": 16000})
    >>> Measurements(folder).kept(key), Measurements(folder).kept("0000")
    ({'sample_rate': 16000}, None)
    """

    def __init__(self, url: str, options: StorageOptions = NO_OPTIONS):
        """
        Args:
            url: the folder, a path or any fsspec URL; it need not exist.
            options: fsspec's, by protocol.

        Raises:
            OSError: the folder cannot be listed.
        """
        self._url, self._options = url, options
        with errors_that_name(url):
            place = located(url, options)
            self._names = {path.rpartition("/")[2] for path, _ in files_below(place.fs, place.path, None)}

    def kept(self, key: str) -> dict[str, Any] | None:
        """What was kept under the key; None where there is nothing, or nothing that is whole.

        Raises:
            OSError: it cannot be read.
        """
        name = f"{key}.json"
        if name not in self._names:
            return None
        with errors_that_name(f"{self._url}/{name}"):
            place = located(f"{self._url}/{key[:2]}/{name}", self._options)
            try:
                found = orjson.loads(place.fs.cat_file(place.path))
            except (FileNotFoundError, orjson.JSONDecodeError):
                return None
        content, digest = (found.get("content"), found.get("digest")) if isinstance(found, dict) else (None, None)
        return content if isinstance(content, dict) and digest == _digest(content) else None

    def keep(self, key: str, content: Mapping[str, Any]) -> None:
        """Keeps what was measured.

        Raises:
            OSError: it cannot be written.
        """
        with errors_that_name(f"{self._url}/{key[:2]}/{key}.json"):
            place = located(f"{self._url}/{key[:2]}/{key}.json", self._options)
            folder = located(self._url, self._options).path
            with written_whole(place.fs, place.path, folder) as file:
                file.write(orjson.dumps({"content": content, "digest": _digest(content)}))


def audio_key(url: str, asked: Mapping[str, Any], options: StorageOptions = NO_OPTIONS) -> str | None:
    """What stands for an audio file as it is now, and for what is asked of it; None where its store tells nothing.

    Args:
        url: the file.
        asked: what is measured of it, as JSON can hold it.
        options: fsspec's, by protocol.
    """
    try:
        place = located(url, options)
        info = info_of(place.fs, place.path)
    except Exception:  # filesystems raise all kinds; who opens the file learns of it, and says it better
        return None
    if info is None or not any(version_of(info)):
        return None
    what = [_VERSION, shown(url), info.get("size"), *version_of(info), asked]
    return hashlib.sha256(orjson.dumps(what, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
