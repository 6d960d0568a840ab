"""What an index of cuts is made of: its files, and the records of rows.bin. What index.json holds is in `meta`.

`DIR/cuts*.jsonl` hold a line for each window, `DIR/index/rows.bin` a record for each line, `DIR/index/index.json` what
they are records of. Records stand in the order of label and key, and the key is a hash of the line: however a job was
sharded, the same windows have the same order.
"""

import re
from typing import Final

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_128, xxh3_128_digest

from alm_beam.core.text import visible

FOLDER: Final = "index"
ROWS: Final = "rows.bin"
META: Final = "index.json"

OFFSETS_ENDING: Final = ".idx"
"""Of the file beside a shard that says where each line begins, for Lhotse 2."""

ROW = np.dtype(
    [
        ("key", "V16"),
        ("offset", "<u8"),
        ("duration", "<f8"),
        ("length", "<u4"),
        ("shard", "<u4"),
        ("label", "<u4"),
        ("label_set", "<u4"),
    ]
)
"""A record of rows.bin: the key of the line, where in its shard the line stands and how long it is without its newline
(bytes), the window's duration (seconds), and positions in the lists of shards, of labels and of label sets.

`label_set` has no part in the order of rows, nor in the fingerprint. An index that has no list of label sets, as it was
made before there were any, holds 0 there, and readers ignore it."""

Rows = npt.NDArray[np.void]
"""Records of ROW."""

key_of = xxh3_128_digest
"""The key of a line without its newline: 16 bytes of XXH3, big-endian."""

MAX_SECONDS: Final = 1e9
"""No window lasts longer."""

MAX_LINE_BYTES: Final = 2**32 - 1
"""No longer line has a record."""

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

    def __init__(self, message: str):
        super().__init__(visible(message))


class IndexExistsError(IndexFault):
    """There is an index, and it was not said that it may be replaced.

    >>> issubclass(IndexExistsError, IndexFault)
    True
    """


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
