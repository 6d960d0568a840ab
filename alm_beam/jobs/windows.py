"""The main job: manifests in, training windows out."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

import apache_beam as beam
import grpc
import orjson
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.portability.job_server import ExternalJobServer
from apache_beam.runners.runner import PipelineResult, PipelineState

from alm_beam import __version__
from alm_beam.cli.flags import FlagParser, job_config, windows_parser
from alm_beam.core.config import JobConfig
from alm_beam.core.losses import LossStats
from alm_beam.report.summary import render_summary
from alm_beam.runners import dataflow
from alm_beam.runners.filesystem import StorageSetup
from alm_beam.runners.local import LocalRunner, use_all_cores
from alm_beam.storage import run_folder
from alm_beam.storage.discovery import InputError, Manifest, find_manifests
from alm_beam.storage.options import StorageOptionsError, parse_storage_options
from alm_beam.storage.paths import beam_path, protocols_of
from alm_beam.storage.secrets import redacted, shown
from alm_beam.transforms.index import IndexCuts
from alm_beam.transforms.losses import CombineLosses
from alm_beam.transforms.read import ReadManifests
from alm_beam.transforms.recordings import (
    CUTS,
    REJECTED,
    STATS,
    BuildWindows,
    FilterOverlaps,
    ParseRecording,
    SerialiseEntry,
)
from alm_beam.transforms.write import FinishRun, WriteShards

_LOG = logging.getLogger(__name__)


def run(argv: Sequence[str] | None = None, prog: str = "build_windows.py") -> int:
    """Runs the job and prints its summary.

    It neither waits for the end nor prints a summary where Dataflow is to start the job (`--template_location`, which a
    template's launcher gives), or where it is told so (Beam's `--no_wait_until_finish`) and the job would not end with
    it: on Dataflow, and on a job server that `--job_endpoint` names.

    On the local runner it closes the connections of fsspec's filesystems in this process, which no fork could use: an
    instance that the caller holds is of no use afterwards.

    Args:
        argv: flags, of this job and of Beam; the process's own when None.
        prog: the command's name in messages.

    Returns:
        The exit code: 0 when the run is complete, or goes on without this process; 1 when it failed.

    Raises:
        SystemExit: with code 2 when a flag is wrong; nothing was read or written then.
    """
    parser = windows_parser(prog)
    flags, others = parser.parse_known_args(argv)
    config = job_config(parser, flags)
    options = _beam_options(parser, others)
    _check_workers_reach_all(parser, config, options)
    storage = _storage_setup(parser, flags, config, options)
    output = _checked_output(parser, config)
    manifests = _checked_manifests(parser, config)
    if _is_local(options) and not _uses_memory(config) and not any(other.startswith("--direct_") for other in others):
        use_all_cores(options, sum(manifest.size for manifest in manifests) * config.repeat_factor)
    try:
        pipeline = build(config, manifests, output, options, storage)
    except (ValueError, ImportError) as error:
        parser.error(f"Beam refuses its flags: {error}")
    if _is_on_dataflow(options):
        _check_graph(parser, config, pipeline, len(manifests))
    _check_job_server(parser, options)
    logging.getLogger("apache_beam.io.filebasedsink").setLevel(logging.ERROR)  # it warns when there are no rejects
    try:
        run_folder.clear(output)
        if _goes_on_alone(options):
            pipeline.run()
            _print(_goes_on_where(options, config))
            return 0
        launch(pipeline)
    except Exception as error:
        _LOG.debug("the run failed", exc_info=True)
        message = f"{prog}: error: the run failed, {config.output} is not complete: {_cause(error)}"
        print(redacted(message), file=sys.stderr)
        return 1
    try:
        summary = render_summary(_loss_stats(output), config.overlap, shown(config.output))
    except Exception as error:  # Beam's own filesystems raise all kinds
        summary = f"the run is complete, but its statistics cannot be shown: {redacted(str(error))}"
    _print(summary)
    return 0


def launch(pipeline: beam.Pipeline) -> PipelineResult:
    """Runs the graph to its end.

    Raises:
        RuntimeError: the runner says that the job did not end well; or whatever it raises itself.
    """
    result = pipeline.run()
    try:
        state = result.wait_until_finish()
    finally:
        _drop_streams(result)
    if state != PipelineState.DONE:
        raise RuntimeError(f"the runner ended the job in state {state}")
    return result


def _drop_streams(result: PipelineResult) -> None:
    """Drops what listened to a job server, while the threads that gRPC has for it are there.

    Beam's result keeps it until the process ends. By then a thread may have been stopped with a lock that gRPC waits
    for when a stream is dropped: a failed run on Flink was seen to hang there.
    """
    for stream in ("_state_stream", "_message_stream"):
        vars(result).pop(stream, None)


def build(
    config: JobConfig,
    manifests: Sequence[Manifest],
    output: str,
    options: PipelineOptions,
    storage: StorageSetup | None = None,
) -> beam.Pipeline:
    """The graph, for the runner that the options name, or else the local one. Nothing is read or written yet.

    Everything from the read to the writes fuses into one stage: no shuffle carries windows.

    Raises:
        ValueError: Beam does not know the runner, or the runner refuses its options.
    """
    storage = storage or StorageSetup({})
    pipeline = beam.Pipeline(runner=LocalRunner() if _is_local(options) else None, options=options)
    lines = pipeline | "ReadFromText" >> ReadManifests([*manifests] * config.repeat_factor, storage)
    selections = lines | ParseRecording() | BuildWindows(config.windows) | FilterOverlaps(config.overlap)
    written = selections | SerialiseEntry(config.entry)
    stats = written[STATS] | CombineLosses()
    entries = WriteShards(output, run_folder.ENTRIES, storage, num_shards=config.num_shards)
    rejects = WriteShards(output, run_folder.REJECTS, storage, skip_if_empty=True)
    shards = [written.lines | "WriteEntries" >> entries, written[REJECTED] | "WriteRejects" >> rejects]
    begun = [entries.begun, rejects.begun]
    if config.entry.cuts:
        cuts = WriteShards(output, run_folder.CUTS, storage, num_shards=config.num_shards)
        in_place = written[CUTS] | "WriteCuts" >> cuts
        shards += [in_place, in_place | IndexCuts(output, storage)]
        begun.append(cuts.begun)
    parameters = {
        name: sorted(value) if isinstance(value, frozenset) else value for name, value in config.parameters().items()
    }
    parameters |= {"input": [*map(shown, config.input)], "output": shown(config.output)}
    facts = {"parameters": parameters, "version": __version__}
    stats | FinishRun(output, storage, facts, config.max_reject_fraction, shards, begun)
    return pipeline


def _is_local(options: PipelineOptions) -> bool:
    """Whether the runner is the local one: the flags name it, as a scheduler has to, or none."""
    return options.view_as(StandardOptions).runner in (None, f"{LocalRunner.__module__}.{LocalRunner.__name__}")


def _runner(options: PipelineOptions) -> str:
    """The runner's name, short: Beam takes it in any case, with or without its module and its "Runner"."""
    name = (options.view_as(StandardOptions).runner or "").lower().rpartition(".")[2]
    return name.removesuffix("runner")


