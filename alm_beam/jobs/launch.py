"""What all jobs share: Beam's options, what is checked before anything is written, waiting, and what went wrong."""

import copy
import io
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import PipelineResult, PipelineState, create_runner

from alm_beam.core.config import ConfigError
from alm_beam.core.errors import RejectLimitError, RunError
from alm_beam.jobs.watch import Watch
from alm_beam.runners import dataflow
from alm_beam.runners.beam_internals import ExternalJobServer, RunOptions, drop_streams, given_flags, parser_of
from alm_beam.runners.local import LocalRunner, use_all_cores
from alm_beam.storage.discovery import InputError
from alm_beam.storage.index.format import IndexFault
from alm_beam.storage.limits import NO_THREAD, out_of_memory
from alm_beam.storage.lines import ManifestReadError
from alm_beam.storage.outputs import SUCCESS
from alm_beam.storage.secrets import redacted, shown
from alm_beam.storage.staged_run import ReplacedError, StagedRun

show_messages = dataflow.show_messages

LOGS_REQUESTS = ("aiobotocore", "azure", "botocore", "fsspec", "gcsfs", "google.auth", "s3fs", "urllib3")
"""Loggers that show, at DEBUG, what authorises a request."""

_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error for error in (RejectLimitError, ReplacedError, ManifestReadError, IndexFault)
}
"""The errors of a worker that a caller may want to tell apart. A runner hands over their text alone."""

_MEMORY_ERRORS = ("MemoryError", "_ArrayMemoryError")
_MEMORY_MESSAGES = (NO_THREAD, "std::bad_alloc")
_PLAIN_ERRORS = ("OSError", "FileNotFoundError", "PermissionError", "RunError", "RuntimeError")
"""Errors whose names add nothing to what they say."""

_TRACEBACK = "Traceback (most recent call last):"
_FRAMES = re.compile(r"^ .*\n", re.MULTILINE)
_STEP = re.compile(r" ?\[while running '[^']*'\]\s*$")
"""What Beam adds to what a step raised."""


class OptionsError(ValueError):
    """Beam's options do not fit the job.

    >>> own_options(PipelineOptions(["--direct_running_mode=fast"]))
    Traceback (most recent call last):
        ...
    alm_beam.jobs.launch.OptionsError: Beam refuses its flags: argument --direct_running_mode: invalid choice: ...
    """


def parsed_options(flags: Sequence[str]) -> tuple[PipelineOptions, list[str], list[str]]:
    """Beam's options that the flags state, the flags that Beam does not know, and the names of those that it knows.

    Raises:
        OptionsError: Beam refuses a value.
    """
    options = PipelineOptions(flags)
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # Beam would show what it does not know, and a misspelt flag may hold a secret
    try:
        with _beams_refusals():
            parser = parser_of(options)
            _, unknown = parser.parse_known_args(list(flags))
    finally:
        logging.disable(level)
    return options, unknown, list(parser._option_string_actions)


def check_runner(options: PipelineOptions) -> None:
    """
    Raises:
        OptionsError: Beam does not know the runner that is named, or cannot import it.
    """
    name = options.view_as(StandardOptions).runner
    try:
        if name:
            create_runner(name)
    except (ValueError, ImportError) as error:
        raise OptionsError(f"Beam refuses its flags: {redacted(str(error))}") from None


