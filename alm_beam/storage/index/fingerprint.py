"""The fingerprint of an index: what makes two indexes the same, and what its rows add up to."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from alm_beam.storage.index.format import ROW, Digest, Rows
from alm_beam.storage.index.meta import Label, LabelSet

_BEGIN = b"alm_beam index 2"
"""What is hashed first. It stays as it was in version 2, as the order of rows did: so an index that is made again by a
later version has the same fingerprint, and a loader's saved state still fits."""


def repeats(rows: Rows, before: Rows) -> int:
    """How many rows are the same window as the row before them: of equal lines, one stands behind the other.

    Args:
        rows: in the order of the index.
        before: the row before the first of them, or none.
    """
    words = rows.view("<u8").reshape(-1, ROW.itemsize // 8)[:, :2]  # the key, as numbers that NumPy compares fast
    last = before.view("<u8").reshape(-1, ROW.itemsize // 8)[:, :2]
    at_border = bool(len(last) and len(words) and (last[-1] == words[0]).all())
    return at_border + int(np.count_nonzero((words[1:, 0] == words[:-1, 0]) & (words[1:, 1] == words[:-1, 1])))


class Fingerprint:
    """The hash of an index's windows, of label, key and duration of each row in their order; and what these add up to.

    It is the same for the same windows, whatever the shards and their names.

    Attributes:
        repeated: rows so far that are the same window as the row before; without them every window is there once.
    """

    def __init__(self, labels: Sequence[str]):
        """
        Args:
            labels: all of them, sorted.
        """
        self._digest = Digest()
        self._digest.add(b"\n".join([_BEGIN, *map(_framed, labels)]))
        self._texts = labels
        self._counts = [0] * len(labels)
        self._nanoseconds = [0] * len(labels)
        self._last: Rows = np.empty(0, ROW)
        self.repeated = 0

    def add(self, rows: Rows) -> None:
        """Adds rows, in the order of the index."""
        self.repeated += repeats(rows, self._last)
        self._last = rows[-1:] if len(rows) else self._last
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


class LabelSetTotals:
    """What the rows of each label set add up to."""

    def __init__(self, label_sets: Sequence[tuple[str, str]]):
        """
        Args:
            label_sets: corpus and language of each, sorted.
        """
        self._names = label_sets
        self._counts = [0] * len(label_sets)
        self._nanoseconds = [0] * len(label_sets)

    def add(self, rows: Rows) -> None:
        """Adds rows, in any order."""
        which, size = rows["label_set"], len(self._names)
        whole, rest = _whole_and_rest(rows["duration"])
        counts = np.bincount(which, minlength=size)
        seconds = np.bincount(which, whole, size)  # sums of integers below 2**53, which floats hold exactly
        nanoseconds = np.bincount(which, rest, size)
        for number in np.flatnonzero(counts).tolist():
            self._counts[number] += int(counts[number])
            self._nanoseconds[number] += 10**9 * int(seconds[number]) + int(nanoseconds[number])

    def label_sets(self) -> tuple[LabelSet, ...]:
        """The label sets with their rows."""
        columns = zip(self._names, self._counts, self._nanoseconds)
        return tuple(LabelSet(*names, count, total / 1e9) for names, count, total in columns)


def _framed(label: str) -> bytes:
    text = label.encode()
    return b"%d %b" % (len(text), text)


def _nanoseconds(durations: npt.NDArray[np.float64]) -> int:
    """The sum of durations. In whole nanoseconds it is the same in whatever blocks they come."""
    whole, rest = _whole_and_rest(durations)
    return 10**9 * int(whole.astype(np.int64).sum()) + int(rest.astype(np.int64).sum())


def _whole_and_rest(durations: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Whole seconds, and whole nanoseconds beyond these."""
    whole = np.floor(durations)
    return whole, np.rint((durations - whole) * 1e9)
