"""Which epoch the next pass reads: a number that a rank shares with its worker processes."""

from multiprocessing.context import get_spawning_popen
from multiprocessing.sharedctypes import RawArray
from typing import Any

import numpy as np

from alm_beam.loader.partition import MAX_WORKERS

END_OF_EPOCHS = 1 << 62
"""Every epoch is below it."""

_CELLS = 1 + MAX_WORKERS * (MAX_WORKERS + 1) // 2
_EPOCH, _RESUMES = 0, 1


def checked_epoch(epoch: int) -> int:
    """The number of an epoch, if it is one.

    Raises:
        ValueError: it is no integer, negative, or 2**62 or more.
    """
    if not isinstance(epoch, int) or isinstance(epoch, bool) or not 0 <= epoch < END_OF_EPOCHS:
        raise ValueError(f"epoch={epoch!r}: must be an integer, at least 0 and below 2**62")
    return epoch


class Epochs:
    """For each worker, the epoch that its next pass reads, and whether that pass continues from a loaded state.

    The numbers are in memory that worker processes share with the process that started them. So epochs advance whether
    DataLoader keeps its workers (`persistent_workers`) or starts new ones for every epoch, and `set_epoch` reaches
    workers that are kept. Each worker counts its own passes, so none waits for another. There is a separate count for
    a rank that reads by itself and for each number of workers. Ranks must not share the memory.
    """

    def __init__(self) -> None:
        self._share(RawArray("q", 2 * _CELLS + 1))

    def _share(self, memory: Any) -> None:
        self._memory = memory
        self._numbers = np.frombuffer(memory, np.int64)
        self._cells, self._workers_began = self._numbers[:-1].reshape(2, _CELLS), self._numbers[-1:]

    def copy(self) -> "Epochs":
        """The same numbers in new memory, which no other process shares."""
        copied = Epochs()
        copied._numbers[:] = self._numbers
        return copied

    def __getstate__(self) -> Any:
        # Memory can be shared only with a process that is being started. Any other pickle holds a copy.
        return self._memory if get_spawning_popen() else bytes(self._memory)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, bytes):
            self._share(RawArray("q", 2 * _CELLS + 1))
            self._numbers[:] = np.frombuffer(state, np.int64)
        else:
            self._share(state)

    @property
    def workers_began(self) -> bool:
        """Whether a worker process has begun a pass since the epoch was last set."""
        return bool(self._workers_began[0])

    def set_next(self, epoch: int, *, resume: bool, worker: tuple[int, int] | None) -> None:
        """Makes the next pass read the epoch.

        Args:
            epoch: from 0.
            resume: whether a state of this epoch has just been loaded. Otherwise the epoch is read from its start,
                unless a state of this epoch was loaded before and no pass has continued from it yet.
            worker: number of the worker that this is for, and number of workers; None: all of the rank.
        """
        cells = self._cells
        if worker is not None:
            first = _cell(*worker)
            cells = cells[:, first : first + 1]  # a worker changes only its own
        cells[_RESUMES] = resume or cells[_RESUMES] * (cells[_EPOCH] == epoch)
        cells[_EPOCH] = epoch
        if worker is None:
            self._workers_began[0] = 0

    def next_pass(self, worker: int, num_workers: int) -> tuple[int, bool]:
        """The epoch of a worker's next pass, and whether the pass continues from a state."""
        epoch, resumes = map(int, self._cells[:, _cell(worker, num_workers)])
        return epoch, bool(resumes)

    def begin(self, worker: int, num_workers: int) -> None:
        """Begins a pass. The pass after it reads the next epoch from its start."""
        cell = _cell(worker, num_workers)
        self._cells[_EPOCH, cell] += 1
        self._cells[_RESUMES, cell] = 0
        if num_workers:
            self._workers_began[0] = 1


def _cell(worker: int, num_workers: int) -> int:
    if num_workers > MAX_WORKERS:
        raise ValueError(f"num_workers={num_workers}: a rank may have at most {MAX_WORKERS}")
    return 1 + num_workers * (num_workers - 1) // 2 + worker if num_workers else 0
