"""Paths in comma-separated text, where a name may itself hold a comma."""

import os
import re
from contextlib import suppress

from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.discovery import names_something
from alm_beam.storage.paths import info_of, is_local, located
from alm_beam.storage.search import fixed_folder, is_glob

_URL = re.compile(r"\s*[a-zA-Z][-a-zA-Z0-9+._]*://")

_LONGEST_NAME = 255
"""Bytes; filesystems know no longer one."""


def paths_in(text: str, options: StorageOptions = NO_OPTIONS) -> list[str]:
    """The paths and URLs in comma-separated text.

    What is there under a name with commas, or with spaces at its ends, is taken by that name, and the longest such name
    comes first. So is a glob whose folder is there. A glob with a comma behind its folder is one if it matches
    something and the part before the comma names nothing.

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
        paths.append(_first_path(parts, options))
        parts = parts[paths[-1].count(",") + 1 :]
    return [path for path in paths if path]


def _first_path(parts: list[str], options: StorageOptions) -> str:
    """The first part, or several joined; without the spaces around it unless they are a part of its name."""
    joined = [",".join(parts[:count]) for count in range(_most_joined(parts), 0, -1)]
    alone = parts[0].strip()
    for name in (name for each in joined for name in (each, each.strip()) if name not in ("", alone)):
        if _is_there(name, options):
            return name
    if len(joined) > 1 and not names_something(alone, options):
        globs = (each.strip() for each in joined if is_glob(each))
        return next((each for each in globs if "," in each and names_something(each, options)), alone)
    return alone


def _most_joined(parts: list[str]) -> int:
    """How many of the first parts one name may consist of. A new URL is no part of one, nor is what gets too long."""
    is_url = _URL.match(parts[0]) is not None
    name_bytes = 0
    for count, part in enumerate(parts):
        if count and _URL.match(part):
            return count
        lengths = [len(os.fsencode(name)) for name in part.split("/")]
        if not is_url and count and name_bytes + 1 + lengths[0] > _LONGEST_NAME:
            return count
        name_bytes = lengths[0] + name_bytes + 1 if len(lengths) == 1 else lengths[-1]
    return len(parts)


def _is_there(name: str, options: StorageOptions) -> bool:
    """Whether there is a file or folder of the name, or the folder with commas that a glob names."""
    folder = fixed_folder(name) if is_glob(name) else ""
    return any(_exists(each, options) for each in (name, folder if "," in folder else "") if each)


def _exists(name: str, options: StorageOptions) -> bool:
    if not _URL.match(name):
        return os.path.lexists(name)
    with suppress(Exception):  # what is wrong with it shows when it is read
        place = located(name, options)
        return os.path.lexists(place.path) if is_local(place.fs) else info_of(place.fs, place.path) is not None
    return False
