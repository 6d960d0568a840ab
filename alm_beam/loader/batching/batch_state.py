"""The state of planned batches: a small JSON object. Loading one that does not fit is an error."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeAlias

import msgspec
from xxhash import xxh3_64_hexdigest

from alm_beam.loader.batching.plan_config import PlanConfig
from alm_beam.loader.epochs import END_OF_EPOCHS
from alm_beam.loader.partition import MAX_RANKS, MAX_WORKERS, Partition
from alm_beam.loader.state_format import FieldFault, State, StateError, encoded, named_field, shortened

FORMAT = "alm_beam.batches"
VERSION = 1

_MOST_RUNS = 4096

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=END_OF_EPOCHS)]
_WorldSize: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MAX_RANKS)]
_NumWorkers: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_WORKERS)]


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of an epoch that was read with one number of ranks.

    Attributes:
        world_size: number of ranks.
        num_workers: workers of each rank, as they were at its end; 0: the rank itself.
        steps: how many batches each rank had.
    """

    world_size: _WorldSize
    num_workers: _NumWorkers
    steps: _Count


class _Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    version: int
    identity: dict[str, Any]
    epoch: Annotated[int, msgspec.Meta(ge=0, lt=END_OF_EPOCHS)]
    runs: Annotated[list[Run], msgspec.Meta(max_length=_MOST_RUNS)]
    world_size: _WorldSize
    num_workers: _NumWorkers
    step: _Count
    read: Annotated[
        dict[Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,2})\Z")], _Count], msgspec.Meta(min_length=1)
    ]
    checksum: str

    @property
    def workers(self) -> int:
        """How many processes read for a rank."""
        return self.num_workers or 1


@dataclass(frozen=True)
class BatchProgress:
    """How far a process is in an epoch.

    Attributes:
        epoch: number of the epoch.
        runs: those that ended earlier in the epoch, with other numbers of ranks.
        partition: of the process, with the ranks of the current run.
        step: steps of the current run before the workers of this process began to count.
        read: how many batches this worker had since.
    """

    epoch: int
    runs: tuple[Run, ...]
    partition: Partition
    step: int
    read: int


def state_of(progress: BatchProgress, identity: Mapping[str, Any]) -> State:
    """The state of one process. Where a rank has no workers that make batches, `read` is 0, and `step` holds all."""
    partition = progress.partition
    alone = partition.workers == 1
    return _with_checksum(
        {
            "format": FORMAT,
            "version": VERSION,
            "identity": dict(identity),
            "epoch": progress.epoch,
            "runs": [msgspec.to_builtins(run) for run in progress.runs],
            "world_size": partition.world_size,
            "num_workers": partition.num_workers or 0,
            "step": progress.step + progress.read if alone else progress.step,
            "read": {str(partition.worker or 0): 0 if alone else progress.read},
        }
    )


def identity_of(
    sources: Sequence[Mapping[str, Any]], config: PlanConfig, *, seed: int, shuffle: bool, repeat: bool
) -> dict[str, Any]:
    """What has to be the same for a state to fit: the windows and all that their batches depend on."""
    batching = asdict(config)
    if not isinstance(config.buckets, int):
        batching["buckets"] = [list(each) if isinstance(each, tuple) else each for each in config.buckets]
    return {"seed": seed, "shuffle": shuffle, "repeat": repeat, "batching": batching, "sources": list(sources)}


def check_state(state: Any, identity: Mapping[str, Any]) -> None:
    """Compares a state with what is to be read.

    Raises:
        StateError: a field is missing, unknown, malformed, was changed since, or differs.
    """
    try:
        fields = _parsed(state)
    except FieldFault as fault:
        raise StateError.of("the state does not fit:", [str(fault)]) from None
    faults = _differences("", fields.identity, identity)
    if faults:
        raise StateError.of("the state does not fit:", faults)


