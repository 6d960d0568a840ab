"""The job that writes audio shards: cuts in, and what trainers read out."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import orjson
from apache_beam.options.pipeline_options import PipelineOptions

from alm_beam.core.estimate import Estimate
from alm_beam.core.parameters import ConfigError
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.shards_stats import ShardsStats
from alm_beam.core.text import visible
from alm_beam.jobs.dry_run import dry_run
from alm_beam.jobs.launch import pipeline_of
from alm_beam.jobs.places import absolute_root, check_audio_root, found_manifests
from alm_beam.jobs.run import CheckedRun, Job, facts_of, run_job
from alm_beam.jobs.sample import Sample
from alm_beam.jobs.sampled_shards import sampled_shards
from alm_beam.jobs.watch import UNWATCHED, ToDo, Watch
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import InputError, Manifest, folder_search
from alm_beam.storage.index.format import FOLDER, META, IndexFault
from alm_beam.storage.index.open import Index, open_index
from alm_beam.storage.outputs import CUTS, LOSS_STATS, REJECTS, SHARDS, SUCCESS
from alm_beam.storage.paths import errors_that_name, files_below, info_of, located
from alm_beam.storage.plan_file import write_plan
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.search import is_glob
from alm_beam.storage.secrets import redacted, shown
from alm_beam.storage.shard_plan import ShardPlan, planned
from alm_beam.storage.spool import Spool
from alm_beam.storage.staged_run import StagedRun
from alm_beam.transforms.finish import FinishRun
from alm_beam.transforms.index import IndexCuts, ScanCuts
from alm_beam.transforms.shards import DescribeShards, MakeShards, NameCuts
from alm_beam.transforms.staged_shards import begun_shards, keep_shards_alone, plan_url
from alm_beam.transforms.statistics import CombineStatistics
from alm_beam.transforms.write import StageShards

_CUTS = folder_search([".jsonl"], "cuts")
"""What a folder of cuts without an index is searched for."""


def build_shards(
    config: ShardsConfig, options: PipelineOptions | None = None, watch: Watch = UNWATCHED
) -> ShardsStats | None:
    """Writes audio shards: the windows of cuts, each with its own audio, as trainers read them. It prints nothing.

    A run that was cut short, or failed, goes on when it is started again with the same cuts and parameters: shards that
    are whole are taken over.

    Args:
        config: the job's parameters.
        options: Beam's, for another runner than the local one; they are not changed.
        watch: is told how the run goes on; for the commands alone.

    Returns:
        The statistics of the run; None where the job goes on without this process, as with `run`.

    Raises:
        ConfigError, InputError, OptionsError: as `run` does. Nothing was written.
        RunError, ManifestReadError: as `run` does.

    >>> import json, pathlib, tempfile, wave
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with wave.open(f"{folder}/a.wav", "wb") as file:
    ...     file.setparams((1, 2, 16000, 0, "NONE", ""))
    ...     file.writeframes(bytes(2 * 16000))
    >>> recording = {"id": "a", "sampling_rate": 16000, "num_samples": 16000, "duration": 1.0}
    >>> recording["sources"] = [{"type": "file", "channels": [0], "source": "a.wav"}]
    >>> cut = {"id": "a-1", "type": "MonoCut", "start": 0.25, "duration": 0.5, "channel": 0, "recording": recording}
    >>> _ = (folder / "cuts.jsonl").write_text(json.dumps(cut))
    >>> stats = build_shards(ShardsConfig.of({"input": f"{folder}/cuts.jsonl", "output": f"{folder}/shards"}))
    >>> stats.recordings, stats.audio_seconds
    (1, 0.5)
    >>> sorted(path.name for path in (folder / "shards" / "shar").iterdir())
    ['cuts.000000.jsonl', 'recording.000000.tar']
    """
    check_audio_root(config.audio.audio_root)
    return run_job(_JOB, config, options, watch)


def estimate(config: ShardsConfig, options: PipelineOptions | None = None) -> Estimate:
    """What a run would come to, from a sample of its input. Everything is checked that `build_shards` checks first.

    Raises:
        ConfigError, InputError, OptionsError, ManifestReadError: as `build_shards` does. Nothing is written.
    """
    check_audio_root(config.audio.audio_root)

    def sample(work: Work, checked: CheckedRun) -> Sample:
        return sampled_shards(config, work.plan, work.roots, checked.folder, facts_of(config))

    return dry_run(_JOB, config, options, lambda work: work.plan.manifests, sample)


def build(config: ShardsConfig, work: "Work", staged: StagedRun, options: PipelineOptions) -> beam.Pipeline:
    """The graph, for the runner that the options name, or else for the local one. Nothing is read or written yet.

    Raises:
        OptionsError: Beam does not know the runner, or the runner refuses its options.
    """
    pipeline = pipeline_of(options)
    facts = facts_of(config)
    made = pipeline | "MakeShards" >> MakeShards(staged, config, work.roots, work.numbers)
    stats = made.stats | CombineStatistics(ShardsStats)
    rejects = made.rejects | "WriteRejects" >> StageShards(staged, REJECTS)
    cuts = made.made | "NameCuts" >> NameCuts()
    index = cuts | ScanCuts(staged) | IndexCuts(staged, 1)
    files = stats | DescribeShards(staged, config, facts, made.made)
    outputs = {CUTS: (cuts, 1), REJECTS: (rejects, 0)}
    stats | FinishRun(staged, outputs, index, facts, config.max_reject_fraction, files)
    return pipeline


@dataclass(frozen=True)
class Work:
    """What a run is to do.

    Attributes:
        plan: the windows of each shard.
        roots: folders that relative paths of audio files may be below.
    """

    plan: ShardPlan
    roots: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many shards there are."""
        return len(self.plan.ends)

    @property
    def numbers(self) -> list[int]:
        """Those of the shards, in the order in which they are made: the ones with the most audio first.

        Beam's local runner deals them to the workers in turns, so these have about as much to do as each other.
        """
        found: list[int] = np.argsort(-self.plan.sizes, kind="stable").tolist()
        return found


