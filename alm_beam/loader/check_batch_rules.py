"""What planned batches have to be, from the index and the flags, and where those that processes made are not so."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, TypeAlias

import numpy as np

from alm_beam.loader.batching.buckets import Bucket
from alm_beam.loader.batching.plan_config import PlanConfig
from alm_beam.loader.check_runs import PassResult, Worker
from alm_beam.loader.permutation import Positions
from alm_beam.loader.plan import Plan, PlannedSource
from alm_beam.loader.remainder import part_size
from alm_beam.loader.sources import OpenSource

Window: TypeAlias = tuple[int, int]


class MadeBatch(NamedTuple):
    """A batch that a process made: source and row of its windows, and the bucket that it said it is of."""

    windows: tuple[Window, ...]
    bucket: int


@dataclass(frozen=True)
class BatchesDue:
    """What batches have to be, from the index and the flags.

    Attributes:
        config: what makes the batches.
        sources: what they are of, opened.
        seed: of the order.
        repeat: whether sources are repeated.
    """

    config: PlanConfig
    sources: tuple[OpenSource, ...]
    seed: int
    repeat: bool

    @cached_property
    def _numbers(self) -> list[Positions]:
        """For each source the numbers of its windows that are not left out."""
        return [np.flatnonzero(self.config.takes(each.durations())) for each in self.sources]

    @cached_property
    def _samples(self) -> list[Positions]:
        """For each source the samples of each row of its index; -1 where the window is not of the source."""
        found = []
        for each in self.sources:
            samples = np.full(len(each.index), -1)
            samples[each.index_rows(np.arange(each.rows))] = self.config.lengths(each.durations())
            found.append(samples)
        return found

    def samples(self, window: Window) -> int:
        """The samples of a window; 0 if there is none."""
        source, row = window
        if not (0 <= source < len(self.sources) and 0 <= row < len(self._samples[source])):
            return 0
        return max(0, int(self._samples[source][row]))

    def longest(self, batch: MadeBatch) -> int:
        """The samples of the longest window of a batch."""
        return max(map(self.samples, batch.windows), default=0)

    def times(self, epoch: int) -> Counter[Window]:
        """How often each window is due in an epoch: as in an epoch of windows, which is not batched."""
        pairs = zip(self.sources, self._numbers)
        planned = [PlannedSource(each.index.fingerprint, len(rows), each.source.weight) for each, rows in pairs]
        plan = Plan(planned, seed=self.seed, repeat=self.repeat)
        sources, numbers = plan.at(epoch, np.arange(plan.size))
        rows = np.empty_like(numbers)
        for number, each in enumerate(self.sources):
            here = sources == number
            rows[here] = each.index_rows(self._numbers[number][numbers[here]])
        return Counter(zip(sources.tolist(), rows.tolist()))


@dataclass(frozen=True)
class BatchRun:
    """Passes over batches, by so many processes, and what they had to make.

    Attributes:
        due: what batches have to be.
        table: the buckets.
        world_size: number of ranks.
        num_workers: workers of each rank.
        steps_made: how many steps are made at most, if not the whole epoch is.
        is_whole: whether the whole epoch is made.
    """

    due: BatchesDue
    table: Sequence[Bucket]
    world_size: int
    num_workers: int
    steps_made: int
    is_whole: bool

    def batches_of(self, worker: Worker, steps: int) -> int:
        """How many batches a process makes of so many steps: the workers of a rank take turns."""
        return part_size(steps, worker.worker, self.num_workers or 1)

    def limit(self, worker: Worker) -> int:
        """How many batches a process makes at most."""
        return sys.maxsize if self.is_whole else self.batches_of(worker, self.steps_made)

    @property
    def most_dropped(self) -> int:
        """So many windows do not fill a step at most, and are dropped where the remainder is."""
        return self.table[-1].size * self.world_size - 1 if self.due.config.drop_remainder else 0

    def steps(self, made: Mapping[Worker, Sequence[MadeBatch]]) -> list[list[MadeBatch]]:
        """The batches of all ranks at each step that all of them have; workers take turns."""
        workers = self.num_workers or 1
        found: list[list[MadeBatch]] = []
        while True:
            worker, number = len(found) % workers, len(found) // workers
            mine = [made[Worker(rank, worker)] for rank in range(self.world_size)]
            if any(number >= len(batches) for batches in mine):
                return found
            found.append([batches[number] for batches in mine])

    def uneven(self, made: Mapping[Worker, Sequence[MadeBatch]]) -> Iterator[str]:
        """Ranks that have more batches than the first one, or less."""
        counts = Counter[int]()
        for worker, batches in made.items():
            counts[worker.rank] += len(batches)
        for rank in range(self.world_size):
            if counts[rank] != counts[0]:
                yield f"rank {rank} has {counts[rank]:,} batches, rank 0 has {counts[0]:,}: one waits for the other"

    def out_of_step(self, steps: Sequence[Sequence[MadeBatch]]) -> Iterator[str]:
        """Steps whose batches are not of one bucket, or are not what its batches have to be."""
        moved = Counter[int]()
        for number, step in enumerate(steps):
            buckets = sorted({batch.bucket for batch in step})
            if len(buckets) > 1 or not 0 <= buckets[0] < len(self.table):
                yield f"step {number:,}: buckets {', '.join(map(str, buckets))} of {len(self.table)}"
                continue
            [bucket] = buckets
            size, longest = self.table[bucket]
            may_be_smaller = self.is_whole and number == len(steps) - 1 and not self.due.config.drop_remainder
            for rank, batch in enumerate(step):
                where = f"step {number:,} rank {rank}"
                if len(batch.windows) > size or (len(batch.windows) < size and not may_be_smaller):
                    yield f"{where}: {len(batch.windows):,} windows, and batches of bucket {bucket} have {size:,}"
                if self.due.longest(batch) > longest:
                    yield f"{where}: {self.due.longest(batch):,} samples, and bucket {bucket} ends at {longest:,}"
                least = self.table[bucket - 1].longest if bucket else -1
                moved[bucket] += sum(self.due.samples(window) <= least for window in batch.windows)
        for bucket, count in sorted(moved.items()):
            most = self.table[bucket - 1].size * self.world_size - 1
            if bucket and count > most:
                what = f"{count:,} windows belong to shorter ones, where at most {most:,} do not fill a step"
                yield f"bucket {bucket}: {what}"

    def too_large(self, made: Mapping[Worker, Sequence[MadeBatch]]) -> Iterator[str]:
        """Batches that are larger than allowed."""
        config = self.due.config
        for worker, batches in made.items():
            for number, batch in enumerate(batches):
                windows, longest = len(batch.windows), self.due.longest(batch)
                if config.budget is not None and windows * longest > config.budget:
                    what = f"{windows:,} windows times {longest:,} samples are more than {config.budget:,}"
                    yield f"{worker}, batch {number:,}: {what}"
                if config.batch_size is not None and windows > config.batch_size:
                    yield f"{worker}, batch {number:,}: {windows:,} windows, more than {config.batch_size:,}"

    def inexact(self, made: Counter[Window], expected: Counter[Window]) -> Iterator[str]:
        """Windows that come more often than they are due, or not so often.

        Args:
            made: how often each is in batches.
            expected: how often each is due.
        """
        for window, count in made.items():
            if count > expected[window]:
                yield f"{window_named(window)}: {count} times, and it is due {expected[window]} times"
        if not self.is_whole:
            return
        missing = expected - made
        if self.due.config.drop_remainder:
            if missing.total() > self.most_dropped:
                yield f"{missing.total():,} windows are missing, and at most {self.most_dropped:,} do not fill a step"
            return
        for window, count in missing.items():
            yield f"{window_named(window)}: missing, {expected[window] - count} of {expected[window]} times made"


def made_batches(result: PassResult) -> list[MadeBatch]:
    """The batches of a pass."""
    windows, ends = result.pairs, accumulate(result.sizes)
    parts = zip(result.sizes, ends, result.buckets)
    return [MadeBatch(tuple(windows[end - size : end]), bucket) for size, end, bucket in parts]


def windows_of(made: Iterable[Iterable[MadeBatch]]) -> Counter[Window]:
    """How often each window is in these batches."""
    return Counter(window for batches in made for batch in batches for window in batch.windows)


def window_named(window: Window) -> str:
    """The text for a window in messages."""
    return f"source {window[0]} row {window[1]}"
