"""The folder that a run writes: what is in it, when it may be written, and how a whole run comes into it.

A run writes everything into a temporary folder in its output. Only when all of that is complete does it replace an
earlier run: it removes that run's `_SUCCESS` and then its files, writes down which of its own files moves where, moves
them, and writes `_SUCCESS` last. A runner may try each step again.
"""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import orjson
from fsspec import AbstractFileSystem

from alm_beam.core.errors import RunError
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import MANIFESTS, Manifest, would_find
from alm_beam.storage.outputs import SUCCESS, WINDOWS, Outputs, Sharded, Tree
from alm_beam.storage.paths import (
    Located,
    canonical,
    errors_that_name,
    files_below,
    info_of,
    is_object_store,
    located,
    make_folder,
    modified,
    move,
    remove_folder,
)
from alm_beam.storage.search import BEAM_TEMPORARY, Search
from alm_beam.storage.secrets import shown

FAILED_RUN = "failed_run"
"""Where the rejects of a run stand that failed beside an earlier run, which stays."""

FILES = "files"
"""The folder, in a run's temporary folder, of files that are staged by the paths that they are to have."""

_TEMPORARY = f"{BEAM_TEMPORARY}alm_beam-"
_PLAN = "plan.json"
_RUN = "run"
"""The file in a temporary folder that says whose it is."""


class ReplacedError(RunError):
    """Another run writes to the same folder, so this one cannot end. Start it again when the other has ended.

    >>> import tempfile
    >>> run = RunFolder(tempfile.mkdtemp()).stage("1")
    >>> run.mark_complete()  # another run has removed what this one staged
    Traceback (most recent call last):
        ...
    alm_beam.storage.run_folder.ReplacedError: another run has begun to write to ...
    """


def why_unfit(path: str) -> str | None:
    """Why a path or URL cannot be that of a run's folder; None where it can."""
    if set("*?[]") & set(path):
        return "must be a folder without any of * ? [ ] in its path"  # fsspec would take them for a glob, in `rm` too
    if "//" in path.partition("://")[2]:
        return "has a slash too many: two of them stand together"
    if shown(path) != path:
        return "holds a user or a query string; give what it says by --storage_options"
    return None


