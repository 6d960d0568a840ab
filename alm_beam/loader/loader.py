"""Windows in the order of an epoch: what a training process iterates over."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from alm_beam.loader.epochs import END_OF_EPOCHS, Epochs
from alm_beam.loader.partition import Partition, partition_here, torch_worker
from alm_beam.loader.plan import Plan, PlannedSource
from alm_beam.loader.reader import Reader, Window, window_of
from alm_beam.loader.remainder import Remainder, part_size
from alm_beam.loader.sources import OpenSource, SourceLike, as_sources, open_sources
from alm_beam.loader.state import Progress, State, StateError, check_state, progress_of, state_of

_FIRST_BLOCK = 16
_LARGEST_BLOCK = 1024
_GROWTH = 4


class Token(NamedTuple):
    """Which window an item is.

    Attributes:
        source: number of its source.
        row: of the source's index.
    """

    source: int
    row: int


class WindowLoader:
    """The windows of one or more folders of cuts, each as a dictionary: this process's part of every epoch.

    Each call of `iter` begins a pass, and each pass reads the next epoch, in an order of its own; `set_epoch` chooses
    which. `state_dict` tells, before the first window, between any two and after the last, all that is needed to go on
    from there by `load_state_dict`, with as many ranks and workers or others.

    Attributes:
        plan: the order of all epochs.
        sources: what it reads, opened.
        readers: of each source.
    """

    def __init__(
        self,
        sources: SourceLike | Sequence[SourceLike],
        *,
        seed: int = 0,
        shuffle: bool = True,
        repeat: bool = False,
        partition: Partition | None = None,
    ):
        """
        Args:
            sources: folders of cuts that have an index: their paths or URLs, or `Source`s with a label or a weight.
            seed: any integer; the same in all ranks and workers.
            shuffle: otherwise the windows come in the order of the index, that of label and content.
            repeat: with weights: read sources again until each was read once, so that the weights hold to the end of
                the epoch. Otherwise each window comes once in an epoch.
            partition: which part is this process's. It may be left out where one process reads everything. The worker
                is that of torch's DataLoader unless it is stated.

        Raises:
            SourceError, WeightError, ValueError: what is asked for makes no sense.
            IndexFault, OSError: an index, or what it is an index of, is not sound, or cannot be read.
        """
        asked = as_sources(sources)
        self.sources: tuple[OpenSource, ...] = open_sources(asked)
        self._partition = partition
        planned = [PlannedSource(each.index.fingerprint, each.rows, each.source.weight) for each in self.sources]
        self.plan = Plan(planned, seed=seed, shuffle=shuffle, repeat=repeat)
        self._labels = [source.label for source in asked]
        by_index = {id(each.index): Reader(each.index) for each in self.sources}
        self.readers = [by_index[id(each.index)] for each in self.sources]
        self._epochs = Epochs()
        self._resumed: State | None = None
        self._pass: WindowIterator | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pass": None}

    def __len__(self) -> int:
        """How many windows an epoch has for this rank, or for this worker where it runs in one."""
        partition = partition_here(self.partition)
        return part_size(self.plan.size, partition.part, partition.parts)

    def __iter__(self) -> "WindowIterator":
        """Begins a pass.

        Raises:
            PartitionError: there are several ranks or workers and no partition.
            StateError: the state that was loaded is not one that this worker can go on from.
        """
        partition = partition_here(self.partition)
        begins = self._beginning(partition)
        self._epochs.begin(partition.worker or 0, partition.num_workers or 0)
        self._pass = WindowIterator(self, begins)
        return self._pass

    @property
    def partition(self) -> Partition | None:
        """As given. Where processes were given copies of one loader, each sets its own."""
        return self._partition

    @partition.setter
    def partition(self, partition: Partition | None) -> None:
        self._partition = partition
        self._epochs = self._epochs.copy()  # the one of the process that made this loader is not this rank's

    @property
    def epoch(self) -> int:
        """The epoch that the next pass reads."""
        return self._epochs.next_pass(*self._worker() or (0, 0))[0]

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass read the epoch, in this process and in its workers.

        If it is that of a state that was loaded and not yet read on from, the pass goes on from there.
        """
        if not isinstance(epoch, int) or isinstance(epoch, bool) or not 0 <= epoch < END_OF_EPOCHS:
            raise ValueError(f"epoch={epoch!r}: must be an integer, at least 0 and below 2**62")
        self._epochs.set_next(epoch, resume=False, worker=self._worker())
        if self._pass is not None and self._pass.epoch != epoch:
            self._pass = None

    def state_dict(self) -> State:
        """Where the pass that was begun last stands; before the first one, where that will begin. A JSON value.

        Raises:
            StateError: the worker processes of a DataLoader read, and only they know how far they are.
        """
        if self._pass is not None:
            return self._pass.state_dict()
        if self._worker() is None and self._epochs.workers_began:
            raise StateError(
                "the workers of a DataLoader read, and this process does not know how far: take the state_dict() of "
                "torchdata's StatefulDataLoader"
            )
        return self.state_at(self._beginning(partition_here(self.partition)))

    def load_state_dict(self, state: State) -> None:
        """Makes the next pass go on where the state was taken.

        With the same number of ranks and workers, the state of this process or one that `merge_states` made; with
        another number, one that `merge_states` made.

        Raises:
            StateError: it does not fit: the seed, sources, weights, ... are not the same, or it is no state.
        """
        check_state(state, self.plan, self._labels)
        if self._worker():
            progress_of(state, partition_here(self.partition))  # otherwise it may be workers that go on
        self._resumed, self._pass = deepcopy(state), None
        self._epochs.set_next(state["epoch"], resume=True, worker=self._worker())

    def window(self, token: Token | tuple[int, int]) -> Window:
        """Any window, by its source and row.

        Raises:
            IndexError: there is no such row in its index.
            WindowError, OSError: it cannot be read.
        """
        source, row = token
        return self.readers[source][row]

    def _worker(self) -> tuple[int, int] | None:
        """Number of the worker that this process is, and how many there are; None: the rank itself."""
        given = self.partition
        if given is None or given.worker is None or given.num_workers is None:
            return torch_worker()
        return given.worker, given.num_workers

    def _beginning(self, partition: Partition) -> Progress:
        """Where the next pass begins."""
        epoch, resumes = self._epochs.next_pass(partition.worker or 0, partition.num_workers or 0)
        if resumes and self._resumed is not None:
            return progress_of(self._resumed, partition)
        return Progress(epoch, Remainder(), partition, 0)

    def state_at(self, progress: Progress) -> State:
        """The state of a process that stands there."""
        return state_of(progress, self.plan, self._labels)


