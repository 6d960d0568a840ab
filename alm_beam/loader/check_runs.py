"""The processes of `alm-beam check-loader`: one for each rank and worker, each started afresh."""

import importlib
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from alm_beam.loader.check_findings import FlagFault
from alm_beam.loader.partition import Partition
from alm_beam.loader.permutation import Positions
from alm_beam.loader.sources import Source
from alm_beam.storage.connections import StorageOptions

_PROCESSES_AT_A_TIME = 8

_IDS = 64
"""The ids of so many windows are kept, from the first of a pass on."""


@dataclass(frozen=True)
class LoaderRecipe:
    """How a loader is made, in any process.

    Attributes:
        factory: `module:function`; the function is called as `WindowLoader` is.
        sources: what the loader reads.
        seed: of the loader.
        repeat: of the loader.
        options: fsspec's; the function is given them as `storage_options`, if there are any.
        folder: also searched for the module, after Python's path.
        order: of the loader; the function is given it and `shuffle_window` if it is not "windows".
        shuffle_window: of the loader.
        batching: more arguments of the function, by name: those of planned batches.
    """

    factory: str
    sources: tuple[Source, ...]
    seed: int
    repeat: bool
    options: StorageOptions
    folder: str
    order: str = "windows"
    shuffle_window: int = 1024
    batching: Mapping[str, Any] = field(default_factory=dict)

    def loader(self, partition: Partition | None) -> Any:
        """A loader in this process.

        Raises:
            FlagFault: there is no such function, or it cannot be called as `WindowLoader` is.
            ImportError, OSError, ValueError: it found something wrong.
        """
        with _also_importing_from(self.folder):
            make = self._function()
            more: dict[str, Any] = dict(self.batching)
            if self.options:
                more["storage_options"] = self.options
            if self.order != "windows":
                more.update(order=self.order, shuffle_window=self.shuffle_window)
            try:
                return make(list(self.sources), seed=self.seed, repeat=self.repeat, partition=partition, **more)
            except (ImportError, OSError, ValueError):
                raise
            except Exception as error:
                raise FlagFault(f"--loader={self.factory}: {type(error).__name__}: {error}") from error

    def _function(self) -> Callable[..., Any]:
        module, _, name = self.factory.partition(":")
        try:
            make: Callable[..., Any] | None = getattr(importlib.import_module(module), name, None)
        except Exception as error:  # of any kind: the module is the user's
            raise FlagFault(f"--loader={self.factory}: {type(error).__name__}: {error}") from error
        if make is None or not callable(make):
            raise FlagFault(f"--loader={self.factory}: {module} has no function {name!r}")
        return make


@contextmanager
def _also_importing_from(folder: str) -> Iterator[None]:
    """Adds a folder to Python's path, at its end: a clone of this repository in it must not hide this package."""
    before = list(sys.path)
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path[:] = before


@dataclass(frozen=True)
class PassRequest:
    """One pass for a process to make, and what it does before.

    Attributes:
        epoch: the epoch to set; None: the one that comes next.
        state: the state to load, as JSON.
        limit: how many windows, or batches, to read at most.
        saves: whether to save states, at the places that `saving_places` gives.
        places: after how many batches to save states.
    """

    epoch: int | None = None
    state: str | None = None
    limit: int = 0
    saves: bool = False
    places: tuple[int, ...] = ()


@dataclass
class PassResult:
    """What a process read in a pass.

    Attributes:
        tokens: source and row of each window, in the order of reading: int64, shape (windows, 2).
        states: the saved states as JSON, by the number of windows read before.
        loaded: the state right after loading one, as JSON.
        error: what was raised; empty if nothing was.
        ids: the `id` of the first windows, by the number of windows read before. None: what was read is no window
            (the loader made something else of it).
        sizes: windows of each batch.
        buckets: number of the bucket of each batch.
        due: how many batches the epoch was said to have for the process.
    """

    tokens: Positions
    states: dict[int, str]
    loaded: str = ""
    error: str = ""
    ids: dict[int, Any] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    buckets: list[int] = field(default_factory=list)
    due: int = 0

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The tokens as pairs of source and row."""
        return [(int(source), int(row)) for source, row in self.tokens]


class Worker(NamedTuple):
    """A process that reads: a rank's worker, or the rank itself where it has none."""

    rank: int
    worker: int

    def __str__(self) -> str:
        return f"rank {self.rank} worker {self.worker}"


Results: TypeAlias = dict[Worker, list[PassResult]]
"""For each process the results of its passes."""

PassReader: TypeAlias = Callable[[Any, PassRequest], PassResult]
"""Makes a pass of a loader, in a process of its own."""

_KEPT_AS_THEY_ARE = ("loaded", "error", "sizes", "buckets", "due")
"""What of a result JSON gives back as it is."""


class _Job(NamedTuple):
    """What a process is started with."""

    recipe: LoaderRecipe
    partition: Partition | None
    passes: tuple[PassRequest, ...]
    environment: dict[str, str]
    read: PassReader


