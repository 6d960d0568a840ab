"""Reading lines of a shard all at once, where all of them are plain cuts: their durations and labels."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from alm_beam.core.cut_labels import CutLabels
from alm_beam.storage.index.format import MAX_LINE_BYTES, MAX_SECONDS

Offsets: TypeAlias = npt.NDArray[np.int64]

_OPEN, _CLOSE = b"{}"


class _Custom(msgspec.Struct, frozen=True, gc=False):
    source: Any = None
    corpus: Any = None
    language: Any = None
    lang: Any = None


class _Silent(msgspec.Struct, frozen=True, gc=False):
    """A supervision that states no language."""

    language: None = None


class _Spoken(msgspec.Struct, frozen=True, gc=False):
    """Any supervision."""

    language: Any = None


_NO_CUSTOM, _NO_SILENT, _NO_SPOKEN = _Custom(), _Silent(), _Spoken()


class _SilentFirst(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Supervisions, of which the decoder makes the first one only: all of them would take a tenth of the time."""

    first: _Silent = _NO_SILENT


class _SpokenFirst(msgspec.Struct, array_like=True, frozen=True, gc=False):
    first: _Spoken = _NO_SPOKEN


_NONE_SILENT, _NONE_SPOKEN = _SilentFirst(), _SpokenFirst()


class _Cut(msgspec.Struct, gc=False):
    """What a record states of a cut whose first supervision states no language."""

    duration: float
    custom: _Custom = _NO_CUSTOM
    supervisions: _SilentFirst = _NONE_SILENT


class _SpokenCut(msgspec.Struct, gc=False):
    """What a record states of any cut."""

    duration: float
    custom: _Custom = _NO_CUSTOM
    supervisions: _SpokenFirst = _NONE_SPOKEN


_silent_decoder, _spoken_decoder = msgspec.json.Decoder(_Cut), msgspec.json.Decoder(_SpokenCut)
_duration_of, _custom_of = attrgetter("duration"), attrgetter("custom")
_language_of = attrgetter("supervisions.first.language")

LabelKey: TypeAlias = CutLabels | _Custom | tuple[_Custom, Any]
"""What the labels of a cut are known by: these, or what they follow from, which takes less time."""


class LabelNumbers(dict[LabelKey, int]):
    """A number for the labels of each key, from 0, as they come.

    Attributes:
        labels: by number. Different keys may have the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.labels: list[CutLabels] = []

    def __missing__(self, key: LabelKey) -> int:
        self.labels.append(_labels_of(key))
        self[key] = len(self)
        return self[key]


def _labels_of(key: LabelKey) -> CutLabels:
    if isinstance(key, CutLabels):
        return key
    custom, language = (key, "") if isinstance(key, _Custom) else key
    return CutLabels.of({"custom": msgspec.structs.asdict(custom), "supervisions": [{"language": language}]})


def read_plain_cuts(data: bytes, starts: Offsets, stops: Offsets) -> tuple[Any, Sequence[LabelKey]] | None:
    """Durations of lines that all are plain cuts, and what their labels are known by; None if one is not.

    The decoder does not care where lines end. But where each begins with a brace and ends with one, no object goes over
    an end of line: nothing in an object may stand between `}` and `{` but a comma.
    """
    array = np.frombuffer(data, np.uint8)
    if int((stops - starts).max(initial=0)) > MAX_LINE_BYTES:
        return None
    if not ((array[starts] == _OPEN).all() and (stops > starts).all() and (array[stops - 1] == _CLOSE).all()):
        return None
    try:
        if not data.isascii():
            data.decode()  # the decoder does not see to that in what it passes over
        cuts, languages = _cuts_and_languages(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    if len(cuts) != len(starts):
        return None
    durations = np.fromiter(map(_duration_of, cuts), np.float64, len(cuts))
    if not ((durations >= 0) & (durations <= MAX_SECONDS)).all():
        return None
    customs = list(map(_custom_of, cuts))
    return durations, customs if languages is None else list(zip(customs, languages))


def _cuts_and_languages(data: bytes) -> tuple[Sequence[_Cut | _SpokenCut], list[Any] | None]:
    """What lines state, and the languages of their first supervisions; None where none of these states one.

    Raises:
        MsgspecError, RecursionError: one is no plain cut.
    """
    try:
        return _silent_decoder.decode_lines(data), None
    except msgspec.ValidationError:
        cuts = _spoken_decoder.decode_lines(data)
        return cuts, list(map(_language_of, cuts))
