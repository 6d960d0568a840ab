"""`alm-beam windows`, and `pipelines/build_windows.py`: the main job."""

import logging
from collections.abc import Sequence
from contextlib import suppress

from alm_beam.cli.flags import job_config, job_parser
from alm_beam.cli.output import failed, outlets
from alm_beam.core.config import ConfigError, JobConfig
from alm_beam.core.errors import RunError, StatisticsError
from alm_beam.core.text import visible
from alm_beam.storage.secrets import redacted, shown

_DESCRIPTION = "Builds training windows from manifests of diarized recordings."


def main(argv: Sequence[str] | None = None, prog: str = "build_windows.py") -> int:
    """Runs the job that the flags describe, and prints its summary.

    Args:
        argv: flags, of this job and of Beam; the process's own when None.
        prog: the command's name in messages.

    Returns:
        The exit code: 0 when the run is complete, or goes on without this process; 1 when it failed.

    Raises:
        SystemExit: with code 2 when a flag is wrong; nothing was read or written then.
    """
    with outlets():
        return _exit_code(argv, prog)


def _exit_code(argv: Sequence[str] | None, prog: str) -> int:
    parser = job_parser(prog, _DESCRIPTION, JobConfig)
    flags, others = parser.parse_known_args(argv)
    config = job_config(parser, flags, JobConfig)
    logging.disable(logging.WARNING)  # Beam warns, while it is imported, of extras that are not needed here
    try:
        from alm_beam.jobs import launch
        from alm_beam.jobs.windows import run
        from alm_beam.report.summary import render_summary
    except ImportError as error:
        return failed(prog, error, "this command needs Apache Beam: pip install alm-beam: ")
    except MemoryError as error:
        return failed(prog, error)
    finally:
        logging.disable(logging.NOTSET)
    options, unknown, known = launch.parsed_options(others)
    parser.refuse_unknown(unknown, known)
    _set_up_logs(launch.LOGS_REQUESTS)
    if launch.is_on_dataflow(options):
        launch.show_messages()
    try:
        stats = run(config, options)
    except ConfigError as error:
        parser.refuse(error)
    except launch.OptionsError as error:
        parser.error(str(error))
    except StatisticsError as error:
        print(redacted(str(error)))
        return 0
    except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
        return failed(prog, error, f"{_state_of(config)}: ")
    if stats is None:
        print(launch.goes_on_where(options, config.output))
    else:
        print(render_summary(stats, config))
    return 0


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


def _state_of(config: JobConfig) -> str:
    """What a failed run left."""
    from alm_beam.storage.options import options_by_protocol
    from alm_beam.storage.run_folder import WINDOWS, RunFolder

    output = visible(shown(config.output))
    with suppress(OSError, ValueError, ImportError):
        options = options_by_protocol(config.storage_options, [*config.input, config.output])
        if RunFolder(config.output, WINDOWS, options).finished_at() is not None:
            return f"the run failed; the earlier run in {output} stays"
    return f"the run failed; {output} is not complete"
