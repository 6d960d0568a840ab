"""Manifests as lines that know where they stand."""

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import IO, Any

from apache_beam.coders import BytesCoder, Coder
from apache_beam.io import ReadFromText, concat_source, filebasedsource, iobase, range_trackers, textio
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.typehints import Tuple

from alm_beam.runners.filesystem import StorageSetup, has_changed
from alm_beam.storage.compression import DecompressionError, decompressed, is_compressed
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.secrets import shown

_READ_BYTES = 1 << 20
"""Beam reads 8 KiB at a time and joins them, which is quadratic in the length of a line."""

_GROUP_BYTES = 1 << 20
"""Beam splits a file into no smaller pieces than this."""


class ManifestReadError(OSError):
    """A manifest could not be read to its end."""


class _ClaimedPosition:
    """A range tracker that remembers the position it claimed last: the byte offset of the line being read."""

    def __init__(self, tracker: iobase.RangeTracker):
        self._tracker = tracker
        self.offset = -1

    def try_claim(self, position: int) -> bool:
        claimed = self._tracker.try_claim(position)
        if claimed:
            self.offset = position
        return bool(claimed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracker, name)


class _ManifestGroup(iobase.BoundedSource):
    """Small manifests, read one after the other: to hand each to a worker by itself costs more than to read it.

    A position is the index of a manifest, so work can still move to another worker, by whole manifests.
    """

    def __init__(self, sources: Sequence[iobase.BoundedSource]):
        self._sources = sources

    def estimate_size(self) -> int:
        return sum(source.estimate_size() for source in self._sources)

    def split(self, *_: Any, **__: Any) -> Iterator[iobase.SourceBundle]:
        yield iobase.SourceBundle(self.estimate_size(), self, 0, len(self._sources))

    def get_range_tracker(self, start: int, stop: int) -> iobase.RangeTracker:
        return range_trackers.OffsetRangeTracker(start, stop)

    def read(self, range_tracker: iobase.RangeTracker) -> Iterator[tuple[str, int, bytes]]:
        index = range_tracker.start_position()
        while range_tracker.try_claim(index):
            source = self._sources[index]
            yield from source.read(source.get_range_tracker(None, None))
            index += 1

    def default_output_coder(self) -> Coder:
        return self._sources[0].default_output_coder()


class _ManifestSource(textio._TextSource):
    """A text source over a list of files that yields (file, byte offset, line)."""

    manifests: Sequence[Manifest] = ()
    manifest: Manifest | None = None
    storage: StorageSetup | None = None
    _concat_source: concat_source.ConcatSource | None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, buffer_size=_READ_BYTES, **kwargs)

    def _get_concat_source(self) -> concat_source.ConcatSource:
        # Beam would match the pattern here. The manifests are already known, and a name may hold a `*` or a `[`.
        if self._concat_source is None:
            groups: list[list[iobase.BoundedSource]] = []
            room = 0
            for manifest in self.manifests:
                path, size, _ = manifest
                if not size:
                    continue
                reader = copy.copy(self)
                reader.manifests, reader.manifest = (), manifest
                if room < size:
                    groups.append([])
                    room = _GROUP_BYTES
                room -= size
                splittable = not is_compressed(path)
                groups[-1].append(
                    filebasedsource._SingleFileSource(
                        reader, path, 0, size, self._min_bundle_size, splittable=splittable
                    )
                )
            self._concat_source = concat_source.ConcatSource(
                [group[0] if len(group) == 1 else _ManifestGroup(group) for group in groups]
            )
        return self._concat_source

    @contextlib.contextmanager
    def open_file(self, file_name: str) -> Iterator[IO[bytes]]:
        with FileSystems.open(file_name, compression_type=CompressionTypes.UNCOMPRESSED) as raw:
            if self.manifest and has_changed(raw, self.manifest):
                raise OSError("it has changed since the run began")
            yield decompressed(file_name, raw)

    def read_records(self, file_name: str, range_tracker: iobase.RangeTracker) -> Iterator[tuple[str, int, bytes]]:
        position = _ClaimedPosition(range_tracker)
        lines = super().read_records(file_name, position)
        name = shown(file_name)
        try:
            for line in lines:
                yield name, position.offset, line
        except DecompressionError as error:
            raise ManifestReadError(f"{name}: the compressed data is cut off or corrupt ({error})") from error
        except OSError as error:
            raise ManifestReadError(f"{name}: cannot be read ({str(error).removeprefix(f'{name}: ')})") from error

    def display_data(self) -> dict[str, Any]:
        return {"compression": "by name"}  # not the file: its URL may hold credentials

    def output_type_hint(self) -> Any:
        return Tuple[str, int, bytes]


class ReadManifests(ReadFromText):
    """`ReadFromText` over known files, with the place of each line: (file, byte offset, line as bytes).

    Splits within a file, as `ReadFromText` does; a compressed file is read as one, and its offsets count uncompressed
    bytes.
    """

    _source_class = _ManifestSource

    def __init__(self, manifests: Sequence[Manifest], storage: StorageSetup | None = None):
        """
        Args:
            manifests: the files, one or more; one that is named twice is read twice.
            storage: how workers reach them; as this process does with nothing but fsspec's configuration, if None.
        """
        super().__init__(manifests[0].path, coder=BytesCoder(), validate=False)
        self._source.manifests = manifests
        self._source.storage = storage
