"""The job that computes windows in many ways: manifests in, and what each way gives out."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from alm_beam.core.config import EntryConfig
from alm_beam.core.estimate import Estimate
from alm_beam.core.sweep import SweepPlan
from alm_beam.core.sweep_config import SweepConfig
from alm_beam.core.sweep_stats import SweepStats
from alm_beam.jobs.dry_run import dry_run
from alm_beam.jobs.launch import pipeline_of
from alm_beam.jobs.run import CheckedRun, Job, bytes_of, facts_of, manifests_of, run_job
from alm_beam.jobs.sample import Sample
from alm_beam.jobs.sampled_files import statistics_size
from alm_beam.jobs.sampled_sweep import sampled_sweep
from alm_beam.jobs.watch import UNWATCHED, ToDo, Watch
from alm_beam.report.sweep import commands_of, sweep_csv
from alm_beam.report.sweep_page import sweep_page
from alm_beam.runners.local import BYTES_PER_WORKER
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.outputs import REJECTS, SWEEP, SWEEP_CSV, SWEEP_JSON, SWEEP_PAGE
from alm_beam.storage.staged_run import StagedRun
from alm_beam.transforms.finish import FinishRun
from alm_beam.transforms.read import ReadManifests
from alm_beam.transforms.statistics import CombineStatistics
from alm_beam.transforms.sweep import StageTexts, SweepWindows
from alm_beam.transforms.write import StageShards

_WORTH_OF_COMBINATION = 0.25
"""A combination is worth this part of a run, in workers."""


def sweep(config: SweepConfig, options: PipelineOptions | None = None, watch: Watch = UNWATCHED) -> SweepStats | None:
    """Computes windows in many ways, and says what each of them gives. It prints nothing.

    Every combination of the parameters' values gives the figures of a `run` by it. The input is read once, and no
    windows are written.

    Args:
        config: the job's parameters.
        options: Beam's, for another runner than the local one; they are not changed.
        watch: is told how the run goes on; for the commands alone.

    Returns:
        The statistics of the run; None where the job goes on without this process, as with `run`.

    Raises:
        ConfigError, InputError, OptionsError: as `run` does. Nothing was read or written.
        RunError, ManifestReadError: as `run` does.

    >>> import tempfile
    >>> import alm_beam.sample
    >>> told = {"input": alm_beam.sample.SHIPPED, "output": tempfile.mkdtemp()}
    >>> stats = sweep(SweepConfig.of({**told, "target_window_duration": [30, 60, 120], "selection": "most_audio"}))
    >>> [(row.parameters["target_window_duration"], round(row.distinct_hours, 2)) for row in stats.ranked()]
    [(30, 0.56), (60, 0.55), (120, 0.49)]
    """
    return run_job(_JOB, config, options, watch)


def estimate(config: SweepConfig, options: PipelineOptions | None = None) -> Estimate:
    """What a sweep would come to, from a sample of its input. Everything is checked that `sweep` checks first.

    Raises:
        ConfigError, InputError, OptionsError, ManifestReadError: as `sweep` does. Nothing is written in any case.

    >>> import tempfile
    >>> import alm_beam.sample
    >>> config = SweepConfig.of({"input": alm_beam.sample.SHIPPED, "output": f"{tempfile.mkdtemp()}/out"})
    >>> estimate(config).amounts["recordings"]
    About(value=5, low=5, high=5)
    """

    def sample(manifests: Sequence[Manifest], checked: CheckedRun) -> Sample:
        return sampled_sweep(config, manifests, checked.folder.options, partial(_sizes, config=config))

    return dry_run(_JOB, config, options, lambda manifests: manifests, sample)


def build(
    config: SweepConfig, manifests: Sequence[Manifest], staged: StagedRun, options: PipelineOptions
) -> beam.Pipeline:
    """The graph, for the runner that the options name, or else for the local one. Nothing is read or written yet.

    Raises:
        OptionsError: Beam does not know the runner, or the runner refuses its options.
    """
    pipeline = pipeline_of(options)
    settings, facts = config.sweep, facts_of(config)
    plan = SweepPlan.of(config.combinations, EntryConfig(max_line_bytes=settings.max_line_bytes))
    read = ReadManifests.of(manifests, staged.options, config.repeat_factor, settings.max_line_bytes)
    lines = pipeline | "ReadFromText" >> read
    swept = lines | SweepWindows(plan, config.manifest, settings.sample)
    stats = swept.stats | CombineStatistics(SweepStats) | beam.Map(SweepStats.named, *_names(config))
    rejects = swept.rejects | "WriteRejects" >> StageShards(staged, REJECTS)
    files = stats | StageTexts(staged, partial(_texts, facts=facts))
    stats | FinishRun(staged, {REJECTS: (rejects, 0)}, None, facts, config.max_reject_fraction, files)
    return pipeline


def _names(config: SweepConfig) -> tuple[list[dict[str, Any]], list[str], str, list[dict[str, Any]]]:
    """What `SweepStats.named` names the figures of a run by."""
    left_out = [{"parameters": each.varied, "reason": str(each.error)} for each in config.left_out]
    return [each.varied for each in config.combinations], commands_of(config), config.sweep.aim, left_out


def _sizes(stats: SweepStats, config: SweepConfig) -> Mapping[str, int]:
    """The bytes of the files of a run."""
    facts, named = facts_of(config), stats.named(*_names(config))
    sizes = {name: len(text.encode("utf-8", "backslashreplace")) for name, text in _texts(named, facts).items()}
    return {SWEEP_JSON: statistics_size(named, facts), **sizes}


def _texts(stats: SweepStats, facts: dict[str, Any]) -> Mapping[str, str]:
    """The files that show the statistics of a run."""
    return {SWEEP_CSV: sweep_csv(stats), SWEEP_PAGE: sweep_page(stats, facts)}


def _worth(config: SweepConfig, manifests: Sequence[Manifest]) -> float:
    runs = 1 + _WORTH_OF_COMBINATION * len(config.combinations)
    return runs * config.sweep.sample * bytes_of(manifests) * config.repeat_factor / BYTES_PER_WORKER


def _work(config: SweepConfig, manifests: Sequence[Manifest]) -> ToDo:
    return ToDo.of_bytes(bytes_of(manifests) * config.repeat_factor, "recordings", "rejects")


_JOB = Job(SWEEP, manifests_of, build, SweepStats.from_dict, _work, _worth)