def _work(config: ShardsConfig, folder: RunFolder, spool: Spool | None) -> Work:
    """
    Raises:
        InputError: the input names no cuts, or some that cannot be read, or an index that does not fit them.
        ConfigError: the run would write where it reads.
    """
    for each in config.input:
        _refuse_run_without_cuts(each, folder.options)
    sources: list[Index | Manifest] = []
    for each in config.input:
        index = _index_of(each, folder.options)
        found = found_manifests([each], folder, spool, _CUTS)  # which also sees to it that the run writes elsewhere
        sources += [index] if index else found
    _refuse_files_of_others(folder, config.layout.format)
    return Work(planned(sources, config, folder.options), _roots(config, sources, folder.options))


def _refuse_run_without_cuts(url: str, options: StorageOptions) -> None:
    has_cuts = True
    with suppress(OSError, ValueError, KeyError, TypeError):  # it is no such run, or what reads it says what is wrong
        place = located(f"{url.rstrip('/')}/{LOSS_STATS}", options)
        has_cuts = orjson.loads(place.fs.cat_file(place.path))["parameters"]["cuts"]
    if not has_cuts:
        raise InputError(shown(url), "holds a run of alm-beam windows that wrote no cuts; run it without --no_cuts")


def _refuse_files_of_others(folder: RunFolder, layout: str) -> None:
    try:
        name = folder.file_of_others()
        stranger = _stranger_in_shar(folder) if layout == "shar" else None
    except OSError as error:
        raise ConfigError("output", shown(folder.url), f"cannot be used ({redacted(str(error))})") from None
    if name is not None:
        why = f"holds {visible(name)}, which no run of this job has left there, and which a run would replace"
        raise ConfigError("output", shown(folder.url), f"{why}; name another folder, or move it away")
    if stranger is not None:
        why = f"holds {visible(stranger)}, which readers of Shar would take for a shard"
        raise ConfigError("output", shown(folder.url), f"{why}; name another folder, or move it away")


