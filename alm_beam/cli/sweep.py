"""`alm-beam sweep`, and `pipelines/sweep_windows.py`: the job that computes windows in many ways."""

import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from alm_beam.cli.job import JobCommand, run_command
from alm_beam.core.sweep_config import SweepConfig
from alm_beam.core.sweep_stats import SweepStats
from alm_beam.report.sweep import render_sweep

if TYPE_CHECKING:
    from alm_beam.core.estimate import Estimate


def _sweep() -> Callable[[SweepConfig, Any, Any], SweepStats | None]:
    from alm_beam.jobs.sweep import sweep

    return sweep


def _estimate() -> "Callable[[SweepConfig, Any], Estimate]":
    from alm_beam.jobs.sweep import estimate

    return estimate


def _summary(stats: SweepStats, config: SweepConfig) -> str:
    return render_sweep(stats, config, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)


_COMMAND = JobCommand(
    "Computes windows by every combination of the parameters' values, and says which keeps most. Any parameter of "
    "windows and of overlapping windows takes several values, separated by commas. No windows are written.",
    SweepConfig,
    _sweep,
    _estimate,
    _summary,
    (
        "alm-beam sweep --input manifests/ --output sweep --target_window_duration 30,60,120 --overlap_percentage 0,50",
        "alm-beam sweep --input manifests/ --output sweep --sample 0.01 --selection greedy,most_audio --aim kept_hours",
    ),
)


def main(argv: Sequence[str] | None = None, prog: str = "sweep_windows.py") -> int:
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
