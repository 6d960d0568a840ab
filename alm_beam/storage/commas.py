"""Paths in comma-separated text, where a name may itself hold a comma."""

import os
import re
from contextlib import suppress

from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.discovery import find_manifests
from alm_beam.storage.paths import info_of, is_local, located
from alm_beam.storage.search import is_glob

_URL = re.compile(r"\s*[a-zA-Z][-a-zA-Z0-9+._]*://")

_MAX_COMMAS = 8
"""A name with more is not looked for: each look may be a request to a store."""


def paths_in(text: str, options: StorageOptions = NO_OPTIONS) -> list[str]:
    """The paths and URLs in comma-separated text.

    A file or folder with commas in its name is taken by that name if it is there, and a glob with commas if it matches
    a file; the longest such name comes first.

    Args:
        text: the text.
        options: fsspec's, by protocol, to look for what URLs name.

    >>> import pathlib
    >>> _ = pathlib.Path("one, two.jsonl").write_text("{}")
    >>> paths_in("one, two.jsonl, three.jsonl,")
    ['one, two.jsonl', 'three.jsonl']
    """
    parts = text.split(",")
    paths = []
    while parts:
        count = _count_in_first_name(parts, options)
        paths.append(",".join(parts[:count]).strip())
        parts = parts[count:]
    return [path for path in paths if path]


def _count_in_first_name(parts: list[str], options: StorageOptions) -> int:
    """How many of the first parts are one name together. A new URL is no part of one."""
    most = next((at for at, part in enumerate(parts) if at and _URL.match(part)), len(parts))
    counts = range(min(most, _MAX_COMMAS + 1), 1, -1)
    return next((count for count in counts if _exists(",".join(parts[:count]).strip(), options)), 1)


def _exists(name: str, options: StorageOptions) -> bool:
    with suppress(Exception):  # what is wrong with it shows when it is read
        if is_glob(name):
            return bool(find_manifests([name], options))
        place = located(name, options)
        return os.path.lexists(place.path) if is_local(place.fs) else info_of(place.fs, place.path) is not None
    return False
