"""The loader: windows in the order of an epoch, for a training process to iterate over."""

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from alm_beam.loader.audio import Audio
from alm_beam.loader.audio_ahead import AudioAhead
from alm_beam.loader.epochs import Epochs, checked_epoch
from alm_beam.loader.open_folders import lines_of, open_folders
from alm_beam.loader.partition import Partition, partition_here, worker_of
from alm_beam.loader.permutation import Positions
from alm_beam.loader.reader import Reader, Window, window_of
from alm_beam.loader.remainder import part_size
from alm_beam.loader.sources import SourceLike, as_sources
from alm_beam.loader.state import Progress, State, StateError, check_state, progress_of, state_of
from alm_beam.loader.stored_plan import plan_of
from alm_beam.loader.tokens import Token

_FIRST_BLOCK = 16
_MAX_BLOCK = 1024
_GROWTH = 4

_BLOCKS_AHEAD = 4
"""As many blocks of remote windows are on their way at most where a block comes in few requests: one request at a time
would wait for the store most of the time."""

_BYTES_AHEAD = 32 << 20
"""More than one block is on its way only where so many bytes hold them."""


class WindowLoader:
    """Iterates over the windows of one or more folders of cuts, each a dictionary: the fields of its Lhotse cut.

    Each call of `iter` begins a pass over one epoch: this process's part of it, in an order that is different in every
    epoch and the same in every run with the same seed. Each pass reads the next epoch; `set_epoch` chooses another.
    `state_dict` returns the state between any two windows. `load_state_dict` continues from there, with the same number
    of ranks and workers or with another.

    Attributes:
        plan: the order of all epochs.
        sources: the sources, opened.
        readers: the reader of each source.
        folders: what reads the audio of each source.
        gives_audio: whether windows come with their audio.

    >>> from alm_beam.loader import WindowLoader
    >>> loader = WindowLoader(windows, seed=1)
    >>> len(loader)
    8
    >>> for epoch in range(2):
    ...     loader.set_epoch(epoch)
    ...     print(sum(window["duration"] for window in loader), "seconds")
    828.0 seconds
    828.0 seconds

    A loader of another process continues in the middle of an epoch:

    >>> passing = iter(loader)
    >>> first = [next(passing)["id"] for _ in range(3)]
    >>> state = loader.state_dict()  # JSON
    >>> later = WindowLoader(windows, seed=1)
    >>> later.load_state_dict(state)
    >>> [window["id"] for window in later] == [window["id"] for window in passing]
    True
    """

    def __init__(
        self,
        sources: SourceLike | Sequence[SourceLike],
        *,
        seed: int = 0,
        shuffle: bool = True,
        repeat: bool = False,
        order: str = "windows",
        shuffle_window: int = 1024,
        partition: Partition | None = None,
        storage_options: Mapping[str, Any] | None = None,
        audio: bool = False,
        audio_root: str | None = None,
    ):
        """
        Args:
            sources: folders of cuts with an index: paths or URLs, or `Source`s with a label, a corpus, a language or a
                weight.
            seed: any integer; give all ranks and workers the same.
            shuffle: False: windows come in the order of the index (by label, then by a hash of their content); with
                order="shards", file after file, as they stand.
            repeat: needs weights. Sources are read again until each was read at least once, so that the weights hold to
                the end of the epoch. Otherwise each window comes once in an epoch.
            order: "windows": any window may come next. "shards": each part of the epoch is read from the front of a
                file to its end, for stores where single reads are dear. Files come in a shuffled order, and windows are
                mixed with those near them. It does not go with weights.
            shuffle_window: with order="shards" windows are mixed within blocks of so many, 1 to 1,048,576. A block of
                remote windows is read at once, and held in memory.
            partition: the part of this process. Leave it out where one process reads everything.
            storage_options: fsspec's options for the sources' URLs, `{"<option>": value}` or by protocol.
            audio: True: each window that iteration gives has its `Audio` as `window["audio"]`.
            audio_root: folder that relative paths of audio files in cuts are below, a path or any fsspec URL; None: the
                folder of the cuts, or else the working directory. Audio in shards is found without it.

        Raises:
            SourceError: there is no source; a label, corpus or language does not exist; or only some sources have a
                weight.
            WeightError: a weight is not above 0 or is too small or too large.
            ValueError: the seed is no integer, `repeat` is on without weights, `order` or `shuffle_window` is wrong, or
                order="shards" is to read sources with weights.
            IndexFault, OSError: an index or its cuts are damaged, or cannot be read.
        """
        asked = as_sources(sources)
        self.sources, self.readers, self.folders = open_folders(asked, storage_options, audio_root)
        self._partition = partition
        self.plan = plan_of(
            self.sources, order=order, shuffle_window=shuffle_window, seed=seed, shuffle=shuffle, repeat=repeat
        )
        self.gives_audio = audio
        self._epochs = Epochs()
        self._resumed: State | None = None
        self._pass: WindowIterator | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pass": None}

    def __len__(self) -> int:
        """Number of windows in an epoch for this rank; in a worker of a DataLoader, for this worker."""
        partition = partition_here(self.partition)
        return part_size(self.plan.size, partition.part, partition.parts)

    def __iter__(self) -> "WindowIterator":
        """Begins a pass over the next epoch, or over the rest of the epoch of a state that was loaded.

        Raises:
            PartitionError: there are several ranks or workers and no partition.
            StateError: the state that was loaded is another process's.
        """
        partition = partition_here(self.partition)
        begins = self._beginning(partition)
        self._epochs.begin(partition.worker or 0, partition.num_workers or 0)
        self._pass = WindowIterator(self, begins)
        return self._pass

    @property
    def partition(self) -> Partition | None:
        """The part of this process. Processes that got copies of one loader each set their own."""
        return self._partition

    @partition.setter
    def partition(self, partition: Partition | None) -> None:
        self._partition = partition
        self._epochs = (
            self._epochs.copy()
        )  # the memory is shared with the process that made this loader, which may be another rank

    @property
    def epoch(self) -> int:
        """The epoch that the next pass reads, from 0."""
        return self._epochs.next_pass(*worker_of(self.partition) or (0, 0))[0]

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass read this epoch, in this process and in its workers.

        If a state of the same epoch was just loaded, the pass continues from that state.

        Args:
            epoch: from 0.

        Raises:
            ValueError: it is no integer, negative, or 2**62 or more.
        """
        self._epochs.set_next(checked_epoch(epoch), resume=False, worker=worker_of(self.partition))
        if self._pass is not None and self._pass.epoch != epoch:
            self._pass = None

    def state_dict(self) -> State:
        """The state of the last pass that was begun, or of the next one if there was none: a JSON object.

        Raises:
            StateError: workers of a DataLoader read, and only they know how far they are.
        """
        if self._pass is not None:
            return self._pass.state_dict()
        if worker_of(self.partition) is None and self._epochs.workers_began:
            raise StateError(
                "the workers of a DataLoader read, and this process does not know how far: take the state_dict() of "
                "torchdata's StatefulDataLoader"
            )
        return self.state_at(self._beginning(partition_here(self.partition)))

    def load_state_dict(self, state: State) -> None:
        """Makes the next pass continue where the state was saved.

        Args:
            state: with the same number of ranks and workers, the state of this process or one that `merge_states`
                returned; with another number, one that `merge_states` returned.

        Raises:
            StateError: it is no state, or seed, sources, weights, ... are not this loader's. Nothing is changed then.
        """
        check_state(state, self.plan, [each.source for each in self.sources])
        if worker_of(self.partition):
            progress_of(state, partition_here(self.partition))  # the rank itself may hold a state for its workers
        self._resumed, self._pass = deepcopy(state), None
        self._epochs.set_next(state["epoch"], resume=True, worker=worker_of(self.partition))

    def window(self, token: Token | tuple[int, int]) -> Window:
        """Reads one window.

        Args:
            token: its source and its row in the index.

        Raises:
            IndexError: there is no such source or row.
            WindowError, OSError: it cannot be read.
        """
        source, row = token
        return self.readers[source][row]

    def audio(self, window: Window, *, source: int | None = None) -> Audio:
        """Reads the audio of a window: of a shard by one read, of a plain cut by seeking in its recording.

        Args:
            window: from this loader.
            source: number of its source, `token.source`; None: that of the window that iteration gave last, or the only
                one.

        Raises:
            ValueError: there are several sources, and the window is another one than iteration gave last.
            WindowError, OSError: the audio is missing or damaged, or cannot be read.
            ImportError: a package that reads it is not installed.
        """
        if source is None:
            source = self._source_of(window)
        return self.folders[source].of(window)

    def _source_of(self, window: Window) -> int:
        if self._pass is not None and window is self._pass.window:
            return self._pass.token.source
        if len({each.source.url for each in self.sources}) > 1:
            raise ValueError(
                "there are several sources, and this is not the window that this loader gave last: say which source it "
                "is of, audio(window, source=token.source), or make the loader with audio=True"
            )
        return 0

    def _beginning(self, partition: Partition) -> Progress:
        """Where the next pass begins."""
        epoch, resumes = self._epochs.next_pass(partition.worker or 0, partition.num_workers or 0)
        if resumes and self._resumed is not None:
            return progress_of(self._resumed, partition)
        return Progress(epoch, self.plan.whole, partition, 0)

    def state_at(self, progress: Progress) -> State:
        """The state of a process that has read so far."""
        return state_of(progress, self.plan, [each.source for each in self.sources])


class _Block(NamedTuple):
    """Windows that were fetched, in the order in which they are returned. Each list has an item for each window."""

    sources: list[int]
    rows: list[int]
    lines: list[bytes]
    keys: list[bytes]


class WindowIterator(Iterator[Window]):
    """One pass over this process's part of an epoch. `iter(loader)` makes it.

    Attributes:
        epoch: the epoch that it reads, from 0.
        window: the window that was returned last.

    >>> from alm_beam.loader import WindowLoader
    >>> passing = iter(WindowLoader(windows))
    >>> window = next(passing)
    >>> passing.epoch, len(passing)
    (0, 7)
    """

    def __init__(self, loader: WindowLoader, begins: Progress):
        self.epoch = begins.epoch
        self._loader, self._begins = loader, begins
        self._readers = loader.readers
        partition, count = begins.partition, begins.left.count(loader.plan.size)
        self._size = part_size(count, partition.part, partition.parts)
        self._first = begins.read
        self._at = 0
        self.window: Window | None = None
        self._is_remote = any(reader.is_remote for reader in self._readers)
        self._ahead: deque[Future[_Block]] = deque()
        self._ahead_stop = 0
        self._threads: ThreadPoolExecutor | None = None
        self._threads_pid = 0
        self._audio_ahead: AudioAhead | None = None
        self._take(_Block([], [], [], []))

    def __next__(self) -> Window:
        """The next window.

        Raises:
            WindowError, OSError: it cannot be read. The next call tries the same window again.
        """
        self.window = None  # so that its audio can go before more comes
        at = self._at
        if at == len(self._lines):
            self._next_block()
            at = 0
        try:
            window = window_of(self._lines[at], self._keys[at])
        except ValueError:
            window = self._readers[self._sources[at]][self._rows[at]]  # what was fetched may be wrong, and right by now
        if self._loader.gives_audio:
            data = self._audio_ahead.take(at) if self._audio_ahead else None
            window["audio"] = self._loader.folders[self._sources[at]].of(window, data)
        self._at = at + 1
        self.window = window
        return window

    def __len__(self) -> int:
        """Number of windows that are still to come."""
        return int(self._size - self._first - self._at)

    @property
    def token(self) -> Token:
        """Names the window that was returned last.

        Raises:
            ValueError: no window was returned yet.
        """
        if not self._at:
            raise ValueError("no window was returned yet")
        return Token(self._sources[self._at - 1], self._rows[self._at - 1])

    def state_dict(self) -> State:
        """The state after the window that was returned last; see `WindowLoader.load_state_dict`."""
        begins = self._begins
        return self._loader.state_at(Progress(self.epoch, begins.left, begins.partition, self._first + self._at))

    def _next_block(self) -> None:
        """Takes the next block of windows. If they are remote, threads begin to fetch those after it."""
        first, count = self._first + self._at, len(self._lines)
        if first >= self._size:
            raise StopIteration
        length = min(count * _GROWTH or _FIRST_BLOCK, _MAX_BLOCK)
        if self._is_remote:
            block = self._fetched_ahead(first, length)
        else:
            block = _block_of(self._readers, *self._planned(first, length))
        self._first = first
        self._take(block)

    def _fetched_ahead(self, first: int, length: int) -> _Block:
        """The next block, of so many windows unless it is on its way. Threads then fetch those after it, or audio."""
        if self._threads is None or self._threads_pid != os.getpid():  # a fork does not take the threads along
            self._threads = ThreadPoolExecutor(_BLOCKS_AHEAD + 1, "alm_beam-fetch")
            self._threads_pid = os.getpid()
            self._ahead.clear()
        if not self._ahead:
            self._ahead_stop = first
            self._begin_to_fetch(self._threads, length)
        try:
            block = self._ahead.popleft().result()
        except BaseException:
            self._ahead.clear()  # what comes after is fetched again, behind what failed
            raise
        blocks = self._blocks_ahead(block.lines)
        while len(self._ahead) < blocks and self._ahead_stop < self._size:
            self._begin_to_fetch(self._threads, _MAX_BLOCK)
        return block

    def _begin_to_fetch(self, threads: ThreadPoolExecutor, length: int) -> None:
        """Begins to fetch a block behind those that are on their way."""
        first = self._ahead_stop
        sources, rows = self._planned(first, self._loader.plan.fetched(first, length))
        self._ahead_stop += len(rows)
        self._ahead.append(threads.submit(_block_of, self._readers, sources, rows))

    def _blocks_ahead(self, lines: Sequence[bytes]) -> int:
        """How many blocks are to be on their way, given the lines of the one before."""
        plan = self._loader.plan
        if plan.together == 1 or self._loader.gives_audio:
            return 1  # as its windows are a request each, or as their audio takes longer than their lines
        block_bytes = sum(map(len, lines)) / len(lines) * plan.fetched(self._ahead_stop, _MAX_BLOCK)
        return max(1, min(_BLOCKS_AHEAD, int(_BYTES_AHEAD / block_bytes)))

    def _take(self, block: _Block) -> None:
        self._sources, self._rows, self._lines, self._keys = block
        self._at = 0
        if self._loader.gives_audio and self._threads is not None:
            near = {"together": self._loader.plan.together, "read": self._first}
            self._audio_ahead = AudioAhead(self._loader.folders, self._sources, self._lines, self._threads, **near)

    def _planned(self, first: int, length: int) -> tuple[Positions, Positions]:
        """Sources and rows in their index of up to `length` windows of the part, from window `first` of the part on."""
        begins, loader = self._begins, self._loader
        part, parts = begins.partition.part, begins.partition.parts
        read = np.arange(first, min(first + length, self._size))
        sources, rows = loader.plan.at(self.epoch, loader.plan.part(self.epoch, begins.left, part, parts, read))
        for number in np.unique(sources).tolist():
            here = np.flatnonzero(sources == number)
            rows[here] = loader.sources[number].index_rows(rows[here])
        return sources, rows


def _block_of(readers: Sequence[Reader], sources: Positions, rows: Positions) -> _Block:
    """The lines of planned windows."""
    return _Block(sources.tolist(), rows.tolist(), *lines_of(readers, sources, rows))