class _Block(NamedTuple):
    """Windows that were fetched, in the order in which they are given out; a list each of what belongs to them."""

    sources: list[int]
    rows: list[int]
    lines: list[bytes]
    keys: list[bytes]


class WindowIterator(Iterator[Window]):
    """One pass over this process's part of an epoch.

    Attributes:
        epoch: which.
    """

    def __init__(self, loader: WindowLoader, begins: Progress):
        self.epoch = begins.epoch
        self._loader, self._begins = loader, begins
        self._readers = loader.readers
        self._firsts = np.array([source.first for source in loader.sources], np.int64)
        partition, count = begins.partition, begins.left.count(loader.plan.size)
        self._size = part_size(count, partition.part, partition.parts)
        self._first = begins.read
        self._at = 0
        self._take(_Block([], [], [], []))
        self._is_remote = any(reader.is_remote for reader in self._readers)
        self._ahead: Future[_Block] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._thread_pid = 0

    def __next__(self) -> Window:
        """The next window.

        Raises:
            WindowError, OSError: it cannot be read. A further call tries again; nothing is passed over.
        """
        at = self._at
        if at == len(self._lines):
            self._next_block()
            at = 0
        try:
            window = window_of(self._lines[at], self._keys[at])
        except ValueError:
            window = self._readers[self._sources[at]][self._rows[at]]  # what was fetched may be wrong, and right by now
        self._at = at + 1
        return window

    def __len__(self) -> int:
        """How many windows are still to come."""
        return int(self._size - self._first - self._at)

    @property
    def token(self) -> Token:
        """Which window was given out last.

        Raises:
            ValueError: none was.
        """
        if not self._at:
            raise ValueError("no window was given out yet")
        return Token(self._sources[self._at - 1], self._rows[self._at - 1])

    def state_dict(self) -> State:
        """The state from which what has not been given out can be read; see `WindowLoader.load_state_dict`."""
        begins = self._begins
        return self._loader.state_at(Progress(self.epoch, begins.left, begins.partition, self._first + self._at))

    def _next_block(self) -> None:
        """Goes on to the next windows, and starts to fetch those behind them where that takes time."""
        first, count = self._first + self._at, len(self._lines)
        if first >= self._size:
            raise StopIteration
        length = min(count * _GROWTH or _FIRST_BLOCK, _LARGEST_BLOCK)
        block = self._fetched_ahead(first, length) if self._is_remote else self._fetched(first, length)
        self._first = first
        self._take(block)

    def _fetched_ahead(self, first: int, length: int) -> _Block:
        """As `_fetched`; what comes behind is then being fetched by a thread."""
        if self._thread is None or self._thread_pid != os.getpid():  # a fork does not take the thread along
            self._thread, self._thread_pid, self._ahead = ThreadPoolExecutor(1, "alm_beam-fetch"), os.getpid(), None
        ahead, self._ahead = self._ahead or self._thread.submit(self._fetched, first, length), None
        block = ahead.result()
        behind = first + len(block.lines)
        if behind < self._size:
            self._ahead = self._thread.submit(self._fetched, behind, _LARGEST_BLOCK)
        return block

    def _take(self, block: _Block) -> None:
        self._sources, self._rows, self._lines, self._keys = block
        self._at = 0

    def _fetched(self, first: int, length: int) -> _Block:
        """Up to so many windows of the part, from the given one on."""
        begins, loader = self._begins, self._loader
        part, parts = begins.partition.part, begins.partition.parts
        places = part + parts * np.arange(first, min(first + length, self._size))
        sources, rows = loader.plan.at(self.epoch, begins.left.at(places))
        rows = rows + self._firsts[sources]
        if len(self._readers) == 1:
            return _Block(sources.tolist(), rows.tolist(), *self._readers[0].lines(rows))
        lines, keys = [b""] * len(rows), [b""] * len(rows)
        for number in np.unique(sources).tolist():
            here = np.flatnonzero(sources == number)
            for at, line, key in zip(here.tolist(), *self._readers[number].lines(rows[here])):
                lines[at], keys[at] = line, key
        return _Block(sources.tolist(), rows.tolist(), lines, keys)
