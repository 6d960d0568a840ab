"""How every job runs: what is checked, in which order, and what of it is told to the caller."""

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import apache_beam as beam
import orjson
from apache_beam.options.pipeline_options import PipelineOptions

from alm_beam import __version__
from alm_beam.core.errors import RunError, StatisticsError
from alm_beam.core.run_config import RunConfig
from alm_beam.core.run_stats import RunStats
from alm_beam.jobs.launch import (
    check_graph,
    check_job_server,
    check_workers_reach,
    goes_on_alone,
    is_local,
    launch,
    own_options,
    use_cores,
)
from alm_beam.jobs.places import checked_folder, found_manifests, places_of, storage_options
from alm_beam.jobs.watch import UNWATCHED, ToDo, Watch, kept_for
from alm_beam.storage.connections import close_connections
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.outputs import Outputs
from alm_beam.storage.paths import errors_that_name, located
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.secrets import shown
from alm_beam.storage.spool import Spool
from alm_beam.storage.staged_run import StagedRun

_Config = TypeVar("_Config", bound=RunConfig)
_Found = TypeVar("_Found")
_Stats = TypeVar("_Stats", bound=RunStats)


_OF_WORKERS = re.compile("worker|harness", re.IGNORECASE)
"""What runners say when a worker has gone, and not what it raised."""


@dataclass(frozen=True)
class Job(Generic[_Config, _Found, _Stats]):
    """What tells one job from another.

    Attributes:
        outputs: what it leaves in its folder.
        find: what it is to work on, found before anything is written; pipes go to the spool, where there is one.
        build: its graph, for what was found.
        statistics: what its file of statistics holds, read back.
        work: how much there is to do.
        worth: how many workers on this machine what was found is worth.
        fewest_workers: with fewer, all is done in the process that runs the job.
        id_of: names the temporary folder of a run; a run of the same name goes on with what it finds there.
        begin: writes there what the workers need.
        explain: what a run has left there that says why its worker has gone; empty where it has left nothing.
    """

    outputs: Outputs
    find: Callable[[_Config, RunFolder, Spool | None], _Found]
    build: Callable[[_Config, _Found, StagedRun, PipelineOptions], beam.Pipeline]
    statistics: Callable[[dict[str, Any]], _Stats]
    work: Callable[[_Config, _Found], ToDo]
    worth: Callable[[_Config, _Found], float]
    fewest_workers: int = 2
    id_of: Callable[[_Found], str] | None = None
    begin: Callable[[_Found, StagedRun], None] | None = None
    explain: Callable[[StagedRun], str] | None = None


def run_job(
    job: Job[_Config, _Found, _Stats], config: _Config, options: PipelineOptions | None, watch: Watch = UNWATCHED
) -> _Stats | None:
    """Runs a job, and gives its statistics; None where it goes on without this process.

    Args:
        job: what is run.
        config: its parameters.
        options: Beam's; they are not changed.
        watch: is told how the run goes on; for the commands alone.

    Raises:
        ConfigError, InputError, OptionsError, RunError: see `alm_beam.run`.
    """
    spool = Spool()
    options, folder, found, staged, pipeline = checked_run(job, config, options, spool)
    try:
        with _failures_told():
            watch.begins_to_write(staged)
            folder.prepare(staged.url if staged.outlives_failure and not config.overwrite else "")
            if config.overwrite:
                folder.remove_kept()
            if job.begin:
                job.begin(found, staged)
            if not goes_on_alone(options):  # nobody would ask whose the temporary folder is
                staged.begin()
        with kept_for(watch, job.work(config, found)):
            result = launch(pipeline, options, staged, watch)
        return None if result is None else _read_stats(folder, job.statistics)
    except RunError as error:
        if job.explain and type(error) is RunError and _OF_WORKERS.search(str(error)):
            raise RunError(f"{error}{job.explain(staged)}") from None
        raise
    finally:
        close_connections()
        spool.remove()


class CheckedRun(NamedTuple):
    """A run of which everything was checked that can be before anything is written.

    Attributes:
        options: Beam's, of this run alone.
        folder: the run's, by its absolute path or its URL.
        found: what it is to work on.
        staged: its temporary folder, which is not there yet.
        pipeline: its graph.
    """

    options: PipelineOptions
    folder: RunFolder
    found: Any
    staged: StagedRun
    pipeline: beam.Pipeline


def checked_run(
    job: Job[_Config, _Found, _Stats], config: _Config, options: PipelineOptions | None, spool: Spool
) -> CheckedRun:
    """Checks a run and finds what it is to work on. Nothing is written.

    Raises:
        ConfigError, InputError, OptionsError: see `alm_beam.run`.
    """
    options = own_options(options)
    places = places_of(config)
    urls = [url for _, url in places]
    check_workers_reach(options, places)
    folder = RunFolder(config.output, job.outputs, storage_options(config.storage_options, urls))
    folder = checked_folder(folder, overwrite=config.overwrite)
    found = job.find(config, folder, spool if is_local(options) else None)
    use_cores(options, job.worth(config, found), job.fewest_workers, urls)
    with _failures_told():
        staged = StagedRun.of(
            folder, job.id_of(found) if job.id_of else uuid.uuid4().hex, outlives_failure=bool(job.id_of)
        )
    pipeline = job.build(config, found, staged, options)
    check_graph(pipeline, options, config.input)
    check_job_server(options)
    return CheckedRun(options, folder, found, staged, pipeline)


def manifests_of(config: RunConfig, folder: RunFolder, spool: Spool | None) -> list[Manifest]:
    """The manifests that the input names; see `found_manifests`."""
    return found_manifests(config.input, folder, spool)


def bytes_of(manifests: Sequence[Manifest]) -> int:
    """How large they are together, as stored."""
    return sum(manifest.size for manifest in manifests)


def facts_of(config: RunConfig) -> dict[str, Any]:
    """What the file of statistics states beside them: the parameters, and the version of this package."""
    parameters: dict[str, Any] = {
        name: sorted(value) if isinstance(value, frozenset) else value for name, value in config.parameters().items()
    }
    places = {name: _written(url) for name, url in places_of(config)}
    return {"parameters": parameters | places | {"input": [*map(_written, config.input)]}, "version": __version__}


def statistics_of(stats: RunStats, config: RunConfig) -> dict[str, Any]:
    """What the file of statistics holds of a run."""
    return {**stats.to_dict(), **facts_of(config)}


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


def _read_stats(folder: RunFolder, statistics: Callable[[dict[str, Any]], _Stats]) -> _Stats:
    place, name = located(folder.url, folder.options), folder.outputs.statistics
    try:
        with errors_that_name(f"{folder.url}/{name}"):
            return statistics(orjson.loads(place.fs.cat_file(f"{place.path}/{name}")))
    except OSError as error:
        raise StatisticsError(f"the run is complete, but its statistics cannot be read: {error}") from None
