"""What a check of a loader has its ranks and workers do, each in a fresh process."""

import importlib
import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from alm_beam.loader.partition import Partition
from alm_beam.loader.permutation import Positions
from alm_beam.loader.sources import Source
from alm_beam.storage.options import StorageOptions, use

_AT_A_TIME = 8

_IDS = 64
"""Windows of a pass, the first ones, whose ids are looked at."""


@dataclass(frozen=True)
class Made:
    """How a loader is made.

    Attributes:
        factory: `module:function`, which is called as `WindowLoader` is.
        sources: what it reads.
        seed: of the loader.
        repeat: of the loader.
        options: fsspec's.
    """

    factory: str
    sources: tuple[Source, ...]
    seed: int
    repeat: bool
    options: StorageOptions = field(default_factory=dict)

    def loader(self, partition: Partition | None) -> Any:
        """A loader in this process."""
        module, _, name = self.factory.partition(":")
        make = getattr(importlib.import_module(module), name)
        return make(list(self.sources), seed=self.seed, repeat=self.repeat, partition=partition)


@dataclass(frozen=True)
class Pass:
    """One pass to make, and what to do before.

    Attributes:
        epoch: to set; None: whichever comes.
        state: to load, as JSON.
        limit: how many windows to read at most.
        saves: whether to save states at the places that `places` gives.
    """

    epoch: int | None = None
    state: str | None = None
    limit: int = 0
    saves: bool = False


@dataclass
class Read:
    """What came of a pass.

    Attributes:
        tokens: source and row of each window, in order: int64, (windows, 2).
        states: as JSON, by how many windows had been read.
        loaded: the state right after loading one, as JSON.
        error: what was raised; empty if nothing was.
        ids: by how many windows came before, the `id` of some; None for what is no window, but was made of one.
    """

    tokens: Positions
    states: dict[int, str]
    loaded: str = ""
    error: str = ""
    ids: dict[int, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[tuple[int, int]]:
        """The tokens as pairs."""
        return [(int(source), int(row)) for source, row in self.tokens]


Cells: TypeAlias = dict[tuple[int, int], list[Read]]
"""By rank and worker, what came of each of its passes."""


def places(size: int) -> list[int]:
    """Where states are saved: before the first window, after it, in the middle, before the last, after it."""
    return sorted({place for place in (0, 1, size // 2, size - 1, size) if 0 <= place <= size})


def topology(world_size: int, num_workers: int) -> list[tuple[int, int]]:
    """All ranks and workers."""
    return [(rank, worker) for rank in range(world_size) for worker in range(num_workers or 1)]


def run_cells(
    made: Made, world_size: int, num_workers: int, passes: Callable[[tuple[int, int]], Sequence[Pass]]
) -> Cells:
    """Makes the passes of each rank and worker, in a process that nothing else has run in."""
    jobs: dict[tuple[int, int], tuple[Any, ...]] = {
        cell: (made, Partition(cell[0], world_size, cell[1], num_workers), tuple(passes(cell)), {})
        for cell in topology(world_size, num_workers)
    }
    return _run(jobs)


def run_alone(
    made: Made, partition: Partition | None, passes: Sequence[Pass], environment: Mapping[str, str]
) -> list[Read]:
    """Makes passes in one process, with variables of its environment set."""
    return _run({(0, 0): (made, partition, tuple(passes), dict(environment))})[0, 0]


def _run(jobs: Mapping[tuple[int, int], tuple[Any, ...]]) -> Cells:
    context = multiprocessing.get_context("spawn")
    found: Cells = {}
    with tempfile.TemporaryDirectory() as folder:
        waiting = list(jobs)
        while waiting:
            now, waiting = waiting[:_AT_A_TIME], waiting[_AT_A_TIME:]
            processes = [context.Process(target=_cell, args=(*jobs[cell], str(_file(folder, cell)))) for cell in now]
            for process in processes:
                process.start()
            for cell, process in zip(now, processes):
                process.join()
                count = len(jobs[cell][2])
                found[cell] = _results(_file(folder, cell), count, f"the process ended with code {process.exitcode}")
    return found


def _file(folder: str, cell: tuple[int, int]) -> Path:
    return Path(folder, f"{cell[0]}-{cell[1]}")


def _results(file: Path, count: int, otherwise: str) -> list[Read]:
    reads = []
    for number in range(count):
        path = file.with_name(f"{file.name}-{number}.npz")
        if path.exists():
            with np.load(path) as saved:
                notes = json.loads(str(saved["notes"]))
                states, ids = ({int(place): each for place, each in notes[of].items()} for of in ("states", "ids"))
                reads.append(Read(saved["tokens"], states, notes["loaded"], notes["error"], ids))
        else:
            reads.append(Read(np.empty((0, 2), np.int64), {}, "", otherwise))
    return reads


def _cell(
    made: Made, partition: Partition | None, passes: Sequence[Pass], environment: Mapping[str, str], file: str
) -> None:
    """What the process of a rank's worker does."""
    os.environ.update(environment)
    use(made.options)
    loader: Any = None
    for number, each in enumerate(passes):
        try:
            loader = made.loader(partition) if loader is None else loader
            read = _made_pass(loader, each)
        except Exception as error:  # of any kind: it is what is found out
            read = Read(np.empty((0, 2), np.int64), {}, "", f"{type(error).__name__}: {error}")
        notes = json.dumps({"states": read.states, "loaded": read.loaded, "error": read.error, "ids": read.ids})
        partial = Path(f"{file}-{number}.partial.npz")
        np.savez(partial, tokens=read.tokens, notes=np.array(notes))
        partial.rename(f"{file}-{number}.npz")


def _made_pass(loader: Any, each: Pass) -> Read:
    loaded = ""
    if each.state is not None:
        loader.load_state_dict(json.loads(each.state))
        loaded = json.dumps(loader.state_dict())
    if each.epoch is not None:
        loader.set_epoch(each.epoch)
    limit = min(each.limit, len(loader)) if each.saves else each.limit
    wanted = places(limit) if each.saves else []
    states: dict[int, str] = {}
    ids: dict[int, Any] = {}
    tokens: list[tuple[int, int]] = []
    windows = iter(loader)
    error = ""
    while True:
        if len(tokens) in wanted:
            states[len(tokens)] = json.dumps(loader.state_dict())
        if len(tokens) >= each.limit:
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
    return Read(np.array(tokens, np.int64).reshape(-1, 2), states, loaded, error, ids)
