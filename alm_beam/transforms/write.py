"""Elements to shards: staged in a temporary folder of the output, and published when all of them are there."""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import IO, Any, Protocol

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.pvalue import AsIter
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue
from fsspec.spec import AbstractBufferedFile

from alm_beam.core.config import ConfigError
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.outputs import Outputs, Sharded
from alm_beam.storage.paths import BLOCK_BYTES, errors_that_name, info_of, is_local, located, make_folder
from alm_beam.storage.run_folder import RunFolder, why_unfit
from alm_beam.storage.secrets import shown
from alm_beam.storage.staged_run import ReplacedError, StagedRun

_SHARD_BYTES = 1 << 30
"""A store takes a shard of this size in few parts, and copies it by one request."""


class ShardSink(Protocol):
    """How elements become the bytes of a shard. Beam's `fileio.FileSink` has the same methods.

    What a method raises fails the bundle; the shard is then thrown away.

    >>> class LengthSink:
    ...     def open(self, file):
    ...         self._file = file
    ...     def write(self, element):
    ...         self._file.write(b"%d\\n" % len(element))
    ...     def flush(self):
    ...         pass
    >>> import io
    >>> file, sink = io.BytesIO(), LengthSink()
    >>> sink.open(file); sink.write(b"four"); sink.flush()
    >>> file.getvalue()
    b'4\\n'
    """

    def open(self, file: IO[bytes]) -> None:
        """Begins a shard."""

    def write(self, element: Any) -> None:
        """Adds an element to the shard."""

    def flush(self) -> None:
        """Ends the shard; the file is closed afterwards."""


class LineSink:
    """Elements as lines: bytes, each followed by a newline. An element that is not bytes raises TypeError.

    >>> import io
    >>> file, sink = io.BytesIO(), LineSink()
    >>> sink.open(file); sink.write(b"one"); sink.write(b"two"); sink.flush()
    >>> file.getvalue()
    b'one\\ntwo\\n'
    """

    def open(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, element: bytes) -> None:
        self._file.writelines((element, b"\n"))

    def flush(self) -> None:
        pass


class StageShards(beam.PTransform):
    """Elements to shards in the run's temporary folder; gives the shards' names there.

    The elements stay in the stage that made them: each bundle writes shards of its own.
    """

    def __init__(
        self,
        run: StagedRun,
        output: Sharded,
        *,
        sink: Callable[[str], ShardSink] = lambda name: LineSink(),
        num_shards: int = 0,
        max_shard_bytes: int = _SHARD_BYTES,
    ):
        """
        Args:
            run: the run.
            output: which of its outputs the shards are.
            sink: makes what writes the staged shard of a name.
            num_shards: how many; 0 leaves it to the runner. Any other number makes a local runner hold all elements.
            max_shard_bytes: where the runner decides, a shard that has so many bytes is followed by another.
        """
        super().__init__()
        self._num_shards = num_shards
        self._write = _WriteBundle(run, output, sink, max_shard_bytes)

    def expand(self, elements: PCollection[Any]) -> PCollection[str]:
        if not self._num_shards:
            return elements | "WriteBundles" >> beam.ParDo(self._write).with_output_types(str)
        keyed = elements | "Spread" >> beam.ParDo(_Spread(self._num_shards))
        grouped = keyed | beam.GroupByKey()
        return grouped | "WriteBundles" >> beam.ParDo(_WriteGroup(self._write)).with_output_types(str)


class _Spread(beam.DoFn):
    """Gives each element the number of a shard, all numbers in turn."""

    def __init__(self, count: int):
        self._count = count

    def start_bundle(self) -> None:
        self._next = uuid.uuid4().int % self._count

    def process(self, element: Any) -> Iterator[tuple[int, Any]]:
        yield self._next, element
        self._next = (self._next + 1) % self._count