@contextmanager
def _beams_refusals() -> Iterator[None]:
    """Makes an OptionsError of a refusal of Beam's parser, which would print its usage and end the caller's process."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            yield
    except SystemExit:
        why = said.getvalue().strip().rpartition(" error: ")[2]
        raise OptionsError(f"Beam refuses its flags: {redacted(why)}") from None


def own_options(options: PipelineOptions | None) -> PipelineOptions:
    """A copy of the caller's options for one run. In its workers, no log shows what authorises a request.

    Raises:
        OptionsError: Beam refuses a value, or Dataflow's workers would not have this package.
    """
    with _beams_refusals():
        own = (PipelineOptions([]) if options is None else copy.deepcopy(options)).view_as(RunOptions)
        own.get_all_options()
    workers = own.view_as(DirectOptions).direct_num_workers
    if workers < 0:
        raise OptionsError(f"--direct_num_workers={workers}: must be a whole number, at least 0 (one for each core)")
    worker = own.view_as(WorkerOptions)
    given: Mapping[str, Any] = worker.sdk_harness_log_level_overrides or {}
    worker.sdk_harness_log_level_overrides = {**dict.fromkeys(LOGS_REQUESTS, "INFO"), **given}
    if is_on_dataflow(own):
        try:
            dataflow.prepare(own)
        except ValueError as error:
            raise OptionsError(str(error)) from None
    return own


def pipeline_of(options: PipelineOptions) -> beam.Pipeline:
    """An empty pipeline for the runner that the options name, or else for the local one.

    Raises:
        OptionsError: Beam does not know the runner, or the runner refuses its options.
    """
    try:
        pipeline = beam.Pipeline(runner=LocalRunner() if is_local(options) else None, options=options)
    except (ValueError, ImportError) as error:
        raise OptionsError(f"Beam refuses its flags: {redacted(str(error))}") from None
    os.rmdir(pipeline.local_tempdir)  # of steps in other languages; it would stay where the pipeline is not run
    return pipeline


def use_cores(options: PipelineOptions, worth: float, at_least: int, urls: Sequence[str]) -> None:
    """Sets the options to as many workers as pay, where that is left to us; see `use_all_cores`."""
    is_told = any(name.startswith("direct_") for name in given_flags(options))
    if is_local(options) and not is_told and not uses_memory(urls):
        use_all_cores(options, worth, at_least=at_least)


def check_workers_reach(options: PipelineOptions, places: Sequence[tuple[str, str]]) -> None:
    """
    Raises:
        ConfigError, OptionsError: the workers would not reach the data.
    """
    is_elsewhere = not is_local(options) or options.view_as(DirectOptions).direct_running_mode == "multi_processing"
    if uses_memory([url for _, url in places]) and is_elsewhere:
        raise OptionsError(
            "memory:// is within one process; leave out --runner and --direct_running_mode=multi_processing"
        )
    if not is_on_dataflow(options):
        return
    for name, url in places:
        if "://" not in url or url.startswith("file://"):
            why = "is on this machine, where Dataflow's workers do not reach it; name a URL"
            raise ConfigError(name, shown(url), why)


def check_graph(pipeline: beam.Pipeline, options: PipelineOptions, inputs: Sequence[str]) -> None:
    """
    Raises:
        InputError: Dataflow would refuse the graph for its size.
    """
    if not is_on_dataflow(options):
        return
    size = dataflow.graph_bytes(pipeline)
    if size > dataflow.MAX_GRAPH_BYTES:
        why = (
            f"names many files, whose list makes a graph of {size / 1e6:.1f} MB; Dataflow takes "
            f"{dataflow.MAX_GRAPH_BYTES / 1e6:.0f} MB at most. Join small files, or run the job on parts of them"
        )
        raise InputError(",".join(map(shown, inputs)), why)


def check_job_server(options: PipelineOptions) -> None:
    """
    Raises:
        OptionsError: no job server answers.
    """
    portable = options.view_as(PortableOptions)
    endpoint, seconds = portable.job_endpoint, portable.job_server_timeout
    if _runner(options) != "portable" or endpoint == "embed":
        return
    if not endpoint:
        raise OptionsError("--runner=PortableRunner needs --job_endpoint=HOST:PORT, where a job server listens")
    try:
        ExternalJobServer(endpoint, seconds).start()
    except grpc.FutureTimeoutError:
        why = f"no job server answers there within {seconds} s (--job_server_timeout)"
        raise OptionsError(f"--job_endpoint={endpoint}: {why}") from None


def launch(pipeline: beam.Pipeline, options: PipelineOptions, staged: StagedRun, watch: Watch) -> PipelineResult | None:
    """Runs the graph to its end; None where the job goes on without this process.

    What a failed run on this machine has staged is removed, unless the next one goes on with it. Elsewhere a job may go
    on that is lost from sight.

    Raises:
        ReplacedError: what the run had staged is another run's now, or is gone.
        RunError: the job did not end well; or what a worker raised, if it is an error of ours.
    """
    try:
        place = place_elsewhere(options)
        if place:
            watch.submits(f"the job may have come to {place}; look there before the same command starts again")
        result = pipeline.run()
        if place:
            watch.submits(_goes_on(place, options, result))
        if goes_on_alone(options):
            return None
        try:
            state = result.wait_until_finish()
        finally:
            drop_streams(result)
    except Exception as error:
        logging.getLogger(__name__).debug("the run failed", exc_info=True)
        told = _told(error)
        with suppress(OSError):
            if type(told) is RunError and staged.is_taken_over():
                told = _replaced(staged, told)
            if is_local(options) and not staged.outlives_failure:
                staged.discard()
        raise told from None  # the error's own text may hold a secret
    if state != PipelineState.DONE:
        raise RunError(f"the runner ended the job in state {state}")
    return result


def is_local(options: PipelineOptions) -> bool:
    """Whether the runner is the local one: the options name it, as a scheduler has to, or none."""
    return options.view_as(StandardOptions).runner in (None, f"{LocalRunner.__module__}.{LocalRunner.__name__}")


def is_on_dataflow(options: PipelineOptions) -> bool:
    """Whether the job runs on Dataflow."""
    return _runner(options) in ("dataflow", "testdataflow")


def is_template(options: PipelineOptions) -> bool:
    """Whether the job is only written down, for Dataflow to start it."""
    return is_on_dataflow(options) and options.view_as(GoogleCloudOptions).template_location is not None


def goes_on_alone(options: PipelineOptions) -> bool:
    """Whether this process is not to wait for the job. Most runners are, or start, what ends with this process."""
    is_told_so = bool(options.view_as(StandardOptions).no_wait_until_finish)
    return is_template(options) or (is_told_so and (is_on_dataflow(options) or _is_on_job_server(options)))


def goes_on_where(options: PipelineOptions, output: str) -> str:
    """What to tell of a job that goes on without this process."""
    template = options.view_as(GoogleCloudOptions).template_location
    where = f"is written to {template}, for Dataflow to start it" if is_template(options) else "goes on by itself"
    return f"The job {where}. It is complete when {shown(output)} holds {SUCCESS}."


def uses_memory(urls: Sequence[str]) -> bool:
    """Whether a URL is of fsspec's filesystem in memory."""
    return any(url.startswith("memory://") for url in urls)