def _is_on_dataflow(options: PipelineOptions) -> bool:
    return _runner(options) in ("dataflow", "testdataflow")


def _goes_on_alone(options: PipelineOptions) -> bool:
    """Whether this process is not to wait for the job. Most runners are, or start, what ends with it."""
    is_told_so = bool(options.view_as(StandardOptions).no_wait_until_finish)
    return _is_template(options) or (is_told_so and (_is_on_dataflow(options) or _is_on_job_server(options)))


def _is_on_job_server(options: PipelineOptions) -> bool:
    """Whether a job server that was there before runs the job, and workers that stay."""
    return _runner(options) == "portable" and options.view_as(PortableOptions).environment_type != "LOOPBACK"


def _is_template(options: PipelineOptions) -> bool:
    return _is_on_dataflow(options) and options.view_as(GoogleCloudOptions).template_location is not None


def _goes_on_where(options: PipelineOptions, config: JobConfig) -> str:
    template = options.view_as(GoogleCloudOptions).template_location
    where = f"is written to {template}, for Dataflow to start it" if _is_template(options) else "goes on by itself"
    return f"The job {where}. It is complete when {shown(config.output)} holds {run_folder.SUCCESS}."


def _beam_options(parser: FlagParser, others: list[str]) -> PipelineOptions:
    """Beam's options, from the flags that are not ours. Ends the process if some are not Beam's either."""
    options = PipelineOptions(others)
    beams: list[FlagParser] = []
    logging.disable(logging.WARNING)  # Beam would show what it does not know, and a misspelt flag may hold a secret
    try:
        options.get_all_options(add_extra_args_fn=beams.append)
    finally:
        logging.disable(logging.NOTSET)
    _, unknown = beams[0].parse_known_args(others)
    parser.refuse_unknown(unknown, beams[0]._option_string_actions)
    return options


def _storage_setup(
    parser: FlagParser, flags: argparse.Namespace, config: JobConfig, options: PipelineOptions
) -> StorageSetup:
    """How this run reaches its URLs. Ends the process if the flags do not state it."""
    native = flags.native_filesystems
    if native is None:
        native = ["gs"] if _is_on_dataflow(options) else []
    try:
        given = parse_storage_options(flags.storage_options or "{}", [*config.input, config.output])
        overlooked = next(
            (each for each in native if given and not given.keys().isdisjoint(protocols_of(f"{each}://"))), ""
        )
        if overlooked:
            raise StorageOptionsError(
                f"Beam's own filesystem, which serves {overlooked} here, takes none; give --native_filesystems= as well"
            )
    except (ValueError, ImportError) as error:
        parser.error(f"--storage_options: {error}")
    try:
        return StorageSetup(given, native)
    except ValueError as error:
        parser.refuse("native_filesystems", ",".join(native), str(error))


