"""What a run leaves in its folder, the success marker last."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import orjson
from apache_beam import PCollection
from apache_beam.coders import BytesCoder
from apache_beam.io import WriteToText
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import AsIter

from alm_beam.core.losses import LossStats
from alm_beam.runners.filesystem import StorageSetup
from alm_beam.storage import indexing, run_folder


class RejectLimitError(RuntimeError):
    """More entries were rejected than the run allows."""


def write_shards(
    output: str, prefix: str, storage: StorageSetup, *, num_shards: int = 0, skip_if_empty: bool = False
) -> WriteToText:
    """Lines, as bytes, to the shards of one kind of file; gives the shards' names when all of them are in place.

    Args:
        output: the run's folder.
        prefix: what the shards' names begin with.
        storage: how workers reach the folder.
        num_shards: how many; 0 leaves it to the runner. Any other number makes a local runner hold all lines.
        skip_if_empty: write no shard when there is no line.
    """
    shards = WriteToText(
        FileSystems.join(output, prefix),
        file_name_suffix=run_folder.SHARD_SUFFIX,
        num_shards=num_shards,
        shard_name_template="-SSSSS-of-NNNNN",
        coder=BytesCoder(),
        compression_type=CompressionTypes.UNCOMPRESSED,
        skip_if_empty=skip_if_empty,
    )
    shards._sink.storage = storage
    return shards


class _FinishRun(beam.DoFn):
    def __init__(self, output: str, storage: StorageSetup, facts: dict[str, Any], max_reject_fraction: float):
        self._output = output
        self._storage = storage
        self._facts = facts
        self._max_reject_fraction = max_reject_fraction

    def process(self, stats: LossStats, *shards: Iterable[str]) -> Iterator[LossStats]:
        # Nothing reads `shards`. As side inputs they make the runner call this only when they are written.
        summary = orjson.dumps({**stats.to_dict(), **self._facts}, option=orjson.OPT_INDENT_2)
        self._write(run_folder.LOSS_STATS, summary + b"\n")
        if stats.reject_fraction > self._max_reject_fraction:
            raise RejectLimitError(_reject_limit_message(stats, self._max_reject_fraction, self._output))
        indexing.clear_parts(self._output)
        self._write(run_folder.SUCCESS, b"")
        yield stats

    def _write(self, name: str, content: bytes) -> None:
        with FileSystems.create(
            FileSystems.join(self._output, name), compression_type=CompressionTypes.UNCOMPRESSED
        ) as file:
            file.write(content)


def _reject_limit_message(stats: LossStats, limit: float, output: str) -> str:
    rejects = stats.rejected.total()
    reasons = ", ".join(f"{reason}: {count}" for reason, count in stats.rejected.most_common(3))
    return (
        f"{rejects} of {rejects + stats.recordings} entries were rejected ({stats.reject_fraction:.2%}), more than "
        f"--max_reject_fraction={limit} allows. Mostly {reasons}. See {output}/{run_folder.REJECTS}-*"
    )


class FinishRun(beam.PTransform):
    """Writes `loss_stats.json` and then, when all shards are in place and few enough entries were rejected, `_SUCCESS`.

    Being part of the graph it holds also where the process that launched the run does not wait for it. Each file is
    written whole, so a runner may do it again.
    """

    def __init__(
        self,
        output: str,
        storage: StorageSetup,
        facts: dict[str, Any],
        max_reject_fraction: float,
        shards: list[PCollection[str]],
    ):
        """
        Args:
            output: the run's folder.
            storage: how workers reach it.
            facts: what `loss_stats.json` states beside the statistics.
            max_reject_fraction: the run fails above it.
            shards: the names that `write_shards` gave: what has to be in place before the run is complete.
        """
        super().__init__()
        self._do_fn = _FinishRun(output, storage, facts, max_reject_fraction)
        self._shards = shards

    def expand(self, stats: PCollection[LossStats]) -> PCollection[LossStats]:
        return stats | beam.ParDo(self._do_fn, *[AsIter(names) for names in self._shards])