@dataclass(frozen=True)
class RunFolder:
    """The folder of a job's output.

    Attributes:
        url: a path or any fsspec URL.
        outputs: what the job leaves in it.
        options: fsspec's.
    """

    url: str
    outputs: Outputs = WINDOWS
    options: StorageOptions = field(default_factory=dict, repr=False)

    def finished_at(self) -> float | None:
        """When the run in it ended well, in seconds since 1970, as far as the filesystem tells; None without one."""
        with errors_that_name(f"{self.url}/{SUCCESS}"):
            fs, folder, _ = self._place
            info = info_of(fs, f"{folder}/{SUCCESS}")
            return None if info is None else modified(info)

    def is_inside_input(self, inputs: Sequence[str], searched: Search = MANIFESTS) -> bool:
        """Whether an input, as a folder that is searched so or as a glob, would find what a run writes."""
        written = [f"{self.url}/{name}" for name in self.outputs.samples()]
        return any(would_find(each, path, self.options, searched) for each in inputs for path in written)

    def holds_any(self, manifests: Iterable[Manifest]) -> bool:
        """Whether a manifest is itself a file of an earlier run in the folder, which a new run would replace."""
        folder = canonical(self.url, self.options)
        found = (canonical(path, self.options) for path in {manifest.path for manifest in manifests})
        parted = (path.rpartition("/") for path in found)
        return any(parent == folder and self.outputs.pattern.fullmatch(name) for parent, _, name in parted)

    def prepare(self, taken_up: str = "") -> None:
        """Makes the folder ready for a run: it exists, it can be written, and nothing of a broken run is in it.

        A finished run stays until its replacement is published. Other files stay in any case.

        Args:
            taken_up: the URL of the temporary folder that stays, as the run goes on with what an earlier one has left.

        Raises:
            OSError: the folder cannot be made or written.
        """
        fs, folder, _ = place = self._place
        with errors_that_name(self.url):
            make_folder(fs, folder)
            is_finished = self.finished_at() is not None
            if not is_finished:
                self._remove_outputs(place)
            stays = taken_up.rpartition("/")[2]
            broken = [name for name in _listed(place) if name.startswith(_TEMPORARY) or name == FAILED_RUN]
            self._remove(place, [name for name in broken if name != stays])
            if stays:
                self._remove(place._replace(path=f"{folder}/{stays}"), [_PLAN])
            probe = f"{folder}/{_TEMPORARY}probe-{uuid.uuid4().hex}"  # its own: two runs may begin at the same time
            fs.pipe_file(probe, b"")
            with suppress(FileNotFoundError):  # the other run has removed it
                fs.rm_file(probe)
            if not is_finished:
                self._remove(place, [SUCCESS])  # of a run that went on meanwhile: its files are gone

    def holds(self, names: Iterable[str]) -> bool:
        """Whether all of the files are in it."""
        with errors_that_name(self.url):
            return _listed(self._place).keys() >= {*names}

    def file_of_others(self) -> str | None:
        """A file that a run would replace, by its path from the folder, though the folder shows no run of this job.

        None without one. What shows a run are its statistics, or what it has begun to publish.
        """
        place = self._place
        with errors_that_name(self.url):
            found = _listed(place)
            if self.outputs.statistics in found or any(self._has_published(place, name) for name in found):
                return None
            named = [name for name in found if self.outputs.pattern.fullmatch(name)]
            for folder, names in self.outputs.folders.items():
                held = _listed(place._replace(path=f"{place.path}/{folder}")) if folder in found else {}
                named += (f"{folder}/{name}" for name in names if name in held)
            for tree in self.outputs.trees:
                held_paths = self._paths_in(place, tree) if tree.folder in found else []
                named += (path.removeprefix(f"{place.path}/") for path in held_paths)
            return min(named, default=None)

    def named_files(self) -> set[str]:
        """The files in it whose names a run was told, by what that run has written down.

        Those of a run whose statistics are there, and of those that were cut short while they published.

        Raises:
            OSError: it cannot be read.
        """
        if not self.outputs.naming:
            return set()
        place = self._place
        with errors_that_name(self.url):
            found = _listed(place)
            statistics = self.outputs.statistics
            stated = _object(place.fs, f"{place.path}/{statistics}") if statistics in found else {}
            named = {stated.get("parameters", {}).get(each) for each in self.outputs.naming}
            for name in found:
                plan = _object(place.fs, f"{place.path}/{name}/{_PLAN}") if name.startswith(_TEMPORARY) else {}
                moves = plan.get("moves", ()) if statistics in plan.get("outputs", ()) else ()
                named |= {target for group in moves for _, target in group}
            return {each for each in named if isinstance(each, str) and found.get(each) == "file"}

    def _has_published(self, place: Located, name: str) -> bool:
        """Whether it is the temporary folder of a run of this job that has begun to publish."""
        plan = _content(place.fs, f"{place.path}/{name}/{_PLAN}") if name.startswith(_TEMPORARY) else None
        with suppress(orjson.JSONDecodeError):  # it was not written to its end, and so nothing was published
            return plan is not None and self.outputs.statistics in orjson.loads(plan)["outputs"]
        return False

    def stage(self, run_id: str, *, outlives_failure: bool = False) -> "StagedRun":
        """The temporary folder of a run in it."""
        return StagedRun(self, self.temporary_url(run_id), self.finished_at(), outlives_failure)

    def temporary_url(self, run_id: str) -> str:
        """The folder for what a run has written and not yet published."""
        return f"{self.url.rstrip('/')}/{_TEMPORARY}{run_id}"

    @property
    def kept_url(self) -> str:
        """The folder in which a run that is cut short leaves what the next one takes up."""
        return f"{self.url.rstrip('/')}/{self.outputs.kept}"

    def remove_kept(self) -> None:
        """Removes what a run that was cut short has left for the next one, where the job leaves any.

        Raises:
            OSError: it cannot be removed.
        """
        if self.outputs.kept:
            with errors_that_name(self.kept_url):
                self._remove(self._place, [self.outputs.kept])

    def holds_kept(self) -> bool:
        """Whether a run that was cut short has left anything there for the next one.

        Raises:
            OSError: the filesystem does not tell.
        """
        with errors_that_name(self.kept_url):
            place = located(self.kept_url, self.options)
            return bool(self.outputs.kept) and any(True for _ in files_below(place.fs, place.path, None))

    @property
    def _place(self) -> Located:
        return located(self.url, self.options)

    def _remove_outputs(self, place: Located) -> None:
        """Removes an earlier run, its marker first, so that what is half removed does not look complete."""
        self._remove(place, [SUCCESS])
        self._remove(place, sorted(self.named_files()))  # while it is written down which they are
        for folder, names in self.outputs.folders.items():
            self._remove_from_folder(place, folder, names)
        for tree in self.outputs.trees:
            self._remove_from_tree(place, tree)
        self._remove(place, [name for name in _listed(place) if self.outputs.pattern.fullmatch(name)])

    def _remove_from_tree(self, place: Located, tree: Tree) -> None:
        fs, folder, _ = place
        root = f"{folder}/{tree.folder}"
        ours = self._paths_in(place, tree) if tree.folder in _listed(place) else []
        if ours:
            fs.rm(ours)
        fs.invalidate_cache()
        if not is_object_store(fs):
            parents = {path.rpartition("/")[0] for path in ours}
            above = {"/".join(each.split("/")[:depth]) for each in parents for depth in range(1, each.count("/") + 2)}
            for each in sorted((each for each in above if f"{each}/".startswith(f"{root}/")), key=len, reverse=True):
                if not fs.ls(each):
                    fs.rmdir(each)

    def _paths_in(self, place: Located, tree: Tree) -> list[str]:
        """The paths of files with names that a run gives."""
        root = f"{place.path}/{tree.folder}"
        found = (path for path, _ in files_below(place.fs, root, None))
        return [path for path in found if re.fullmatch(tree.pattern, path.removeprefix(f"{root}/"))]

    def _remove_from_folder(self, place: Located, folder: str, names: Sequence[str]) -> None:
        inside = place._replace(path=f"{place.path}/{folder}")
        found = _listed(inside)
        self._remove(inside, [name for name in reversed(names) if name in found])  # what is written last goes first
        if found and found.keys() <= {*names} and not is_object_store(place.fs):
            place.fs.rmdir(inside.path)

    def _remove(self, place: Located, names: Sequence[str]) -> None:
        fs, folder, _ = place
        found = _listed(place)
        names = [name for name in names if name in found]
        files = [f"{folder}/{name}" for name in names if found[name] != "directory"]
        if files:
            fs.rm(files)
        for name in names:
            if found[name] == "directory":
                remove_folder(fs, f"{folder}/{name}")
        fs.invalidate_cache()
        left = (_listed(place).keys() if names else set()) & {*names}
        if left:
            raise OSError(f"{folder}/{min(left)} could not be removed")  # which s3fs does not say of itself