class _ShardFile:
    """A shard that is being written."""

    def __init__(self, run: StagedRun, output: Sharded, sink_of: Callable[[str], ShardSink]):
        self.name = f"{uuid.uuid4().hex}{output.suffix}"
        self._url = f"{run.shards_url(output)}/{self.name}"
        self._sink = sink = sink_of(self.name)
        with errors_that_name(self._url):
            place = located(self._url, run.options)
            make_folder(place.fs, place.path.rpartition("/")[0])
            self._file: Any = (
                open(place.path, "wb", buffering=1 << 16)  # noqa: SIM115 (closed by `close` or `abandon`)
                if is_local(place.fs)
                else place.fs.open(place.path, "wb", block_size=BLOCK_BYTES)
            )
        try:
            sink.open(self._file)
        except BaseException:
            self.abandon()
            raise

    def write(self, element: Any) -> int:
        """Adds an element, and gives the size of the shard so far, bytes."""
        with errors_that_name(self._url):
            self._sink.write(element)
            return int(self._file.tell())

    def close(self) -> None:
        with errors_that_name(self._url):
            self._sink.flush()
            self._file.close()

    def abandon(self) -> None:
        """Closes the file, so that a store keeps nothing of it. No name of it was given out."""
        with suppress(Exception):
            if isinstance(self._file, AbstractBufferedFile):
                self._file.closed = True
                self._file.discard()
            else:
                self._file.close()


class _WriteBundle(beam.DoFn):
    def __init__(self, run: StagedRun, output: Sharded, sink: Callable[[str], ShardSink], max_shard_bytes: int):
        self._run = run
        self._output = output
        self._sink = sink
        self._max_shard_bytes = max_shard_bytes

    def setup(self) -> None:
        self._shard: _ShardFile | None = None

    def start_bundle(self) -> None:
        self.teardown()  # of a bundle that failed
        self._names: list[str] = []

    def process(self, element: Any) -> None:
        if self._shard is None:
            self._shard = self.open_shard()
        if self._shard.write(element) >= self._max_shard_bytes:
            self._end_shard()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        self._end_shard()
        yield from map(GlobalWindows.windowed_value, self._names)

    def teardown(self) -> None:
        if self._shard is not None:
            self._shard.abandon()
            self._shard = None

    def open_shard(self) -> _ShardFile:
        return _ShardFile(self._run, self._output, self._sink)

    def _end_shard(self) -> None:
        if self._shard is not None:
            self._shard.close()
            self._names.append(self._shard.name)
            self._shard = None


class _WriteGroup(beam.DoFn):
    def __init__(self, write: _WriteBundle):
        self._write = write

    def process(self, group: tuple[int, Iterable[Any]]) -> Iterator[str]:
        shard = self._write.open_shard()
        try:
            for element in group[1]:
                shard.write(element)
        except BaseException:
            shard.abandon()
            raise
        shard.close()
        yield shard.name


def numbered_shards(run: StagedRun, output: Sharded, names: Iterable[str], count: int = 0) -> dict[str, str]:
    """The staged shards of an output, and the names that they are to have, in the order of the staged names.

    Args:
        run: the run.
        output: whose shards.
        names: the shards that were written.
        count: how many shards there have to be at least; empty ones are added.
    """
    found = sorted(names)
    for number in range(len(found), count):
        name = f"zz-empty-{number:05d}{output.suffix}"  # the same in a second try, and sorted after all others
        place = located(f"{run.shards_url(output)}/{name}", run.options)
        with errors_that_name(place.url(place.path)):
            if info_of(place.fs, place.path) is None:  # once, as an index has to be newer than what it is of
                make_folder(place.fs, place.path.rpartition("/")[0])
                place.fs.pipe_file(place.path, b"")
        found.append(name)
    return {name: output.file_name(number, len(found)) for number, name in enumerate(found)}


def staged_moves(output: Sharded, numbered: Mapping[str, str]) -> dict[str, str]:
    """The moves by which numbered shards are published, as `StagedRun.publish` takes them."""
    return {f"shards-{output.name}/{name}": final for name, final in numbered.items()}


