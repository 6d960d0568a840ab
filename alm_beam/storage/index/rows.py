"""The rows of a shard as its lines are found or written: sorted runs of them, and what is to be known of these.

A run holds at most RUN_ROWS rows and is a file, so memory does not grow with a shard. Every file is written whole and
with the same content by whoever writes it, so a runner may do any part of it again, or twice at the same time.
"""

from collections.abc import Sequence
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile, gettempdir
from types import TracebackType
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from alm_beam.core.offsets_file import offsets_file
from alm_beam.storage.index.format import OFFSETS_ENDING, ROW, Digest, IndexFault, Rows
from alm_beam.storage.index.merge import RUN_ROWS, sorted_rows
from alm_beam.storage.index.meta import Shard
from alm_beam.storage.index.plain_cuts import LabelNumbers, Offsets
from alm_beam.storage.index.unusable import UnusableLines
from alm_beam.storage.paths import Located, errors_that_name, written_whole
from alm_beam.storage.secrets import shown

Numbers: TypeAlias = npt.NDArray[np.uint32]
"""For each of some rows the number of its labels, by `ShardRows.numbers`."""

_Sortable = TypeVar("_Sortable", str, tuple[str, str])

_OFFSETS_BYTES = 4 << 20
"""More than that of where lines begin is held in a temporary file."""

_NO_UNUSABLE = UnusableLines()


class RunLabels(msgspec.Struct, frozen=True):
    """The labels of a run, and its sets of corpus and language. Both are sorted, and its rows count them."""

    rows: Annotated[int, msgspec.Meta(ge=0)]
    labels: tuple[str, ...]
    label_sets: tuple[tuple[str, str], ...]


class Part(msgspec.Struct, frozen=True):
    """What is known of the lines of a shard; its rows are in runs beside it.

    Attributes:
        shard: as the index states it.
        runs: of its rows.
        unusable: lines that have no row.
    """

    shard: Shard
    runs: tuple[RunLabels, ...]
    unusable: UnusableLines


class ShardRows:
    """The rows of a shard so far. When all are added, they are in files of a folder: runs, the `.idx`, and the `Part`.

    Attributes:
        rows: how many there are so far.
        numbers: numbers of the labels of rows that are added next.
    """

    def __init__(self, name: str, parts: Located):
        """
        Args:
            name: the shard's.
            parts: the folder.
        """
        self._name, self._parts = name, parts
        self.rows = 0
        self.numbers = LabelNumbers()
        self._digest = Digest()
        self._blocks: list[Rows] = []
        self._runs: list[RunLabels] = []
        self._offsets = SpooledTemporaryFile(_OFFSETS_BYTES)  # noqa: SIM115 (closed at the end of the block)

    def __enter__(self) -> "ShardRows":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._offsets.close()

    def add_lines(self, starts: Offsets) -> None:
        """Adds where lines begin in the shard, also those that have no row."""
        with errors_that_name(gettempdir()):
            self._offsets.write(starts.astype("<u8").data)

    def add(self, keys: bytes, starts: Offsets, lengths: Any, durations: Any, labels: Numbers) -> None:
        """Adds rows.

        Args:
            keys: of their lines, one after the other.
            starts: of the lines in the shard, bytes.
            lengths: of the lines, bytes.
            durations: of their windows, seconds.
            labels: by `numbers`.
        """
        rows = np.zeros(len(labels), ROW)
        rows["key"] = np.frombuffer(keys, "V16")
        rows["offset"] = starts
        rows["length"] = lengths
        rows["duration"] = durations
        rows["label"] = labels
        self._digest.add(keys)
        self.rows += len(rows)
        self._blocks.append(rows)
        if sum(map(len, self._blocks)) >= RUN_ROWS:
            self._flush()

    def finished(self, size: int, unusable: UnusableLines = _NO_UNUSABLE) -> Part:
        """Writes what is left, and the part, which it gives.

        Args:
            size: of the shard, bytes.
            unusable: lines that have no row.
        """
        self._flush()
        part = Part(Shard(self._name, size, self.rows, self._digest.hex()), tuple(self._runs), unusable)
        self._write_offsets(size)
        with (
            errors_that_name(self._parts.url(self._parts.path)),
            written_whole(self._parts.fs, part_path(self._parts, self._name), self._parts.path) as target,
        ):
            target.write(msgspec.json.encode(part))
        return part

    def _flush(self) -> None:
        """Writes the rows so far as a run."""
        if not self._blocks:
            return
        rows = np.concatenate(self._blocks)
        numbers = rows["label"].copy()
        used = np.flatnonzero(np.bincount(numbers))
        of_rows = [self.numbers.labels[number] for number in used]
        labels, ranks = _sorted_and_ranks([each.source for each in of_rows], used)
        label_sets, set_ranks = _sorted_and_ranks([(each.corpus, each.language) for each in of_rows], used)
        rows["label"], rows["label_set"] = ranks[numbers], set_ranks[numbers]
        path = run_path(self._parts, self._name, len(self._runs))
        with (
            errors_that_name(self._parts.url(path)),
            written_whole(self._parts.fs, path, self._parts.path) as file,
        ):
            file.write(sorted_rows(rows).data)
        self._runs.append(RunLabels(len(rows), labels, label_sets))
        self._blocks, self.numbers = [], LabelNumbers()

    def _write_offsets(self, size: int) -> None:
        path = f"{self._parts.path}/{offsets_name(self._name)}"
        self._offsets.seek(0)
        with errors_that_name(self._parts.url(path)), written_whole(self._parts.fs, path, self._parts.path) as target:
            copyfileobj(self._offsets, target)
            target.write(offsets_file([], size))


def read_part(parts: Located, name: str) -> Part:
    """What `ShardRows` wrote of a shard.

    Raises:
        IndexFault: it was changed.
        OSError: it could not be read.
    """
    path = part_path(parts, name)
    with errors_that_name(parts.url(path)):
        content = parts.fs.cat_file(path)
    try:
        part = msgspec.json.decode(content, type=Part)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise IndexFault(f"{shown(parts.url(path))}: was changed ({error}); start again") from None
    if part.shard.name != name or part.shard.rows != sum(run.rows for run in part.runs):
        raise IndexFault(f"{shown(parts.url(path))}: was changed; start again")
    return part


def part_path(parts: Located, name: str) -> str:
    """Where it is known what is in a shard."""
    return f"{parts.path}/{name}.part"


def offsets_name(name: str) -> str:
    """What the file is called that says where the lines of a shard begin, beside its runs as beside the shard."""
    return f"{name}{OFFSETS_ENDING}"


def run_path(parts: Located, name: str, at: int) -> str:
    """Where a run of a shard is."""
    return f"{parts.path}/{name}.{at}"


def _sorted_and_ranks(
    found: Sequence[_Sortable], numbers: npt.NDArray[np.intp]
) -> tuple[tuple[_Sortable, ...], Numbers]:
    """The different ones, sorted; and by the number of each, which increase, its place among these."""
    ordered = sorted(set(found))
    places = {each: place for place, each in enumerate(ordered)}
    ranks = np.zeros(numbers[-1] + 1, np.uint32)
    ranks[numbers] = [places[each] for each in found]
    return tuple(ordered), ranks
