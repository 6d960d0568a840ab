"""The form of a loader's state: its fields, their bounds and its checksum."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from xxhash import xxh3_64_hexdigest

from alm_beam.core.text import visible
from alm_beam.loader.epochs import END_OF_EPOCHS
from alm_beam.loader.mixture import is_weight
from alm_beam.loader.partition import MAX_RANKS, MAX_WORKERS
from alm_beam.loader.ranges import RangesLeft
from alm_beam.loader.remainder import Remainder, RunProgress

State: TypeAlias = dict[str, Any]
"""A JSON object with these fields:

    format, version       "alm_beam.loader", 2
    seed, shuffle, repeat as given to the loader
    sources               for each source: fingerprint of its index, label, rows, weight; corpus and language only
                          where they were given
    epoch                 the epoch that is being read
    left                  what was left of the epoch when this run began; see `Remainder`, `RangesLeft`
    world_size, num_workers   of this run; num_workers is 1 for a rank without workers
    positions             by number of the part (worker * world_size + rank): how many of its windows were read
    checksum              hash of all other fields; states of version 1 have none

Only with order="shards" it has these, too:

    order, shuffle_window as given to the loader
    layouts               for each source a hash that tells which windows stand in which file

`positions` holds counts. The name is part of the format, which saved states use; code says `windows_read`.
"""

FORMAT = "alm_beam.loader"
VERSION = 2
_WITHOUT_CHECKSUM = 1

_MAX_RUNS = 4096
_MAX_SEED_BITS = 8192
_MAX_SHOWN = 200
_MAX_LINES = 20

encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""JSON of which the same fields give the same."""

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=END_OF_EPOCHS)]
_PartNumber: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,8})\Z")]


class StateError(ValueError):
    """A value that is no state of a loader, or the state of another one, or was changed since it was saved.

    The message names each field that differs, one on a line.

    >>> from alm_beam.loader import merge_states
    >>> merge_states([])
    Traceback (most recent call last):
        ...
    alm_beam.loader.state_format.StateError: there is no state of a loader in what was given
    """

    @classmethod
    def of(cls, what: str, faults: Sequence[str]) -> "StateError":
        """An error with a line for each fault, up to a number that a terminal holds."""
        more = [f"and {len(faults) - _MAX_LINES:,} more"] if len(faults) > _MAX_LINES else []
        return cls("\n".join([what, *map(visible, faults[:_MAX_LINES]), *more]))


class _SourceFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fingerprint: str
    label: str | None
    rows: _Count
    weight: Any  # a number, which may be one of NumPy's
    corpus: str | None = None
    language: str | None = None


class _RunFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: _Count
    read: tuple[_Count, ...]


class StateFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a `State`, of the right types and within their bounds."""

    format: str
    version: int
    seed: int
    shuffle: Any  # this and `repeat` are true or false, or 1 or 0
    repeat: Any
    sources: list[_SourceFields]
    epoch: Annotated[int, msgspec.Meta(ge=0, lt=END_OF_EPOCHS)]
    left: Annotated[list[_RunFields], msgspec.Meta(min_length=1, max_length=_MAX_RUNS)]
    world_size: Annotated[int, msgspec.Meta(ge=1, le=MAX_RANKS)]
    num_workers: Annotated[int, msgspec.Meta(ge=1, le=MAX_WORKERS)]
    windows_read: Annotated[dict[_PartNumber, _Count], msgspec.Meta(min_length=1)] = msgspec.field(name="positions")
    checksum: str | None = None
    order: Literal["windows", "shards"] = "windows"
    shuffle_window: Annotated[int, msgspec.Meta(ge=1)] | None = None
    layouts: list[str] | None = None

    @property
    def parts(self) -> int:
        """Number of parts: of workers of all ranks."""
        return self.world_size * self.num_workers

    @property
    def remainder(self) -> Remainder | RangesLeft:
        """What was left of the epoch when the run began."""
        if self.order == "shards":
            return RangesLeft(tuple(run.read for run in self.left if run.read))
        return Remainder(tuple(RunProgress(run.start, run.read) for run in self.left))

    def missing_parts(self) -> str:
        """The first few parts that the state does not hold, and how many more there are; empty if it holds all."""
        absent = (part for part in range(self.parts) if str(part) not in self.windows_read)
        return some(absent, self.parts - len(self.windows_read))


class FieldFault(ValueError):
    """A field of a state that is missing, unknown or malformed. The message begins with its name."""


def with_checksum(state: State) -> State:
    """The state with the checksum of its fields."""
    return {**state, "checksum": _checksum(state)}


def parsed(state: Any) -> StateFields:
    """The fields of a state that nobody changed.

    Raises:
        FieldFault: the first field that is missing, unknown or malformed; or the checksum is that of other fields.
    """
    if not isinstance(state, Mapping):
        raise FieldFault(f"Expected `object`, got `{type(state).__name__}`")
    if state.get("format") != FORMAT or state.get("version") not in (VERSION, _WITHOUT_CHECKSUM):
        found = f"format {shortened(state.get('format'))}, version {shortened(state.get('version'))}"
        raise FieldFault(f"format, version: {found} in the state, {FORMAT!r}, {VERSION} here")
    try:
        fields = msgspec.convert(state, StateFields)
    except msgspec.ValidationError as error:
        raise FieldFault(named_field(error)) from None
    if fields.seed.bit_length() > _MAX_SEED_BITS:
        raise FieldFault(f"seed: has more than {_MAX_SEED_BITS:,} bits")
    for name in ("shuffle", "repeat"):
        if state[name] not in (True, False):
            raise FieldFault(f"{name}: Expected `bool`, got {shortened(state[name])}")
    for number, source in enumerate(fields.sources):
        if source.weight is not None and not is_weight(source.weight):
            raise FieldFault(f"sources[{number}].weight: is no weight: {shortened(source.weight)}")
    unknown = [part for part in fields.windows_read if int(part) >= fields.parts]
    if unknown:
        raise FieldFault(f"positions: there is no part {some(unknown, len(unknown))} of {fields.parts}")
    _check_order(fields)
    _check_checksum(state, fields)
    return fields


def _check_order(fields: StateFields) -> None:
    by_file = fields.order == "shards"
    for name in ("shuffle_window", "layouts"):
        if (getattr(fields, name) is not None) != by_file:
            raise FieldFault(f"{name}: {'missing' if by_file else 'unknown'}")
    for number, run in enumerate(fields.left):
        if by_file and run.start:
            raise FieldFault(f"left[{number}].start: {run.start} in the state, 0 in every state of order 'shards'")


def _check_checksum(state: Mapping[str, Any], fields: StateFields) -> None:
    if fields.version == _WITHOUT_CHECKSUM:
        if "checksum" in state:
            raise FieldFault("checksum: unknown in version 1")
    elif fields.checksum is None:
        raise FieldFault("checksum: missing")
    elif fields.checksum != _checksum(state):
        raise FieldFault(
            "checksum: is that of other fields: the state was changed after it was saved; load another one"
        )


def _checksum(state: Mapping[str, Any]) -> str:
    """A hash of all other fields. It is the same for 1, 1.0 and true where these mean the same."""
    fields = {name: value for name, value in state.items() if name != "checksum"}
    fields["shuffle"], fields["repeat"] = bool(fields["shuffle"]), bool(fields["repeat"])
    fields["sources"] = [
        {**source, "weight": None if source["weight"] is None else float(source["weight"])}
        for source in fields["sources"]
    ]
    return xxh3_64_hexdigest(encoded(fields).encode())


def named_field(error: msgspec.ValidationError) -> str:
    """msgspec's message with the field's name first."""
    what, _, path = str(error).rpartition(" - at ")
    if what:
        return f"{path.removeprefix('`key` in ').strip('`').removeprefix('$.')}: {what}"
    whole = re.fullmatch(r"Object (missing|contains unknown) (?:required )?field `(.*)`", path, re.DOTALL)
    if whole:
        return f"{whole[2]}: {'missing' if whole[1] == 'missing' else 'unknown'}"
    return path


def shortened(value: Any) -> str:
    """What Python writes for a value, or the beginning of it."""
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python writes
        return "a number of many digits"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def some(parts: Iterable[int | str], count: int) -> str:
    """The first few of some numbers, of which there are so many."""
    return ", ".join(map(str, islice(parts, 5))) + (f" and {count - 5} more" if count > 5 else "")
