"""The main job: manifests in, training windows out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from alm_beam.core.config import JobConfig
from alm_beam.core.losses import LossStats
from alm_beam.core.report_collector import ReportConfig
from alm_beam.core.report_stats import ReportStats
from alm_beam.jobs.launch import pipeline_of
from alm_beam.jobs.places import refuse_file_of_others
from alm_beam.jobs.run import CheckedRun, Job, bytes_of, facts_of, manifests_of, run_job
from alm_beam.jobs.watch import UNWATCHED, ToDo, Watch
from alm_beam.runners.local import BYTES_PER_WORKER
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.outputs import CUTS, ENTRIES, REJECTS, WINDOWS, Outputs
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.sampling import uncompressed_bytes
from alm_beam.storage.spool import Spool
from alm_beam.storage.staged_run import StagedRun
from alm_beam.transforms.finish import FinishRun
from alm_beam.transforms.index import IndexCuts, IndexedCutsSink
from alm_beam.transforms.read import ReadManifests
from alm_beam.transforms.recordings import BuildWindows, FilterOverlaps, ParseRecording, SerialiseWindows
from alm_beam.transforms.statistics import CombineStatistics, StatisticsFn
from alm_beam.transforms.write import StageShards

if TYPE_CHECKING:
    from alm_beam.core.estimate import Estimate
    from alm_beam.jobs.sample import Sample


def run(config: JobConfig, options: PipelineOptions | None = None, watch: Watch = UNWATCHED) -> LossStats | None:
    """Runs the main job: manifests in, training windows out. It prints nothing.

    Without options the job runs on this machine, on as many cores as the input is worth. Worker processes are forks of
    this one where that is safe (on Linux, while there is no other thread).

    Args:
        config: the job's parameters.
        options: Beam's, for another runner; they are not changed.
        watch: is told how the run goes on; for the commands alone.

    Returns:
        The statistics of the run; None where the job goes on without this process: with Beam's
        `no_wait_until_finish` on Dataflow or a job server, and with `template_location`.

    Raises:
        ConfigError: a parameter does not fit. Nothing was read or written.
        InputError: an input names no manifest, or one that cannot be read. Nothing was written.
        OptionsError: Beam's options do not fit. Nothing was written.
        RejectLimitError: more entries were rejected than `max_reject_fraction` allows.
        ReplacedError: another run has begun to write to the same folder.
        ManifestReadError: a manifest could not be read to its end.
        StatisticsError: the run is complete, but its statistics cannot be read back.
        RunError: the run failed otherwise; the message names the cause. (RejectLimitError, ReplacedError and
            StatisticsError are kinds of it.)

    >>> import tempfile
    >>> import alm_beam.sample
    >>> config = JobConfig.of({"input": alm_beam.sample.SHIPPED, "output": tempfile.mkdtemp()})
    >>> stats = run(config)
    >>> stats.recordings
    5
    """
    return run_job(_job(config), config, options, watch)


def run_of(command: str) -> Callable[[JobConfig, PipelineOptions | None, Watch], LossStats | None]:
    """`run` for a command, which the report states.

    Args:
        command: as it was given, without secrets.
    """
    return lambda config, options, watch: run_job(_job(config, command), config, options, watch)


def estimate(config: JobConfig, options: PipelineOptions | None = None) -> "Estimate":
    """What a run would come to, from a sample of its input. Everything is checked that `run` checks first.

    Raises:
        ConfigError, InputError, OptionsError, ManifestReadError: as `run` does. Nothing is written in any case.

    >>> import tempfile
    >>> import alm_beam.sample
    >>> config = JobConfig.of({"input": alm_beam.sample.SHIPPED, "output": f"{tempfile.mkdtemp()}/out"})
    >>> estimate(config).amounts["kept_windows"]
    About(value=12, low=12, high=12)
    """

    from alm_beam.jobs.dry_run import dry_run
    from alm_beam.jobs.sampled_windows import sampled_windows

    def sample(manifests: Sequence[Manifest], checked: CheckedRun) -> "Sample":
        return sampled_windows(config, manifests, checked.folder.options, facts_of(config))

    return dry_run(_job(config), config, options, lambda manifests: manifests, sample)


def build(
    config: JobConfig, manifests: Sequence[Manifest], staged: StagedRun, options: PipelineOptions, command: str = ""
) -> beam.Pipeline:
    """The graph, for the runner that the options name, or else for the local one. Nothing is read or written yet.

    Everything from the read to the writes fuses into one stage: no shuffle carries windows.

    Raises:
        OptionsError: Beam does not know the runner, or the runner refuses its options.
    """
    pipeline = pipeline_of(options)
    num_shards = config.num_shards
    max_line_bytes = config.entry.max_line_bytes
    read = ReadManifests.of(manifests, staged.options, config.repeat_factor, max_line_bytes)
    lines = pipeline | "ReadFromText" >> read
    recordings = lines | ParseRecording(config.manifest)
    overlap = config.overlap.for_input(bytes_of(manifests) * config.repeat_factor)
    kept = (
        recordings | BuildWindows(config.windows, few_written=not config.entry.all_candidates) | FilterOverlaps(overlap)
    )
    collected = ReportConfig.of(config.windows, uncompressed_bytes(manifests)) if config.entry.report else None
    made = kept | SerialiseWindows(config.entry, collected)
    stats = made.stats | "CombineLosses" >> CombineStatistics(LossStats)
    rejects = made.rejects | "WriteRejects" >> StageShards(staged, REJECTS)
    shards = {REJECTS: (rejects, 0)}
    one_file = {ENTRIES: config.entry.entries_file} if config.entry.entries_file else {}
    if config.entry.entries:
        entries_shards = 0 if one_file else num_shards
        entries = made.entries | "WriteToText" >> StageShards(staged, ENTRIES, num_shards=entries_shards)
        shards[ENTRIES] = (entries, max(entries_shards, 1))
    index = None
    if config.entry.cuts:
        cuts = made.cuts | "WriteCuts" >> StageShards(
            staged, CUTS, sink=partial(IndexedCutsSink, staged), num_shards=num_shards
        )
        shards[CUTS] = (cuts, max(num_shards, 1))
        index = cuts | IndexCuts(staged, max(num_shards, 1))
    report = None
    if collected:
        from alm_beam.report.report_writer import ReportWriter

        report = made.report | "CombineReport" >> beam.CombineGlobally(StatisticsFn(ReportStats)), ReportWriter(command)
    stats | FinishRun(
        staged, shards, index, facts_of(config), config.max_reject_fraction, report=report, one_file=one_file
    )
    return pipeline


def _worth(config: JobConfig, manifests: Sequence[Manifest]) -> float:
    return bytes_of(manifests) * config.repeat_factor / BYTES_PER_WORKER


def _work(config: JobConfig, manifests: Sequence[Manifest]) -> ToDo:
    return ToDo.of_bytes(bytes_of(manifests) * config.repeat_factor, "recordings", "windows", "rejects")


def _outputs(config: JobConfig) -> Outputs:
    """What the run leaves: a file more, where one is named."""
    named = config.entry.entries_file
    return replace(WINDOWS, files=(*WINDOWS.files, named)) if named else WINDOWS


def _find(config: JobConfig, folder: RunFolder, spool: Spool | None) -> list[Manifest]:
    manifests = manifests_of(config, folder, spool)
    if config.entry.entries_file:
        refuse_file_of_others(folder, "entries_file", config.entry.entries_file)
    return manifests


def _job(config: JobConfig, command: str = "") -> Job[JobConfig, list[Manifest], LossStats]:
    return Job(_outputs(config), _find, partial(build, command=command), LossStats.from_dict, _work, _worth)
