"""`alm-beam windows`, and `pipelines/build_windows.py`: the main job."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from alm_beam.cli.command_line import command_line
from alm_beam.cli.curator import parse
from alm_beam.cli.job import JobCommand, run_command
from alm_beam.core.config import JobConfig
from alm_beam.core.losses import LossStats
from alm_beam.report.summary import render_summary

if TYPE_CHECKING:
    from alm_beam.core.estimate import Estimate

_DESCRIPTION = "Builds training windows from manifests of diarized recordings."
_EXAMPLES = (
    "alm-beam windows --input manifests/ --output windows/",
    'alm-beam windows --input "day/*.jsonl.gz" --output windows/ --target_window_duration 30 --tolerance 0.2',
    "alm-beam windows --input manifests/ --output windows/ --dry_run",
)


def _estimate() -> "Callable[[JobConfig, Any], Estimate]":
    from alm_beam.jobs.windows import estimate

    return estimate


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
    arguments = list(sys.argv[1:] if argv is None else argv)

    def run() -> Callable[[JobConfig, Any, Any], LossStats | None]:
        from alm_beam.jobs.windows import run_of

        return run_of(command_line(prog, arguments))

    command = JobCommand(_DESCRIPTION, JobConfig, run, _estimate, render_summary, _EXAMPLES, parse)
    return run_command(command, arguments, prog)