def _is_on_job_server(options: PipelineOptions) -> bool:
    """Whether the job runs on a job server that was there before, with workers that stay."""
    return _runner(options) == "portable" and options.view_as(PortableOptions).environment_type != "LOOPBACK"


def place_elsewhere(options: PipelineOptions) -> str:
    """Where the job goes on when this process is ended; empty where it ends with it."""
    if is_on_dataflow(options):
        return "Dataflow"
    if _is_on_job_server(options):
        endpoint = options.view_as(PortableOptions).job_endpoint
        return "" if endpoint == "embed" else f"the job server {endpoint}"
    given = options.get_all_options()
    master, of_this_machine = {
        "flink": (given.get("flink_master"), "["),
        "spark": (given.get("spark_master_url"), "local"),
    }.get(_runner(options), (None, ""))
    return "" if not master or master.startswith(of_this_machine) else str(master)


def _goes_on(place: str, options: PipelineOptions, result: PipelineResult) -> str:
    """What to tell of a job that goes on there when this process is ended."""
    if is_template(options):
        return f"the template is written to {options.view_as(GoogleCloudOptions).template_location}"
    if is_on_dataflow(options):
        cloud, job = options.view_as(GoogleCloudOptions), result.job_id()
        command = f"gcloud dataflow jobs cancel {job} --project={cloud.project} --region={cloud.region}"
        return f"the job {job} keeps running on {place}; to cancel it: {command}"
    name = f" as {result._job_id}" if getattr(result, "_job_id", "") else ""
    in_flink = _runner(options) == "flink"
    how = "to cancel it: `flink list`, and then `flink cancel JOBID`" if in_flink else "it is to be cancelled there"
    return f"the job keeps running on {place}{name}; {how}"


def _runner(options: PipelineOptions) -> str:
    """The runner's name, short: Beam takes it in any case, with or without its module and its "Runner"."""
    name = (options.view_as(StandardOptions).runner or "").lower().rpartition(".")[2]
    return str(name.removesuffix("runner"))


def _told(error: Exception) -> Exception:
    """The error for a caller, by what its message says at the end: a runner puts a worker's traceback before that."""
    kind, cause = _kind_and_cause(redacted(str(error).strip() or type(error).__name__))
    if kind in _ERRORS:
        return _ERRORS[kind](cause)
    if kind in _MEMORY_ERRORS or isinstance(error, MemoryError) or cause in _MEMORY_MESSAGES:
        return RunError(out_of_memory(cause))
    return type(error)(cause) if type(error) in _ERRORS.values() else RunError(cause)


def _replaced(staged: StagedRun, error: Exception) -> ReplacedError:
    why = f"another run has begun to write to {shown(staged.folder.url)}, or its temporary folder was removed"
    return ReplacedError(f"{why} ({error})")


def _kind_and_cause(text: str) -> tuple[str, str]:
    """The name of the error that a message ends with, where that is one that its text explains, and the text."""
    last = _FRAMES.split(text)[-1] if _TRACEBACK in text else text
    cause = _STEP.sub("", last).strip()
    found = re.fullmatch(r"(?:\w+\.)*(\w+)(?:: (.*))?", cause, re.DOTALL)
    if found and found[1] in {*_ERRORS, *_MEMORY_ERRORS, *_PLAIN_ERRORS}:
        return found[1], found[2] or ""
    return "", cause
