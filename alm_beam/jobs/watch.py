"""What a caller may be told of a run while it goes on. No Beam."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

from alm_beam.storage.staged_run import StagedRun
from alm_beam.storage.tally import Counts, Tally


@dataclass(frozen=True)
class ToDo:
    """How much a run has to do, and what it has done of it.

    Attributes:
        unit: what is counted; bytes are those of the input, as stored.
        done: how many, of what was counted.
        total: how many there are, by then; 0 where that is not known yet.
        names: what is told beside, fields of `Counts`.
        at_end: what goes on when all is done, in a word or two.
    """

    unit: Literal["bytes", "recordings", "windows"]
    done: Callable[[Counts], int]
    total: Callable[[Counts], int]
    names: tuple[str, ...]
    at_end: str = "writing"

    @classmethod
    def of_bytes(cls, total: int, *names: str) -> "ToDo":
        """The reading of so many bytes."""
        return cls("bytes", lambda counts: min(counts.stored, total), lambda _: total, names)

    @classmethod
    def of_found(cls, at_end: str, *names: str) -> "ToDo":
        """The reading of manifests that are found meanwhile."""
        return cls("bytes", lambda counts: min(counts.stored, counts.found), lambda counts: counts.found, names, at_end)

    @classmethod
    def of_cuts(cls, at_end: str) -> "ToDo":
        """The reading of cuts for an index."""
        return cls("bytes", lambda counts: min(counts.scanned, counts.found), lambda counts: counts.found, (), at_end)


class Watch:
    """Is told how a run goes on. This one passes over what it is told; a kind of it need not.

    It is called by the process that runs the job, in its main thread.

    Attributes:
        wants_progress: whether `shown` is called.
    """

    wants_progress = False

    def shown(self, tally: Tally, to_do: ToDo) -> AbstractContextManager[None]:
        """The work is done while the block lasts. A thread may be started then, and is to be ended at the end.

        This is for the local runner alone.

        Args:
            tally: what is done so far.
            to_do: what there is to do.
        """
        return nullcontext()

    def begins_to_write(self, staged: StagedRun) -> None:
        """The run is about to write to this temporary folder."""

    def submits(self, state: str) -> None:
        """The job is handed to where it goes on when this process is ended.

        Args:
            state: what there is to tell of it then.
        """


UNWATCHED = Watch()
"""For whoever wants to be told nothing."""


def kept_for(watch: Watch, to_do: ToDo) -> AbstractContextManager[None]:
    """While the block lasts, what is done is counted, if it is to be shown."""
    return Tally(lambda tally: watch.shown(tally, to_do)).kept() if watch.wants_progress else nullcontext()
