"""Which part of an epoch a process reads."""

import sys
from dataclasses import dataclass, replace
from typing import Any

from alm_beam.loader.launchers import launched_with_others

MAX_RANKS = 1 << 20
MAX_WORKERS = 128
"""A run has no more ranks, and a rank no more workers."""


class PartitionError(ValueError):
    """Several processes read, and which of them this one is was not stated, or is stated wrongly.

    >>> from alm_beam.loader import Partition
    >>> Partition(rank=2, world_size=2)
    Traceback (most recent call last):
        ...
    alm_beam.loader.partition.PartitionError: rank=2: must be at least 0 and below world_size=2
    """


@dataclass(frozen=True)
class Partition:
    """The part of an epoch that one worker of one rank reads.

    The parts take turns: part `i` of `n` reads positions i, i + n, i + 2n, ... of the order. So no two parts share a
    window, together they read everything, and their sizes differ by at most one. The same holds for ranks, however many
    workers they have: rank `r` of `w` reads positions r, r + w, r + 2w, ...

    Attributes:
        rank: number of the training process, from 0.
        world_size: number of training processes, at most 1,048,576.
        worker: number of the rank's worker, from 0. None: the worker of torch's DataLoader that this process is;
            outside of a DataLoader, the rank itself reads.
        num_workers: number of the rank's workers, at most 128. As in torch, 0 means that the rank itself reads. Give it
            exactly when you give `worker`.

    Raises:
        PartitionError: a number is out of range, or only one of `worker` and `num_workers` is given.

    >>> from alm_beam.loader import Partition, WindowLoader
    >>> [len(WindowLoader(windows, partition=Partition(rank, world_size=3))) for rank in range(3)]
    [3, 3, 2]
    """

    rank: int
    world_size: int
    worker: int | None = None
    num_workers: int | None = None

    def __post_init__(self) -> None:
        if (self.worker is None) != (self.num_workers is None):
            raise PartitionError(f"worker={self.worker}, num_workers={self.num_workers}: give both or neither")
        self._check("rank", self.rank, "world_size", self.world_size, MAX_RANKS)
        if self.worker is not None and self.num_workers is not None:
            self._check("worker", self.worker, "num_workers", self.num_workers or self.num_workers + 1, MAX_WORKERS)

    @staticmethod
    def _check(name: str, value: Any, of: str, count: Any, maximum: int) -> None:
        if not (isinstance(value, int) and isinstance(count, int)) or isinstance(value, bool):
            raise PartitionError(f"{name}={value!r}, {of}={count!r}: must be integers")
        if not 0 <= value < count:
            raise PartitionError(f"{name}={value}: must be at least 0 and below {of}={count}")
        if count > maximum:
            raise PartitionError(f"{of}={count}: must be at most {maximum:,}")

    @property
    def workers(self) -> int:
        """How many processes read for the rank: 1 where it has no workers."""
        return self.num_workers or 1

    @property
    def parts(self) -> int:
        """Number of parts: of workers of all ranks."""
        return self.world_size * self.workers

    @property
    def part(self) -> int:
        """Number of this part, from 0."""
        return (self.worker or 0) * self.world_size + self.rank


def partition_here(given: Partition | None) -> Partition:
    """The part that this process reads: the given one, with the worker of torch's DataLoader if it states none.

    Raises:
        PartitionError: no part is given, and there are several ranks or workers; or the part is another worker's.
    """
    worker, num_workers = torch_worker() or (0, 0)
    if given is None:
        others = launched_with_others()
        if others:
            raise PartitionError(
                f"this is one of {others.processes} ({others.told_by}) and has no partition: each would read "
                f"everything; pass partition=Partition(rank={others.rank}, world_size={others.world_size}), or "
                "Partition(0, 1) if this process alone reads"
            )
        if num_workers > 1:
            raise PartitionError(
                f"this is one of {num_workers} workers and has no partition: each would read everything; pass "
                "partition=Partition(rank=..., world_size=...)"
            )
        return Partition(0, 1, worker, num_workers)
    if given.worker is None:
        return replace(given, worker=worker, num_workers=num_workers)
    if num_workers and (given.worker, given.workers) != (worker, num_workers):
        raise PartitionError(
            f"the partition is that of worker {given.worker} of {given.num_workers}, but this is worker {worker} of "
            f"{num_workers}; leave worker and num_workers out, as DataLoader states them"
        )
    return given


def worker_of(given: Partition | None) -> tuple[int, int] | None:
    """Number of this worker, as partition or DataLoader states it, and how many there are; None: the rank itself."""
    if given is None or given.worker is None or given.num_workers is None:
        return torch_worker()
    return given.worker, given.num_workers


def torch_worker() -> tuple[int, int] | None:
    """Number of this worker of torch's DataLoader and how many there are; None where this process is no worker."""
    data = sys.modules.get("torch.utils.data")  # a worker has it imported
    info = data.get_worker_info() if data else None
    return (info.id, info.num_workers) if info else None
