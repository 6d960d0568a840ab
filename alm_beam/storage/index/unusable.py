"""Lines of a shard that cannot be indexed: what is wrong with each, and how many there are of each kind.

Lhotse's own files may hold them: it reads a cut that is mixed of others, and NaN, which is not JSON.
"""

import json
from collections import Counter
from collections.abc import Iterable
from enum import Enum

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from alm_beam.core.cut_labels import CutLabels
from alm_beam.core.text import visible
from alm_beam.storage.index.format import MAX_LINE_BYTES, MAX_SECONDS, IndexFault

_SHOWN = 5
"""Lines that a message names; of the others it gives the number."""


class Unusable(str, Enum):
    """Why a line cannot be indexed."""

    BLANK = "blank"
    NAN = "NaN or Infinity"
    NOT_JSON = "not JSON"
    MIXED_CUT = "MixedCut"
    NO_CUT = "no cut"
    TOO_LONG = "too long"


class UnusableLines(msgspec.Struct, frozen=True):
    """The lines of shards that cannot be indexed.

    Attributes:
        counts: how many of each kind, by `Unusable`.
        first: the first few of them: shard, line and byte, and what is wrong.

    >>> one = UnusableLines({"blank": 1}, ("cuts.jsonl: line 7 (byte 400) is blank",))
    >>> UnusableLines.added([one, one]).summary()
    '2 lines (2 blank)'
    """

    counts: dict[str, int] = {}
    first: tuple[str, ...] = ()

    @classmethod
    def added(cls, parts: Iterable["UnusableLines"]) -> "UnusableLines":
        """Those of several shards, in their order."""
        counts: Counter[str] = Counter()
        first: list[str] = []
        for part in parts:
            counts.update(part.counts)
            first.extend(part.first)
        return cls(dict(counts), tuple(first[:_SHOWN]))

    @classmethod
    def line(cls, kind: Unusable, text: str) -> "UnusableLines":
        """One of them.

        Args:
            kind: what is wrong.
            text: says so, and where.
        """
        return cls({kind.value: 1}, (text,))

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    def summary(self) -> str:
        """How many there are, and of what kinds."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in Counter(self.counts).most_common())
        return f"{self.total:,} line{'s' if self.total > 1 else ''} ({kinds})"

    def listed(self) -> list[str]:
        """Each of the first few, and how many others there are."""
        others = self.total - len(self.first)
        return [*map(visible, self.first), *([f"and {others:,} more"] if others else [])]

    def refuse(self) -> None:
        """Nothing, where there are none.

        Raises:
            IndexFault: there are some.
        """
        if self.total:
            help_text = "Mend them, or give --skip_unusable to leave them out"
            raise IndexFault(f"{self.summary()} cannot be indexed: {'; '.join(self.listed())}. {help_text}")


def read_cut(line: bytes) -> tuple[float, CutLabels] | tuple[Unusable, str]:
    """Duration (seconds) and labels of the cut in a line; or what is wrong with it, as a kind and in words.

    >>> read_cut(b'{"duration": 2.5, "custom": {"source": "ami"}}')
    (2.5, CutLabels(source='ami', corpus='ami', language=''))
    >>> read_cut(b'{"id": "x", "type": "MixedCut", "tracks": []}')[0].value
    'MixedCut'
    """
    if len(line) > MAX_LINE_BYTES:
        return Unusable.TOO_LONG, f"has {len(line)} bytes, more than {MAX_LINE_BYTES}"
    if not line or line.isspace():
        return Unusable.BLANK, "is blank"
    try:
        cut = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        constant = _constant_in(line)
        if constant:
            return Unusable.NAN, f"holds {constant}, which is not JSON"
        return Unusable.NOT_JSON, f"is not JSON ({error})"
    duration: object = cut.get("duration") if isinstance(cut, dict) else None
    if duration is None and isinstance(cut, dict) and "tracks" in cut:
        return Unusable.MIXED_CUT, "is a MixedCut, which states no duration"
    if isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration <= MAX_SECONDS:
        return Unusable.NO_CUT, f"is no object with a duration in seconds, from 0 to {MAX_SECONDS:.0f}, so no cut"
    return float(duration), CutLabels.of(cut)


def refuse_durations(durations: npt.NDArray[np.float64]) -> None:
    """Nothing, where an index can hold all the durations (seconds) of cuts.

    Raises:
        IndexFault: it cannot.
    """
    unfit = durations[~((durations >= 0) & (durations <= MAX_SECONDS))]
    if len(unfit):
        found = f"a cut lasts {unfit[0]:g} seconds, and an index holds none of more than {MAX_SECONDS:.0f}"
        raise IndexFault(f"{found}; check the unit of the times, or write no cuts (--no_cuts)")


def _constant_in(line: bytes) -> str | None:
    """NaN, Infinity or -Infinity, where a line holds it as a value and otherwise is JSON."""
    found: list[str] = []
    try:
        json.loads(line, parse_constant=found.append)
    except (ValueError, RecursionError):
        return None
    return found[0] if found else None
