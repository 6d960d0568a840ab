"""The main job: manifests in, training windows out."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

import apache_beam as beam
import orjson
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from alm_beam import __version__
from alm_beam.core.config import JobConfig
from alm_beam.core.losses import LossStats
from alm_beam.flags import FlagParser, job_config, windows_parser
from alm_beam.report.summary import render_summary
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
from alm_beam.transforms.write import FinishRun, write_shards

_LOG = logging.getLogger(__name__)


def run(argv: Sequence[str] | None = None, prog: str = "build_windows.py") -> int:
    """Runs the job and prints its summary.

    On the local runner it closes the connections of fsspec's filesystems in this process, which no fork could use: an
    instance that the caller holds is of no use afterwards.

    Args:
        argv: flags, of this job and of Beam; the process's own when None.
        prog: the command's name in messages.

    Returns:
        The exit code: 0 when the run is complete, 1 when it failed.

    Raises:
        SystemExit: with code 2 when a flag is wrong; nothing was read or written then.
    """
    parser = windows_parser(prog)
    flags, others = parser.parse_known_args(argv)
    config = job_config(parser, flags)
    options = _beam_options(parser, others)
    storage = _storage_setup(parser, flags, config, options)
    output = _checked_output(parser, config)
    manifests = _checked_manifests(parser, config)
    _check_memory(parser, config, options)
    if _is_local(options) and not _uses_memory(config) and not any(other.startswith("--direct_") for other in others):
        use_all_cores(options, sum(manifest.size for manifest in manifests) * config.repeat_factor)
    try:
        pipeline = build(config, manifests, output, options, storage)
    except (ValueError, ImportError) as error:
        parser.error(f"Beam refuses its flags: {error}")
    logging.getLogger("apache_beam.io.filebasedsink").setLevel(logging.ERROR)  # it warns when there are no rejects
    try:
        run_folder.clear(output)
        launch(pipeline)
    except Exception as error:
        _LOG.debug("the run failed", exc_info=True)
        message = f"{prog}: error: the run failed, {config.output} is not complete: {_cause(error)}"
        print(redacted(message), file=sys.stderr)
        return 1
    try:
        summary = render_summary(_loss_stats(output), config.overlap, shown(config.output))
    except OSError as error:
        summary = f"the run is complete, but its statistics cannot be shown: {redacted(str(error))}"
    _print(summary)
    return 0


def launch(pipeline: beam.Pipeline) -> PipelineResult:
    """Runs the graph to its end.

    Raises:
        RuntimeError: the runner says that the job did not end well; or whatever it raises itself.
    """
    result = pipeline.run()
    state = result.wait_until_finish()
    if state != PipelineState.DONE:
        raise RuntimeError(f"the runner ended the job in state {state}")
    return result


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
    shards = [
        written.lines
        | "WriteEntries" >> write_shards(output, run_folder.ENTRIES, storage, num_shards=config.num_shards),
        written[REJECTED] | "WriteRejects" >> write_shards(output, run_folder.REJECTS, storage, skip_if_empty=True),
    ]
    if config.entry.cuts:
        cuts = written[CUTS] | "WriteCuts" >> write_shards(
            output, run_folder.CUTS, storage, num_shards=config.num_shards
        )
        shards += [cuts, cuts | IndexCuts(output, storage)]
    parameters = {
        name: sorted(value) if isinstance(value, frozenset) else value for name, value in config.parameters().items()
    }
    parameters |= {"input": [*map(shown, config.input)], "output": shown(config.output)}
    facts = {"parameters": parameters, "version": __version__}
    stats | FinishRun(output, storage, facts, config.max_reject_fraction, shards)
    return pipeline


def _is_local(options: PipelineOptions) -> bool:
    """Whether the flags name no runner: it is the local one then."""
    return options.view_as(StandardOptions).runner is None


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
        native = ["gs"] if str(options.view_as(StandardOptions).runner).endswith("DataflowRunner") else []
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


def _check_memory(parser: FlagParser, config: JobConfig, options: PipelineOptions) -> None:
    """Ends the process if the run would look into the memory of a process that has not what is named there."""
    is_elsewhere = not _is_local(options) or options.view_as(DirectOptions).direct_running_mode == "multi_processing"
    if _uses_memory(config) and is_elsewhere:
        parser.error("memory:// is within one process; leave out --runner and --direct_running_mode=multi_processing")


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
