"""A shuffled order of any size that takes no memory: any part of it is computed when it is needed."""

from math import isqrt
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Positions: TypeAlias = npt.NDArray[np.int64]

_SMALL = 2048
"""Up to this size the order is that of sorted hashes: every order is possible and equally likely."""

_ROUNDS = 6
_SHIFT = np.uint64(32)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)


class Permutation:
    """The numbers 0 to size - 1 in an order that depends on a key.

    Above 2,048 numbers it is a Feistel network: each number is a cell (left, right) of a grid with about sqrt(size)
    rows and columns. Each of six rounds adds a hash of one coordinate to the other, modulo its range. The grid has less
    than one row too many; a number that lands in the cells too many goes through the network again.

    Attributes:
        size: number of numbers.

    >>> from alm_beam.loader.hashing import derived_key
    >>> Permutation(5, derived_key("example")).at(np.arange(5))
    array([4, 0, 1, 3, 2])
    """

    def __init__(self, size: int, key: bytes):
        """Takes a key of at least 48 bytes."""
        if not 0 <= size < 1 << 62:
            raise ValueError(f"size is {size}; it must be at least 0 and below 2**62")
        self.size = size
        self._keys = np.frombuffer(key, "<u8", _ROUNDS)
        self._order = _order_of_hashes(size, int(self._keys[0])) if size <= _SMALL else None
        rows = isqrt(max(size - 1, 0)) + 1
        self._rows, self._columns = np.uint64(rows), np.uint64(-(-size // rows))

    def at(self, positions: Positions) -> Positions:
        """The numbers at the positions: int64, of the same shape (one dimension).

        Raises:
            IndexError: a position is below 0, or not below the size.
        """
        if positions.size and not (positions.min() >= 0 and positions.max() < self.size):
            raise IndexError(f"a position is outside 0 to {self.size - 1}")
        if self._order is not None:
            return self._order[positions]
        found = self._through(positions.astype(np.uint64))
        outside = np.flatnonzero(found >= self.size)
        while outside.size:
            found[outside] = self._through(found[outside])
            outside = outside[found[outside] >= self.size]
        return found.astype(np.int64)

    def _through(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        left, right = np.divmod(numbers, self._columns)
        hashed = np.empty_like(left)
        pair = ((left, right, self._rows), (right, left, self._columns))
        for i, key in enumerate(self._keys):
            changed, other, limit = pair[i % 2]
            np.multiply(other, _SPREAD, out=hashed)
            hashed += key
            hashed ^= hashed >> _SHIFT
            hashed *= _MIX
            hashed >>= _SHIFT
            hashed *= limit
            hashed >>= _SHIFT  # below the limit
            changed += hashed
            np.subtract(changed, limit, out=hashed)
            np.minimum(changed, hashed, out=changed)  # modulo: what was below the limit wraps around and is larger
        left *= self._columns
        left += right
        return left


def hashes(numbers: Positions, key: int) -> npt.NDArray[np.uint64]:
    """A hash of 64 bits of each number. Hashes with different keys are independent."""
    found: npt.NDArray[np.uint64] = numbers.astype(np.uint64) * _SPREAD + np.uint64(key)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        found ^= found >> np.uint64(30)
        found *= np.uint64(factor)
    found ^= found >> np.uint64(31)
    return found


def _order_of_hashes(size: int, key: int) -> Positions:
    return np.argsort(hashes(np.arange(size), key), kind="stable")