def _uses_memory(config: JobConfig) -> bool:
    return any(url.startswith("memory://") for url in (*config.input, config.output))


def _check_workers_reach_all(parser: FlagParser, config: JobConfig, options: PipelineOptions) -> None:
    """Ends the process if the workers would not have what the run needs: the data, or on Dataflow this package."""
    is_elsewhere = not _is_local(options) or options.view_as(DirectOptions).direct_running_mode == "multi_processing"
    if _uses_memory(config) and is_elsewhere:
        parser.error("memory:// is within one process; leave out --runner and --direct_running_mode=multi_processing")
    if not _is_on_dataflow(options):
        return
    for flag, url in (*(("input", each) for each in config.input), ("output", config.output)):
        if "://" not in url or url.startswith("file://"):
            parser.refuse(flag, url, "is on this machine, where Dataflow's workers do not reach it; name a URL")
    try:
        dataflow.prepare(options)
    except ValueError as error:
        parser.error(str(error))


def _check_graph(parser: FlagParser, config: JobConfig, pipeline: beam.Pipeline, manifests: int) -> None:
    """Ends the process if Dataflow would refuse the graph for its size."""
    size = dataflow.graph_bytes(pipeline)
    if size > dataflow.MAX_GRAPH_BYTES:
        why = (
            f"names {manifests} manifests, whose list makes a graph of {size / 1e6:.1f} MB; Dataflow takes "
            f"{dataflow.MAX_GRAPH_BYTES / 1e6:.0f} MB at most. Join small manifests, or run the job on parts of them"
        )
        parser.refuse("input", ",".join(config.input), why)


def _check_job_server(parser: FlagParser, options: PipelineOptions) -> None:
    """Ends the process if no job server answers: an earlier run would be gone for nothing."""
    portable = options.view_as(PortableOptions)
    endpoint, seconds = portable.job_endpoint, portable.job_server_timeout
    if _runner(options) != "portable" or endpoint == "embed":
        return
    if not endpoint:
        parser.error("--runner=PortableRunner needs --job_endpoint=HOST:PORT, where a job server listens")
    try:
        ExternalJobServer(endpoint, seconds).start()
    except grpc.FutureTimeoutError:
        why = f"no job server answers there within {seconds} s (--job_server_timeout)"
        parser.refuse("job_endpoint", endpoint, why)


def _checked_output(parser: FlagParser, config: JobConfig) -> str:
    """The output folder for Beam. Ends the process if it cannot take the run."""
    output = config.output
    try:
        if run_folder.is_finished(output) and not config.overwrite:
            parser.refuse("output", output, "holds a finished run; name another folder, or give --overwrite")
        folder = beam_path(output)
        FileSystems.get_filesystem(folder)
    except (ValueError, ImportError, OSError) as error:
        parser.refuse("output", output, f"cannot be used ({error})")
    if set("*?[]") & set(folder):
        parser.refuse("output", folder, "must be a folder without any of * ? [ ] in its path")
    if "//" in folder.partition("://")[2]:
        parser.refuse("output", output, "has a slash too many: two of them stand together")
    if shown(folder) != folder:
        parser.refuse("output", output, "holds a user or a query string; give what it says by --storage_options")
    if os.path.isfile(folder):
        parser.refuse("output", output, "is a file; it must be a folder")
    return folder


def _checked_manifests(parser: FlagParser, config: JobConfig) -> list[Manifest]:
    """What the input names. Ends the process if that is nothing, or if the run would write where it reads."""
    try:
        manifests = find_manifests(config.input)
        for path in {manifest.path.partition("://")[0]: manifest.path for manifest in manifests}.values():
            FileSystems.get_filesystem(path)
        is_inside = run_folder.is_inside_input(config.output, config.input)
    except InputError as error:
        parser.refuse("input", error.pattern, error.why)
    except (ValueError, OSError) as error:
        parser.refuse("input", ",".join(config.input), f"cannot be read ({error})")
    if is_inside:
        parser.refuse("output", config.output, "is inside an input folder or glob; a run would read what it writes")
    if run_folder.holds_any(config.output, manifests):
        why = "holds an input that is a file of an earlier run; the new run would replace it"
        parser.refuse("output", config.output, why)
    return manifests


def _loss_stats(output: str) -> LossStats:
    with FileSystems.open(FileSystems.join(output, run_folder.LOSS_STATS)) as file:
        return LossStats.from_dict(orjson.loads(file.read()))


def _print(summary: str) -> None:
    """Prints it, if anybody still listens: the run is complete all the same."""
    try:
        print(summary, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for the flush at exit, which would fail again)


def _cause(error: Exception) -> str:
    """The last line of the message: a runner puts the traceback of a worker before it, and what it ran behind it."""
    last = (str(error).strip() or repr(error)).splitlines()[-1]
    return last.partition(" [while running")[0]
