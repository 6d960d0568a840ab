"""`--dry_run`, of every command that runs a job: what the run would come to, from a sample of its input."""

from collections.abc import Callable

from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.output import print_json
from alm_beam.core.config import ConfigError
from alm_beam.core.estimate import Estimate
from alm_beam.report.estimate import render_estimate


def print_estimate(parser: FlagParser, estimate: Callable[[], Estimate], *, as_json: bool) -> int:
    """Prints the estimate and gives 0. Where there is none, as the run would not begin, it ends the process.

    Args:
        parser: says what is wrong.
        estimate: makes the estimate.
        as_json: whether it is printed as one JSON object.

    Raises:
        SystemExit: with code 2.
    """
    try:
        made = estimate()
    except ConfigError as error:
        parser.refuse(error)
    except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
        parser.error(f"the run would fail: {error}")
    if as_json:
        return print_json(made.to_dict())
    print(render_estimate(made))
    return 0
