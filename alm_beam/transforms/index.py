"""The index of the cuts that a run writes, made by the run itself before it is published."""

from collections.abc import Iterable, Iterator, Mapping

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.pvalue import AsIter

from alm_beam.storage.index.build import merge_parts
from alm_beam.storage.index.format import FOLDER
from alm_beam.storage.index.scan import offsets_name, scan_shard
from alm_beam.storage.outputs import CUTS
from alm_beam.storage.staged_run import StagedRun
from alm_beam.transforms.write import numbered_shards

_PARTS = "index-parts"


class _ScanShard(beam.DoFn):
    def __init__(self, run: StagedRun):
        self._run = run

    def process(self, name: str) -> Iterator[str]:
        _scan(self._run, name)
        yield name


class _MergeParts(beam.DoFn):
    def __init__(self, run: StagedRun, min_count: int):
        self._run = run
        self._min_count = min_count

    def process(self, _: bytes, scanned: Iterable[str]) -> Iterator[int]:
        run, names = self._run, {*scanned}
        numbered = numbered_shards(run, CUTS, names, self._min_count)
        for empty in numbered.keys() - names:
            _scan(run, empty)
        yield merge_parts(_parts(run), numbered, f"{run.url}/{FOLDER}", run.options).repeated_windows or 0


class IndexCuts(beam.PTransform):
    """The names of the staged shards of cuts to the number of their repeated windows, when their index is staged, too.

    With it, the `.idx` of each shard is staged: see `offsets_moves`.

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

    def expand(self, shards: PCollection[str]) -> PCollection[int]:
        scanned = shards | beam.Reshuffle() | "ScanShard" >> beam.ParDo(self._scan)
        merge = beam.ParDo(self._merge, AsIter(scanned))
        return shards.pipeline | beam.Impulse() | "MergeParts" >> merge


def _scan(run: StagedRun, name: str) -> None:
    """Scans a shard, of which every line has to be a cut: the run itself has written them."""
    scan_shard(run.shards_url(CUTS), name, _parts(run), run.options).unusable.refuse()


def offsets_moves(numbered: Mapping[str, str]) -> dict[str, str]:
    """The moves by which the `.idx` of numbered shards are published that `IndexCuts` has staged."""
    return {f"{_PARTS}/{offsets_name(name)}": offsets_name(final) for name, final in numbered.items()}


def _parts(run: StagedRun) -> str:
    return f"{run.url}/{_PARTS}"
