"""How one shard is made: cuts from the plan, audio sliced from its sources, files of the format. No Beam.

The same plan gives the same bytes, whoever makes the shard and how often. What is made is written down last, with a
digest of each file, so a run that goes on knows what is whole.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any, NamedTuple

import msgspec
import orjson

from alm_beam.core.audio_member import FIELD
from alm_beam.core.cut_audio import parse_cut
from alm_beam.core.cut_labels import source_of, speakers_of
from alm_beam.core.faults import BadEntry, unwritable
from alm_beam.core.manifest import Reject, serialise_reject
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.shards_stats import Notice, ShardsStats
from alm_beam.shards.format import Partition, ShardWriter
from alm_beam.shards.own_audio import own_audio_cut
from alm_beam.shards.registry import FORMATS
from alm_beam.storage.audio_places import AudioPlaces
from alm_beam.storage.index.format import Digest
from alm_beam.storage.outputs import CUTS
from alm_beam.storage.paths import errors_that_name, info_of, is_local, located, version_of, written_whole
from alm_beam.storage.plan_file import PlannedShard, lines_of, planned_shard
from alm_beam.storage.secrets import shown, shown_json
from alm_beam.storage.staged_run import FILES, StagedRun
from alm_beam.storage.tally import count
from alm_beam.transforms.sliced_windows import MadeWindow, WindowSlicer
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
        count(recordings=stats.recordings)
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

        def begins(url: str) -> None:
            sources[url] = self._version(url)
            if self._is_local:  # where a note costs nothing
                self._write(self._note, shown(url).encode("utf-8", "surrogateescape"))

        slicer = WindowSlicer(self._config, self._places, self._run.options, begins)
        lines = zip(lines_of(shard, self._run.options), shard.windows["copy"].tolist())
        with ExitStack() as stack:
            cuts = stack.enter_context(self._opened(f"shards-{CUTS.name}/{number:06d}{CUTS.suffix}", files))
            writer = self._format.writer(
                number, self._count, Partition(*shard.partition), lambda path: self._opened(f"{FILES}/{path}", files)
            )
            stack.callback(writer.abandon)
            for found in slicer.windows(lines):
                reject = found if isinstance(found, Reject) else _put(found, writer, cuts, stats)
                count(recordings=reject is None, rejects=reject is not None)
                if reject is not None:
                    rejects.append(_reject_line(reject))
                    stats.rejected[reject.fault.reason.value] += 1
            writer.finish()
        files.sort(key=lambda file: (not file.path.startswith(f"shards-{CUTS.name}/"), file.path))
        return ShardResult(Made(tuple(files), sources_digest(sources), stats.to_dict()), rejects, stats)


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


def _put(window: MadeWindow, writer: ShardWriter, cuts: "_Digested", stats: ShardsStats) -> Reject | None:
    """Puts a window into a shard, and beside it its cut, which says where the audio stands; its reject if it is bad."""
    try:
        cut = own_audio_cut(window.sliced)
        _refuse_what_is_too_deep(cut)
        member = writer.add(window.sliced)
    except BadEntry as fault:
        return window.planned.rejected(fault)
    cut["custom"][FIELD] = member.to_dict()
    cuts.write(orjson.dumps(cut, option=orjson.OPT_APPEND_NEWLINE))
    count_window(stats, window)
    return None


def _reject_line(reject: Reject) -> bytes:
    return serialise_reject(Reject(reject.line._replace(text=shown_json(reject.line.text)), reject.fault))


def _refuse_what_is_too_deep(cut: dict[str, Any]) -> None:
    """Refuses a cut that could not be written once its audio is: formats have it within objects of theirs."""
    try:
        orjson.dumps([[[[cut]]]])
    except TypeError as error:
        raise unwritable(error) from None


def count_window(stats: ShardsStats, window: MadeWindow) -> None:
    """Adds a window that was put into a shard."""
    planned, sliced, parts, gain = window
    audio = planned.audio
    padded = max(part.padded for part in parts)
    stats.recordings += 1
    stats.audio_seconds += sliced.samples / sliced.sample_rate
    stats.audio_bytes += len(sliced.audio)
    stats.padded_seconds += padded / sliced.sample_rate
    stats.sources[source_of(audio.cut)] += 1
    stats.speakers[speakers_of(audio.cut)] += 1
    stats.sample_rates[sliced.sample_rate] += 1
    stats.channels[sliced.channels] += 1
    met = {
        Notice.REPEATED_WINDOW: planned.copy > 0,
        Notice.PADDED: padded > 0,
        Notice.SCALED: gain is not None,
        Notice.SAMPLE_RATE: any(part.file_rate != audio.sample_rate for part in parts),
        Notice.CHANNELS: any(part.file_channels != len(file.channels) for part, file in zip(parts, audio.files)),
    }
    stats.findings.update(notice.value for notice, is_met in met.items() if is_met)
