"""The main job: manifests in, training windows out."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import apache_beam as beam
import orjson
from apache_beam.options.pipeline_options import PipelineOptions

from alm_beam import __version__
from alm_beam.core.config import JobConfig
from alm_beam.core.errors import RunError, StatisticsError
from alm_beam.core.losses import LossStats
from alm_beam.jobs.launch import (
    check_graph,
    check_job_server,
    check_workers_reach,
    checked_folder,
    found_manifests,
    is_local,
    launch,
    own_options,
    pipeline_of,
    storage_options,
    use_cores,
)
from alm_beam.storage.connections import close_connections
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.paths import errors_that_name, located
from alm_beam.storage.run_folder import CUTS, ENTRIES, LOSS_STATS, REJECTS, WINDOWS, RunFolder, StagedRun
from alm_beam.storage.secrets import shown
from alm_beam.storage.spool import Spool
from alm_beam.transforms.finish import FinishRun
from alm_beam.transforms.index import IndexCuts
from alm_beam.transforms.losses import CombineLosses
from alm_beam.transforms.read import ReadManifests
from alm_beam.transforms.recordings import BuildWindows, FilterOverlaps, ParseRecording, SerialiseWindows
from alm_beam.transforms.write import StageShards


def run(config: JobConfig, options: PipelineOptions | None = None) -> LossStats | None:
    """Runs the main job: manifests in, training windows out. It prints nothing.

    Without options the job runs on this machine, on as many cores as the input is worth. Worker processes are forks of
    this one where that is safe (on Linux, while there is no other thread).

    Args:
        config: the job's parameters.
        options: Beam's, for another runner; they are not changed.

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
    options = own_options(options)
    check_workers_reach(options, config.input, config.output)
    urls = [*config.input, config.output]
    folder = RunFolder(config.output, WINDOWS, storage_options(config.storage_options, urls))
    folder = checked_folder(folder, overwrite=config.overwrite)
    spool = Spool()
    manifests = found_manifests(config.input, folder, spool if is_local(options) else None)
    use_cores(options, sum(manifest.size for manifest in manifests) * config.repeat_factor, urls)
    with _failures_told():
        staged = folder.stage(uuid.uuid4().hex)
    pipeline = build(config, manifests, staged, options)
    check_graph(pipeline, options, config.input, len(manifests))
    check_job_server(options)
    try:
        with _failures_told():
            folder.prepare()
        return None if launch(pipeline, options, staged) is None else _read_stats(folder)
    finally:
        close_connections()
        spool.remove()


def build(
    config: JobConfig, manifests: Sequence[Manifest], staged: StagedRun, options: PipelineOptions
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
    kept = recordings | BuildWindows(config.windows) | FilterOverlaps(config.overlap)
    made = kept | SerialiseWindows(config.entry)
    stats = made.stats | CombineLosses()
    entries = made.entries | "WriteToText" >> StageShards(staged, ENTRIES, num_shards=num_shards)
    rejects = made.rejects | "WriteRejects" >> StageShards(staged, REJECTS)
    shards = {ENTRIES: (entries, max(num_shards, 1)), REJECTS: (rejects, 0)}
    index = None
    if config.entry.cuts:
        cuts = made.cuts | "WriteCuts" >> StageShards(staged, CUTS, num_shards=num_shards)
        shards[CUTS] = (cuts, max(num_shards, 1))
        index = cuts | IndexCuts(staged, max(num_shards, 1))
    parameters = {
        name: sorted(value) if isinstance(value, frozenset) else value for name, value in config.parameters().items()
    }
    parameters |= {"input": [*map(_written, config.input)], "output": _written(config.output)}
    facts = {"parameters": parameters, "version": __version__}
    stats | FinishRun(staged, shards, index, facts, config.max_reject_fraction)
    return pipeline


def _written(url: str) -> str:
    """A path or URL as JSON can hold it: bytes of a name that are not UTF-8 are escapes."""
    return shown(url).encode("utf-8", "backslashreplace").decode()


@contextmanager
def _failures_told() -> Iterator[None]:
    """Makes an error of a filesystem one of the run."""
    try:
        yield
    except OSError as error:
        raise RunError(str(error)) from None


def _read_stats(folder: RunFolder) -> LossStats:
    place = located(folder.url, folder.options)
    try:
        with errors_that_name(f"{folder.url}/{LOSS_STATS}"):
            return LossStats.from_dict(orjson.loads(place.fs.cat_file(f"{place.path}/{LOSS_STATS}")))
    except OSError as error:
        raise StatisticsError(f"the run is complete, but its statistics cannot be read: {error}") from None
