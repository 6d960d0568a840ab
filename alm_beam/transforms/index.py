"""The index of the cuts that a run writes, made by the run itself before it is published."""

from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.pvalue import AsIter

from alm_beam.storage.index import build
from alm_beam.storage.index.format import FOLDER
from alm_beam.storage.run_folder import CUTS, StagedRun
from alm_beam.transforms.write import numbered_shards


class _ScanShard(beam.DoFn):
    def __init__(self, run: StagedRun):
        self._run = run

    def process(self, name: str) -> Iterator[str]:
        build.scan_shard(self._run.shards_url(CUTS), name, _parts(self._run), self._run.options)
        yield name


class _MergeParts(beam.DoFn):
    def __init__(self, run: StagedRun, min_count: int):
        self._run = run
        self._min_count = min_count

    def process(self, _: bytes, scanned: Iterable[str]) -> Iterator[str]:
        run, names = self._run, {*scanned}
        numbered = numbered_shards(run, CUTS, names, self._min_count)
        for empty in numbered.keys() - names:
            build.scan_shard(run.shards_url(CUTS), empty, _parts(run), run.options)
        yield build.merge_parts(_parts(run), numbered, f"{run.url}/{FOLDER}", run.options).fingerprint


class IndexCuts(beam.PTransform):
    """The names of the staged shards of cuts to the fingerprint of their index, when that is staged, too.

    Shards are scanned in parallel. Rows go through files and not through the runner: those of a shard may be 100 MB.
    """

    def __init__(self, run: StagedRun, min_count: int):
        """
        Args:
            run: the run.
            min_count: the least number of shards of cuts.
        """
        super().__init__()
        self._scan = _ScanShard(run)
        self._merge = _MergeParts(run, min_count)

    def expand(self, shards: PCollection[str]) -> PCollection[str]:
        scanned = shards | beam.Reshuffle() | "ScanShard" >> beam.ParDo(self._scan)
        merge = beam.ParDo(self._merge, AsIter(scanned))
        return shards.pipeline | beam.Impulse() | "MergeParts" >> merge


def _parts(run: StagedRun) -> str:
    return f"{run.url}/index-parts"
