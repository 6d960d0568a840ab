"""How one shard is made: cuts from the plan, audio sliced from its sources, files of the format. No Beam.

The same plan gives the same bytes, whoever makes the shard and how often. What is made is written down last, with a
digest of each file, so a run that goes on knows what is whole.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import IO, Any, NamedTuple

import msgspec
import numpy as np
import orjson

from alm_beam.audio.encode import encoded, output_rate
from alm_beam.audio.open import opened_audio
from alm_beam.audio.slices import Slice, Span, slices
from alm_beam.core.audio_member import FIELD
from alm_beam.core.cut_audio import AudioFile, CutAudio, parse_cut
from alm_beam.core.cut_labels import language_of, source_of, speakers_of
from alm_beam.core.faults import BadEntry, RejectReason, unwritable
from alm_beam.core.manifest import ManifestLine, Reject, serialise_reject
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.shards_stats import Notice, ShardsStats
from alm_beam.core.text import visible
from alm_beam.shards.format import Partition, SlicedWindow
from alm_beam.shards.names import member_name
from alm_beam.shards.own_audio import own_audio_cut
from alm_beam.shards.registry import FORMATS
from alm_beam.storage.audio_places import AudioPlaces
from alm_beam.storage.index.format import Digest
from alm_beam.storage.outputs import CUTS
from alm_beam.storage.paths import errors_that_name, info_of, is_local, located, version_of, written_whole
from alm_beam.storage.plan_file import PlannedShard, lines_of, planned_shard
from alm_beam.storage.run_folder import FILES, StagedRun
from alm_beam.storage.secrets import shown, shown_json
from alm_beam.transforms.staged_shards import BEGUN, RECORDS, File, Made, plan_url, sources_digest

_READ_BYTES = 1 << 20


class ShardResult(NamedTuple):
    """What came of a shard.

    Attributes:
        made: what was made.
        rejects: lines of `rejects-*.jsonl`.
        stats: its statistics.
    """

    made: Made
    rejects: list[bytes]
    stats: ShardsStats


class _Window(NamedTuple):
    line: ManifestLine
    copy: int
    audio: CutAudio


class ShardMaker:
    """Makes any shard of a run."""

    def __init__(self, run: StagedRun, config: ShardsConfig, roots: Sequence[str], count: int):
        """
        Args:
            run: the run, in whose temporary folder its plan is.
            config: what the run was told.
            roots: folders that relative paths of audio files may be below.
            count: of the shards.
        """
        self._run = run
        self._config = config
        self._count = count
        self._places = AudioPlaces(roots, run.options)
        self._format = FORMATS[config.layout.format]
        self._is_local = is_local(located(run.url, run.options).fs)

    def result(self, number: int) -> ShardResult:
        """The shard of that number: the one that an earlier run has made, if it is whole; or else it is made.

        Raises:
            OSError: something cannot be read or written. This says nothing of the cuts.
        """
        taken_over = self._taken_over(number)
        if taken_over is not None:
            return taken_over
        shard = planned_shard(plan_url(self._run), number, self._run.options)
        with self._begun(number):
            result = self._made(number, shard)
            if not result.rejects:  # what was rejected is looked at again
                self._write(f"{RECORDS}/{number:06d}.json", msgspec.json.encode(result.made))
        return result

    def _taken_over(self, number: int) -> ShardResult | None:
        place = located(f"{self._run.url}/{RECORDS}/{number:06d}.json", self._run.options)
        with errors_that_name(place.url(place.path)):
            try:
                made = msgspec.json.decode(place.fs.cat_file(place.path), type=Made)
            except (FileNotFoundError, msgspec.MsgspecError):
                return None
            is_whole = all(map(self._is_whole, made.files))
        if not is_whole or self._sources_of(number) != made.sources:
            return None
        stats = ShardsStats.from_dict(made.stats)
        stats.taken_over = 1
        return ShardResult(made, [], stats)

    def _is_whole(self, file: File) -> bool:
        place = located(f"{self._run.url}/{file.path}", self._run.options)
        info = info_of(place.fs, place.path)
        if info is None or info["size"] != file.size:
            return False
        digest = Digest()
        with place.fs.open(place.path, "rb", block_size=_READ_BYTES) as content:
            while data := content.read(_READ_BYTES):
                digest.add(data)
        return digest.hex() == file.digest

    def _sources_of(self, number: int) -> str | None:
        """What the record of a shard would state of its audio files as they are now; None where one is not found."""
        shard = planned_shard(plan_url(self._run), number, self._run.options)
        try:
            cuts = [parse_cut(line) for line in lines_of(shard, self._run.options)]
            urls = {self._places.url(file.path) for cut in cuts for file in cut.files}
        except BadEntry:
            return None
        return sources_digest({url: self._version(url) for url in urls})

    def _version(self, url: str) -> tuple[str, ...]:
        """What changes when an audio file does; empty where its store tells nothing."""
        try:
            place = located(url, self._run.options)
            info = info_of(place.fs, place.path)
        except Exception:  # filesystems raise all kinds; who opens the file learns of it, and says it better
            return ()
        return () if info is None else (str(info.get("size")), *version_of(info))

    @contextmanager
    def _begun(self, number: int) -> Iterator[None]:
        """Says, for as long as the block lasts, that this shard is being made: its worker may die of it."""
        self._note = f"{BEGUN}/{number:06d}"
        self._write(self._note, b"")
        yield
        place = located(f"{self._run.url}/{self._note}", self._run.options)
        with errors_that_name(place.url(place.path)):
            if info_of(place.fs, place.path) is not None:
                place.fs.rm_file(place.path)

    def _write(self, path: str, content: bytes) -> None:
        with self._opened(path, []) as file:
            file.write(content)

    @contextmanager
    def _opened(self, path: str, files: list[File]) -> Iterator["_Digested"]:
        """A file below the temporary folder, which is added to the files when it is whole."""
        place, url = located(self._run.url, self._run.options), f"{self._run.url}/{path}"
        with ExitStack() as stack:
            with errors_that_name(url):
                written = written_whole(place.fs, f"{place.path}/{path}", f"{place.path}/unfinished")
                output = _Digested(stack.enter_context(written), url)
            yield output
            with errors_that_name(url):
                stack.close()
        files.append(File(path, output.size, output.digest.hex()))

    def _made(self, number: int, shard: PlannedShard) -> ShardResult:
        stats, rejects, files = ShardsStats(shards=1), list[bytes](), list[File]()
        sources: dict[str, tuple[str, ...]] = {}

        def reject(line: ManifestLine, fault: BadEntry) -> None:
            shown_line = line._replace(text=shown_json(line.text))
            rejects.append(serialise_reject(Reject(shown_line, fault)))
            stats.rejected[fault.reason.value] += 1

        with ExitStack() as stack:
            cuts = stack.enter_context(self._opened(f"shards-{CUTS.name}/{number:06d}{CUTS.suffix}", files))
            writer = self._format.writer(
                number, self._count, Partition(*shard.partition), lambda path: self._opened(f"{FILES}/{path}", files)
            )
            stack.callback(writer.abandon)
            for window, parts in self._sliced(shard, sources, reject):
                try:
                    sliced, gain = self._encoded(window, parts)
                    cut = own_audio_cut(sliced)
                    _refuse_what_is_too_deep(cut)
                    member = writer.add(sliced)
                except BadEntry as fault:
                    reject(window.line, _of_cut(window, fault))
                    continue
                cut["custom"][FIELD] = member.to_dict()
                cuts.write(orjson.dumps(cut, option=orjson.OPT_APPEND_NEWLINE))
                _count(stats, window, sliced, parts, gain)
            writer.finish()
        files.sort(key=lambda file: (not file.path.startswith(f"shards-{CUTS.name}/"), file.path))
        return ShardResult(Made(tuple(files), sources_digest(sources), stats.to_dict()), rejects, stats)

    def _sliced(self, shard: PlannedShard, sources: dict[str, tuple[str, ...]], reject: Any) -> Iterator[Any]:
        """The windows of a shard, each with its audio, a slice for each file that holds channels of it."""

        def windows() -> Iterator[_Window]:
            for line, copy in zip(lines_of(shard, self._run.options), shard.windows["copy"].tolist()):
                try:
                    yield _Window(line, copy, parse_cut(line))
                except BadEntry as fault:
                    reject(line, fault)

        for _, group in groupby(windows(), lambda window: _recording_of(window.audio)):
            together = [*group]
            streams = self._streams(together, sources)
            for window in together:
                parts = [next(streams[file]) for file in window.audio.files]
                faults = [part for part in parts if isinstance(part, BadEntry)]
                if faults:
                    reject(window.line, _of_cut(window, faults[0]))
                else:
                    yield window, parts

    def _streams(
        self, windows: Sequence[_Window], sources: dict[str, tuple[str, ...]]
    ) -> dict[AudioFile, Iterator[Slice | BadEntry]]:
        """The slices of windows of one recording, in their order, from each of its files."""
        config = self._config.audio
        streams: dict[AudioFile, Iterator[Slice | BadEntry]] = {}
        for file in dict.fromkeys(file for window in windows for file in window.audio.files):
            spans = [
                Span(
                    window.audio.start,
                    window.audio.duration,
                    tuple(at for at, channel in enumerate(file.channels) if channel in window.audio.channels),
                )
                for window in windows
                if file in window.audio.files
            ]
            is_mixed_here = config.channels == "mono" and all(len(window.audio.files) == 1 for window in windows)
            try:
                url = self._places.url(file.path)
                sources[url] = self._version(url)
                self._write_note(url)
                rate = self._rate(url)
            except BadEntry as fault:
                streams[file] = iter([fault] * len(spans))
                continue
            streams[file] = slices(url, spans, self._run.options, sample_rate=rate, mono=is_mixed_here, pad=config.pad)
        return streams

    def _write_note(self, url: str) -> None:
        if self._is_local:  # where it costs nothing
            self._write(self._note, shown(url).encode("utf-8", "surrogateescape"))

    def _rate(self, url: str) -> int:
        """The sample rate that is asked for, Hz; 0: that of the file, which Opus may not take."""
        config = self._config.audio
        if config.sample_rate or config.audio_format != "opus":
            return config.sample_rate
        with opened_audio(url, self._run.options) as audio:
            return output_rate(audio.sample_rate, 0, config.audio_format)

    def _encoded(self, window: _Window, parts: Sequence[Slice]) -> tuple[SlicedWindow, float | None]:
        """The window with its audio as it goes into the shard, and the factor by which that was scaled, if it was."""
        config, audio = self._config, window.audio
        rates = {part.sample_rate for part in parts}
        if len(rates) > 1:
            paths = " and ".join(visible(shown(file.path)) for file in audio.files)
            what = f"{paths} have other sample rates: {sorted(rates)} Hz; give --sample_rate"
            raise BadEntry(RejectReason.AUDIO_UNREADABLE, what)
        samples = parts[0].values
        if len(parts) > 1:
            samples = np.concatenate([part.samples for part in parts])
        if config.audio.channels == "mono" and len(samples) > 1:  # of several files, or beside a window that is
            several = samples if len(parts) > 1 else parts[0].samples
            samples = several.mean(axis=0, dtype=np.float32, keepdims=True)
        cut = audio.cut
        if config.audio.channels == "keep" and len(samples) > 1:
            heard = _channels_of(audio, parts)
            samples, cut = samples[np.argsort(heard)], {**cut, "channel": sorted(heard)}
        rate = parts[0].sample_rate
        data, gain = encoded(samples, rate, config.audio.audio_format, max(part.bits for part in parts))
        if gain is not None:
            cut = {**cut, "custom": {**(cut.get("custom") or {}), "gain": gain}}
        channels, count = samples.shape
        name, ending = member_name(audio.id, window.copy), config.audio.audio_format
        language = config.layout.language or language_of(cut)
        sliced = SlicedWindow(cut, name, data, ending, rate, channels, count, language)
        return sliced, gain


def _channels_of(audio: CutAudio, parts: Sequence[Slice]) -> list[int]:
    """The numbers of the channels that the files of a cut turned out to have, in the order of the files."""
    stated = ([channel for channel in file.channels if channel in audio.channels] for file in audio.files)
    return [channel for channels, part in zip(stated, parts) for channel in channels[: len(part.values)]]


class _Digested:
    """A file that is written, its size and the digest of its bytes."""

    def __init__(self, file: IO[bytes], url: str):
        self._file = file
        self._url = url
        self.size = 0
        self.digest = Digest()

    def write(self, data: bytes) -> None:
        with errors_that_name(self._url):
            self._file.write(data)
        self.digest.add(data)
        self.size += len(data)


def _of_cut(window: _Window, fault: BadEntry) -> BadEntry:
    """The fault, which names the cut."""
    return BadEntry(fault.reason, f"cut {visible(window.audio.id)}: {fault.detail}")


def _refuse_what_is_too_deep(cut: dict[str, Any]) -> None:
    """Refuses a cut that could not be written once its audio is: formats have it within objects of theirs."""
    try:
        orjson.dumps([[[[cut]]]])
    except TypeError as error:
        raise unwritable(error) from None


def _recording_of(audio: CutAudio) -> tuple[str, bytes]:
    recording = audio.cut["recording"]
    return str(recording.get("id")), orjson.dumps(recording["sources"])


def _count(
    stats: ShardsStats, window: _Window, sliced: SlicedWindow, parts: Sequence[Slice], gain: float | None
) -> None:
    audio = window.audio
    padded = max(part.padded for part in parts)
    stats.recordings += 1
    stats.audio_seconds += sliced.samples / sliced.sample_rate
    stats.audio_bytes += len(sliced.audio)
    stats.padded_seconds += padded / sliced.sample_rate
    stats.sources[source_of(audio.cut)] += 1
    stats.speakers[speakers_of(audio.cut)] += 1
    stats.sample_rates[sliced.sample_rate] += 1
    stats.channels[sliced.channels] += 1
    stats.findings[Notice.REPEATED_WINDOW.value] += window.copy > 0
    stats.findings[Notice.PADDED.value] += padded > 0
    stats.findings[Notice.SCALED.value] += gain is not None
    differs = [part.file_rate != audio.sample_rate for part in parts]
    stats.findings[Notice.SAMPLE_RATE.value] += any(differs)
    has_others = [part.file_channels != len(file.channels) for part, file in zip(parts, audio.files)]
    stats.findings[Notice.CHANNELS.value] += any(has_others)
