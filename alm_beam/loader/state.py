"""The state of a loader: a small JSON object. Loading one that does not fit is an error."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import msgspec

from alm_beam.loader.epochs import END_OF_EPOCHS
from alm_beam.loader.partition import Partition
from alm_beam.loader.plan import Plan
from alm_beam.loader.remainder import Remainder, RunProgress, part_size

State: TypeAlias = dict[str, Any]
"""A JSON object with these fields:

    format, version       "alm_beam.loader", 1
    seed, shuffle, repeat as given to the loader
    sources               for each source: fingerprint of its index, label, rows, weight
    epoch                 the epoch that is being read
    left                  what was left of the epoch when this run began; see `Remainder`
    world_size, num_workers   of this run; num_workers is 1 for a rank without workers
    positions             by number of the part (worker * world_size + rank): how many of its windows were read

`positions` holds counts. The name is part of version 1 of the format, which saved states use; code says `windows_read`.
"""

FORMAT = "alm_beam.loader"
VERSION = 1

_SAME_FOR_ALL_PARTS = (
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

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
_OneOrMore: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
_PartNumber: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+\Z")]


class StateError(ValueError):
    """A value that is no state of a loader, or the state of another one.

    The message names each field that differs, one on a line.

    >>> merge_states([])
    Traceback (most recent call last):
        ...
    alm_beam.loader.state.StateError: there is no state of a loader in what was given
    """


class _SourceFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fingerprint: str
    label: str | None
    rows: _Count
    weight: Any  # compared with the loader's own, which may be one of NumPy's numbers


class _RunFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: _Count
    read: tuple[_Count, ...]


class _StateFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a `State`, of the right types and within their ranges."""

    format: str
    version: int
    seed: int
    shuffle: Any  # this and `repeat` are compared with the loader's own, which may be 0 or 1
    repeat: Any
    sources: list[_SourceFields]
    epoch: Annotated[int, msgspec.Meta(ge=0, lt=END_OF_EPOCHS)]
    left: Annotated[list[_RunFields], msgspec.Meta(min_length=1)]
    world_size: _OneOrMore
    num_workers: _OneOrMore
    windows_read: Annotated[dict[_PartNumber, _Count], msgspec.Meta(min_length=1)] = msgspec.field(name="positions")

    @property
    def parts(self) -> int:
        return self.world_size * self.num_workers

    @property
    def remainder(self) -> Remainder:
        return Remainder(tuple(RunProgress(run.start, run.read) for run in self.left))


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
    left: Remainder
    partition: Partition
    read: int


def state_of(progress: Progress, plan: Plan, labels: Iterable[str | None]) -> State:
    """The state of one process."""
    return {
        **_identity(plan, labels),
        "epoch": progress.epoch,
        "left": [{"start": run.start, "read": list(run.read)} for run in progress.left.runs],
        "world_size": progress.partition.world_size,
        "num_workers": progress.partition.workers,
        "positions": {str(progress.partition.part): progress.read},
    }


def check_state(state: Any, plan: Plan, labels: Iterable[str | None]) -> None:
    """Compares a state with what is to be read.

    Raises:
        StateError: a field is missing, unknown, malformed, or differs from the plan's.
    """
    faults = _faults(state, plan, labels)
    if faults:
        raise StateError("\n".join(["the state does not fit:", *faults]))


def _faults(state: Any, plan: Plan, labels: Iterable[str | None]) -> list[str]:
    """Why a state does not fit, a line for each field."""
    try:
        fields = _parsed(state)
    except msgspec.ValidationError as error:
        return [_named_field(error)]
    expected = _identity(plan, labels)
    faults = [line for name in expected for line in _differences(name, state[name], expected[name])]
    if faults:
        return faults
    if not fields.remainder.fits(plan.size):
        return [f"left: {state['left']!r} cannot be left of an epoch of {plan.size} windows"]
    count = fields.remainder.count(plan.size)
    return [
        f"positions: {read} windows of part {part} were read, and it has {part_size(count, int(part), fields.parts)}"
        for part, read in fields.windows_read.items()
        if read > part_size(count, int(part), fields.parts)
    ]