def progress_of(state: State, partition: Partition) -> BatchProgress:
    """Where a process begins, given a state that `check_state` accepts.

    With as many ranks as in the state, the planned steps go on: after a state of all workers, with that of the first
    one. With another number of ranks, the windows that are left are planned anew.

    Raises:
        StateError: the state is that of one worker, and the numbers of ranks or workers are others here.
    """
    fields = _parsed(state)
    worker = str(partition.worker or 0)
    is_same = (fields.world_size, fields.workers) == (partition.world_size, partition.workers)
    if is_same and worker in fields.read and len(fields.read) < fields.workers:
        return BatchProgress(fields.epoch, tuple(fields.runs), partition, fields.step, fields.read[worker])
    run = Run(fields.world_size, fields.num_workers, _steps(fields))
    if run.world_size == partition.world_size:
        return BatchProgress(fields.epoch, tuple(fields.runs), partition, run.steps, 0)
    runs = (*fields.runs, run) if run.steps else tuple(fields.runs)
    return BatchProgress(fields.epoch, runs, partition, 0, 0)


def merged(states: Sequence[State]) -> State:
    """One state of the workers of a rank, or of all ranks.

    Raises:
        StateError: they are not of one run and step.
    """
    read: dict[str, int] = {}
    for state in states:
        try:
            fields = _parsed(state)
        except FieldFault as fault:
            raise StateError.of("the states are not of one run:", [str(fault)]) from None
        same = {name: each for name, each in state.items() if name not in ("read", "checksum")}
        first = {name: each for name, each in states[0].items() if name not in ("read", "checksum")}
        faults = _differences("", same, first)
        for worker, count in fields.read.items():
            if read.setdefault(worker, count) != count:
                faults.append(f"read: worker {worker} is there twice, with {read[worker]} and {count} batches read")
        if faults:
            raise StateError.of("the states are not of one run and step:", faults)
    merged = _with_checksum({**states[0], "read": read})
    _steps(_parsed(merged))
    return merged


def _steps(fields: _Fields) -> int:
    """The steps that were read of the current run.

    Raises:
        StateError: a worker is missing, or the workers have not taken turns.
    """
    counts = [fields.read.get(str(worker), -1) for worker in range(fields.workers)]
    if -1 in counts:
        raise StateError(
            f"read: the state of worker {counts.index(-1)} of {fields.workers} is missing; to continue with another "
            "number of ranks or workers, load merge_states(...) of the states of all workers of a rank"
        )
    total = sum(counts)
    due = [-((worker - total) // fields.workers) for worker in range(fields.workers)]
    if counts != due:
        raise StateError(
            f"read: {counts} batches of the workers, who take turns and must have had {due}; save the states of all "
            "workers after the same batch"
        )
    return fields.step + total


def _parsed(state: Any) -> _Fields:
    if not isinstance(state, Mapping):
        raise FieldFault(f"Expected `object`, got `{type(state).__name__}`")
    if (state.get("format"), state.get("version")) != (FORMAT, VERSION):
        found = f"format {shortened(state.get('format'))}, version {shortened(state.get('version'))}"
        raise FieldFault(f"format, version: {found} in the state, {FORMAT!r}, {VERSION} here")
    try:
        fields = msgspec.convert(state, _Fields)
    except msgspec.ValidationError as error:
        raise FieldFault(named_field(error)) from None
    unknown = [worker for worker in fields.read if int(worker) >= fields.workers]
    if unknown:
        raise FieldFault(f"read: there is no worker {unknown[0]} of {fields.workers}")
    if fields.checksum != _checksum(state):
        raise FieldFault(
            "checksum: is that of other fields: the state was changed after it was saved; load another one"
        )
    return fields


def _with_checksum(state: State) -> State:
    return {**state, "checksum": _checksum(state)}


def _checksum(state: Mapping[str, Any]) -> str:
    return xxh3_64_hexdigest(encoded({name: each for name, each in state.items() if name != "checksum"}).encode())


def _differences(where: str, found: Any, expected: Any) -> list[str]:
    """A line for each value that differs, with its place."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        names = [*expected, *(name for name in found if name not in expected)]
        dot = "." if where else ""
        return [
            line for name in names for line in _differences(f"{where}{dot}{name}", found.get(name), expected.get(name))
        ]
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = enumerate(zip(found, expected))
        return [line for number, pair in pairs for line in _differences(f"{where}[{number}]", *pair)]
    return [] if found == expected else [f"{where}: {shortened(found)} in the state, {shortened(expected)} here"]
