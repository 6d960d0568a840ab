"""`alm-beam measure`, and `pipelines/measure_audio.py`: the job that measures audio."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from alm_beam.cli.job import JobCommand, run_command
from alm_beam.core.measure_config import MeasureConfig
from alm_beam.core.measure_stats import MeasureStats
from alm_beam.report.measured import render_measured

if TYPE_CHECKING:
    from alm_beam.core.estimate import Estimate


def _measure() -> Callable[[MeasureConfig, Any, Any], MeasureStats | None]:
    from alm_beam.jobs.measure import measure

    return measure


def _estimate() -> "Callable[[MeasureConfig, Any], Estimate]":
    from alm_beam.jobs.measure import estimate

    return estimate


_COMMAND = JobCommand(
    "Measures the audio of manifests: sample rate, duration, channels, and the bandwidth of segments.",
    MeasureConfig,
    _measure,
    _estimate,
    render_measured,
    (
        "alm-beam measure --input manifests/ --output measured/",
        "alm-beam measure --input manifests/ --output measured/ --audio_root audio/ --no_bandwidth",
    ),
)


def main(argv: Sequence[str] | None = None, prog: str = "measure_audio.py") -> int:
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
