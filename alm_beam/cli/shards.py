"""`alm-beam shards`, and `pipelines/build_shards.py`: the job that writes audio shards."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from alm_beam.cli.job import JobCommand, run_command
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.shards_stats import ShardsStats
from alm_beam.report.sharded import render_shards

if TYPE_CHECKING:
    from alm_beam.core.estimate import Estimate


def _shards() -> Callable[[ShardsConfig, Any, Any], ShardsStats | None]:
    from alm_beam.jobs.shards import build_shards

    return build_shards


def _estimate() -> "Callable[[ShardsConfig, Any], Estimate]":
    from alm_beam.jobs.shards import estimate

    return estimate


_COMMAND = JobCommand(
    "Writes audio shards: the windows of cuts, each with its own audio, in a format that trainers read.",
    ShardsConfig,
    _shards,
    _estimate,
    render_shards,
    (
        "alm-beam shards --input windows/ --output shards/",
        "alm-beam shards --input windows/ --output shards/ --format webdataset --audio_format opus",
    ),
)


def main(argv: Sequence[str] | None = None, prog: str = "build_shards.py") -> int:
    """Runs the job that the flags describe, and prints its summary.

    Args:
        argv: flags, of this job and of Beam; the process's own when None.
        prog: the command's name in messages.

    Returns:
        The exit code: 0 when the run is complete, or goes on without this process; 1 when it failed.

    Raises:
        SystemExit: with code 2 when a flag is wrong; nothing was written then.
    """
    return run_command(_COMMAND, argv, prog)
