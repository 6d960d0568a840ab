"""What the commands share that run a Beam job: flags, logs, the run, its summary and the exit code."""

import gc
import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.flags import command_config, job_config, job_parser
from alm_beam.cli.output import failed, outlets, print_json
from alm_beam.cli.process import AGAIN, Said, is_process_of_ours, note_command, note_end
from alm_beam.core.command_config import CommandConfig
from alm_beam.core.config import ConfigError
from alm_beam.core.errors import RunError, StatisticsError
from alm_beam.core.given import Given
from alm_beam.core.parameters import Parameter
from alm_beam.core.run_config import RunConfig
from alm_beam.core.run_stats import RunStats
from alm_beam.core.text import visible
from alm_beam.storage.secrets import redacted, shown

if TYPE_CHECKING:
    from alm_beam.core.estimate import Estimate

_Config = TypeVar("_Config", bound=RunConfig)
_Stats = TypeVar("_Stats", bound=RunStats)


def parse_flags(parser: FlagParser, arguments: Sequence[str]) -> tuple[Namespace, list[str], None]:
    """The flags, those that the parser does not know, and no overrides of a pipeline of NeMo Curator's."""
    return (*parser.parse_known_args(arguments), None)


@dataclass(frozen=True)
class JobCommand(Generic[_Config, _Stats]):
    """A command that runs a job.

    Attributes:
        description: what the command does, for help.
        config: the class of the job's configuration.
        load: imports the job, and with it Beam, and gives the function that runs it.
        load_estimate: the same for the function that makes a dry run.
        summary: what is printed of a run that is complete.
        examples: commands that work, for help.
        parse: gives the flags, those that the parser does not know, and what overrides values of a pipeline of NeMo
            Curator's; None of a job that takes no pipeline.
    """

    description: str
    config: type[_Config]
    load: Callable[[], Callable[[_Config, Any, Any], _Stats | None]]
    load_estimate: "Callable[[], Callable[[_Config, Any], Estimate]]"
    summary: Callable[[_Stats, _Config], str]
    examples: Sequence[str] = ()
    parse: Callable[[FlagParser, Sequence[str]], tuple[Namespace, list[str], list[str] | None]] = parse_flags


def run_command(command: JobCommand[Any, Any], argv: Sequence[str] | None, prog: str) -> int:
    """Runs the job that the flags describe, and prints its summary.

    Args:
        command: what is run.
        argv: flags, of this job and of Beam; the process's own when None.
        prog: the command's name in messages.

    Returns:
        The exit code: 0 when the run is complete, or goes on without this process; 1 when it failed.

    Raises:
        SystemExit: with code 2 when a flag is wrong; nothing was read or written then.
    """
    note_command(prog)
    with outlets():
        try:
            return _exit_code(command, argv, prog)
        finally:
            logging.disable(logging.NOTSET)


@contextmanager
def _importing() -> Iterator[None]:
    """Meanwhile, no garbage is looked for in a process of ours, and what is there at the end is never looked through.

    The import of Beam makes some 220,000 objects that stay, and a few hundred that do not. To look through them again
    and again, while they are made and after that, would take a seventh of the time of a run of five recordings.
    """
    if not (is_process_of_ours() and gc.isenabled()):
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _exit_code(command: JobCommand[Any, Any], argv: Sequence[str] | None, prog: str) -> int:
    parser = job_parser(prog, command.description, command.config, command.examples)
    flags, others, overrides = command.parse(parser, sys.argv[1:] if argv is None else argv)
    known = command.config.every_parameter()
    command_flags, config = configured(parser, flags, others, command.config, known, overrides)
    if config is None:
        return 0
    logging.disable(logging.WARNING)  # Beam warns, while it is imported, of extras that are not needed here
    try:
        with _importing():
            from alm_beam.jobs import launch
            from alm_beam.jobs.run import statistics_of

            run = command.load()
    except ImportError as error:
        return failed(prog, error, "this command needs Apache Beam: pip install alm-beam: ")
    except MemoryError as error:
        return failed(prog, error)
    finally:
        logging.disable(logging.WARNING if command_flags.quiet else logging.NOTSET)
    from alm_beam.cli.watch import CommandWatch

    try:
        options, unknown, of_beam = launch.parsed_options(others)
    except launch.OptionsError as error:
        parser.error(str(error))
    parser.refuse_unknown(unknown, of_beam)
    _set_up_logs(launch.LOGS_REQUESTS)
    if launch.is_on_dataflow(options) and not command_flags.quiet:
        launch.show_messages()
    if command_flags.dry_run:
        from alm_beam.cli.dry_run import print_estimate

        return print_estimate(parser, lambda: command.load_estimate()(config, options), as_json=command_flags.json)
    try:
        stats = run(config, options, CommandWatch(prog, config, command_flags, launch.place_elsewhere(options)))
    except ConfigError as error:
        parser.refuse(error)
    except launch.OptionsError as error:
        parser.error(str(error))
    except StatisticsError as error:
        if not command_flags.quiet:
            print(visible(redacted(str(error))), file=sys.stderr if command_flags.json else sys.stdout)
        return print_json({"output": shown(config.output)}) if command_flags.json else 0
    except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
        return failed(prog, error, f"{state_of(config)}: ")
    if command_flags.json:
        return print_json({"output": shown(config.output), **(statistics_of(stats, config) if stats else {})})
    if command_flags.quiet:
        return 0
    goes_on = visible(launch.goes_on_where(options, config.output)) if stats is None else ""
    print(goes_on or command.summary(stats, config))
    return 0


def configured(
    parser: FlagParser,
    flags: Namespace,
    others: Sequence[str],
    config: type[_Config],
    known: Mapping[str, Parameter],
    overrides: Sequence[str] | None = None,
) -> tuple[CommandConfig, _Config | None]:
    """How a command is to run its job, and the job's configuration, of flags and a file; None where that was printed.

    Ends the process where something in them is wrong.

    Args:
        parser: the parser of the flags.
        flags: what it gave.
        others: the flags that it does not know.
        config: the class of the job's configuration.
        known: the parameters that may be in a file, by their keys there.
        overrides: what overrides values of a pipeline of NeMo Curator's; None of a job that takes no pipeline.
    """
    command_flags = command_config(parser, flags)
    stated: Mapping[str, Given] = {}
    if command_flags.config:
        from alm_beam.cli.configuration import stated_in

        stated = stated_in(parser, flags, command_flags.config, known, overrides)
    if command_flags.print_config:
        from alm_beam.cli.configuration import print_config

        print_config(parser, flags, others, config, stated, known)
        return command_flags, None
    job = job_config(parser, flags, config, stated)
    note_end(Said(f"nothing was written; {AGAIN}"))
    return command_flags, job


def _set_up_logs(show_requests: Sequence[str]) -> None:
    """Keeps credentials, and the tracebacks of what the last line explains, out of this process's logs."""
    for name in show_requests:
        if not logging.getLogger(name).level:
            logging.getLogger(name).setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_unexpected)


def _is_unexpected(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, (OSError, RunError))


def state_of(config: RunConfig) -> str:
    """What a failed run left, for its message."""
    from alm_beam.storage.options import options_by_protocol
    from alm_beam.storage.run_folder import RunFolder

    output = visible(shown(config.output))
    with suppress(OSError, ValueError, ImportError):
        options = options_by_protocol(config.storage_options, [*config.input, config.output])
        if RunFolder(config.output, options=options).finished_at() is not None:
            return f"the run failed; the earlier run in {output} stays"
    return f"the run failed; {output} is not complete"
