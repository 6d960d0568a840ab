"""What a dry run of any job tells: what was found, and what a sample of it lets expect. Nothing is written."""

from collections.abc import Callable, Sequence
from typing import Any

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

from alm_beam.core.estimate import Estimate
from alm_beam.core.run_config import RunConfig
from alm_beam.jobs.launch import is_local
from alm_beam.jobs.run import CheckedRun, Job, checked_run
from alm_beam.jobs.sample import Sample, estimate_of
from alm_beam.runners.local import use_all_cores
from alm_beam.storage.connections import close_connections
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.spool import NoSpool


def dry_run(
    job: Job[Any, Any, Any],
    config: RunConfig,
    options: PipelineOptions | None,
    files_of: Callable[[Any], Sequence[Manifest]],
    sample: Callable[[Any, CheckedRun], Sample],
) -> Estimate:
    """Checks a run as the run itself would, looks at a sample of its input, and tells what it would come to.

    Args:
        job: the job.
        config: what it is told.
        options: Beam's.
        files_of: the files of what was found.
        sample: what is found in a part of it.

    Raises:
        ConfigError, InputError, OptionsError: as the run.
        ManifestReadError: a file cannot be read.
    """
    try:
        checked = checked_run(job, config, options, NoSpool())
        workers = _workers(checked.options, job.worth(config, checked.found), job.fewest_workers)
        found = sample(checked.found, checked)
        if not is_local(checked.options):
            found.notes.append("the job would run elsewhere; time and memory are those of this machine")
        return estimate_of(found, files_of(checked.found), workers, config.max_reject_fraction)
    finally:
        close_connections()


def _workers(options: PipelineOptions, worth: float, at_least: int) -> int:
    """The processes that a run has here; if it is to run elsewhere, those that it would have."""
    if not is_local(options):
        options = PipelineOptions([])
        use_all_cores(options, worth, at_least=at_least)
    direct = options.view_as(DirectOptions)
    return max(direct.direct_num_workers, 1) if direct.direct_running_mode == "multi_processing" else 1
