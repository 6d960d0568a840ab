"""Manifests as lines that know where they stand."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.coders import BytesCoder
from apache_beam.io import iobase, range_trackers, textio
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import PBegin

from alm_beam.runners.filesystem import StorageSetup, has_changed
from alm_beam.storage.compression import DecompressionError, decompressed, is_compressed
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.secrets import shown

_READ_BYTES = 1 << 20
"""Beam reads 8 KiB at a time and joins them, which is quadratic in the length of a line."""

_RANGE_BYTES = 8 << 20
"""What is handed to a worker at a time: a second or so of work, so that all end at about the same time."""

_OPEN_BYTES = 1 << 16
"""What opening a file counts for: a store may take a tenth of a second, and 20,000 tiny files are not one worker's."""

Line = tuple[str, int, bytes]
"""The file, the byte offset of the line in it, the line."""


class ManifestReadError(OSError):
    """A manifest could not be read to its end."""


class ReadRange(NamedTuple):
    """What one worker reads in one go.

    Attributes:
        manifests: one after the other.
        start: the lines that begin there or behind it, in bytes.
        stop: and before it; None for all: of several manifests, and of one that cannot be split.
    """

    manifests: tuple[Manifest, ...]
    start: int = 0
    stop: int | None = None


def ranges_of(
    manifests: Sequence[Manifest], size: int = _RANGE_BYTES, opening: int = _OPEN_BYTES
) -> Iterator[ReadRange]:
    """All of the manifests, in ranges of about a size in bytes: parts of a large one, several small ones.

    Compressed ones are not split; empty ones are left out. A small one counts for so many bytes at least as `opening`
    says.
    """
    small: list[Manifest] = []
    room = size
    for manifest in manifests:
        if manifest.size > size and not is_compressed(manifest.path):
            for start in range(0, manifest.size, size):
                yield ReadRange((manifest,), start, min(start + size, manifest.size))
        elif manifest.size:
            counted = max(manifest.size, opening)
            if small and counted > room:
                yield ReadRange(tuple(small))
                small, room = [], size
            small.append(manifest)
            room -= counted
    if small:
        yield ReadRange(tuple(small))


def lines_in(read: ReadRange) -> Iterator[Line]:
    """The lines that begin in the range.

    Raises:
        ManifestReadError: a file cannot be read, has changed since it was found, or is compressed and not whole.
    """
    for manifest in read.manifests:
        yield from _lines_of(manifest, read.start, read.stop)


def _lines_of(manifest: Manifest, start: int, stop: int | None) -> Iterator[Line]:
    tracker = range_trackers.OffsetRangeTracker(
        start, range_trackers.OffsetRangeTracker.OFFSET_INFINITY if stop is None else stop
    )
    position = _ClaimedPosition(tracker)
    name = shown(manifest.path)
    try:
        for line in _ManifestSource(manifest).read_records(manifest.path, position):
            yield name, position.offset, line
    except DecompressionError as error:
        raise ManifestReadError(f"{name}: the compressed data is cut off or corrupt ({error})") from error
    except OSError as error:
        raise ManifestReadError(f"{name}: cannot be read ({str(error).removeprefix(f'{name}: ')})") from error


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


class _ManifestSource(textio._TextSource):
    """Beam's text source over one manifest, to be read by ranges."""

    def __init__(self, manifest: Manifest):
        super().__init__(
            manifest.path,
            0,
            CompressionTypes.UNCOMPRESSED,
            strip_trailing_newlines=True,
            coder=BytesCoder(),
            buffer_size=_READ_BYTES,
            validate=False,
        )
        self._manifest = manifest

    @contextlib.contextmanager
    def open_file(self, file_name: str) -> Iterator[IO[bytes]]:
        with FileSystems.open(file_name, compression_type=CompressionTypes.UNCOMPRESSED) as raw:
            if has_changed(raw, self._manifest):
                raise OSError("it has changed since the run began")
            yield decompressed(file_name, raw)


class _ListRanges(beam.DoFn):
    def __init__(self, manifests: Sequence[Manifest]):
        self._manifests = manifests

    def process(self, _: bytes) -> Iterator[ReadRange]:
        yield from ranges_of(self._manifests)


class _ReadLines(beam.DoFn):
    def __init__(self, storage: StorageSetup):
        self._storage = storage  # unpickled with it, in a worker, it says how to reach the files

    def process(self, element: ReadRange) -> Iterator[Line]:
        yield from lines_in(element)


class ReadManifests(beam.PTransform):
    """`ReadAllFromText` over known files, with the place of each line: (file, byte offset, line as bytes).

    The ranges to read, not what is in them, are spread over the workers: not all runners would do so by themselves with
    the one bundle that a `ReadFromText` begins as. A compressed file is one range, and its offsets count uncompressed
    bytes.
    """

    def __init__(self, manifests: Sequence[Manifest], storage: StorageSetup | None = None):
        """
        Args:
            manifests: the files; one that is named twice is read twice.
            storage: how workers reach them; by fsspec's configuration alone, if None.
        """
        super().__init__()
        self._manifests = manifests
        self._storage = storage or StorageSetup({})

    def expand(self, begin: PBegin) -> PCollection[Line]:
        return (
            begin
            | beam.Impulse()
            | "ListRanges" >> beam.ParDo(_ListRanges(self._manifests))
            | beam.Reshuffle()
            | "ReadLines" >> beam.ParDo(_ReadLines(self._storage))
        )
