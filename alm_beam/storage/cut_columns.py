"""What a plan of shards needs to know of cuts, in columns: a million of them take less than 100 MB."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from alm_beam.core.faults import NUMBER, BadEntry
from alm_beam.core.manifest import parsed_json
from alm_beam.core.shards_config import ShardsConfig

PLANNED = np.dtype([("file", "<u4"), ("copy", "<u4"), ("offset", "<u8"), ("length", "<u4"), ("key", "V16")])
"""A window of a plan: the number of its file, how many windows before it in the plan have its id, where its line stands
in the file and how long it is without its newline (bytes), and the key of the line."""

COLUMNS = np.dtype(
    [*PLANNED.descr, ("recording", "<u8"), ("partition", "<u4"), ("start", "<f8"), ("bytes", "<i8"), ("id", "<u8")]
)
"""Beside that: a hash of the recording's id; the number of the partition; seconds; about how many bytes of audio the
window has; a hash of its id. `copy` is not known yet."""

Columns = npt.NDArray[np.void]
"""Records of COLUMNS or of PLANNED."""

_ROWS_AT_A_TIME = 1 << 13

_MOST_BYTES = 1 << 40
"""More audio than that in one window is taken for that much: no shard is as large."""

_MOST_NUMBER = 1e100


class _Custom(msgspec.Struct, frozen=True, gc=False):
    corpus: Any = None
    source: Any = None
    split: Any = None
    language: Any = None
    lang: Any = None


class _Recording(msgspec.Struct, frozen=True, gc=False):
    id: Any = None
    sampling_rate: Any = None


class _Supervision(msgspec.Struct, gc=False):
    language: Any = None


_NO_CUSTOM, _NO_RECORDING = _Custom(), _Recording()


class _Cut(msgspec.Struct, gc=False):
    id: Any = None
    start: Any = None
    duration: Any = None
    channel: Any = 0
    recording: _Recording = _NO_RECORDING


class _PartitionedCut(_Cut, gc=False):
    custom: _Custom = _NO_CUSTOM
    supervisions: list[_Supervision] = []


_NO_CUT = _PartitionedCut()


class CutColumns:
    """The columns of cuts that were read so far.

    Attributes:
        faults: of those lines that their reader could not use, by number of the line.
    """

    def __init__(self, config: ShardsConfig):
        self._layout, self._is_mono = config.layout, config.audio.channels == "mono"
        self._sample_rate = config.audio.sample_rate
        self._is_partitioned = config.layout.format == "parquet"
        self._decode = msgspec.json.Decoder(_PartitionedCut if self._is_partitioned else _Cut).decode
        self._partitions: dict[tuple[str, str, str], int] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._blocks: list[Columns] = []
        self._total = 0
        self.faults: dict[int, BadEntry] = {}

    @property
    def partitions(self) -> list[tuple[str, str, str]]:
        """Corpus, split and language of each partition, by number."""
        return [*self._partitions]

    def add(self, file: int, offset: int, length: int, key: bytes, text: bytes, fault: BadEntry | None = None) -> None:
        """Adds a line. What is no cut has its place, too: it is rejected with a reason where its turn comes.

        Args:
            file: its number.
            offset: of the line in the file, bytes.
            length: of the line in the file, bytes, without its newline.
            key: of so many bytes.
            text: of the line.
            fault: why its reader could not use it.
        """
        if fault is not None:
            self.faults[self._total] = fault
        cut = None if fault is not None else self._cut(text)
        self._rows.append((file, 0, offset, length, key, *self._facts(cut or _NO_CUT)))
        self._total += 1
        if len(self._rows) >= _ROWS_AT_A_TIME:
            self._flush()

    def __len__(self) -> int:
        """The number of lines."""
        return self._total

    def table(self) -> Columns:
        """All lines, in the order in which they were added. The object is not used any more."""
        self._flush()
        table = np.concatenate(self._blocks) if self._blocks else np.empty(0, COLUMNS)
        self._blocks.clear()
        return table

    def _flush(self) -> None:
        if self._rows:
            self._blocks.append(np.array(self._rows, COLUMNS))
            self._rows.clear()

    def _cut(self, text: bytes) -> _Cut | None:
        try:
            cut: _Cut = self._decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return _lenient(text)
        return cut

    def _facts(self, cut: _Cut) -> tuple[int, int, float, int, int]:
        recording = cut.recording.id
        is_named = type(recording) is str
        name = cut.id if type(cut.id) is str else ""
        partition = self._partition(cut) if isinstance(cut, _PartitionedCut) else ("", "", "")
        return (
            # A line that names no recording is one by itself.
            _hash(recording) if is_named else xxh3_64_intdigest(b"%d" % self._total, seed=1),
            self._partitions.setdefault(partition, len(self._partitions)),
            _number(cut.start),
            self._bytes(cut),
            _hash(name),
        )

    def _bytes(self, cut: _Cut) -> int:
        rate = self._sample_rate or _number(cut.recording.sampling_rate)
        channels = max(len(cut.channel), 1) if type(cut.channel) is list and not self._is_mono else 1
        return int(min(max(_number(cut.duration) * rate * channels * 2, 0), _MOST_BYTES))

    def _partition(self, cut: _PartitionedCut) -> tuple[str, str, str]:
        if not self._is_partitioned:
            return "", "", ""
        layout, custom = self._layout, cut.custom
        spoken = cut.supervisions[0].language if cut.supervisions else None
        return (
            _first_text(layout.corpus, custom.corpus, custom.source, "unknown"),
            _first_text(layout.split, custom.split, "train"),
            _first_text(layout.language, spoken, custom.language, custom.lang, "unknown"),
        )


def _hash(text: str) -> int:
    return xxh3_64_intdigest(text.encode())


def _number(value: Any) -> float:
    """The number; 0 where it is none, and no window can have it."""
    return float(value) if type(value) in NUMBER and -_MOST_NUMBER < value < _MOST_NUMBER else 0.0


def _first_text(*values: Any) -> str:
    found: str = next(each for each in values if type(each) is str and each)
    return found


def _lenient(text: bytes) -> _PartitionedCut | None:
    """What a line states, of which some is not as it is in other cuts; None if it is no object."""
    try:
        found = parsed_json(text)
    except (BadEntry, RecursionError):
        return None
    if type(found) is not dict:
        return None
    supervisions = found.get("supervisions")
    first = supervisions[0] if type(supervisions) is list and supervisions else None
    return _PartitionedCut(
        id=found.get("id"),
        start=found.get("start"),
        duration=found.get("duration"),
        channel=found.get("channel"),
        recording=_Recording(**_fields(found.get("recording"), _Recording.__struct_fields__)),
        custom=_Custom(**_fields(found.get("custom"), _Custom.__struct_fields__)),
        supervisions=[_Supervision(**_fields(first, _Supervision.__struct_fields__))],
    )


def _fields(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value.get(name) for name in names} if type(value) is dict else {}
