"""Manifests as lines that go to the workers one by one."""

from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.pvalue import PBegin

import alm_beam.transforms.coders  # noqa: F401 (registers the coder of lines)
from alm_beam.core.manifest import ManifestLine
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.line_spans import LineSpan, lines_of, spans_in
from alm_beam.storage.lines import ReadRange, ranges_of
from alm_beam.storage.staged_run import StagedRun


class _ListRanges(beam.DoFn):
    def __init__(self, manifests: Sequence[Manifest]):
        self._manifests = manifests

    def process(self, _: bytes) -> Iterator[ReadRange]:
        yield from ranges_of(self._manifests)


class _ListSpans(beam.DoFn):
    def __init__(self, copies: str, options: StorageOptions, span_bytes: int, max_line_bytes: int):
        self._copies = copies
        self._options = options
        self._span_bytes = span_bytes
        self._max_line_bytes = max_line_bytes

    def process(self, element: ReadRange) -> Iterator[LineSpan]:
        return spans_in(element, self._copies, self._span_bytes, self._options, self._max_line_bytes)


class _ReadSpans(beam.DoFn):
    def __init__(self, options: StorageOptions):
        self._options = options

    def process(self, element: LineSpan) -> Iterator[ManifestLine]:
        return lines_of(element, self._options)


class SpreadManifests(beam.PTransform):
    """The lines of manifests, as `ReadManifests` gives them, spread over the workers line by line.

    It is for lines that take much longer to work on than to read. Manifests are read twice: once to see where lines
    are, and line by line. What is shuffled names a line, and does not hold it.
    """

    def __init__(self, manifests: Sequence[Manifest], run: StagedRun, *, span_bytes: int, max_line_bytes: int):
        """
        Args:
            manifests: the files.
            run: the run; in its temporary folder stand the copies of manifests that cannot be read in parts.
            span_bytes: lines go together until they have so many bytes; 0: each by itself.
            max_line_bytes: a longer line (bytes, uncompressed) comes with a fault.
        """
        super().__init__()
        self._list_ranges = _ListRanges(manifests)
        self._list_spans = _ListSpans(f"{run.url}/manifests", run.options, span_bytes, max_line_bytes)
        self._read_spans = _ReadSpans(run.options)

    def expand(self, begin: PBegin) -> PCollection[ManifestLine]:
        return (
            begin
            | beam.Impulse()
            | "ListRanges" >> beam.ParDo(self._list_ranges)
            | "SpreadRanges" >> beam.Reshuffle()
            | "ListLines" >> beam.ParDo(self._list_spans)
            | "SpreadLines" >> beam.Reshuffle()
            | "ReadLines" >> beam.ParDo(self._read_spans).with_output_types(ManifestLine)
        )
