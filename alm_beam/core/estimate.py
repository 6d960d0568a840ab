"""What a run would come to, estimated from a part of what it would read."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import floor, hypot, sqrt
from statistics import stdev
from typing import Any, NamedTuple

_LEAST_ERROR = 0.02
"""Of what was not looked at, where all that was looked at is alike."""


class About(NamedTuple):
    """An estimate, and the range in which the truth most likely is.

    Attributes:
        value: the estimate.
        low: the lower end.
        high: the upper end; all three are the same where the value is known.
    """

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "About":
        """The estimate of so many times that.

        >>> About(2.0, 1.0, 4.0).times(10)
        About(value=20.0, low=10.0, high=40.0)
        """
        return About(*(each * factor for each in self))

    def at_least(self, counted: float) -> "About":
        """The estimate where so much is there for certain.

        >>> About(2.0, 1.0, 4.0).at_least(3)
        About(value=3, low=3, high=4.0)
        """
        return About(*(max(each, counted) for each in self))

    def to_dict(self) -> dict[str, float]:
        """The estimate as JSON."""
        return {"about": round(self.value, 3), "low": round(self.low, 3), "high": round(self.high, 3)}


class Part(NamedTuple):
    """A part of the input that was looked at.

    Attributes:
        file: which file it is of, by a number.
        size: how much of the input it is, in the measure of the whole: bytes as stored, say. What an earlier part has
            is not in a later one.
        amounts: what was found in it, by name.
    """

    file: int
    size: float
    amounts: Mapping[str, float]


def add_to(amounts: dict[str, float], more: Mapping[str, float]) -> None:
    """Adds amounts to those of the same names."""
    for name, amount in more.items():
        amounts[name] = amounts.get(name, 0) + amount


def totals(parts: Sequence[Part], whole: float, *, is_all: bool) -> dict[str, About]:
    """What all of the input would come to, from parts that were drawn from it evenly by size.

    What was found is counted, and the rest is estimated: of each file as its parts are that leave a rest, those
    smaller than what they stand for. So a file of short lines and then a few long ones is told by both. Files count by
    how often they were drawn, if only in parts where nothing was, or nothing new.

    Args:
        parts: what was looked at.
        whole: the size of all.
        is_all: whether the parts are all there is: then the amounts are known.

    >>> parts = [Part(0, 10, {"lines": 1}), Part(1, 10, {"lines": 3})]
    >>> totals(parts, 40, is_all=False)["lines"].value
    8.0
    >>> totals(parts, 20, is_all=True)["lines"]
    About(value=4, low=4, high=4)
    """
    names = {name: None for part in parts for name in part.amounts}
    if is_all:
        known = {name: sum(part.amounts.get(name, 0) for part in parts) for name in names}
        return {name: About(value, value, value) for name, value in known.items()}
    seen = {part.file for part in parts if part.size}
    return {name: _total(name, [part for part in parts if part.file in seen], whole) for name in names}


def _total(name: str, parts: Sequence[Part], whole: float) -> About:
    of_file: dict[int, list[Part]] = defaultdict(list)
    for part in parts:
        of_file[part.file].append(part)
    room = whole / len(parts)
    value = sum(_total_of_file(name, some, room) for some in of_file.values())
    error = hypot(
        2 * whole * sqrt(sum(_variance(name, some, len(parts)) for some in _strata(of_file))),
        *(room * found / size for found, size in map(partial(_sums, name), _large(of_file))),
    )
    error = max(error, _LEAST_ERROR * abs(value - _sums(name, parts)[0]))
    return About(value, max(value - error, 0.0), value + error)


def _large(of_file: Mapping[int, list[Part]]) -> list[list[Part]]:
    """The parts of files that were drawn several times, beside other files: once more or less is chance."""
    return [some for some in of_file.values() if len(some) > 1 and len(of_file) > 1]


def _total_of_file(name: str, some: Sequence[Part], room: float) -> float:
    """What the parts of a file stand for, each of them for so much of the input."""
    found, size = _sums(name, some)
    rest = len(some) * room - size
    if rest <= 0:
        return found * len(some) * room / size
    more, per = _sums(name, [part for part in some if 0 < part.size < room] or some)
    return found + rest * more / per


def _sums(name: str, some: Sequence[Part]) -> tuple[float, float]:
    return sum(part.amounts.get(name, 0) for part in some), sum(part.size for part in some)


def _strata(of_file: Mapping[int, list[Part]]) -> list[list[Part]]:
    """The parts that may be compared: of one file where it has several, and those of all other files."""
    single = [some[0] for some in of_file.values() if len(some) == 1]
    return [some for some in [*(each for each in of_file.values() if len(each) > 1), single] if some]


def _variance(name: str, some: Sequence[Part], count: int) -> float:
    """Of the share that these parts of so many have in the mean amount; as large as can be where one part is all."""
    rates = [part.amounts.get(name, 0) / part.size for part in some if part.size]
    off = stdev(rates) if len(rates) > 1 else sum(rates)
    return (off * len(some) / count) ** 2 / max(len(rates), 1)


@dataclass(frozen=True)
class Estimate:
    """What a dry run tells of a job.

    Attributes:
        files: how many files the input has.
        size: their bytes as stored, together.
        kinds: how many files there are of each ending.
        sampled: how many recordings were looked at.
        sampled_share: which share of the input's bytes they are.
        sampled_what: what is counted there, a word for several.
        amounts: what the run would come to, by name: counts, and `hours`.
        outputs: the bytes of each output, by name.
        seconds: the time that the run would take on this machine.
        workers: the processes that this is with.
        worker_bytes: the memory of each.
        rejected: those among what was looked at that could not be used, by the code of the reason.
        notes: what else to know.
    """

    files: int
    size: int
    kinds: Mapping[str, int]
    sampled: int
    sampled_share: float
    amounts: Mapping[str, About]
    outputs: Mapping[str, About]
    seconds: About
    workers: int
    worker_bytes: float
    sampled_what: str = "recordings"
    rejected: Counter[str] = field(default_factory=Counter)
    notes: Sequence[str] = ()

    @property
    def output_bytes(self) -> About:
        """The bytes of all outputs."""
        return About(*map(sum, zip(*self.outputs.values()))) if self.outputs else About(0, 0, 0)

    def to_dict(self) -> dict[str, Any]:
        """The estimate as JSON."""
        return {
            "dry_run": True,
            "input": {"files": self.files, "bytes": self.size, "kinds": dict(self.kinds)},
            "sample": {
                self.sampled_what: self.sampled,
                "share_of_bytes": floor(self.sampled_share * 1e6) / 1e6,
                "rejected": self.rejected.total(),
                "rejected_by_reason": dict(sorted(self.rejected.items())),
            },
            **{name: each.to_dict() for name, each in self.amounts.items()},
            "output_bytes": self.output_bytes.to_dict(),
            "output_bytes_by_name": {name: each.to_dict() for name, each in self.outputs.items()},
            "seconds": self.seconds.to_dict(),
            "workers": self.workers,
            "bytes_per_worker": round(self.worker_bytes),
            "notes": list(self.notes),
        }
