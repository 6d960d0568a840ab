"""What a run leaves in its folder, the success marker last."""

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import orjson
from apache_beam import PCollection
from apache_beam.coders import BytesCoder
from apache_beam.io import iobase, textio
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import AsIter

from alm_beam.core.losses import LossStats
from alm_beam.runners.filesystem import StorageSetup
from alm_beam.storage import run_folder
from alm_beam.storage.discovery import BEAM_TEMPORARY

_SHARD_BYTES = 1 << 30
"""A store takes a shard of this size in few parts, and copies it by one request."""


class RejectLimitError(RuntimeError):
    """More entries were rejected than the run allows."""


class _ShardSink(textio._TextSink):
    """Beam's text sink, but that workers make its temporary folder, whose name the graph holds.

    Beam makes it in a step of its own and gives the name to the writers as a side input. That would end the stage: on
    Flink all lines would leave the worker for the runner, and come back.
    """

    def open_writer(self, init_result: str, uid: str) -> Any:
        if "://" in init_result:
            with contextlib.suppress(BeamIOError):  # some filesystems refuse to make what is there
                FileSystems.mkdirs(init_result)
        else:
            os.makedirs(init_result, exist_ok=True)
        return super().open_writer(init_result, uid)


class WriteShards(beam.PTransform):
    """`WriteToText` of lines, as bytes: gives the shards' names when all of them are in place.

    Shards are written to a temporary folder in the output, and get their names at the end.
    """

    def __init__(
        self, output: str, prefix: str, storage: StorageSetup, *, num_shards: int = 0, skip_if_empty: bool = False
    ):
        """
        Args:
            output: the run's folder.
            prefix: what the shards' names begin with.
            storage: how workers reach the folder.
            num_shards: how many; 0 leaves it to the runner. Any other number makes a local runner hold all lines.
            skip_if_empty: write no shard when there is no line.
        """
        super().__init__()
        self._sink = _ShardSink(
            FileSystems.join(output, prefix),
            file_name_suffix=run_folder.SHARD_SUFFIX,
            num_shards=num_shards,
            shard_name_template="-SSSSS-of-NNNNN",
            coder=BytesCoder(),
            compression_type=CompressionTypes.UNCOMPRESSED,
            max_bytes_per_shard=None if num_shards else _SHARD_BYTES,
            skip_if_empty=skip_if_empty,
        )
        self._sink.storage = storage
        self._num_shards = num_shards
        self._folder = FileSystems.join(output, f"{BEAM_TEMPORARY}{prefix}-{uuid.uuid4().hex}")
        self._marker = FileSystems.join(output, run_folder.SUCCESS)

    def expand(self, lines: PCollection[bytes]) -> PCollection[str]:
        if self._num_shards:
            keyed = lines | "Spread" >> beam.ParDo(iobase._RoundRobinKeyFn(), count=self._num_shards)
            write = iobase._WriteKeyedBundleDoFn(self._sink)
            written = keyed | beam.GroupByKey() | "WriteBundles" >> beam.ParDo(write, self._folder)
        else:
            written = lines | "WriteBundles" >> beam.ParDo(iobase._WriteBundleDoFn(self._sink), self._folder)
        publish = _PublishShards(self._sink, self._folder, self._marker)
        return lines.pipeline | beam.Impulse() | "PublishShards" >> beam.ParDo(publish, AsIter(written))


class _PublishShards(beam.DoFn):
    def __init__(self, sink: _ShardSink, folder: str, marker: str):
        self._sink = sink
        self._folder = folder
        self._marker = marker

    def process(self, _: bytes, written: Iterable[str]) -> Iterator[str]:
        shards = list(written)
        # A runner may do all of a job again, after it was done: then it is not complete any more.
        if FileSystems.exists(self._marker):
            FileSystems.delete([self._marker])
        self._sink.pre_finalize(self._folder, shards)
        least = 0 if self._sink.skip_if_empty and not shards else max(1, self._sink.num_shards)
        while len(shards) < least:
            shards.append(self._sink.open_writer(self._folder, str(uuid.uuid4())).close())
        for _ in self._sink.finalize_write(self._folder, shards, None):
            pass  # of what an earlier try has put in place, Beam gives no name
        yield from (self._sink._get_final_name(number, len(shards)) for number in range(len(shards)))


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
            shards: the names that `WriteShards` gave: what has to be in place before the run is complete.
        """
        super().__init__()
        self._do_fn = _FinishRun(output, storage, facts, max_reject_fraction)
        self._shards = shards

    def expand(self, stats: PCollection[LossStats]) -> PCollection[LossStats]:
        return stats | beam.ParDo(self._do_fn, *[AsIter(names) for names in self._shards])
