"""The index of the cuts that a run writes, made by the run itself before it is published."""

from collections.abc import Iterable, Iterator, Mapping
from typing import IO

import apache_beam as beam
import numpy as np
from apache_beam import PCollection
from apache_beam.pvalue import AsIter

from alm_beam.core.cuts import CutLines
from alm_beam.storage.index.build import merge_parts
from alm_beam.storage.index.format import FOLDER, key_of
from alm_beam.storage.index.rows import ShardRows, offsets_name
from alm_beam.storage.index.scan import scan_shard
from alm_beam.storage.index.unusable import refuse_durations
from alm_beam.storage.outputs import CUTS
from alm_beam.storage.paths import located
from alm_beam.storage.staged_run import StagedRun
from alm_beam.transforms.write import numbered_shards

_PARTS = "index-parts"

_ROWS_AT_A_TIME = 1 << 12


class IndexedCutsSink:
    """`CutLines` as lines of a shard, and the shard's part of the index: `ShardSink`."""

    def __init__(self, run: StagedRun, name: str):
        """
        Args:
            run: the run.
            name: the shard's.
        """
        self._rows = ShardRows(name, located(_parts(run), run.options))
        self._size = 0
        self._begin_block()

    def open(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, element: CutLines) -> None:
        lines, durations, labels = element
        if not lines:
            return
        self._file.write(b"\n".join([*lines, b""]))
        self._keys += map(key_of, lines)
        self._lengths += map(len, lines)
        self._durations += durations
        self._labels += map(self._rows.numbers.__getitem__, labels)
        if len(self._keys) >= _ROWS_AT_A_TIME:
            self._end_block()

    def flush(self) -> None:
        self._end_block()
        with self._rows:
            self._rows.finished(self._size)

    def _begin_block(self) -> None:
        self._keys: list[bytes] = []
        self._lengths: list[int] = []
        self._durations: list[float] = []
        self._labels: list[int] = []

    def _end_block(self) -> None:
        if not self._keys:
            return
        lengths, durations = np.array(self._lengths, np.int64), np.array(self._durations, np.float64)
        refuse_durations(durations)
        starts = self._size + np.cumsum(lengths + 1) - lengths - 1
        self._rows.add_lines(starts)
        self._rows.add(b"".join(self._keys), starts, lengths, durations, np.array(self._labels, np.uint32))
        self._size += int(lengths.sum()) + len(lengths)
        self._begin_block()


class _ScanShard(beam.DoFn):
    def __init__(self, run: StagedRun):
        self._run = run

    def process(self, name: str) -> Iterator[str]:
        scan_shard(self._run.shards_url(CUTS), name, _parts(self._run), self._run.options).unusable.refuse()
        yield name


class ScanCuts(beam.PTransform):
    """The names of staged shards of cuts, when their parts of the index are staged, too; for cuts written elsewhere.

    Shards are scanned in parallel. Rows go through files and not through the runner: those of a shard may be 100 MB.
    """

    def __init__(self, run: StagedRun):
        """
        Args:
            run: the run.
        """
        super().__init__()
        self._scan = _ScanShard(run)

    def expand(self, shards: PCollection[str]) -> PCollection[str]:
        return shards | beam.Reshuffle() | "ScanShard" >> beam.ParDo(self._scan)


class _MergeParts(beam.DoFn):
    def __init__(self, run: StagedRun, min_count: int):
        self._run = run
        self._min_count = min_count

    def process(self, _: bytes, shards: Iterable[str]) -> Iterator[int]:
        run, names = self._run, {*shards}
        numbered = numbered_shards(run, CUTS, names, self._min_count)
        for empty in numbered.keys() - names:
            IndexedCutsSink(run, empty).flush()
        yield merge_parts(_parts(run), numbered, f"{run.url}/{FOLDER}", run.options).repeated_windows or 0


class IndexCuts(beam.PTransform):
    """The names of the staged shards of cuts to the number of their repeated windows, when their index is staged, too.

    Their parts of it are staged before, by `IndexedCutsSink` or by `ScanCuts`. With them, the `.idx` of each shard is
    staged: see `offsets_moves`.
    """

    def __init__(self, run: StagedRun, min_count: int):
        """
        Args:
            run: the run.
            min_count: the least number of shards of cuts.
        """
        super().__init__()
        self._merge = _MergeParts(run, min_count)

    def expand(self, shards: PCollection[str]) -> PCollection[int]:
        merge = beam.ParDo(self._merge, AsIter(shards))
        return shards.pipeline | beam.Impulse() | "MergeParts" >> merge


def offsets_moves(numbered: Mapping[str, str]) -> dict[str, str]:
    """The moves by which the `.idx` of numbered shards are published that a run has staged."""
    return {f"{_PARTS}/{offsets_name(name)}": offsets_name(final) for name, final in numbered.items()}


def _parts(run: StagedRun) -> str:
    return f"{run.url}/{_PARTS}"