class WriteShards(beam.PTransform):
    """Elements to shards in a folder, `<name>-SSSSS-of-NNNNN<suffix>`; gives the shards' paths when all are in place.

    It does what Beam's `WriteToText` does, for any sink and any fsspec URL: shards are written to a temporary folder
    and get their names at the end. Shards of that name from an earlier run go then, as does a `_SUCCESS` in the folder.
    While the pipeline runs, a shard that cannot be written raises OSError, and ReplacedError is raised where another
    pipeline publishes shards of that name to the folder at the same time. What a failed pipeline has written stays in
    the folder's `beam-temp-alm_beam-*`, which nothing reads and you may remove.

    >>> import os, tempfile
    >>> output = tempfile.mkdtemp()
    >>> with beam.Pipeline() as pipeline:
    ...     _ = pipeline | beam.Create([b"one", b"two"]) | WriteShards(output, "numbers", suffix=".txt", num_shards=2)
    >>> sorted(os.listdir(output))
    ['numbers-00000-of-00002.txt', 'numbers-00001-of-00002.txt']
    """

    def __init__(
        self,
        output: str,
        name: str,
        *,
        sink: Callable[[], ShardSink] = LineSink,
        suffix: str = ".jsonl",
        num_shards: int = 0,
        skip_if_empty: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ):
        """
        Args:
            output: the folder; a path or any fsspec URL.
            name: what the shards' names begin with.
            sink: makes what writes a shard: lines of bytes, unless another one is given.
            suffix: what the shards' names end with.
            num_shards: how many, at least 0, which leaves it to the runner. Any other number makes a local runner hold
                all elements.
            skip_if_empty: write no shard when there is no element; otherwise there is one, empty.
            storage_options: fsspec's, as for `alm_beam.run`.

        Raises:
            StorageOptionsError: the storage options are malformed.
            ConfigError: the folder, the names or the number cannot be used.
        """
        super().__init__()
        url = output if "://" in output else os.path.abspath(output)  # a worker may have another working directory
        why = why_unfit(url)
        if why:
            raise ConfigError("output", shown(url), why)
        for parameter, part in (("name", name), ("suffix", suffix)):
            if set("/*?[]") & set(part):
                raise ConfigError(parameter, part, "must be a part of a file's name without any of / * ? [ ]")
        if num_shards < 0:
            raise ConfigError("num_shards", num_shards, "must be at least 0")
        self._output = Sharded(name, suffix)
        folder = RunFolder(url, Outputs("", (self._output,), (), {}), options_by_protocol(storage_options, [url]))
        self._run = StagedRun(folder, folder.temporary_url(uuid.uuid4().hex))
        self._stage = StageShards(self._run, self._output, sink=lambda name: sink(), num_shards=num_shards)
        self._min_count = max(num_shards, 0 if skip_if_empty else 1)

    def expand(self, elements: PCollection[Any]) -> PCollection[str]:
        staged = elements | "Stage" >> self._stage
        publish = beam.ParDo(_PublishShards(self._run, self._output, self._min_count), AsIter(staged))
        return elements.pipeline | beam.Impulse() | "Publish" >> publish


class _PublishShards(beam.DoFn):
    def __init__(self, run: StagedRun, output: Sharded, min_count: int):
        self._run = run
        self._output = output
        self._min_count = min_count

    def process(self, _: bytes, names: Iterable[str]) -> Iterator[str]:
        names = [*names]
        numbered = numbered_shards(self._run, self._output, names, self._min_count)
        try:
            self._run.publish(staged_moves(self._output, numbered))
        except ReplacedError:
            is_moved = names and not self._run.holds_any(self._output, names)  # an earlier try may have ended
            if not (is_moved and self._run.folder.holds(numbered.values())):
                raise
        self._run.discard()
        yield from (f"{self._run.folder.url.rstrip('/')}/{name}" for name in numbered.values())
