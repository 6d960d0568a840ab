"""Audio of single rows of a parquet file whose column `audio_bytes` is a list of 8-bit integers."""

from typing import Any, BinaryIO

_COLUMN = "audio_bytes"


class AudioRows:
    """Reads the encoded audio of rows. It holds that of one row group.

    A row cannot be read by itself: the first row of a group takes as long as all rows of it. After that, the others
    are at hand.

    Args:
        file: is sought in; it stays open.
        name: of the file, for messages.

    Raises:
        ImportError: pyarrow is not there.
        ValueError: the file is no such parquet file.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        try:
            import pyarrow
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise ImportError(f"{name}: to read parquet, pyarrow is needed: pip install pyarrow ({error})") from None
        self._name = name
        self._fault: type[Exception] = pyarrow.ArrowException
        try:
            self._table: Any = ParquetFile(file)
        except self._fault as error:
            raise ValueError(f"{name}: not a whole parquet file: {error}") from None
        kinds = {field.name: field.type for field in self._table.schema_arrow}
        if kinds.get(_COLUMN) != pyarrow.list_(pyarrow.int8()):
            raise ValueError(f"{name}: expected a column {_COLUMN} of list<int8>, found {kinds.get(_COLUMN)}")
        metadata = self._table.metadata
        self._lengths = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._group = -1
        self._audio: list[bytes] = []

    def audio_of_row(self, row: int) -> bytes:
        """The encoded audio of a row.

        Args:
            row: its number in the file, from 0.

        Raises:
            ValueError: there is no such row, or it cannot be read.
        """
        group, inside = 0, row
        while group < len(self._lengths) and inside >= self._lengths[group]:
            inside -= self._lengths[group]
            group += 1
        if row < 0 or group == len(self._lengths):
            raise ValueError(f"{self._name}: there is no row {row}, it has {sum(self._lengths)}")
        if group != self._group:
            self._group, self._audio = -1, []
            self._audio = self._read(group)
            self._group = group
        return self._audio[inside]

    def _read(self, group: int) -> list[bytes]:
        """A row at a time: decoding a group at once takes 14 times as many bytes as the audio has."""
        rows = self._table.iter_batches(1, [group], [_COLUMN], use_threads=False)
        try:
            lists = [row.column(0)[0].values for row in rows]
        except (self._fault, OSError) as error:
            raise ValueError(f"{self._name}: row group {group} cannot be read: {error}") from None
        if None in lists:
            raise ValueError(f"{self._name}: row group {group} has a row without {_COLUMN}")
        return [each.to_numpy().tobytes() for each in lists]
