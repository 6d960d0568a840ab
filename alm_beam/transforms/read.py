"""Manifests as lines that know where they stand."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.pvalue import PBegin

import alm_beam.transforms.coders  # noqa: F401 (registers the coder of lines)
from alm_beam.core.config import EntryConfig
from alm_beam.core.manifest import ManifestLine
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import Manifest, find_manifests
from alm_beam.storage.lines import ReadRange, counted_lines, ranges_of
from alm_beam.storage.options import options_by_protocol


class _ListRanges(beam.DoFn):
    def __init__(self, manifests: Sequence[Manifest], repeat_factor: int):
        self._manifests = manifests
        self._repeat_factor = repeat_factor

    def process(self, _: bytes) -> Iterator[ReadRange]:
        yield from ranges_of(chain.from_iterable(repeat(self._manifests, self._repeat_factor)))


class _ReadLines(beam.DoFn):
    def __init__(self, options: StorageOptions, max_line_bytes: int):
        self._options = options
        self._max_line_bytes = max_line_bytes

    def process(self, element: ReadRange) -> Iterator[ManifestLine]:
        yield from counted_lines(element, self._options, self._max_line_bytes)


class ReadManifests(beam.PTransform):
    """`ReadFromText` of manifests: files, folders and globs, compressed or not, at any fsspec URL, line by line.

    Each line comes as a `ManifestLine`, with its file and byte offset (of the uncompressed bytes). The ranges to read,
    not what is in them, are spread over the workers, so a large file keeps all of them busy; a compressed one is one
    range. Blank lines are left out. A line that is too long, and a file that is no manifest at all, come as one line
    each, with a `fault`.

    >>> import alm_beam.sample
    >>> with beam.Pipeline() as pipeline:
    ...     lines = pipeline | ReadManifests(alm_beam.sample.SHIPPED)
    ...     _ = lines | beam.combiners.Count.Globally() | beam.Map(print)
    5
    """

    def __init__(
        self,
        *inputs: str,
        storage_options: Mapping[str, Any] | None = None,
        max_line_bytes: int = EntryConfig.max_line_bytes,
    ):
        """
        Args:
            inputs: files, folders (searched recursively for .jsonl and .json, compressed or not) and globs; paths or
                any fsspec URLs. What they name is found now. A manifest that is named twice is read twice.
            storage_options: fsspec's options for the URLs, `{"<option>": value}`, or by protocol.
            max_line_bytes: a longer line (bytes, uncompressed) cannot be used: it comes with a fault.

        Raises:
            InputError: an input names no manifest, or one that cannot be read.
            StorageOptionsError: the storage options are malformed.
        """
        super().__init__()
        self._options = options_by_protocol(storage_options, inputs)
        self._manifests: Sequence[Manifest] = find_manifests(inputs, self._options)
        self._repeat_factor = 1
        self._max_line_bytes = max_line_bytes

    @classmethod
    def of(
        cls,
        manifests: Sequence[Manifest],
        options: StorageOptions,
        repeat_factor: int = 1,
        max_line_bytes: int = EntryConfig.max_line_bytes,
    ) -> "ReadManifests":
        """The transform for manifests that were found before.

        Args:
            manifests: the files.
            options: fsspec's, by protocol.
            repeat_factor: how many times over they are read.
            max_line_bytes: see the constructor.
        """
        read = cls(storage_options=options, max_line_bytes=max_line_bytes)
        read._manifests, read._repeat_factor = manifests, repeat_factor
        return read

    def expand(self, begin: PBegin) -> PCollection[ManifestLine]:
        return (
            begin
            | beam.Impulse()
            | "ListRanges" >> beam.ParDo(_ListRanges(self._manifests, self._repeat_factor))
            | beam.Reshuffle()
            | "ReadLines" >> beam.ParDo(_ReadLines(self._options, self._max_line_bytes)).with_output_types(ManifestLine)
        )
