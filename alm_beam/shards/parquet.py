"""Parquet as Omnilingual ASR reads it: `parquet/corpus=…/split=…/language=…/part-NNNNN.parquet`.

The files have the columns `text`, `audio_bytes` and `audio_size`. `corpus`, `split` and `language` are in the paths
alone, as Ray's writer, which Omnilingual's recipe uses, leaves them: `pyarrow.parquet.ParquetDataset` makes
`dictionary<string, int32>` of them, and a column of the same name in the files would stand in the way of
`pyarrow.dataset`.

Omnilingual's reader decodes the audio with libsndfile (FLAC, WAV and Ogg), takes it as it is, and counts in samples of
16 kHz: its models need 16 kHz and one channel, which this writer does not force on anybody.
"""

from io import RawIOBase
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from xxhash import xxh3_128_hexdigest

from alm_beam.core.audio_member import AudioMember
from alm_beam.shards.format import OpenOutput, Output, Partition, ShardFormat, ShardWriter, SlicedWindow
from alm_beam.shards.shard_files import ShardFiles
from alm_beam.shards.speech import segments_of, text_of

if TYPE_CHECKING:
    import pyarrow.parquet

ROWS_PER_GROUP = 100
"""Rows of a row group at most."""

BYTES_PER_GROUP = 1 << 26
"""Bytes of audio of a row group at most, unless a row alone has more.

A writer holds a row group twice: as it came, and encoded. A reader that decodes it at once, as most do, needs some 14
times as many bytes, as Parquet has no integers below 32 bits.
"""

_FOLDER = "parquet"


class Parquet(ShardFormat):
    """Parquet for Omnilingual ASR. A file of the run is a shard, and a row of it a window."""

    folders = (_FOLDER,)
    is_partitioned = True

    def writer(self, number: int, count: int, partition: Partition, opened: OpenOutput) -> ShardWriter:
        """See `ShardFormat`.

        Raises:
            ImportError: pyarrow is not there.
        """
        return _ParquetWriter(path_of(number, partition), opened)


def path_of(number: int, partition: Partition) -> str:
    """Where a shard stands. Values of the partition are percent-encoded, which pyarrow, Spark and polars undo.

    >>> path_of(7, Partition("ami/ihm", "train", "en"))
    'parquet/corpus=ami%2Fihm/split=train/language=en/part-00007.parquet'
    """
    folders = (
        f"{name}={quote(value, safe='', errors='backslashreplace')}" for name, value in partition._asdict().items()
    )
    return "/".join((_FOLDER, *folders, f"part-{number:05}.parquet"))


class _ParquetWriter(ShardWriter):
    """Gathers the rows of a row group, and writes them."""

    def __init__(self, path: str, opened: OpenOutput) -> None:
        self._arrow = _pyarrow()
        self._path = path
        self._schema = self._arrow.schema(
            [
                ("text", self._arrow.string()),
                ("audio_bytes", self._arrow.list_(self._arrow.int8())),
                ("audio_size", self._arrow.int64()),
            ]
        )
        self._texts: list[str] = []
        self._audio: list[bytes] = []
        self._sizes: list[int] = []
        self._written = 0
        self._files = ShardFiles(opened)
        self._sink = _Sink(self._files.open(path))
        self._table = _table(self._sink, self._schema)

    def add(self, window: SlicedWindow) -> AudioMember:
        text = text_of(segments_of(window.cut))
        if self._audio and (
            len(self._audio) == ROWS_PER_GROUP or sum(map(len, self._audio)) + len(window.audio) > BYTES_PER_GROUP
        ):
            self._write_group()
        self._texts.append(text)
        self._audio.append(window.audio)
        self._sizes.append(window.samples)
        row = self._written + len(self._audio) - 1
        return AudioMember(self._path, row, len(window.audio), xxh3_128_hexdigest(window.audio))

    def finish(self) -> list[str]:
        self._write_group()
        self._table.close()
        return self._files.finish()

    def abandon(self) -> None:
        self._sink.output = None
        self._table.close()
        self._files.abandon()

    def _write_group(self) -> None:
        if not self._audio:
            return
        columns = [
            self._arrow.array(self._texts, self._arrow.string()),
            self._arrow.chunked_array([self._list_of(each) for each in self._audio], self._schema.types[1]),
            self._arrow.array(self._sizes, self._arrow.int64()),
        ]
        self._table.write_table(self._arrow.table(columns, schema=self._schema), row_group_size=ROWS_PER_GROUP)
        self._written += len(self._audio)
        self._texts, self._audio, self._sizes = [], [], []

    def _list_of(self, audio: bytes) -> "pyarrow.ListArray":
        """A list of one value: the bytes as integers. They are not copied."""
        values = self._arrow.Array.from_buffers(self._arrow.int8(), len(audio), [None, self._arrow.py_buffer(audio)])
        return self._arrow.ListArray.from_arrays(self._arrow.array([0, len(audio)], self._arrow.int32()), values)


class _Sink(RawIOBase):
    """An output as pyarrow takes one. Without an output, it forgets what is written: a table cannot but be ended."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self.output: Output | None = output

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        if self.output is not None:
            self.output.write(bytes(data))
        return len(data)


def _table(sink: RawIOBase, schema: "pyarrow.Schema") -> "pyarrow.parquet.ParquetWriter":
    """What writes a table: the audio with a dictionary, which brings its integers of 32 bits back to a byte each."""
    from pyarrow.parquet import ParquetWriter

    return ParquetWriter(sink, schema, compression="none", use_dictionary=["audio_bytes.list.element"])


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(f"shards in parquet need pyarrow: pip install pyarrow ({error})") from None
    return pyarrow
