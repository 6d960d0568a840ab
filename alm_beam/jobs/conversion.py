"""What a conversion does: files to pieces, pieces gathered by recording, recordings to lines; and how it ends."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import orjson

from alm_beam import __version__
from alm_beam.core.convert_config import ConvertConfig
from alm_beam.core.convert_stats import ConvertStats
from alm_beam.core.errors import RejectLimitError
from alm_beam.core.faults import BadEntry, RejectReason, described, json_fault, unwritable
from alm_beam.core.manifest import ManifestLine, Reject, serialise_reject
from alm_beam.formats.format import PASSED_OVER, Format, Piece, Target
from alm_beam.jobs.places import storage_options
from alm_beam.storage.audio_files import AudioFiles
from alm_beam.storage.compression import is_compressed
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.gathered import Gathered
from alm_beam.storage.line_shards import LineShards
from alm_beam.storage.lines import ReadRange, lines_in, shown_name
from alm_beam.storage.outputs import CONVERT_STATS, CONVERTED, REJECTS, RTTM, Sharded
from alm_beam.storage.paths import errors_that_name, located, make_folder
from alm_beam.storage.run_folder import FAILED_RUN
from alm_beam.storage.secrets import shown
from alm_beam.storage.source_names import stems
from alm_beam.storage.staged_run import StagedRun
from alm_beam.storage.tally import count, counted
from alm_beam.storage.text_files import document, text_lines

_BOM = b"\xef\xbb\xbf"


class Conversion(Protocol):
    """One way of converting files."""

    files: Sequence[Manifest]
    options: StorageOptions

    @property
    def output(self) -> Sharded:
        """Which output the lines are."""

    def lines(self, file: int) -> Iterator[ManifestLine]:
        """The lines of a file, or the file itself as one line."""

    def pieces(self, file: int, line: ManifestLine) -> Iterator[Piece]:
        """What is in a line. It raises BadEntry."""

    def written(self, recording: str, pieces: Sequence[Piece], stats: ConvertStats) -> list[bytes]:
        """The lines of a recording, which are counted. It raises BadEntry."""


@dataclass
class EntryConversion:
    """What another tool wrote, to the entries of a manifest."""

    files: Sequence[Manifest]
    read: Format
    options: StorageOptions
    max_line_bytes: int
    audio: AudioFiles | None

    output: ClassVar[Sharded] = CONVERTED
    _names: list[str] = field(init=False)
    _owners: dict[str, int] = field(init=False, default_factory=dict)
    """The file of each recording, where a file is of one recording."""

    def __post_init__(self) -> None:
        self._names = stems([each.name or each.path for each in self.files])

    def lines(self, file: int) -> Iterator[ManifestLine]:
        """The lines of a file, or the file itself as one line."""
        manifest = self.files[file]
        if self.read.is_document:
            yield document(manifest, self.max_line_bytes, self.options)
        elif self.read.is_text:
            yield from text_lines(manifest, self.max_line_bytes, self.options)
        else:
            yield from lines_in(ReadRange((manifest,)), self.options, self.max_line_bytes)

    def pieces(self, file: int, line: ManifestLine) -> Iterator[Piece]:
        """What is in a line."""
        for piece in self.read.pieces(line.text, self._names[file]):
            if self.read.is_document and self._owners.setdefault(piece.recording, file) != file:
                other = shown_name(self.files[self._owners[piece.recording]])
                why = f"{other} is of a recording of the same name, {piece.recording}; rename one of the two files"
                raise BadEntry(RejectReason.REPEATED_RECORDING, why)
            yield piece

    def written(self, recording: str, pieces: Sequence[Piece], stats: ConvertStats) -> list[bytes]:
        """The entry of a recording."""
        entry = self.read.entry(recording, pieces)
        entry = self._with_audio(entry, recording, stats)
        try:
            line = orjson.dumps(entry)
        except TypeError as error:
            raise unwritable(error) from None
        stats.add_segments(entry.get("segments"))
        for name in self.read.counted:
            stats.noted[name] += entry.get(name, 0)
        return [line]

    def _with_audio(self, entry: dict[str, Any], recording: str, stats: ConvertStats) -> dict[str, Any]:
        stated, name = entry.get("audio_filepath"), str(entry.get("audio_item_id") or recording)
        if not stated and type(entry.get("resampled_audio_filepath")) is str:  # Curator's, which is measured as well
            stats.audio_stated += 1
            return entry
        path: str | None = None
        others: tuple[str, ...] = ()
        if isinstance(stated, str) and stated:
            if self.audio is None or "://" in stated or os.path.isabs(stated):
                stats.audio_stated += 1
                return entry
            path = self.audio.path_of(stated)
        if path is None and self.audio is not None and (not stated or entry.get("audio_item_id")):
            path, others = self.audio.match(name)
        if path is None:
            (stats.audio_ambiguous if others else stats.audio_not_found).add(name)
            return entry
        stats.audio_found += 1
        first = {"audio_item_id": entry["audio_item_id"]} if "audio_item_id" in entry else {}
        return {
            **first,
            "audio_filepath": path,
            **{key: each for key, each in entry.items() if key != "audio_filepath"},
        }


@dataclass
class CutConversion:
    """Cuts, to what others read."""

    files: Sequence[Manifest]
    target: Target
    options: StorageOptions
    max_line_bytes: int

    @property
    def output(self) -> Sharded:
        """Which output the lines are."""
        return RTTM if self.target.suffix == RTTM.suffix else CONVERTED

    def lines(self, file: int) -> Iterator[ManifestLine]:
        """The lines of a file."""
        return lines_in(ReadRange((self.files[file],)), self.options, self.max_line_bytes)

    def pieces(self, file: int, line: ManifestLine) -> Iterator[Piece]:
        """What is in a cut."""
        try:
            cut = orjson.loads(line.text)
        except orjson.JSONDecodeError as error:
            raise json_fault(line.text, error) from None
        if type(cut) is not dict:
            raise BadEntry(RejectReason.NOT_OBJECT, f"expected a JSON object, found {described(cut)}")
        return self.target.pieces(cut)

    def written(self, recording: str, pieces: Sequence[Piece], stats: ConvertStats) -> list[bytes]:
        """The lines of a recording."""
        lines = self.target.lines(recording, pieces)
        stats.recordings += 1
        stats.segments += len(lines)
        return lines


def convert(source: Conversion, run: StagedRun, config: ConvertConfig) -> ConvertStats:
    """Writes what a source gives, publishes it, and gives the statistics.

    Raises:
        RejectLimitError: more was rejected than `max_reject_fraction` allows.
        RunError, OSError: the run failed otherwise.
    """
    stats = ConvertStats()
    with ExitStack() as stack:
        converted, rejects = LineShards(run, source.output), LineShards(run, REJECTS)
        stack.callback(converted.abandon)
        stack.callback(rejects.abandon)
        gathered = stack.enter_context(Gathered())
        writer = _Rejects(rejects, stats)
        for file in range(len(source.files)):
            size = 0 if is_compressed(source.files[file].path) else source.files[file].size
            for line in counted(((line, len(line.text) + 1) for line in source.lines(file)), size):
                _gather(source, file, line, gathered, writer)
        for recording, values in gathered.groups():
            _write(source, recording, values, converted, writer)
        converted.close()
        rejects.close()
        _publish(run, config, stats, converted.moves(least=1), rejects.moves(least=0))
    return stats


@dataclass(frozen=True)
class _Rejects:
    shards: LineShards
    stats: ConvertStats

    def add(self, line: ManifestLine, fault: BadEntry) -> None:
        self.stats.rejected[fault.reason.value] += 1
        count(rejects=1)
        self.shards.write([serialise_reject(Reject(line, fault))])


def _gather(source: Conversion, file: int, line: ManifestLine, gathered: Gathered, rejects: _Rejects) -> None:
    """Adds the pieces of a line, all of them or none."""
    if line.offset == 0 and line.text.startswith(_BOM):
        line = line._replace(text=line.text[len(_BOM) :])
    try:
        if line.fault is not None:
            raise line.fault
        pieces = list(source.pieces(file, line))
        values = [orjson.dumps([file, line.offset, piece.kind, piece.value]) for piece in pieces]
    except BadEntry as fault:
        rejects.add(line, fault)
        return
    except TypeError as error:
        rejects.add(line, unwritable(error))
        return
    rejects.stats.lines += bool(pieces)
    for piece, value in zip(pieces, values):
        if piece.kind == PASSED_OVER:
            rejects.stats.passed_over[piece.value] += 1
        else:
            gathered.add(piece.recording, value)


def _write(source: Conversion, recording: str, values: Sequence[bytes], shards: LineShards, rejects: _Rejects) -> None:
    """Writes what the pieces of a recording make."""
    parsed = [orjson.loads(value) for value in values]
    try:
        pieces = [Piece(recording, kind, value) for _, _, kind, value in parsed]
        lines = source.written(recording, pieces, rejects.stats)
    except BadEntry as fault:
        file, offset, *_ = parsed[0]
        rejects.add(ManifestLine(shown_name(source.files[file]), offset, recording.encode()), fault)
    else:
        count(recordings=1)
        shards.write(lines)


def _publish(
    run: StagedRun, config: ConvertConfig, stats: ConvertStats, converted: Mapping[str, str], rejects: Mapping[str, str]
) -> None:
    statistics = {CONVERT_STATS: CONVERT_STATS}
    _write_statistics(run, config, stats)
    is_refused = stats.reject_fraction > config.max_reject_fraction
    if is_refused and run.folder.finished_at() is not None:
        failed = {path: f"{FAILED_RUN}/{name}" for path, name in {**rejects, **statistics}.items()}
        run.publish(failed, beside=True)
        run.discard()
        raise _limit_error(config, stats, f"{run.folder.url}/{FAILED_RUN}")
    run.publish({**converted, **rejects}, statistics)
    if is_refused:
        run.discard()
        raise _limit_error(config, stats, run.folder.url)
    run.mark_complete()


def written_statistics(config: ConvertConfig) -> dict[str, Any]:
    """What the file of statistics of a complete conversion holds.

    Raises:
        OSError: it cannot be read.
    """
    url = f"{config.output}/{CONVERT_STATS}"
    place = located(url, storage_options(config.storage_options, [url]))
    with errors_that_name(url):
        content: dict[str, Any] = orjson.loads(place.fs.cat_file(place.path))
    return content


def statistics_file(config: ConvertConfig, stats: ConvertStats) -> bytes:
    """The file of statistics of a conversion."""
    names = {"from_format": "from", "to_format": "to"}
    parameters = {names.get(name, name): value for name, value in config.parameters().items() if name != "num_shards"}
    parameters |= {"input": [*map(_written, config.input)], "output": _written(config.output)}
    if config.audio_root is not None:
        parameters["audio_root"] = _written(config.audio_root)
    content = {**stats.to_dict(), "parameters": parameters, "version": __version__}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"


def _write_statistics(run: StagedRun, config: ConvertConfig, stats: ConvertStats) -> None:
    place = located(f"{run.url}/{CONVERT_STATS}", run.options)
    with errors_that_name(f"{run.folder.url}/{CONVERT_STATS}"):
        make_folder(place.fs, place.path.rpartition("/")[0])
        place.fs.pipe_file(place.path, statistics_file(config, stats))


def _limit_error(config: ConvertConfig, stats: ConvertStats, folder: str) -> RejectLimitError:
    rejects = stats.rejected.total()
    reasons = ", ".join(f"{reason}: {count}" for reason, count in stats.rejected.most_common(3))
    return RejectLimitError(
        f"{rejects} of {rejects + stats.lines} lines or files were rejected ({stats.reject_fraction:.2%}), more than "
        f"--max_reject_fraction={config.max_reject_fraction} allows. Mostly {reasons}. See {folder}/{REJECTS.name}-*"
    )


def _written(url: str) -> str:
    """A path or URL as JSON can hold it: bytes of a name that are not UTF-8 are escapes."""
    return shown(url).encode("utf-8", "backslashreplace").decode()
