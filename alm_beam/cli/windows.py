"""`alm-beam windows`, and `pipelines/build_windows.py`: the main job."""

from collections.abc import Callable, Sequence
from typing import Any

from alm_beam.cli.job import JobCommand, run_command
from alm_beam.core.config import JobConfig
from alm_beam.core.losses import LossStats
from alm_beam.report.summary import render_summary


def _run() -> Callable[[JobConfig, Any], LossStats | None]:
    from alm_beam.jobs.windows import run

    return run


_COMMAND = JobCommand("Builds training windows from manifests of diarized recordings.", JobConfig, _run, render_summary)


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
    return run_command(_COMMAND, argv, prog)
