"""What stands on the command lines of NeMo Curator, which are Hydra's, and which `alm-beam windows` takes, too."""

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

from alm_beam.cli.flag_parser import FlagParser

_REFUSED = {
    ("--multirun", "-m"): "asks for several runs; alm-beam sweep compares values of parameters in one",
    ("--cfg",): "shows what Hydra reads; --print_config shows all parameters",
    ("--info",): "tells of Hydra; --print_config shows all parameters, and where each comes from",
}
_PLAIN_RUN = ("--run", "-r")
"""What Hydra does anyway."""


class _Refused(argparse.Action):
    """A flag of Hydra's that asks for what there is not here."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: str | None = None
    ) -> None:
        parser.error(f"{option} is Hydra's and {self.const}")


def _add_flags_of_hydra(parser: FlagParser) -> None:
    """Adds the flags by which Hydra is told the file, and those that are refused with a word on what to do instead."""
    group = parser.add_argument_group("as NeMo Curator has it")
    of_file = partial(group.add_argument, default=argparse.SUPPRESS)
    of_file("--config-path", "-cp", metavar="PATH", help="the folder of the file that --config-name names")
    of_file("--config-dir", "-cd", metavar="DIR", help="the same; give one of both")
    of_file("--config-name", "-cn", metavar="NAME", help="the file's name, also without .yaml")
    hidden: dict[str, Any] = {"dest": argparse.SUPPRESS, "default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
    group.add_argument(*_PLAIN_RUN, action="store_const", const=None, **hidden)
    for names, why in _REFUSED.items():
        group.add_argument(*names, action=_Refused, nargs="?", const=why, **hidden)


def parse(parser: FlagParser, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str], list[str]]:
    """The flags, those that the parser does not know, and what overrides a value of a pipeline, as `key=value`.

    Hydra's folder and name of the file become `config`. Ends the process where they do not fit, or where there is
    something to override, and no file.
    """
    from alm_beam.core.curator_overrides import split_arguments

    _add_flags_of_hydra(parser)
    takes_value = {flag: action.nargs is None for flag, action in parser._option_string_actions.items()}
    own, overrides = split_arguments(arguments, takes_value)
    flags, others = parser.parse_known_args(own)
    file = _named_file(parser, flags)
    if file is not None:
        flags.config = file
    if overrides and not hasattr(flags, "config"):
        parser.refuse_unknown(overrides, ())
    return flags, others, overrides


def _named_file(parser: FlagParser, flags: argparse.Namespace) -> str | None:
    """The file that Hydra's flags name; None where they name none."""
    path, folder, name = (getattr(flags, f"config_{each}", None) for each in ("path", "dir", "name"))
    if path is not None and folder is not None:
        parser.error("--config-path and --config-dir both name a folder; one file is read, so give one of them")
    folder = folder if path is None else path
    if name is None:
        if folder is not None:
            parser.error("--config-path and --config-dir name a folder; --config-name is to name the file in it")
        return None
    if hasattr(flags, "config"):
        parser.error("--config and --config-name both name a file; one of them is enough")
    file = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
    return f"{folder.rstrip('/') or '/'}/{file}" if folder else file
