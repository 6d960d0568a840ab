"""What is left where a signal has ended a command, and what of it is removed. No Beam."""

from dataclasses import dataclass

from alm_beam.cli.process import AGAIN
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.secrets import shown
from alm_beam.storage.staged_run import StagedRun


@dataclass(frozen=True)
class RunLeft:
    """What a run has left that ends with its process; see `note_end`.

    Attributes:
        staged: the run.
        overwrite: whether the command replaces what is in its folder: then the next one goes on with nothing.
        begin: what the message begins with.
    """

    staged: StagedRun
    overwrite: bool
    begin: str = ""

    def __call__(self) -> str:
        """Removes what the next run does not go on with, and says what is in the folder.

        Raises:
            OSError: the filesystem does not let it.
        """
        staged, folder = self.staged, self.staged.folder
        name = shown(folder.url)
        finished_at = folder.finished_at()
        goes_on = not self.overwrite and finished_at is None
        if goes_on and staged.outlives_failure and staged.holds_anything():
            return f"{self.begin}{name} is not complete; the same command goes on with what is made there"
        staged.withdraw()
        if finished_at not in (None, staged.replaces):
            return f"the run in {name} is complete"
        if finished_at is not None:
            return f"{self.begin}the earlier run in {name} stays; {AGAIN}"
        if goes_on and folder.holds_kept():
            return f"{self.begin}{name} is not complete; the same command goes on with what is done there"
        return f"{self.begin}{name} holds nothing of this run; {AGAIN}"


@dataclass(frozen=True)
class IndexLeft:
    """What the making of an index has left; see `note_end`.

    Attributes:
        url: the folder of cuts.
        options: fsspec's.
        process: the one that made it.
    """

    url: str
    options: StorageOptions
    process: int

    def __call__(self) -> str:
        """Removes what the index was to be made from, and says whether there is one.

        Raises:
            OSError: the filesystem does not let it.
        """
        from alm_beam.storage.index.build import remove_unfinished

        name, has_index = shown(self.url), remove_unfinished(self.url, self.options, self.process)
        return f"{name} has a whole index" if has_index else f"{name} has no index; {AGAIN}"


@dataclass(frozen=True)
class SampleLeft:
    """What the writing of made-up manifests has left; see `note_end`.

    Attributes:
        url: of the manifest, or of their folder.
    """

    url: str

    def __call__(self) -> str:
        """Removes the manifest that is not whole, and says so.

        Raises:
            OSError: the filesystem does not let it.
        """
        from alm_beam.sample import remove_unfinished

        remove_unfinished(self.url)
        return f"nothing of {shown(self.url)} is half written; {AGAIN}"
