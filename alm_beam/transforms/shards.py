"""From a plan to shards of audio: each is made whole by one worker, and again by another if that one is lost."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import apache_beam as beam
import msgspec
from apache_beam import PCollection, pvalue
from apache_beam.pvalue import AsIter, PBegin

from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.shards_stats import ShardsStats
from alm_beam.shards.card import data_card
from alm_beam.shards.input_cfg import input_cfg
from alm_beam.shards.registry import FORMATS
from alm_beam.storage.limits import out_of_memory
from alm_beam.storage.outputs import CARD, INPUT_CFG
from alm_beam.storage.paths import errors_that_name, located, written_whole
from alm_beam.storage.staged_run import FILES, StagedRun
from alm_beam.transforms.made_shard import ShardMaker
from alm_beam.transforms.staged_shards import Made

_MADE, _REJECTS, _STATS = "made", "rejects", "stats"
_Rejects: TypeAlias = pvalue.TaggedOutput[Literal["rejects"], bytes]
_Stats: TypeAlias = pvalue.TaggedOutput[Literal["stats"], ShardsStats]

_READ_BYTES = 1 << 20
_AUDIO_PACKAGES = ("av", "soundfile", "soxr")


class _MakeShards(beam.DoFn):
    """What one shard leaves: the record of its files, its rejects, and its statistics."""

    def __init__(self, run: StagedRun, config: ShardsConfig, roots: Sequence[str], count: int):
        self._run = run
        self._config = config
        self._roots = roots
        self._count = count

    def setup(self) -> None:
        self._maker = ShardMaker(self._run, self._config, self._roots, self._count)

    def process(self, number: int) -> Iterator[bytes | _Rejects | _Stats]:
        try:
            result = self._maker.result(number)
        except MemoryError as error:
            raise OSError(f"shard {number} could not be made: {out_of_memory(str(error))}") from None
        except ImportError as error:
            advice = f"{error}; pip install 'alm-beam[audio]'" if error.name in _AUDIO_PACKAGES else str(error)
            raise OSError(f"shard {number} could not be made: {advice}") from None
        yield msgspec.json.encode(result.made)
        for reject in result.rejects:
            yield pvalue.TaggedOutput(_REJECTS, reject)
        yield pvalue.TaggedOutput(_STATS, result.stats)


class MakeShards(beam.PTransform):
    """The shards of a plan. Outputs: `made`, records of the shards that are staged; `rejects`; and `stats` of each.

    A shard that is staged, whole and of this plan is not made again.
    """

    def __init__(self, run: StagedRun, config: ShardsConfig, roots: Sequence[str], numbers: Sequence[int]):
        """
        Args:
            run: the run, in whose temporary folder the plan is when it begins.
            config: what the run was told.
            roots: absolute paths or URLs of the folders that relative paths of audio files may be below.
            numbers: of all shards, in the order in which workers get them.
        """
        super().__init__()
        self._numbers = numbers
        self._do_fn = _MakeShards(run, config, roots, len(numbers))

    def expand(self, begin: PBegin) -> Any:
        numbers = begin | beam.Create(self._numbers, reshuffle=False) | "SpreadShards" >> beam.Reshuffle()
        return numbers | beam.ParDo(self._do_fn).with_outputs(_REJECTS, _STATS, main=_MADE)


class _NameCuts(beam.DoFn):
    def process(self, made: bytes) -> Iterator[str]:
        yield msgspec.json.decode(made, type=Made).files[0].path.rpartition("/")[2]


class NameCuts(beam.PTransform):
    """Records of shards to the names of their staged shards of cuts."""

    def expand(self, made: PCollection[bytes]) -> PCollection[str]:
        return made | beam.ParDo(_NameCuts())


class _DescribeShards(beam.DoFn):
    def __init__(self, run: StagedRun, config: ShardsConfig, facts: dict[str, Any]):
        self._run = run
        self._config = config
        self._facts = facts

    def process(self, stats: ShardsStats, made: Iterable[bytes]) -> Iterator[str]:
        form = self._config.layout.format
        shards = [each.published for each in sorted(_decoded(made), key=lambda each: each.files[0].path)]
        yield from (path for shard in shards for path in shard)
        if self._run.was_completed():
            return
        yield from FORMATS[form].whole(shards, self._read, self._opened)
        texts = {
            INPUT_CFG: input_cfg(form, self._run.folder.url, len(shards), stats.audio_seconds, self._tags(stats)),
            CARD: data_card(stats, self._facts),
        }
        for name, text in texts.items():
            if text is not None:
                with self._opened(name) as file:
                    file.write(text.encode())
                yield name

    def _tags(self, stats: ShardsStats) -> dict[str, str]:
        """What all windows have in common, by the names that NeMo's rows have for it."""
        [source, *others] = stats.sources or [""]
        language = self._config.layout.language
        return {
            **({"source": source} if source and not others else {}),
            **({"lang": language} if language else {}),
        }

    def _read(self, path: str) -> Iterator[bytes]:
        place = located(f"{self._run.url}/{FILES}/{path}", self._run.options)
        with errors_that_name(place.url(place.path)), place.fs.open(place.path, "rb", block_size=_READ_BYTES) as file:
            while data := file.read(_READ_BYTES):
                yield data

    def _opened(self, path: str) -> Any:
        place = located(self._run.url, self._run.options)
        return written_whole(place.fs, f"{place.path}/{FILES}/{path}", f"{place.path}/unfinished")


class DescribeShards(beam.PTransform):
    """The statistics of a run to the paths of its shards' files, and of those that describe the whole, which it stages.

    What describes the whole is what the format has once for all shards, `input_cfg.yaml` and `README.md`.
    """

    def __init__(self, run: StagedRun, config: ShardsConfig, facts: dict[str, Any], made: PCollection[bytes]):
        """
        Args:
            run: the run.
            config: what the run was told.
            facts: what the file of statistics states beside them.
            made: the records of its shards.
        """
        super().__init__()
        self._do_fn = _DescribeShards(run, config, facts)
        self._made = made

    def expand(self, stats: PCollection[ShardsStats]) -> PCollection[str]:
        return stats | beam.ParDo(self._do_fn, AsIter(self._made))


def _decoded(made: Iterable[bytes]) -> Iterator[Made]:
    return (msgspec.json.decode(each, type=Made) for each in made)
