"""The `.idx` file with which Lhotse 2 opens a file of items at any of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def offsets_file(offsets: Sequence[int] | NDArray[Any], size: int) -> bytes:
    """The content of the `.idx` of a file: where each item begins, then the file's size, as little-endian uint64.

    Args:
        offsets: of the first byte of each item, ascending, bytes.
        size: of the file, bytes.

    >>> offsets_file([0, 258], 300).hex(" ", 8)
    '0000000000000000 0201000000000000 2c01000000000000'
    """
    return np.concatenate([np.asarray(each, dtype="<u8") for each in (offsets, [size])]).tobytes()