def _parsed(state: Any) -> _StateFields:
    """The fields of a state.

    Raises:
        msgspec.ValidationError: the first field that is missing, unknown or malformed.
    """
    if isinstance(state, Mapping) and (state.get("format"), state.get("version")) != (FORMAT, VERSION):
        found = f"format {state.get('format')!r}, version {state.get('version')!r}"
        raise msgspec.ValidationError(f"{found} in the state, {FORMAT!r}, {VERSION} here - at `$.format, version`")
    fields = msgspec.convert(state, _StateFields)
    unknown = [part for part in fields.windows_read if int(part) >= fields.parts]
    if unknown:
        raise msgspec.ValidationError(f"there is no part {_some(unknown)} of {fields.parts} - at `$.positions`")
    return fields


def _named_field(error: msgspec.ValidationError) -> str:
    """msgspec's message with the field's name first."""
    what, _, path = str(error).rpartition(" - at ")
    if what:
        return f"{path.removeprefix('`key` in ').strip('`').removeprefix('$.')}: {what}"
    whole = re.fullmatch(r"Object (missing|contains unknown) (?:required )?field `(.*)`", path, re.DOTALL)
    if whole:
        return f"{whole[2]}: {'missing' if whole[1] == 'missing' else 'unknown'}"
    return path


def progress_of(state: State, partition: Partition) -> Progress:
    """Where a process of a new run begins, given a state that `check_state` accepts.

    With as many ranks and workers as in the state, each process continues its own part. With another number, the
    windows that all processes together have not read are divided among the new ones, in the same order.

    Raises:
        StateError: the part of this process is not in the state; or, with another number of ranks or workers, a part
            of the earlier run is not.
    """
    fields = msgspec.convert(state, _StateFields)
    windows_read = fields.windows_read
    if fields.parts == partition.parts and str(partition.part) in windows_read:
        return Progress(fields.epoch, fields.remainder, partition, windows_read[str(partition.part)])
    missing = [part for part in range(fields.parts) if str(part) not in windows_read]
    if missing:
        raise StateError(
            "the state does not fit:\n"
            f"world_size, num_workers: {fields.world_size}, {fields.num_workers} in the state, "
            f"{partition.world_size}, {partition.workers} here (part {partition.part})\n"
            f"positions: only part {_some(windows_read)} is in the state, part {_some(missing)} is missing; to "
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
    merged = found[0]
    windows_read: dict[str, int] = {}
    for state in found:
        try:
            fields = _parsed(state)
        except msgspec.ValidationError as error:
            faults = [_named_field(error)]
        else:
            faults = [line for name in _SAME_FOR_ALL_PARTS for line in _differences(name, state[name], merged[name])]
        if faults:
            raise StateError("\n".join(["the states are not of one run:", *faults]))
        for part, read in fields.windows_read.items():
            if windows_read.setdefault(part, read) != read:
                raise StateError(f"positions: part {part} is there twice, with {windows_read[part]} and {read} read")
    missing = [part for part in range(fields.parts) if str(part) not in windows_read]
    if missing:
        raise StateError(
            f"positions: of {fields.parts} parts (world_size {fields.world_size}, num_workers {fields.num_workers}), "
            f"the state of part {_some(missing)} is missing"
        )
    return {**merged, "positions": {str(part): windows_read[str(part)] for part in range(fields.parts)}}


def _found(value: Any) -> Iterable[State]:
    """The states of loaders in a value, at any depth."""
    if isinstance(value, Mapping):
        if value.get("format") == FORMAT:
            yield dict(value)
            return
        if value.get(_SNAPSHOT_AGE):
            raise StateError(
                f"{_SNAPSHOT_AGE} is {value[_SNAPSHOT_AGE]}: the state of the StatefulDataLoader is older than the "
                "last batch; make it with snapshot_every_n_steps=1"
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


def _some(parts: Iterable[int | str]) -> str:
    """The first few of some numbers."""
    listed = list(map(str, parts))
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