@dataclass(frozen=True)
class StagedRun:
    """A run whose files are still in its temporary folder, by the names that they are to have, or as numbered shards.

    Attributes:
        folder: the run's folder.
        url: of the temporary folder in it.
        replaces: when the run in the folder ended that this one replaces; None without one.
        outlives_failure: whether what is staged stays when the run fails, for the next one to go on with.
        token: tells the run from a later one with the same temporary folder.
    """

    folder: RunFolder
    url: str
    replaces: float | None = None
    outlives_failure: bool = False
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def options(self) -> StorageOptions:
        """fsspec's."""
        return self.folder.options

    def shards_url(self, output: Sharded) -> str:
        """The folder of an output's shards, whose names there mean nothing."""
        return f"{self.url}/shards-{output.name}"

    def begin(self) -> None:
        """Makes the temporary folder this run's.

        Raises:
            OSError: it cannot be written.
        """
        fs, root, _ = self._place
        with errors_that_name(self.url):
            make_folder(fs, root)
            fs.pipe_file(f"{root}/{_RUN}", self.token.encode())

    def is_taken_over(self) -> bool:
        """Whether the temporary folder, once begun, is another run's now, or is gone.

        Raises:
            OSError: the filesystem does not tell.
        """
        fs, root, _ = self._place
        with errors_that_name(self.url):
            return _content(fs, f"{root}/{_RUN}") != self.token.encode()

    def publish(self, *groups: Mapping[str, str], beside: bool = False) -> None:
        """Moves files to their places, after those of an earlier run were removed. It may be tried again.

        Args:
            groups: files that are moved together, one group after the other: paths below the temporary folder, and for
                each the path below the run's folder that it is to have.
            beside: the earlier run stays.

        Raises:
            ReplacedError: another run has begun to write to the folder.
            OSError: something could not be moved.
        """
        fs, root, _ = place = self._place
        plan = orjson.dumps({"outputs": self.folder.outputs.names, "moves": [list(group.items()) for group in groups]})
        with errors_that_name(self.folder.url):
            staged = {path.removeprefix(f"{root}/") for path, _ in files_below(fs, root, None)}
            if self._plan() != plan:
                if not staged.issuperset(chain.from_iterable(groups)):
                    raise self._replaced()
                self._claim()
                if beside:
                    self.folder._remove(self.folder._place, [FAILED_RUN])  # of an earlier try
                else:
                    self.folder._remove_outputs(self.folder._place)
                fs.pipe_file(f"{root}/{_PLAN}", plan)
            target = self.folder._place.path
            for group in groups:
                waiting = {path: name for path, name in group.items() if path in staged}
                for parent in {f"{target}/{name}".rpartition("/")[0] for name in waiting.values()}:
                    make_folder(fs, parent)
                if waiting:
                    move(fs, [f"{root}/{path}" for path in waiting], [f"{target}/{name}" for name in waiting.values()])
            place.fs.invalidate_cache()

    def mark_complete(self) -> None:
        """Writes `_SUCCESS`, when everything is published, and removes the temporary folder.

        Raises:
            ReplacedError: another run has begun to write to the folder.
        """
        fs, folder, _ = self.folder._place
        with errors_that_name(self.folder.url):
            self._check_own()
            fs.pipe_file(f"{folder}/{SUCCESS}", b"")
            try:
                self._check_own()
            except ReplacedError:
                fs.rm_file(f"{folder}/{SUCCESS}")
                raise
            self.discard()

    def discard(self) -> None:
        """Removes the temporary folder, the plan last: with it, a step that was ended here may be tried again."""
        fs, root, _ = self._place
        with errors_that_name(self.folder.url), suppress(FileNotFoundError):
            others = [path for path, _ in files_below(fs, root, None) if path != f"{root}/{_PLAN}"]
            if others:
                fs.rm(others)
            remove_folder(fs, root)

    def withdraw(self) -> None:
        """Removes what a run that has ended without a result has staged, and what it has published so far.

        Raises:
            OSError: it cannot be removed.
        """
        with errors_that_name(self.folder.url):
            if self._plan() is not None and self.folder.finished_at() is None:
                self.folder._remove_outputs(self.folder._place)
            self.discard()

    def holds_anything(self) -> bool:
        """Whether the temporary folder holds anything.

        Raises:
            OSError: the filesystem does not tell.
        """
        fs, root, _ = self._place
        with errors_that_name(self.url):
            return any(True for _ in files_below(fs, root, None))

    def holds_any(self, output: Sharded, names: Iterable[str]) -> bool:
        """Whether any of an output's shards is still in the temporary folder."""
        url = self.shards_url(output)
        with errors_that_name(url):
            return not _listed(located(url, self.options)).keys().isdisjoint(names)

    def was_completed(self) -> bool:
        """Whether an earlier try has ended, or a run that replaced this one: then nothing is left to do."""
        with errors_that_name(self.folder.url):
            fs, root, _ = self._place
            return self.folder.finished_at() not in (None, self.replaces) and not any(files_below(fs, root, None))

    @property
    def _place(self) -> Located:
        return located(self.url, self.options)

    def _plan(self) -> bytes | None:
        fs, root, _ = self._place
        return _content(fs, f"{root}/{_PLAN}")

    def _claim(self) -> None:
        """Begins a plan. While one run publishes, no other of the same outputs may.

        Each writes its plan before it looks for others. So when two begin at once, at least one sees the other's plan.
        """
        fs, root, _ = self._place
        make_folder(fs, root)
        fs.pipe_file(f"{root}/{_PLAN}", orjson.dumps({"outputs": self.folder.outputs.names}))
        parent = self.folder._place
        for name in _listed(parent):
            other = f"{parent.path}/{name}"
            if name.startswith(_TEMPORARY) and other != root and self._is_rival(_content(fs, f"{other}/{_PLAN}")):
                fs.rm_file(f"{root}/{_PLAN}")
                where = parent.url(other)
                raise ReplacedError(
                    f"another run publishes to {self.folder.url}, as {where} says; if it was killed, remove that folder"
                )

    def _is_rival(self, plan: bytes | None) -> bool:
        """Whether it is the plan of a run with outputs that this one has, too; one that is not whole may be."""
        try:
            return plan is not None and not {*orjson.loads(plan)["outputs"]}.isdisjoint(self.folder.outputs.names)
        except orjson.JSONDecodeError:
            return True

    def _check_own(self) -> None:
        if self._plan() is None:
            raise self._replaced()

    def _replaced(self) -> ReplacedError:
        return ReplacedError(f"another run has begun to write to {self.folder.url}")


def _content(fs: AbstractFileSystem, path: str) -> bytes | None:
    try:
        return bytes(fs.cat_file(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _object(fs: AbstractFileSystem, path: str) -> dict[str, Any]:
    """What a file of JSON holds; nothing where it is missing, or was not written to its end."""
    with suppress(orjson.JSONDecodeError):
        held = orjson.loads(_content(fs, path) or b"{}")
        return held if isinstance(held, dict) else {}
    return {}


def _listed(place: Located) -> dict[str, str]:
    """The names in a folder, and the kind of each; none where it is missing."""
    try:
        found = place.fs.ls(place.path, detail=True)
    except FileNotFoundError:
        return {}  # an object store has no empty folder; that there is no bucket shows when it is written to
    names = ((info["name"].rstrip("/").rpartition("/")[2], info["type"]) for info in found)
    return {name: kind for name, kind in names if name}