def _stranger_in_shar(folder: RunFolder) -> str | None:
    """A file that is no shard where no other may be, by its path from the run's folder; None without one."""
    place = located(folder.url, folder.options)
    [shar] = (tree for tree in SHARDS.trees if tree.folder == "shar")
    root = f"{place.path}/{shar.folder}"
    with errors_that_name(folder.url):
        found = (path.removeprefix(f"{root}/") for path, _ in files_below(place.fs, root, None))
        return next((f"{shar.folder}/{name}" for name in found if not re.fullmatch(shar.pattern, name)), None)


def _index_of(url: str, options: StorageOptions) -> Index | None:
    """The index of a folder of cuts; None where there is none.

    Raises:
        InputError: it does not fit the cuts, or the run that wrote them is not complete.
    """
    place = located(url, options)

    def has(name: str) -> bool:
        return info_of(place.fs, f"{place.path}/{name}") is not None

    try:
        given = info_of(place.fs, place.path)
        if given is None or given["type"] == "file":  # a web server may give a file for whatever is below it
            return None
        is_complete = has(SUCCESS) or not has(LOSS_STATS)
        index = open_index(url, storage_options=options) if is_complete and has(f"{FOLDER}/{META}") else None
    except (IndexFault, OSError) as fault:
        raise InputError(shown(url), redacted(str(fault))) from None
    if not is_complete:
        raise InputError(shown(url), f"is of a run that is not complete: it has no {SUCCESS}; run it again")
    return index


def _roots(config: ShardsConfig, sources: Sequence[Index | Manifest], options: StorageOptions) -> tuple[str, ...]:
    """The folders that relative paths of audio files may be below: --audio_root; or else those of the cuts, those of
    the manifests that the cuts were made from, and the working directory."""
    root = config.audio.audio_root
    if root is not None:
        return (absolute_root(root),)
    folders = [each.url if isinstance(each, Index) else _parent(each.path) for each in sources]
    manifests = [parent for folder in folders for parent in _manifest_folders(folder, options)]
    return tuple(dict.fromkeys(map(absolute_root, [*folders, *manifests, os.getcwd()])))


def _manifest_folders(folder: str, options: StorageOptions) -> list[str]:
    """The folders of the manifests that a run of the main job has read, as its statistics name them."""
    try:
        place = located(f"{folder.rstrip('/')}/{LOSS_STATS}", options)
        inputs = orjson.loads(place.fs.cat_file(place.path))["parameters"]["input"]
        return [parent for each in inputs for parent in (each, _parent(each)) if not is_glob(parent)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _begin(work: Work, staged: StagedRun) -> None:
    keep_shards_alone(staged)
    write_plan(work.plan, plan_url(staged), staged.options)


def _explained(staged: StagedRun) -> str:
    """Which shards the workers were making when the run failed: a decoder may have ended its process."""
    begun = [f"{number} (from {visible(url)})" if url else str(number) for number, url in begun_shards(staged).items()]
    return f"; shards that were being made then: {', '.join(begun)}" if begun else ""


def _to_show(_: ShardsConfig, work: "Work") -> ToDo:
    total = len(work.plan.windows)
    return ToDo("windows", lambda counts: counts.recordings + counts.rejects, lambda _: total, ("rejects",))


_JOB = Job(
    SHARDS,
    _work,
    build,
    ShardsStats.from_dict,
    _to_show,
    lambda config, work: work.count,
    fewest_workers=1,  # a decoder may end its process: the one that tells of it has to be another
    id_of=lambda work: work.plan.key,
    begin=_begin,
    explain=_explained,
)
