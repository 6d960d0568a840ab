"""A command as it was given, for those who want to give it again; without what may be secret."""

import re
import shlex
from collections.abc import Iterator, Sequence

from alm_beam.core.parameters import HIDDEN
from alm_beam.storage.secrets import redacted, shown

_SECRET = re.compile(
    r"--\w*(storage_options|secret|password|passwd|token|credential|access_key|api_key|sas)\w*", re.ASCII
)


def command_line(prog: str, arguments: Sequence[str]) -> str:
    """The command, as it is typed in a shell. What is given to a flag that takes secrets is left out.

    >>> command_line("alm-beam windows", ["--input=s3://me:password@lake/in", "--storage_options", "{}"])
    "alm-beam windows --input=s3://lake/in --storage_options '(not shown)'"
    """
    text = " ".join([prog, *map(shlex.quote, _shown(arguments))])
    return text.encode("utf-8", "backslashreplace").decode()  # a name need not be UTF-8


def _shown(arguments: Sequence[str]) -> Iterator[str]:
    hides_next = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if hides_next and not argument.startswith("--"):
            yield HIDDEN
            hides_next = False
        elif _SECRET.fullmatch(name):
            yield f"{name}={HIDDEN}" if equals else name
            hides_next = not equals
        else:
            hides_next = False
            yield (
                f"{name}={_without_secrets(value)}" if equals and name.startswith("--") else _without_secrets(argument)
            )


def _without_secrets(text: str) -> str:
    return ",".join(shown(redacted(part)) for part in text.split(","))
