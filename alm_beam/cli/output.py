"""What commands print, and their exit codes."""

import os
import sys
from collections.abc import Callable

from alm_beam.core.errors import RunError


def printed(prog: str, text_of: Callable[[], str]) -> int:
    """Prints the text and gives 0; or what went wrong, in one line, and gives 1."""
    from alm_beam.storage.secrets import redacted

    try:
        print_text(text_of())
    except (OSError, ValueError, ImportError, RunError) as error:
        print(f"{prog}: error: {redacted(str(error))}", file=sys.stderr)
        return 1
    return 0


def print_text(text: str) -> None:
    """Prints it, if anybody still listens: what was done is done all the same."""
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for the flush at exit, which would fail again)
