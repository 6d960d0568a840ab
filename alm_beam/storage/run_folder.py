"""The folder that a run writes: what is in it, and when it may be written.

How a whole run comes into it: see `alm_beam.storage.staged_run`.
"""

import re
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from fsspec import AbstractFileSystem

from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import MANIFESTS, Manifest, would_find
from alm_beam.storage.outputs import SUCCESS, WINDOWS, Outputs, Tree
from alm_beam.storage.paths import (
    Located,
    canonical,
    content_of,
    errors_that_name,
    files_below,
    info_of,
    is_object_store,
    kinds_in,
    located,
    make_folder,
    modified,
    remove_folder,
)
from alm_beam.storage.search import BEAM_TEMPORARY, Search
from alm_beam.storage.secrets import shown

FAILED_RUN = "failed_run"
"""Where the rejects of a run stand that failed beside an earlier run, which stays."""

TEMPORARY = f"{BEAM_TEMPORARY}alm_beam-"
"""What the names of temporary folders of runs begin with."""

PLAN = "plan.json"
"""The file in a temporary folder that says what its run publishes, and where."""


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

    @property
    def place(self) -> Located:
        """Where it is."""
        return located(self.url, self.options)

    def finished_at(self) -> float | None:
        """When the run in it ended well, in seconds since 1970, as far as the filesystem tells; None without one."""
        with errors_that_name(f"{self.url}/{SUCCESS}"):
            fs, folder, _ = self.place
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
        fs, folder, _ = place = self.place
        with errors_that_name(self.url):
            make_folder(fs, folder)
            is_finished = self.finished_at() is not None
            if not is_finished:
                self.remove_outputs()
            stays = taken_up.rpartition("/")[2]
            broken = [name for name in kinds_in(place) if name.startswith(TEMPORARY) or name == FAILED_RUN]
            self._remove(place, [name for name in broken if name != stays])
            if stays:
                self._remove(place._replace(path=f"{folder}/{stays}"), [PLAN])
            probe = f"{folder}/{TEMPORARY}probe-{uuid.uuid4().hex}"  # its own: two runs may begin at the same time
            fs.pipe_file(probe, b"")
            with suppress(FileNotFoundError):  # the other run has removed it
                fs.rm_file(probe)
            if not is_finished:
                self._remove(place, [SUCCESS])  # of a run that went on meanwhile: its files are gone

    def holds(self, names: Iterable[str]) -> bool:
        """Whether all of the files are in it."""
        with errors_that_name(self.url):
            return kinds_in(self.place).keys() >= {*names}

    def file_of_others(self) -> str | None:
        """A file that a run would replace, by its path from the folder, though the folder shows no run of this job.

        None without one. What shows a run are its statistics, or what it has begun to publish.
        """
        place = self.place
        with errors_that_name(self.url):
            found = kinds_in(place)
            if self.outputs.statistics in found or any(self._has_published(place, name) for name in found):
                return None
            named = [name for name in found if self.outputs.pattern.fullmatch(name)]
            for folder, names in self.outputs.folders.items():
                held = kinds_in(place._replace(path=f"{place.path}/{folder}")) if folder in found else {}
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
        place = self.place
        with errors_that_name(self.url):
            found = kinds_in(place)
            statistics = self.outputs.statistics
            stated = _object(place.fs, f"{place.path}/{statistics}") if statistics in found else {}
            named = {stated.get("parameters", {}).get(each) for each in self.outputs.naming}
            for name in found:
                plan = _object(place.fs, f"{place.path}/{name}/{PLAN}") if name.startswith(TEMPORARY) else {}
                moves = plan.get("moves", ()) if statistics in plan.get("outputs", ()) else ()
                named |= {target for group in moves for _, target in group}
            return {each for each in named if isinstance(each, str) and found.get(each) == "file"}

    def _has_published(self, place: Located, name: str) -> bool:
        """Whether it is the temporary folder of a run of this job that has begun to publish."""
        plan = content_of(place.fs, f"{place.path}/{name}/{PLAN}") if name.startswith(TEMPORARY) else None
        with suppress(orjson.JSONDecodeError):  # it was not written to its end, and so nothing was published
            return plan is not None and self.outputs.statistics in orjson.loads(plan)["outputs"]
        return False

    def temporary_url(self, run_id: str) -> str:
        """The folder for what a run has written and not yet published."""
        return f"{self.url.rstrip('/')}/{TEMPORARY}{run_id}"

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
                self._remove(self.place, [self.outputs.kept])

    def holds_kept(self) -> bool:
        """Whether a run that was cut short has left anything there for the next one.

        Raises:
            OSError: the filesystem does not tell.
        """
        with errors_that_name(self.kept_url):
            place = located(self.kept_url, self.options)
            return bool(self.outputs.kept) and any(True for _ in files_below(place.fs, place.path, None))

    def remove_outputs(self) -> None:
        """Removes an earlier run, its marker first, so that what is half removed does not look complete.

        Raises:
            OSError: it cannot be removed.
        """
        place = self.place
        self._remove(place, [SUCCESS])
        self._remove(place, sorted(self.named_files()))  # while it is written down which they are
        for folder, names in self.outputs.folders.items():
            self._remove_from_folder(place, folder, names)
        for tree in self.outputs.trees:
            self._remove_from_tree(place, tree)
        self._remove(place, [name for name in kinds_in(place) if self.outputs.pattern.fullmatch(name)])

    def remove_failed(self) -> None:
        """Removes the rejects of a run that failed beside the one that stays.

        Raises:
            OSError: they cannot be removed.
        """
        self._remove(self.place, [FAILED_RUN])

    def _remove_from_tree(self, place: Located, tree: Tree) -> None:
        fs, folder, _ = place
        root = f"{folder}/{tree.folder}"
        ours = self._paths_in(place, tree) if tree.folder in kinds_in(place) else []
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
        found = kinds_in(inside)
        self._remove(inside, [name for name in reversed(names) if name in found])  # what is written last goes first
        if found and found.keys() <= {*names} and not is_object_store(place.fs):
            place.fs.rmdir(inside.path)

    def _remove(self, place: Located, names: Sequence[str]) -> None:
        fs, folder, _ = place
        found = kinds_in(place)
        names = [name for name in names if name in found]
        files = [f"{folder}/{name}" for name in names if found[name] != "directory"]
        if files:
            fs.rm(files)
        for name in names:
            if found[name] == "directory":
                remove_folder(fs, f"{folder}/{name}")
        fs.invalidate_cache()
        left = (kinds_in(place).keys() if names else set()) & {*names}
        if left:
            raise OSError(f"{folder}/{min(left)} could not be removed")  # which s3fs does not say of itself


def _object(fs: AbstractFileSystem, path: str) -> dict[str, Any]:
    """What a file of JSON holds; nothing where it is missing, or was not written to its end."""
    with suppress(orjson.JSONDecodeError):
        held = orjson.loads(content_of(fs, path) or b"{}")
        return held if isinstance(held, dict) else {}
    return {}
