"""Folder searches and globs: which names they take, and the files that they find."""

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import fsspec
from fsspec.utils import glob_translate

from alm_beam.storage.paths import files_below, info_of, is_object_store, listed_in

BEAM_TEMPORARY = "beam-temp-"

SYSTEM_FOLDERS = frozenset(
    (
        "#recycle",
        "#snapshot",
        "$extend",
        "$recycle.bin",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@snapshot",
        "__macosx",
        "lost+found",
        "network trash folder",
        "system volume information",
        "~snapshot",
    )
)
"""Recycle bins, snapshots and the like of file servers, where their names begin with no dot; in small letters."""

Reached: TypeAlias = frozenset[int]
"""Which of a search's steps may be the next, in a folder on the way."""


_GLOB_CHARACTERS = ("*", "?", "[")


class Step(NamedTuple):
    """What one name on the way to a file has to match.

    Attributes:
        pattern: of the whole name.
        beginning: the first character, where a pattern names it; a hidden name is matched by no other pattern.
    """

    pattern: re.Pattern[str]
    beginning: str = ""

    def takes(self, name: str) -> bool:
        """Whether the name matches."""
        return self.pattern.fullmatch(name) is not None and (not is_hidden(name) or name[:1] == self.beginning)


ANY_FOLDERS = None
"""The step that stands for any number of folders, none of them hidden."""


class Search(NamedTuple):
    """What a folder or a glob asks for: the files below `root` whose path from there goes through the steps.

    `nothing_found` is what to say where there are none. A name that begins with a dot, or that is one of
    SYSTEM_FOLDERS, is hidden: only a pattern that begins with the same character matches it.

    >>> jsonl = glob_search("/data", "**/*.jsonl")
    >>> jsonl.finds("a.jsonl"), jsonl.finds("sub/b.jsonl"), jsonl.finds(".ipynb_checkpoints/b.jsonl")
    (True, True, False)
    >>> glob_search("/data", ".ipynb*/*.jsonl").finds(".ipynb_checkpoints/b.jsonl")
    True
    """

    root: str
    steps: tuple[Step | None, ...]
    nothing_found: str

    @property
    def begun(self) -> Reached:
        """The steps that may be the next in the root."""
        return self._with_skipped({0})

    def entered(self, reached: Reached, name: str) -> Reached:
        """The steps that may be the next in a folder of a folder; empty where no file below it can be meant."""
        if name.startswith(BEAM_TEMPORARY):
            return frozenset()
        further = set()
        for at in reached:
            step = self.steps[at]
            if step is ANY_FOLDERS:
                further |= set() if is_hidden(name) else {at}
            elif at + 1 < len(self.steps) and step.takes(name):
                further.add(at + 1)
        return self._with_skipped(further)

    def takes(self, reached: Reached, name: str) -> bool:
        """Whether a file in a folder on the way is meant."""
        last = len(self.steps) - 1
        if last not in reached or name.startswith(BEAM_TEMPORARY):
            return False
        step = self.steps[last]
        return not is_hidden(name) if step is ANY_FOLDERS else step.takes(name)

    def finds(self, path: str) -> bool:
        """Whether a file is meant; its path is from the root."""
        *folders, name = path.split("/")
        reached = self.begun
        for folder in folders:
            reached = self.entered(reached, folder)
        return self.takes(reached, name)

    def _with_skipped(self, reached: set[int]) -> Reached:
        """With the steps behind any number of folders, which may be none."""
        for at in range(len(self.steps) - 1):
            if at in reached and self.steps[at] is ANY_FOLDERS:
                reached.add(at + 1)
        return frozenset(reached)


def glob_search(root: str, glob: str) -> Search:
    """What a glob asks for, from a folder.

    Raises:
        ValueError: `**` is a part of a name in it.
    """

    def step(part: str) -> Step | None:
        beginning = "" if part[:1] in _GLOB_CHARACTERS else part[:1]
        return ANY_FOLDERS if part == "**" else Step(re.compile(glob_translate(part)), beginning)

    nothing_found = "no file matches" if is_glob(glob) else "no such file or folder"
    return Search(root, tuple(map(step, glob.split("/"))), nothing_found)


def is_glob(path: str) -> bool:
    """Whether there is a character in it by which a glob matches several names."""
    return any(character in path for character in _GLOB_CHARACTERS)


def is_hidden(name: str) -> bool:
    """Whether a search passes over a file or folder of this name."""
    return name.startswith(".") or name.casefold() in SYSTEM_FOLDERS


def local_files(search: Search) -> Iterator[str]:
    """The paths from the root of the local files that are meant, and of all that is there in the place of a file; none
    without a root.

    Links to folders are followed, after all folders that are none, and in the order of their names. No folder is
    entered twice to look for the same, so a circle of links ends.

    Raises:
        OSError: a folder cannot be listed.
    """
    folders = [("", search.begun)] if os.path.isdir(search.root) else []
    links: dict[str, Reached] = {}
    seen = set()
    while folders or links:
        folder, reached = folders.pop() if folders else (first := min(links), links.pop(first))
        path = os.path.join(search.root, folder)
        if (key := (os.path.realpath(path), reached)) in seen:
            continue
        seen.add(key)
        with os.scandir(path) as entries:
            for entry in entries:
                below = f"{folder}/{entry.name}" if folder else entry.name
                further = search.entered(reached, entry.name)
                if further and _is_folder(entry):
                    if entry.is_symlink():
                        links[below] = further
                    else:
                        folders.append((below, further))
                elif search.takes(reached, entry.name) and not _is_folder(entry):
                    yield below


def remote_files(fs: fsspec.AbstractFileSystem, search: Search) -> Iterator[tuple[str, dict[str, Any]]]:
    """The paths from the root of the files that are meant, and what the filesystem tells of each; none without a root.

    Raises:
        OSError: a folder cannot be listed.
    """
    if ANY_FOLDERS in search.steps and is_object_store(fs):
        found = ((_relative(path, search.root), info) for path, info in files_below(fs, search.root, None))
        yield from (each for each in found if search.finds(each[0]))
        return
    try:
        yield from _files_within(fs, search, search.root, search.begun)
    except FileNotFoundError:
        if info_of(fs, search.root) is not None:
            raise


def _files_within(
    fs: fsspec.AbstractFileSystem, search: Search, folder: str, reached: Reached
) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, info in listed_in(fs, folder):
        name = path.rpartition("/")[2]
        if info["type"] != "directory":
            if search.takes(reached, name):
                yield _relative(path, search.root), info
        elif further := search.entered(reached, name):
            yield from _files_within(fs, search, path, further)


def _relative(path: str, root: str) -> str:
    if not path.startswith(f"{root}/"):
        raise OSError(f"{path} was listed below {root}, which it is not; is there a slash too many?")
    return path[len(root) + 1 :]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle; what is wrong with it shows when it is opened