def saving_places(size: int) -> list[int]:
    """After how many windows states are saved: none, one, half, all but one, all.

    >>> saving_places(10)
    [0, 1, 5, 9, 10]
    """
    return sorted({place for place in (0, 1, size // 2, size - 1, size) if 0 <= place <= size})


def workers_of(world_size: int, num_workers: int) -> list[Worker]:
    """All processes that read."""
    return [Worker(rank, worker) for rank in range(world_size) for worker in range(num_workers or 1)]


def run_workers(
    recipe: LoaderRecipe,
    world_size: int,
    num_workers: int,
    passes: Callable[[Worker], Sequence[PassRequest]],
    read: PassReader | None = None,
) -> Results:
    """Makes the passes of each rank and worker, in a new process for each.

    Args:
        recipe: how the loader is made.
        world_size: number of ranks.
        num_workers: workers of each rank; 0: the rank itself reads.
        passes: for each process.
        read: makes a pass; None: `read_windows`.
    """
    return _run(
        {
            each: _Job(
                recipe,
                Partition(each.rank, world_size, each.worker, num_workers),
                tuple(passes(each)),
                {},
                read or read_windows,
            )
            for each in workers_of(world_size, num_workers)
        }
    )


def run_alone(
    recipe: LoaderRecipe,
    partition: Partition | None,
    passes: Sequence[PassRequest],
    environment: Mapping[str, str],
    read: PassReader | None = None,
) -> list[PassResult]:
    """Makes passes in one new process, which has the given variables in its environment; see `run_workers`."""
    alone = Worker(0, 0)
    job = _Job(recipe, partition, tuple(passes), dict(environment), read or read_windows)
    return _run({alone: job})[alone]


def _run(jobs: Mapping[Worker, _Job]) -> Results:
    context = multiprocessing.get_context("spawn")
    results: Results = {}
    with tempfile.TemporaryDirectory() as folder:
        waiting = list(jobs)
        while waiting:
            now, waiting = waiting[:_PROCESSES_AT_A_TIME], waiting[_PROCESSES_AT_A_TIME:]
            processes = [context.Process(target=_work, args=(jobs[each], str(_file(folder, each)))) for each in now]
            for process in processes:
                process.start()
            for each, process in zip(now, processes):
                process.join()
                ended = f"the process ended with code {process.exitcode}"
                results[each] = _written_results(_file(folder, each), len(jobs[each].passes), ended)
    return results


def _file(folder: str, worker: Worker) -> Path:
    return Path(folder, f"{worker.rank}-{worker.worker}")


def _written_results(file: Path, count: int, otherwise: str) -> list[PassResult]:
    """The results that a process wrote; `otherwise` is the error of those that are missing."""
    results = []
    for number in range(count):
        path = file.with_name(f"{file.name}-{number}.npz")
        if path.exists():
            with np.load(path) as saved:
                notes = json.loads(str(saved["notes"]))
                states, ids = ({int(place): each for place, each in notes[of].items()} for of in ("states", "ids"))
                same = {name: notes[name] for name in _KEPT_AS_THEY_ARE}
                results.append(PassResult(saved["tokens"], states=states, ids=ids, **same))
        else:
            results.append(_failed(otherwise))
    return results


def _work(job: _Job, file: str) -> None:
    """What a process does. It writes a file for each pass."""
    os.environ.update(job.environment)
    sys.path.append(job.recipe.folder)  # for what the loader imports later
    loader: Any = None
    for number, request in enumerate(job.passes):
        try:
            loader = job.recipe.loader(job.partition) if loader is None else loader
            result = job.read(loader, request)
        except Exception as error:  # of any kind: errors are what is looked for
            result = _failed(f"{type(error).__name__}: {error}")
        notes = {name: getattr(result, name) for name in ("states", "ids", *_KEPT_AS_THEY_ARE)}
        partial = Path(f"{file}-{number}.partial.npz")
        np.savez(partial, tokens=result.tokens, notes=np.array(json.dumps(notes)))
        partial.rename(f"{file}-{number}.npz")


def _failed(error: str) -> PassResult:
    return PassResult(np.empty((0, 2), np.int64), {}, "", error)


def prepared(loader: Any, request: PassRequest) -> str:
    """Makes a loader ready for a pass, and gives the state right after loading one, as JSON; empty if none is."""
    loaded = ""
    if request.state is not None:
        loader.load_state_dict(json.loads(request.state))
        loaded = json.dumps(loader.state_dict())
    if request.epoch is not None:
        loader.set_epoch(request.epoch)
    return loaded


def read_windows(loader: Any, request: PassRequest) -> PassResult:
    """Makes a pass over windows."""
    loaded = prepared(loader, request)
    limit = min(request.limit, len(loader)) if request.saves else request.limit
    wanted = saving_places(limit) if request.saves else []
    states: dict[int, str] = {}
    ids: dict[int, Any] = {}
    tokens: list[tuple[int, int]] = []
    windows = iter(loader)
    error = ""
    while True:
        if len(tokens) in wanted:
            states[len(tokens)] = json.dumps(loader.state_dict())
        if len(tokens) >= request.limit:
            break
        try:
            window = next(windows)
        except StopIteration:
            break
        except Exception as fault:
            error = f"{type(fault).__name__}: {fault}"
            break
        if len(tokens) < _IDS:
            ids[len(tokens)] = window.get("id") if isinstance(window, dict) else None
        source, row = windows.token
        tokens.append((int(source), int(row)))
    return PassResult(np.array(tokens, np.int64).reshape(-1, 2), states, loaded, error, ids)
