"""A run in its temporary folder, and how it comes into the folder of the output when it is whole.

A run writes everything into a temporary folder in its output. Only when all of that is complete does it replace an
earlier run: it removes that run's `_SUCCESS` and then its files, writes down which of its own files moves where, moves
them, and writes `_SUCCESS` last. A runner may try each step again.
"""

import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

import orjson

from alm_beam.core.errors import RunError
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.outputs import SUCCESS, Sharded
from alm_beam.storage.paths import (
    Located,
    content_of,
    errors_that_name,
    files_below,
    kinds_in,
    located,
    make_folder,
    move,
    remove_folder,
)
from alm_beam.storage.run_folder import PLAN, TEMPORARY, RunFolder

FILES = "files"
"""The folder, in a run's temporary folder, of files that are staged by the paths that they are to have."""

_RUN = "run"
"""The file in a temporary folder that says whose it is."""


class ReplacedError(RunError):
    """Another run writes to the same folder, so this one cannot end. Start it again when the other has ended.

    >>> import tempfile
    >>> run = StagedRun.of(RunFolder(tempfile.mkdtemp()), "1")
    >>> run.mark_complete()  # another run has removed what this one staged
    Traceback (most recent call last):
        ...
    alm_beam.storage.staged_run.ReplacedError: another run has begun to write to ...
    """


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

    @classmethod
    def of(cls, folder: RunFolder, run_id: str, *, outlives_failure: bool = False) -> "StagedRun":
        """The run of that name in the folder; nothing is written."""
        return cls(folder, folder.temporary_url(run_id), folder.finished_at(), outlives_failure)

    @property
    def options(self) -> StorageOptions:
        """fsspec's."""
        return self.folder.options

    def shards_url(self, output: Sharded) -> str:
        """The folder of an output's shards, whose names there mean nothing."""
        return f"{self.url}/shards-{output.name}"

    def write(self, path: str, name: str, content: bytes) -> None:
        """Writes a file that is to be published.

        Args:
            path: below the temporary folder.
            name: the path below the run's folder that it is to have, by which an error names it.
            content: its bytes.

        Raises:
            OSError: it cannot be written.
        """
        fs, root, _ = self._place
        with errors_that_name(f"{self.folder.url}/{name}"):
            make_folder(fs, f"{root}/{path}".rpartition("/")[0])
            fs.pipe_file(f"{root}/{path}", content)

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
            return content_of(fs, f"{root}/{_RUN}") != self.token.encode()

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
                    self.folder.remove_failed()  # of an earlier try
                else:
                    self.folder.remove_outputs()
                fs.pipe_file(f"{root}/{PLAN}", plan)
            target = self.folder.place.path
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
        fs, folder, _ = self.folder.place
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
            others = [path for path, _ in files_below(fs, root, None) if path != f"{root}/{PLAN}"]
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
                self.folder.remove_outputs()
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
            return not kinds_in(located(url, self.options)).keys().isdisjoint(names)

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
        return content_of(fs, f"{root}/{PLAN}")

    def _claim(self) -> None:
        """Begins a plan. While one run publishes, no other of the same outputs may.

        Each writes its plan before it looks for others. So when two begin at once, at least one sees the other's plan.
        """
        fs, root, _ = self._place
        make_folder(fs, root)
        fs.pipe_file(f"{root}/{PLAN}", orjson.dumps({"outputs": self.folder.outputs.names}))
        parent = self.folder.place
        for name in kinds_in(parent):
            other = f"{parent.path}/{name}"
            if name.startswith(TEMPORARY) and other != root and self._is_rival(content_of(fs, f"{other}/{PLAN}")):
                fs.rm_file(f"{root}/{PLAN}")
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
