"""The state of a loader: a small JSON value, refused wherever it does not fit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from alm_beam.loader.epochs import END_OF_EPOCHS
from alm_beam.loader.partition import Partition
from alm_beam.loader.plan import Plan
from alm_beam.loader.remainder import Deal, Remainder, part_size

State: TypeAlias = dict[str, Any]
"""A JSON object:

    format, version       "alm_beam.loader", 1
    seed, shuffle, repeat as the loader was given them
    sources               of each the fingerprint of its index, label, rows and weight
    epoch                 which is being read
    left                  what was left of the epoch when this run began; see `Remainder`
    world_size, num_workers   of this run; a rank that reads by itself has 1
    positions             by the number of the part (worker * world_size + rank), how many windows were read of it
"""

FORMAT = "alm_beam.loader"
VERSION = 1

_SAME_IN_ALL = (
    "format",
    "version",
    "seed",
    "shuffle",
    "repeat",
    "sources",
    "epoch",
    "left",
    "world_size",
    "num_workers",
)
_SNAPSHOT_AGE = "_steps_since_snapshot"


class StateError(ValueError):
    """A state that does not fit, or is none. The message has a line for each field."""


@dataclass(frozen=True)
class Progress:
    """Where a process stands in an epoch.

    Attributes:
        epoch: which.
        left: what was left of it when the run began.
        partition: the process's part of that.
        read: how many windows it has read of its part.
    """

    epoch: int
    left: Remainder
    partition: Partition
    read: int


def state_of(progress: Progress, plan: Plan, labels: Iterable[str | None]) -> State:
    """The state of one process."""
    return {
        **_identity(plan, labels),
        "epoch": progress.epoch,
        "left": [{"start": deal.start, "read": list(deal.read)} for deal in progress.left.deals],
        "world_size": progress.partition.world_size,
        "num_workers": progress.partition.workers,
        "positions": {str(progress.partition.part): progress.read},
    }


def check_state(state: Any, plan: Plan, labels: Iterable[str | None]) -> None:
    """Compares a state with what is to be read.

    Raises:
        StateError: a field is missing or malformed, or is not that of the plan.
    """
    faults = _malformed(state)
    if not faults:
        expected = _identity(plan, labels)
        faults = [line for name in expected for line in _differences(name, state[name], expected[name])]
    if not faults and not _left(state).is_of(plan.size):
        faults = [f"left: {state['left']!r} is not of an epoch of {plan.size} windows"]
    if not faults:
        count, parts = _left(state).count(plan.size), state["world_size"] * state["num_workers"]
        faults = [
            f"positions: of part {part} {read} windows were read, and it has {part_size(count, int(part), parts)}"
            for part, read in state["positions"].items()
            if read > part_size(count, int(part), parts)
        ]
    if faults:
        raise StateError("\n".join(["the state does not fit:", *faults]))


def progress_of(state: State, partition: Partition) -> Progress:
    """Where a process of a run that goes on from a checked state begins.

    In the topology of the state it goes on in its own part. In another one what all processes of the state together
    have left is dealt anew, in the same order.

    Raises:
        StateError: the state is not of this process, or, with another topology, not of all.
    """
    parts = state["world_size"] * state["num_workers"]
    positions: dict[str, int] = state["positions"]
    if parts == partition.parts and str(partition.part) in positions:
        return Progress(state["epoch"], _left(state), partition, positions[str(partition.part)])
    missing = [part for part in range(parts) if str(part) not in positions]
    if missing:
        raise StateError(
            "the state does not fit:\n"
            f"world_size, num_workers: {state['world_size']}, {state['num_workers']} in the state, "
            f"{partition.world_size}, {partition.workers} here (part {partition.part})\n"
            f"positions: of part {_some(positions)} alone, part {_some(missing)} is missing; to go on with another "
            "number of ranks or workers load merge_states(...) of the states of all"
        )
    left = _left(state).after([positions[str(part)] for part in range(parts)])
    return Progress(state["epoch"], left, partition, 0)


def merge_states(states: Any) -> State:
    """One state of all processes of a checkpoint, which any number of ranks and workers can go on from.

    Args:
        states: the states of all ranks and workers, taken at the same step; in lists and dictionaries of any depth,
            such as the states of torchdata's StatefulDataLoader of each rank.

    Raises:
        StateError: there is none, one is missing, or they are not of one run and epoch.
    """
    found = list(_found(states))
    if not found:
        raise StateError("there is no state of a loader in what was given")
    merged = {**found[0], "positions": {}}
    for state in found:
        faults = _malformed(state)
        faults = faults or [line for name in _SAME_IN_ALL for line in _differences(name, state[name], merged[name])]
        if faults:
            raise StateError("\n".join(["the states are not of one run:", *faults]))
        for part, read in state["positions"].items():
            if merged["positions"].setdefault(part, read) != read:
                raise StateError(
                    f"positions: part {part} is there twice, with {merged['positions'][part]} and {read} read"
                )
    parts = merged["world_size"] * merged["num_workers"]
    missing = [part for part in range(parts) if str(part) not in merged["positions"]]
    if missing:
        raise StateError(
            f"positions: of the {parts} parts (world_size {merged['world_size']}, num_workers {merged['num_workers']}) "
            f"the state of part {_some(missing)} is missing"
        )
    merged["positions"] = {str(part): merged["positions"][str(part)] for part in range(parts)}
    return merged


def _found(value: Any) -> Iterable[State]:
    """The states of loaders in a value."""
    if isinstance(value, Mapping):
        if value.get("format") == FORMAT:
            yield dict(value)
            return
        if value.get(_SNAPSHOT_AGE):
            raise StateError(
                f"{_SNAPSHOT_AGE} is {value[_SNAPSHOT_AGE]}: the state of the StatefulDataLoader is older than what it "
                "has given out; make it with snapshot_every_n_steps=1"
            )
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for each in value:
        yield from _found(each)


def _identity(plan: Plan, labels: Iterable[str | None]) -> State:
    sources = [
        {"fingerprint": source.fingerprint, "label": label, "rows": source.rows, "weight": source.weight}
        for source, label in zip(plan.sources, labels)
    ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "seed": plan.seed,
        "shuffle": plan.shuffle,
        "repeat": plan.repeat,
        "sources": sources,
    }


def _left(state: State) -> Remainder:
    return Remainder(tuple(Deal(deal["start"], tuple(deal["read"])) for deal in state["left"]))


def _differences(name: str, found: Any, expected: Any) -> list[str]:
    """A line for each field that differs."""
    if found == expected:
        return []
    if name != "sources" or not isinstance(found, list):
        return [f"{name}: {found!r} in the state, {expected!r} here"]
    if len(found) != len(expected):
        return [f"sources: {len(found)} in the state, {len(expected)} here"]
    return [
        f"sources[{number}].{field}: {one.get(field)!r} in the state, {other[field]!r} here"
        for number, (one, other) in enumerate(zip(found, expected))
        for field in other
        if one.get(field) != other[field]
    ]


def _malformed(state: Any) -> list[str]:
    """A line for each field that is missing or is not what it should be."""
    if not isinstance(state, Mapping):
        return [f"it is no JSON object but {type(state).__name__}"]
    if state.get("format") != FORMAT or state.get("version") != VERSION:
        found = f"format {state.get('format')!r}, version {state.get('version')!r}"
        return [f"format, version: {found} in the state, {FORMAT!r}, {VERSION} here"]
    faults = [f"{name}: missing" for name in (*_SAME_IN_ALL, "positions") if name not in state]
    faults += [f"{name}: unknown" for name in state if name not in (*_SAME_IN_ALL, "positions")]
    if faults:
        return faults
    parts_are_counts = _is_count(state["world_size"], 1) and _is_count(state["num_workers"], 1)
    sound = {
        "epoch": _is_count(state["epoch"]) and state["epoch"] < END_OF_EPOCHS,
        "sources": isinstance(state["sources"], list) and all(isinstance(each, Mapping) for each in state["sources"]),
        "left": isinstance(state["left"], list) and bool(state["left"]) and all(map(_is_deal, state["left"])),
        "world_size": _is_count(state["world_size"], 1),
        "num_workers": _is_count(state["num_workers"], 1),
        "positions": parts_are_counts
        and _are_positions(state["positions"], state["world_size"] * state["num_workers"]),
    }
    return [f"{name}: {state[name]!r} is not what a loader writes" for name, is_sound in sound.items() if not is_sound]


def _is_deal(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and value.keys() == {"start", "read"}
        and _is_count(value["start"])
        and isinstance(value["read"], list)
        and all(map(_is_count, value["read"]))
    )


def _are_positions(value: Any, parts: int) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(part, str) and part.isdecimal() and int(part) < parts for part in value)
        and all(map(_is_count, value.values()))
    )


def _is_count(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _some(parts: Iterable[int | str]) -> str:
    """The first few of some numbers."""
    listed = list(map(str, parts))
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
