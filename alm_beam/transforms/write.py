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
from alm_beam.storage.index import build

_SHARD_BYTES = 1 << 30
"""A store takes a shard of this size in few parts, and copies it by one request."""


class RejectLimitError(RuntimeError):
    """More entries were rejected than the run allows."""


class ReplacedError(RuntimeError):
    """Another run has begun to write to the folder since this one did."""


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

    Attributes:
        begun: the path of a file that is there from when shards get their names until the run is complete. It keeps
            other runs from doing so, and names the temporary shards: it tells a second try that what is in place is of
            the first, and not of an earlier run, or of an earlier time that the runner ran the whole graph.
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
        self._folder = FileSystems.join(output, f"{BEAM_TEMPORARY}{prefix}-{uuid.uuid4().hex}")
        self.begun = f"{self._folder}-begun"
        self._num_shards = num_shards
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
        success = FileSystems.join(output, run_folder.SUCCESS)
        self._publish = _PublishShards(self._sink, self._folder, self.begun, success)

    def expand(self, lines: PCollection[bytes]) -> PCollection[str]:
        if self._num_shards:
            keyed = lines | "Spread" >> beam.ParDo(iobase._RoundRobinKeyFn(), count=self._num_shards)
            write = iobase._WriteKeyedBundleDoFn(self._sink)
            written = keyed | beam.GroupByKey() | "WriteBundles" >> beam.ParDo(write, self._folder)
        else:
            written = lines | "WriteBundles" >> beam.ParDo(iobase._WriteBundleDoFn(self._sink), self._folder)
        return lines.pipeline | beam.Impulse() | "PublishShards" >> beam.ParDo(self._publish, AsIter(written))


class _PublishShards(beam.DoFn):
    def __init__(self, sink: _ShardSink, folder: str, begun: str, success: str):
        self._sink = sink
        self._folder = folder
        self._begun = begun
        self._success = success

    def process(self, _: bytes, written: Iterable[str]) -> Iterator[str]:
        shards = list(written)
        least = 0 if self._sink.skip_if_empty and not shards else max(1, self._sink.num_shards)
        while len(shards) < least:  # by names that a second try gives too: shards are numbered in their order
            shards.append(self._sink.open_writer(self._folder, f"empty-{len(shards)}").close())
        names = orjson.dumps(sorted(shards))
        if _read(self._begun) != names:
            self._begin(shards)
            _write(self._begun, names)
        for _ in self._sink.finalize_write(self._folder, shards, None):
            pass  # of what an earlier try has put in place, Beam gives no name
        yield from (self._sink._get_final_name(number, len(shards)) for number in range(len(shards)))

    def _begin(self, shards: list[str]) -> None:
        """Removes an earlier run's shards; its marker first: a runner may do all of a complete job again.

        A scheduler may start a run again that it only lost. Of the two, the one that cleared the folder later stays; if
        that found nothing of the other, the one that ends later. While one publishes, the other must not.
        """
        gone = sorted(set(shards) - set(_matched(FileSystems.join(self._folder, "*"))))
        if gone:
            raise ReplacedError(f"{gone[0]} is gone: another run has begun to write to the same folder")
        prefix = self._sink.file_path_prefix.get()
        folder, name = FileSystems.split(prefix)
        _write(self._begun, b"")  # before the look at others', so that of two runs at least one sees the other
        others = set(_matched(FileSystems.join(folder, f"{BEAM_TEMPORARY}{name}-*-begun"))) - {self._begun}
        if others:
            FileSystems.delete([self._begun])
            raise ReplacedError(f"another run publishes to the same folder, as {min(others)} says")
        if FileSystems.exists(self._success):
            FileSystems.delete([self._success])
        FileSystems.delete(_matched(f"{prefix}-*-of-*{run_folder.SHARD_SUFFIX}"))


def _matched(glob: str) -> list[str]:
    return [metadata.path for match in FileSystems.match([glob]) for metadata in match.metadata_list]


def _read(path: str) -> bytes | None:
    if not FileSystems.exists(path):
        return None
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        return bytes(file.read())


def _write(path: str, content: bytes) -> None:
    with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        file.write(content)


class _FinishRun(beam.DoFn):
    def __init__(
        self,
        output: str,
        storage: StorageSetup,
        facts: dict[str, Any],
        max_reject_fraction: float,
        begun: list[str],
    ):
        self._output = output
        self._storage = storage
        self._facts = facts
        self._max_reject_fraction = max_reject_fraction
        self._begun = begun

    def process(self, stats: LossStats, *shards: Iterable[str]) -> Iterator[LossStats]:
        # Nothing reads `shards`. As side inputs they make the runner call this only when they are written.
        success = FileSystems.join(self._output, run_folder.SUCCESS)
        if self._is_own():
            self._finish(stats, success)
            if not self._is_own():
                FileSystems.delete([success])
                raise self._replaced()
        elif not FileSystems.exists(success):
            raise self._replaced()
        # Else a first try got here, or another run has ended, whose statistics are not to be touched.
        FileSystems.delete([path for path in self._begun if FileSystems.exists(path)])
        yield stats

    def _is_own(self) -> bool:
        """Whether what is in place is still of this run."""
        return all(FileSystems.exists(path) for path in self._begun)

    def _replaced(self) -> ReplacedError:
        return ReplacedError(f"another run has begun to write to {self._output}")

    def _finish(self, stats: LossStats, success: str) -> None:
        summary = orjson.dumps({**stats.to_dict(), **self._facts}, option=orjson.OPT_INDENT_2)
        _write(FileSystems.join(self._output, run_folder.LOSS_STATS), summary + b"\n")
        if stats.reject_fraction > self._max_reject_fraction:
            raise RejectLimitError(_reject_limit_message(stats, self._max_reject_fraction, self._output))
        build.clear_parts(self._output)
        _write(success, b"")


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
        begun: list[str],
    ):
        """
        Args:
            output: the run's folder.
            storage: how workers reach it.
            facts: what `loss_stats.json` states beside the statistics.
            max_reject_fraction: the run fails above it.
            shards: the names that `WriteShards` gave: what has to be in place before the run is complete.
            begun: what `WriteShards` names so.
        """
        super().__init__()
        self._do_fn = _FinishRun(output, storage, facts, max_reject_fraction, begun)
        self._shards = shards

    def expand(self, stats: PCollection[LossStats]) -> PCollection[LossStats]:
        return stats | beam.ParDo(self._do_fn, *[AsIter(names) for names in self._shards])
