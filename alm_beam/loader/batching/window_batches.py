"""`WindowBatches`: the batches of windows of an epoch, planned before anything is read."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np

from alm_beam.loader.batching.batch_plan import BatchPlan, Shuffle, batch_key, plan_of_batches
from alm_beam.loader.batching.batch_state import BatchProgress, Run, check_state, identity_of, progress_of, state_of
from alm_beam.loader.batching.buckets import Bucket
from alm_beam.loader.batching.plan_config import PlanConfig
from alm_beam.loader.batching.usable_windows import usable_windows
from alm_beam.loader.epochs import Epochs, checked_epoch
from alm_beam.loader.partition import Partition, partition_here, worker_of
from alm_beam.loader.permutation import Positions
from alm_beam.loader.plan import Plan, PlannedSource
from alm_beam.loader.remainder import part_size
from alm_beam.loader.sources import OpenSource, SourceLike, as_sources, open_sources
from alm_beam.loader.state import sources_of
from alm_beam.loader.state_format import State, StateError
from alm_beam.loader.tokens import Token
from alm_beam.storage.options import options_by_protocol

_KEPT_PLANS = 2

_STEPS_BY_WEIGHT = 16
"""Windows of sources with weights are mixed within about so many steps, so that the weights hold on the way."""


class WindowBatches:
    """The batches of one rank: lists of tokens, a list for each step. It is a batch sampler for torch's DataLoader.

    Every epoch is planned as a whole, from the durations in the index. All ranks have the same number of batches. At
    each step they have batches of the same bucket, so they take about as long. Every window comes once in an epoch.
    What does not fill a step of its bucket moves to the next longer one; so only the last step of an epoch may have
    smaller batches, or empty ones on some ranks.

    Each call of `iter` begins a pass over one epoch, as with `WindowLoader`; so do `set_epoch`, `state_dict` and
    `load_state_dict` work. The state of one rank is that of all. It continues with any number of ranks and workers: the
    windows that are left are then planned anew.

    Attributes:
        config: what makes the batches.
        sources: the sources, opened.
        left_out: windows that are in no batch, by `min_duration` and `max_duration`.

    >>> from alm_beam.loader import Partition, WindowBatches
    >>> batches = WindowBatches(windows, max_seconds=300, buckets=2, partition=Partition(rank=0, world_size=2))
    >>> len(batches), [len(batch) for batch in batches]
    (2, [2, 2])
    >>> next(iter(batches))[0]
    Token(source=0, row=4)
    """

    def __init__(
        self,
        sources: SourceLike | Sequence[SourceLike],
        *,
        max_num_elements: int | None = None,
        max_seconds: float | None = None,
        batch_size: int | None = None,
        sample_rate: int = PlanConfig.sample_rate,
        buckets: int | Sequence[float] | Sequence[tuple[int, int]] = PlanConfig.buckets,
        num_seqs_multiple_of: int = PlanConfig.num_seqs_multiple_of,
        min_duration: float = PlanConfig.min_duration,
        max_duration: float | None = PlanConfig.max_duration,
        drop_remainder: bool = PlanConfig.drop_remainder,
        seed: int = 0,
        shuffle: bool = True,
        repeat: bool = False,
        partition: Partition | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ):
        """
        Args:
            sources: folders of cuts with an index: paths or URLs, or `Source`s with a label or a weight.
            max_num_elements: see `PlanConfig`, as for all up to `drop_remainder`.
            max_seconds: see `PlanConfig`.
            batch_size: see `PlanConfig`.
            sample_rate: see `PlanConfig`.
            buckets: see `PlanConfig`.
            num_seqs_multiple_of: see `PlanConfig`.
            min_duration: see `PlanConfig`.
            max_duration: see `PlanConfig`.
            drop_remainder: see `PlanConfig`.
            seed: any integer; give all ranks the same.
            shuffle: False: windows are taken in the order of the index.
            repeat: see `WindowLoader`.
            partition: the part of this process. Leave it out where one process reads everything.
            storage_options: fsspec's options for the sources' URLs, `{"<option>": value}` or by protocol.

        Raises:
            SourceError, WeightError, IndexFault, OSError: see `WindowLoader`.
            ValueError: a value is out of its range, the longest window does not fit into a batch, or no window is left.
        """
        self.config = PlanConfig(
            max_num_elements=max_num_elements,
            max_seconds=max_seconds,
            batch_size=batch_size,
            sample_rate=sample_rate,
            buckets=buckets,
            num_seqs_multiple_of=num_seqs_multiple_of,
            min_duration=min_duration,
            max_duration=max_duration,
            drop_remainder=drop_remainder,
        )
        asked = as_sources(sources)
        options = options_by_protocol(storage_options, [source.url for source in asked])
        self.sources: tuple[OpenSource, ...] = open_sources(asked, options)
        self._lengths, self._numbers, self.left_out = usable_windows(self.sources, self.config)
        planned = [
            PlannedSource(each.index.fingerprint, len(numbers), each.source.weight)
            for each, numbers in zip(self.sources, self._numbers)
        ]
        self._windows = Plan(planned, seed=seed, shuffle=shuffle, repeat=repeat)
        rows = [PlannedSource(each.index.fingerprint, each.rows, each.source.weight) for each in self.sources]
        sources_now = sources_of(rows, asked)
        self._identity = identity_of(sources_now, self.config, seed=seed, shuffle=shuffle, repeat=repeat)
        self._partition = partition
        self._epochs = Epochs()
        self._plans: dict[tuple[int, tuple[Run, ...], int], BatchPlan] = {}
        self._tables: dict[int, list[Bucket]] = {}
        self._mixed: tuple[int, tuple[Positions, Positions]] = (-1, (np.empty(0, np.int64), np.empty(0, np.int64)))
        self._resumed: State | None = None
        self._pass: BatchIterator | None = None
        self.table(1 if partition is None else partition.world_size)  # raises what does not fit

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pass": None, "_plans": {}}

    def __len__(self) -> int:
        """Number of batches of this rank in an epoch; in a worker that makes batches itself, of this worker."""
        partition = partition_here(self.partition)
        steps = len(self.plan(self.epoch, (), partition.world_size))
        return part_size(steps, partition.worker or 0, partition.workers)

    def __iter__(self) -> "BatchIterator":
        """A pass over the next epoch, or over the rest of the epoch of a state that was loaded.

        The pass begins with its first batch: DataLoader makes two for one epoch, and reads the second.

        Raises:
            PartitionError: there are several ranks or workers and no partition.
            StateError: the state that was loaded is another process's.
            ValueError: `drop_remainder` drops all windows.
        """
        self._pass = BatchIterator(self, self._beginning(partition_here(self.partition)))
        return self._pass

    def begin(self, epoch: int, partition: Partition) -> None:
        """Makes the epoch after this one the next, if this one is that. A pass over it has begun."""
        which = partition.worker or 0, partition.num_workers or 0
        if self._epochs.next_pass(*which)[0] == epoch:
            self._epochs.begin(*which)

    @property
    def partition(self) -> Partition | None:
        """The part of this process. Processes that got copies of one object each set their own."""
        return self._partition

    @partition.setter
    def partition(self, partition: Partition | None) -> None:
        self._partition = partition
        self._epochs = self._epochs.copy()

    @property
    def epoch(self) -> int:
        """The epoch that the next pass reads, from 0."""
        return self._epochs.next_pass(*worker_of(self.partition) or (0, 0))[0]

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass read this epoch. If a state of the same epoch was just loaded, the pass continues there.

        Raises:
            ValueError: it is no integer, negative, or 2**62 or more.
        """
        self._epochs.set_next(checked_epoch(epoch), resume=False, worker=worker_of(self.partition))
        if self._pass is not None and self._pass.epoch != epoch:
            self._pass = None

    def state_dict(self) -> State:
        """The state of the last pass that was begun, or of the next one if there was none: a JSON object."""
        if self._pass is not None:
            return self._pass.state_dict()
        return self.state_at(self._beginning(partition_here(self.partition)))

    def load_state_dict(self, state: State) -> None:
        """Makes the next pass continue where the state was saved.

        Args:
            state: of any rank. With workers that make batches themselves, that of this worker; with other numbers of
                ranks or workers then one that `merge_states` returned.

        Raises:
            StateError: it is no state, or seed, sources, budget, ... are not these. Nothing is changed then.
        """
        check_state(state, self._identity)
        progress = progress_of(state, partition_here(self.partition))
        if progress.step > len(self.plan(progress.epoch, progress.runs, progress.partition.world_size)):
            raise StateError("the state does not fit:\nstep: the epoch has fewer")
        self._resumed, self._pass = deepcopy(state), None
        self._epochs.set_next(state["epoch"], resume=True, worker=worker_of(self.partition))

    def state_at(self, progress: BatchProgress) -> State:
        """The state of a process that has read so far."""
        return state_of(progress, self._identity)

    def table(self, world_size: int) -> list[Bucket]:
        """The buckets for so many ranks, by length.

        Raises:
            ValueError: see `PlanConfig.table`.
        """
        if world_size not in self._tables:
            self._tables[world_size] = self.config.table(self._all_lengths, world_size)
        return self._tables[world_size]

    def plan(self, epoch: int, runs: tuple[Run, ...], world_size: int) -> BatchPlan:
        """The batches of all ranks.

        Args:
            epoch: from 0.
            runs: with which numbers of ranks the epoch was read before.
            world_size: number of ranks.

        Returns:
            The plan. Its windows are numbers of `windows_at`.
        """
        which = (epoch, runs, world_size)
        if which not in self._plans:
            left = None
            for number, run in enumerate(runs):
                known = self._plans.get((epoch, runs[:number], run.world_size))
                before = known or self._planned(epoch, run.world_size, left)
                if run.steps > len(before):
                    raise StateError("the state does not fit:\nruns: the epoch has fewer steps")
                left = before.left(run.steps)
            while len(self._plans) >= _KEPT_PLANS:
                self._plans.pop(next(iter(self._plans)))
            self._plans[which] = self._planned(epoch, world_size, left)
        return self._plans[which]

    def tokens(self, epoch: int, windows: Positions) -> list[Token]:
        """The tokens of windows of the epoch's plan."""
        sources, numbers = self._sources_and_numbers(epoch, windows)
        found = np.empty_like(numbers)
        for source in np.unique(sources).tolist():
            here = sources == source
            found[here] = self.sources[source].index_rows(self._numbers[source][numbers[here]])
        return list(map(Token, sources.tolist(), found.tolist()))

    def lengths(self, epoch: int, windows: Positions) -> Positions:
        """The samples of windows of the epoch's plan, int64."""
        sources, numbers = self._sources_and_numbers(epoch, windows)
        found: Positions = self._all_lengths[self._firsts[sources] + numbers]
        return found

    @cached_property
    def _all_lengths(self) -> Positions:
        return np.concatenate(self._lengths)

    @cached_property
    def _firsts(self) -> Positions:
        sizes = np.array([len(each) for each in self._lengths], np.int64)
        return np.cumsum(sizes) - sizes

    @property
    def _has_weights(self) -> bool:
        return self.sources[0].source.weight is not None

    def _sources_and_numbers(self, epoch: int, windows: Positions) -> tuple[Positions, Positions]:
        """For each window its source, and its number among the usable windows of the source."""
        if self._has_weights:
            known, mixed = self._mixed
            if known != epoch:  # all at once, as batches take windows from anywhere
                mixed = self._windows.at(epoch, np.arange(self._windows.size))
                self._mixed = epoch, mixed
            return mixed[0][windows], mixed[1][windows]
        sources = np.searchsorted(self._firsts, windows, side="right") - 1
        return sources, windows - self._firsts[sources]

    def _planned(self, epoch: int, world_size: int, left: Positions | None) -> BatchPlan:
        lengths = self.lengths(epoch, np.arange(self._windows.size))
        fingerprints = [each.index.fingerprint for each in self.sources]
        table = self.table(world_size)
        span = self._windows.size
        if not self._windows.shuffle:
            span = 1
        elif self._has_weights:
            sizes = np.array([bucket.size for bucket in table])
            batches = (1 / sizes[np.searchsorted([bucket.longest for bucket in table], lengths)]).sum()
            span = int(_STEPS_BY_WEIGHT * world_size * len(lengths) / batches)
        key = batch_key(self._windows.seed, epoch, fingerprints)
        shuffle = Shuffle(key, max(1, span))
        drop = self.config.drop_remainder
        return plan_of_batches(lengths, table, world_size, shuffle, drop_remainder=drop, windows=left)

    def _beginning(self, partition: Partition) -> BatchProgress:
        """Where the next pass begins."""
        epoch, resumes = self._epochs.next_pass(partition.worker or 0, partition.num_workers or 0)
        if resumes and self._resumed is not None:
            return progress_of(self._resumed, partition)
        return BatchProgress(epoch, (), partition, 0, 0)


