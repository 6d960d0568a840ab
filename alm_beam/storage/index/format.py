"""What an index of cuts is made of: the records of rows.bin, and index.json.

`DIR/cuts*.jsonl` hold a line for each window, `DIR/index/rows.bin` a record for each line, `DIR/index/index.json` what
they are records of. Records stand in the order of label and key, and the key is a hash of the line: however a job was
sharded, the same windows have the same order.
"""

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from xxhash import xxh3_128, xxh3_128_digest

VERSION: Final = 2
FOLDER: Final = "index"
ROWS: Final = "rows.bin"
META: Final = "index.json"

ROW = np.dtype(
    [
        ("key", "V16"),
        ("offset", "<u8"),
        ("duration", "<f8"),
        ("length", "<u4"),
        ("shard", "<u4"),
        ("label", "<u4"),
        ("reserved", "<u4"),
    ]
)
"""A record of rows.bin: the key of the line, where in its shard the line stands and how long it is without its newline
(bytes), the window's duration (seconds), and positions in the lists of shards and of labels."""

Rows = npt.NDArray[np.void]
"""Records of ROW."""

key_of = xxh3_128_digest
"""The key of a line without its newline: 16 bytes of XXH3, big-endian."""

MAX_SECONDS: Final = 1e9
"""No window lasts longer."""

SHARD_NAME = re.compile(r"cuts.*\.jsonl", re.DOTALL)
"""The files of a folder that are indexed."""

COMPRESSED_SHARD_NAME = re.compile(r"cuts.*\.jsonl\.(gz|zst|zstd|bz2|xz|lz4)", re.DOTALL)


class IndexFault(ValueError):
    """An index, or what it is an index of, is not what it should be. The message says which file, what, what to do.

    >>> from alm_beam.storage.index.open import open_index
    >>> open_index("no_such_folder")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    alm_beam.storage.index.format.IndexFault: ...no_such_folder/index/index.json: there is no index; make one: ...
    """


class Label(msgspec.Struct, frozen=True):
    """The windows of one source, a range of the rows.

    Attributes:
        label: `custom.source` of the cuts; empty where they have none.
        first: number of its first row.
        rows: how many.
        duration: seconds, of all.
    """

    label: str
    first: int
    rows: int
    duration: float


class Shard(msgspec.Struct, frozen=True):
    """A file of cuts.

    Attributes:
        name: of the file, in the folder.
        size: bytes.
        rows: its lines.
        digest: of the keys of its lines, in their order.
    """

    name: str
    size: int
    rows: int
    digest: str


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What index.json holds.

    Attributes:
        version: VERSION.
        rows: of rows.bin.
        duration: seconds, of all windows.
        rows_digest: of rows.bin.
        fingerprint: of the windows in their order; see `Fingerprint`.
        labels: sorted.
        shards: sorted by name.
    """

    version: int
    rows: int
    duration: float
    rows_digest: str
    fingerprint: str
    labels: tuple[Label, ...]
    shards: tuple[Shard, ...]


class Digest:
    """16 bytes of XXH3 of pieces that come one after the other. It tells bytes that were damaged, not forged ones."""

    def __init__(self) -> None:
        self._hash = xxh3_128()

    def add(self, data: bytes | memoryview) -> None:
        """Adds a piece."""
        self._hash.update(data)

    def hex(self) -> str:
        """The hash of the pieces so far."""
        return self._hash.hexdigest()


class Fingerprint:
    """The hash of an index's windows, of label, key and duration of each row in their order; and what these add up to.

    It is the same for the same windows, whatever the shards and their names.
    """

    def __init__(self, labels: Sequence[str]):
        """
        Args:
            labels: all of them, sorted.
        """
        self._digest = Digest()
        self._digest.add(b"\n".join([b"alm_beam index %d" % VERSION, *map(_framed, labels)]))
        self._texts = labels
        self._counts = [0] * len(labels)
        self._nanoseconds = [0] * len(labels)

    def add(self, rows: Rows) -> None:
        """Adds rows, in the order of the index."""
        packed = np.empty(len(rows), [("label", "<u4"), ("key", "V16"), ("duration", "<f8")])
        for name in packed.dtype.names or ():
            packed[name] = rows[name]
        self._digest.add(packed.data)
        begins = np.flatnonzero(np.diff(rows["label"], prepend=np.uint32(2**32 - 1)))
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(rows)]):
            label = int(rows["label"][begin])
            self._counts[label] += end - begin
            self._nanoseconds[label] += _nanoseconds(rows["duration"][begin:end])

    def hex(self) -> str:
        """The fingerprint, when all rows were added."""
        return self._digest.hex()

    def labels(self) -> tuple[Label, ...]:
        """The labels with their rows."""
        firsts = accumulate(self._counts, initial=0)
        columns = zip(self._texts, firsts, self._counts, self._nanoseconds)
        return tuple(Label(text, first, count, total / 1e9) for text, first, count, total in columns)

    def seconds(self) -> float:
        """The duration of all windows."""
        return sum(self._nanoseconds) / 1e9


def _framed(label: str) -> bytes:
    text = label.encode()
    return b"%d %b" % (len(text), text)


def _nanoseconds(durations: npt.NDArray[np.float64]) -> int:
    """The sum of durations. In whole nanoseconds it is the same in whatever blocks they come."""
    whole = np.floor(durations)
    rest = np.rint((durations - whole) * 1e9)
    return 10**9 * int(whole.astype(np.int64).sum()) + int(rest.astype(np.int64).sum())
