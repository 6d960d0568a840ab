"""The state of a loader: a small JSON object. Loading one that does not fit is an error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from alm_beam.loader.batching import batch_state
from alm_beam.loader.partition import Partition
from alm_beam.loader.plan import Plan, PlannedSource
from alm_beam.loader.ranges import RangesLeft
from alm_beam.loader.remainder import Remainder, part_size
from alm_beam.loader.sources import Source
from alm_beam.loader.state_format import (
    FORMAT,
    VERSION,
    FieldFault,
    State,
    StateError,
    StateFields,
    parsed,
    shortened,
    some,
    with_checksum,
)
from alm_beam.loader.stored_plan import StoredPlan

__all__ = ["Progress", "State", "StateError", "check_state", "merge_states", "progress_of", "state_of"]

_SAME_FOR_A_LOADER = ("seed", "shuffle", "repeat", "order", "shuffle_window", "sources", "layouts")
_SAME_FOR_ALL_PARTS = ("version", *_SAME_FOR_A_LOADER, "epoch", "left", "world_size", "num_workers")
_OF_ONE_ORDER = ("shuffle_window", "layouts")
"""Fields that states of order "shards" have."""

_ONLY_WHERE_GIVEN = ("corpus", "language")
"""Fields of a source that states lacked before there were any."""

_SNAPSHOT_AGE = "_steps_since_snapshot"
_MAX_DEPTH = 64


@dataclass(frozen=True)
class Progress:
    """How far a process has read in an epoch.

    Attributes:
        epoch: number of the epoch.
        left: what was left of the epoch when the run began.
        partition: the process's part of that.
        read: how many windows of its part it has read.
    """

    epoch: int
    left: Remainder | RangesLeft
    partition: Partition
    read: int


def state_of(progress: Progress, plan: Plan | StoredPlan, sources: Iterable[Source]) -> State:
    """The state of one process."""
    return with_checksum(
        {
            "format": FORMAT,
            "version": VERSION,
            **_identity(plan, sources),
            "epoch": progress.epoch,
            "left": [{"start": run.start, "read": list(run.read)} for run in progress.left.runs],
            "world_size": progress.partition.world_size,
            "num_workers": progress.partition.workers,
            "positions": {str(progress.partition.part): progress.read},
        }
    )


def check_state(state: Any, plan: Plan | StoredPlan, sources: Iterable[Source]) -> None:
    """Compares a state with what is to be read.

    Raises:
        StateError: a field is missing, unknown, malformed, was changed since, or differs from the plan's.
    """
    faults = _faults(state, plan, sources)
    if faults:
        raise StateError.of("the state does not fit:", faults)


def _faults(state: Any, plan: Plan | StoredPlan, sources: Iterable[Source]) -> list[str]:
    """Why a state does not fit, a line for each field."""
    try:
        fields = parsed(state)
    except FieldFault as fault:
        return [str(fault)]
    faults = _all_differences(_SAME_FOR_A_LOADER, state, _identity(plan, sources))
    if faults:
        return faults
    if not fields.remainder.fits(plan.size):
        return [f"left: {shortened(state['left'])} cannot be left of an epoch of {plan.size} windows"]
    count = fields.remainder.count(plan.size)
    return [
        f"positions: {read} windows of part {part} were read, and it has {part_size(count, int(part), fields.parts)}"
        for part, read in fields.windows_read.items()
        if read > part_size(count, int(part), fields.parts)
    ]


def progress_of(state: State, partition: Partition) -> Progress:
    """Where a process of a new run begins, given a state that `check_state` accepts.

    With as many ranks and workers as in the state, each process continues its own part. With another number, the
    windows that all processes together have not read are divided among the new ones, in the same order.

    Raises:
        StateError: the part of this process is not in the state; or, with another number of ranks or workers, a part
            of the earlier run is not.
    """
    fields = msgspec.convert(state, StateFields)
    windows_read = fields.windows_read
    if fields.parts == partition.parts and str(partition.part) in windows_read:
        return Progress(fields.epoch, fields.remainder, partition, windows_read[str(partition.part)])
    missing, there = fields.missing_parts(), some(windows_read, len(windows_read))
    if missing:
        raise StateError(
            "the state does not fit:\n"
            f"world_size, num_workers: {fields.world_size}, {fields.num_workers} in the state, "
            f"{partition.world_size}, {partition.workers} here (part {partition.part})\n"
            f"positions: only part {there} is in the state, part {missing} is missing; to "
            "continue with another number of ranks or workers, load merge_states(...) of the states of all"
        )
    left = fields.remainder.after([windows_read[str(part)] for part in range(fields.parts)])
    return Progress(fields.epoch, left, partition, 0)


def merge_states(states: Any) -> State:
    """One state of all processes of a checkpoint, from which any number of ranks and workers can continue.

    Args:
        states: the states of all ranks and workers, saved at the same step. They may be nested in lists and
            dictionaries of any depth, as torchdata's StatefulDataLoader nests them.

    Raises:
        StateError: there is no state, one is missing, or they are not of one run and epoch.

    >>> from alm_beam.loader import Partition, WindowLoader, merge_states
    >>> ranks = [WindowLoader(windows, partition=Partition(rank, world_size=2)) for rank in range(2)]
    >>> first = [next(iter(rank))["id"] for rank in ranks]
    >>> state = merge_states([rank.state_dict() for rank in ranks])
    >>> loader = WindowLoader(windows)  # one rank instead of two
    >>> loader.load_state_dict(state)
    >>> rest = [window["id"] for window in loader]
    >>> len(first), len(rest), set(first) & set(rest)
    (2, 6, set())
    """
    found = list(_found(states))
    if not found:
        raise StateError("there is no state of a loader in what was given")
    if found[0]["format"] == batch_state.FORMAT:
        return batch_state.merged(found)
    merged = found[0]
    windows_read: dict[str, int] = {}
    for state in found:
        try:
            fields = parsed(state)
        except FieldFault as fault:
            faults = [str(fault)]
        else:
            faults = _all_differences(_SAME_FOR_ALL_PARTS, state, merged)
        if faults:
            raise StateError.of("the states are not of one run:", faults)
        for part, read in fields.windows_read.items():
            if windows_read.setdefault(part, read) != read:
                raise StateError(f"positions: part {part} is there twice, with {windows_read[part]} and {read} read")
    missing = msgspec.structs.replace(fields, windows_read=windows_read).missing_parts()
    if missing:
        raise StateError(
            f"positions: of {fields.parts} parts (world_size {fields.world_size}, num_workers {fields.num_workers}), "
            f"the state of part {missing} is missing"
        )
    positions = {str(part): windows_read[str(part)] for part in range(fields.parts)}
    return with_checksum({**merged, "version": VERSION, "positions": positions})


def _found(value: Any, depth: int = 0) -> Iterable[State]:
    """The states of loaders in a value, at any depth that something real has."""
    if depth > _MAX_DEPTH:
        raise StateError(f"what was given is nested more than {_MAX_DEPTH} levels deep: it holds no states of loaders")
    if isinstance(value, Mapping):
        if isinstance(value.get("format"), str) and value["format"] in (FORMAT, batch_state.FORMAT):
            yield dict(value)
            return
        if value.get(_SNAPSHOT_AGE):
            raise StateError(
                f"{_SNAPSHOT_AGE} is {shortened(value[_SNAPSHOT_AGE])}: the state of the StatefulDataLoader is older "
                "than the last batch; make it with snapshot_every_n_steps=1"
            )
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for each in value:
        yield from _found(each, depth + 1)


def sources_of(planned: Iterable[PlannedSource], sources: Iterable[Source]) -> list[dict[str, Any]]:
    """What a state holds of the sources."""
    return [_of_source(*each) for each in zip(planned, sources)]


def _identity(plan: Plan | StoredPlan, sources: Iterable[Source]) -> State:
    of_sources = sources_of(plan.sources, sources)
    found = {"seed": plan.seed, "shuffle": plan.shuffle, "repeat": plan.repeat, "sources": of_sources}
    if isinstance(plan, StoredPlan):
        found.update(order="shards", shuffle_window=plan.shuffle_window, layouts=list(plan.layouts))
    return found


def _of_source(planned: PlannedSource, source: Source) -> State:
    found = {
        "fingerprint": planned.fingerprint,
        "label": source.label,
        "rows": planned.rows,
        "weight": planned.weight,
        "corpus": source.corpus,
        "language": source.language,
    }
    return {name: value for name, value in found.items() if value is not None or name not in _ONLY_WHERE_GIVEN}


def _all_differences(names: Iterable[str], state: State, other: State) -> list[str]:
    """A line for each field that differs. Fields that only one order has say nothing where the orders differ."""
    orders = [each.get("order", "windows") for each in (state, other)]
    faults = []
    for name in names:
        if name == "order":
            faults += _differences(name, *orders)
        elif name not in _OF_ONE_ORDER or orders == ["shards", "shards"]:
            faults += _differences(name, state[name], other[name])
    return faults


def _differences(name: str, found: Any, expected: Any) -> list[str]:
    """A line for each field that differs."""
    if found == expected:
        return []
    if name == "layouts" and len(found) == len(expected):
        why = "the windows stand in other files"
        return [
            f"layouts[{number}]: {shortened(one)} in the state, {shortened(other)} here: {why}"
            for number, (one, other) in enumerate(zip(found, expected))
            if one != other
        ]
    if name != "sources" or not isinstance(found, list):
        return [f"{name}: {shortened(found)} in the state, {shortened(expected)} here"]
    if len(found) != len(expected):
        return [f"sources: {len(found)} in the state, {len(expected)} here"]
    return [
        f"sources[{number}].{field}: {shortened(one.get(field))} in the state, {shortened(other.get(field))} here"
        for number, (one, other) in enumerate(zip(found, expected))
        for field in {**other, **one}
        if one.get(field) != other.get(field)
    ]