class BatchIterator(Iterator[list[Token]]):
    """One pass over the batches of a rank. `iter(batches)` makes it.

    Attributes:
        epoch: the epoch that it reads, from 0.
        dropped: windows of the epoch that come in no batch of any rank, by `drop_remainder`.

    >>> from alm_beam.loader import WindowBatches
    >>> passing = iter(WindowBatches(windows, batch_size=3))
    >>> len(next(passing)), len(passing)
    (3, 2)
    """

    def __init__(self, batches: WindowBatches, begins: BatchProgress):
        self.epoch = begins.epoch
        self._batches, self._begins = batches, begins
        self._plan = batches.plan(begins.epoch, begins.runs, begins.partition.world_size)
        self.dropped = len(self._plan.dropped)
        if self.dropped and not len(self._plan) and not begins.runs:
            what = f"the {self.dropped:,} windows fill no step of {self._plan.world_size} ranks"
            raise ValueError(f"drop_remainder=True: {what}, and all are dropped; make batches smaller, or leave it out")
        self._at = 0
        self._has_begun = False

    def __next__(self) -> list[Token]:
        """The next batch; empty where only other ranks have windows at the last step."""
        self._begin()
        if len(self) <= 0:
            raise StopIteration
        windows = self._plan.batch(self._step, self._begins.partition.rank)
        self._at += 1
        return self._batches.tokens(self.epoch, windows)

    def __len__(self) -> int:
        """Number of batches that are still to come."""
        partition = self._begins.partition
        steps = len(self._plan) - self._begins.step
        return part_size(steps, partition.worker or 0, partition.workers) - self._begins.read - self._at

    @property
    def bucket(self) -> int:
        """Number of the bucket of the next batch, in `WindowBatches.table`."""
        return int(self._plan.buckets[self._step])

    @property
    def _step(self) -> int:
        partition = self._begins.partition
        return self._begins.step + (partition.worker or 0) + partition.workers * (self._begins.read + self._at)

    def state_dict(self) -> State:
        """The state after the batch that was returned last; see `WindowBatches.load_state_dict`."""
        return self.state_after(self._at)

    def state_after(self, count: int) -> State:
        """The state after so many batches of this pass."""
        begins = self._begins
        return self._batches.state_at(
            BatchProgress(begins.epoch, begins.runs, begins.partition, begins.step, begins.read + count)
        )

    def load_state_dict(self, state: State) -> None:
        """Makes this pass continue where the state was saved; see `WindowBatches.load_state_dict`."""
        self._batches.load_state_dict(state)
        again = iter(self._batches)
        self.__dict__.update(again.__dict__)
        self._batches._pass = self
        self._begin()

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._batches.begin(self.epoch, self._begins.partition)
