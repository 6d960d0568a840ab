"""The index of the cuts that a run writes, made by the run itself."""

from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.pvalue import AsIter

from alm_beam.runners.filesystem import StorageSetup
from alm_beam.storage.index import build


class _ScanShard(beam.DoFn):
    def __init__(self, output: str, storage: StorageSetup):
        self._output = output
        self._storage = storage

    def process(self, shard: str) -> Iterator[str]:
        name = shard.rpartition("/")[2]
        build.scan_shard(self._output, name)
        yield name


class _MergeParts(beam.DoFn):
    def __init__(self, output: str, storage: StorageSetup):
        self._output = output
        self._storage = storage

    def process(self, _: bytes, names: Iterable[str]) -> Iterator[str]:
        yield build.merge_parts(self._output, sorted(set(names))).fingerprint


class IndexCuts(beam.PTransform):
    """The names of the shards of cuts, when they are in place, to the fingerprint of their index, when that is.

    Shards are scanned in parallel. Rows go through files and not through the runner: those of a shard may be 100 MB.
    """

    def __init__(self, output: str, storage: StorageSetup):
        """
        Args:
            output: the run's folder.
            storage: how workers reach it.
        """
        super().__init__()
        self._output = output
        self._storage = storage

    def expand(self, shards: PCollection[str]) -> PCollection[str]:
        scanned = shards | beam.Reshuffle() | "ScanShard" >> beam.ParDo(_ScanShard(self._output, self._storage))
        merge = beam.ParDo(_MergeParts(self._output, self._storage), AsIter(scanned))
        return shards.pipeline | beam.Impulse() | "MergeParts" >> merge
