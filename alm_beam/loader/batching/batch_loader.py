"""`BatchLoader`: batches with their audio, read by threads before they are asked for."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

from alm_beam.loader.batching.ahead import Ahead, read_batch, threads_may_start
from alm_beam.loader.batching.collate import Batch, collate
from alm_beam.loader.batching.window_batches import BatchIterator, WindowBatches
from alm_beam.loader.batching.windows import Windows
from alm_beam.loader.reader import Window
from alm_beam.loader.sources import SourceError
from alm_beam.loader.state_format import State
from alm_beam.loader.tokens import Token


class _Had:
    """How many batches of a pass its consumer has had."""

    def __init__(self, passing: BatchIterator):
        self.passing, self.count = passing, 0

    def state_dict(self) -> State:
        return self.passing.state_after(self.count)


class BatchLoader:
    """Iterates over the batches of one rank: what `collate` makes of the windows of each.

    Threads read the next `num_prefetch` batches while one is used. So at most `num_prefetch` batches are held beside
    the one in use, and for each thread the encoded audio that it fetches from a store, up to 64 MB. The order is that
    of `batches`. When the loop is left or fails, threads stop after the window that they read, or the batch that they
    collate; none outlives the program.

    Epochs, states and ranks are those of `batches`: each call of `iter` begins the next epoch. `state_dict` tells what
    the loop has had, whatever was read ahead.

    Attributes:
        batches: which windows come when.
        windows: what reads them.
        num_prefetch: as given.

    >>> from alm_beam.loader import BatchLoader, WindowBatches, Windows
    >>> loader = BatchLoader(WindowBatches(windows, batch_size=3), Windows(windows, audio=False), collate=list)
    >>> passing = iter(loader)
    >>> len(loader), len(next(passing))
    (3, 3)
    >>> state = loader.state_dict()  # JSON: after one batch
    >>> later = BatchLoader(WindowBatches(windows, batch_size=3), Windows(windows, audio=False), collate=list)
    >>> later.load_state_dict(state)
    >>> list(later) == list(passing)
    True
    """

    def __init__(
        self,
        batches: WindowBatches,
        windows: Windows,
        *,
        num_prefetch: int = 4,
        collate: Callable[[list[Window]], Any] = collate,
    ):
        """
        Args:
            batches: which windows come when.
            windows: of the same sources in the same order.
            num_prefetch: batches that are read ahead, each by a thread; 0: each is read when it is asked for.
            collate: makes a batch of its windows; several threads call it. `list` leaves the windows as they are, and
                `functools.partial(collate, features=...)` gives features.

        Raises:
            SourceError: the sources of the two are different.
            ValueError: num_prefetch is no integer, or negative.
        """
        if not isinstance(num_prefetch, int) or isinstance(num_prefetch, bool) or num_prefetch < 0:
            raise ValueError(f"num_prefetch={num_prefetch!r}: must be an integer, 0 or above")
        _refuse_other_sources(batches, windows)
        self.batches, self.windows, self.num_prefetch, self._collate = batches, windows, num_prefetch, collate
        self._had: _Had | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_had": None}

    def __len__(self) -> int:
        """Number of batches of this rank in an epoch."""
        return len(self.batches)

    def __iter__(self) -> "LoadedBatches":
        """Begins a pass over the next epoch, or over the rest of the epoch of a state that was loaded.

        Raises:
            PartitionError: there are several ranks or workers and no partition.
            StateError: the state that was loaded is another process's.
        """
        self._had = _Had(iter(self.batches))
        return LoadedBatches(self, self._had)

    @property
    def epoch(self) -> int:
        """The epoch that the next pass reads, from 0."""
        return self.batches.epoch

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass read this epoch; see `WindowBatches.set_epoch`."""
        self.batches.set_epoch(epoch)
        if self._had is not None and self._had.passing.epoch != epoch:
            self._had = None

    def state_dict(self) -> State:
        """The state after the batch that the last pass gave last, or of the next pass if there was none."""
        return self.batches.state_dict() if self._had is None else self._had.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Makes the next pass continue where the state was saved; see `WindowBatches.load_state_dict`."""
        self.batches.load_state_dict(state)
        self._had = None

    def check_rate(self, batch: Any) -> None:
        """Refuses audio of another rate than that at which the samples of a batch were planned.

        Raises:
            ValueError: it has another one, and the budget is one of samples.
        """
        config = self.batches.config
        counts_samples = config.max_num_elements is not None or bool(config.given_buckets)
        if counts_samples and isinstance(batch, Batch) and batch.sample_rate not in (0, config.sample_rate):
            raise ValueError(
                f"the audio has {batch.sample_rate} Hz, and batches were planned for samples at {config.sample_rate} "
                f"Hz, so they have another size than was asked for; give WindowBatches sample_rate={batch.sample_rate}"
            )

    def read(self, tokens: list[Token]) -> Any:
        """One batch, read here and now."""
        return read_batch(self.windows, tokens, self._collate)

    def ahead(self, tokens: list[Token]) -> Ahead:
        """One batch that a thread begins to read."""
        return Ahead(self.windows, tokens, self._collate)


class _Coming:
    """A batch that was not given yet; or the error that came in its place."""

    def __init__(self, tokens: list[Token], error: Exception | None = None):
        self.tokens, self.error = tokens, error
        self.ahead: Ahead | None = None


class LoadedBatches(Iterator[Any]):
    """One pass over the batches of a rank. `iter(loader)` makes it.

    Attributes:
        epoch: the epoch that it reads, from 0.
    """

    def __init__(self, loader: BatchLoader, had: _Had):
        self.epoch = had.passing.epoch
        self._loader, self._had = loader, had
        self._coming: deque[_Coming] = deque()
        self._is_closed = False
        self._pid = os.getpid()

    def __next__(self) -> Any:
        """The next batch.

        Raises:
            WindowError, OSError, ValueError: it cannot be read, or made. The next call tries the same batch again.
            RuntimeError: `collate` raised StopIteration, which would look like the end of the epoch.
        """
        if self._is_closed:
            raise StopIteration
        if self._pid != os.getpid():  # a fork does not take the threads along
            self._pid = os.getpid()
            for coming in self._coming:
                coming.ahead = None
        self._begin(max(1, self._loader.num_prefetch))
        if not self._coming:
            raise StopIteration
        try:
            batch = self._first()
            self._loader.check_rate(batch)
        except StopIteration as error:
            self._stop()
            raise RuntimeError("collate, or a function that it calls, raised StopIteration") from error
        except BaseException:
            self._stop()
            raise
        self._begin(self._loader.num_prefetch + 1)
        self._coming.popleft()
        self._had.count += 1
        return batch

    def __len__(self) -> int:
        """Number of batches that are still to come."""
        return len(self._had.passing) + sum(coming.error is None for coming in self._coming)

    def state_dict(self) -> State:
        """The state after the batch that was returned last; see `WindowBatches.load_state_dict`."""
        return self._had.state_dict()

    def close(self) -> None:
        """Ends the pass. Threads stop after the window that they are at."""
        self._is_closed = True
        if self._pid == os.getpid():
            self._stop()
        self._coming.clear()

    def __del__(self) -> None:
        self.close()

    def _begin(self, count: int) -> None:
        """Has so many batches on their way."""
        while len(self._coming) < count and not (self._coming and self._coming[-1].error):
            try:
                self._coming.append(_Coming(next(self._had.passing)))
            except StopIteration:
                break
            except Exception as error:
                self._coming.append(_Coming([], error))
        if self._loader.num_prefetch and threads_may_start():
            for coming in self._coming:
                if coming.ahead is None and coming.error is None:
                    coming.ahead = self._loader.ahead(coming.tokens)

    def _first(self) -> Any:
        """The batch that comes next. It stays among those that come."""
        coming = self._coming[0]
        if coming.error is not None:
            self._coming.popleft()
            raise coming.error
        if coming.ahead is not None:
            try:
                return coming.ahead.result()
            except CancelledError:  # the program ends, and one of its threads still reads
                coming.ahead = None
        return self._loader.read(coming.tokens)

    def _stop(self) -> None:
        """Has threads stop. What they have read already is kept."""
        for coming in self._coming:
            if coming.ahead is not None and not coming.ahead.stop():
                coming.ahead = None


def _refuse_other_sources(batches: WindowBatches, windows: Windows) -> None:
    """Tokens of one index would name other windows of another."""
    found = [source.index.fingerprint for source in batches.sources]
    if found == [source.index.fingerprint for source in windows.sources]:
        return
    if len(batches.sources) != len(windows.sources):
        what = f"{len(batches.sources)} and {len(windows.sources)}"
    else:
        what = next(
            f"source {number} has other windows"
            for number, source in enumerate(windows.sources)
            if source.index.fingerprint != found[number]
        )
    raise SourceError(f"batches and windows have different sources ({what}); give both the same, in the same order")
