"""What stands on the command lines of NeMo Curator, which are Hydra's, and which `alm-beam windows` takes, too."""

import argparse
from collections.abc import Sequence
from typing import Any

from alm_beam.cli.flags import FlagParser

_OF_FILE = {
    "path": ("-cp", "the folder of the file that --config names"),
    "dir": ("-cd", "the same; give one of both"),
    "name": ("-cn", "its name, also without .yaml"),
}
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


def add_flags_of_hydra(parser: FlagParser) -> None:
    """Adds the flags by which Hydra is told the file, and those that are refused with a word on what to do instead."""
    group = parser.add_argument_group("as NeMo Curator has it")
    for name, (short, text) in _OF_FILE.items():
        dest = f"config_{name}"
        group.add_argument(
            f"--config-{name}", short, dest=dest, metavar=name.upper(), default=argparse.SUPPRESS, help=text
        )
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

    switches = [flag for flag, action in parser._option_string_actions.items() if action.nargs in (0, "?")]
    with_values = [flag for flag, action in parser._option_string_actions.items() if action.nargs is None]
    own, overrides = split_arguments(arguments, switches, with_values)
    flags, others = parser.parse_known_args(own)
    vars(flags).pop(argparse.SUPPRESS, None)
    folder, also, name = (vars(flags).pop(f"config_{each}", None) for each in _OF_FILE)
    if folder is not None and also is not None:
        parser.error("--config-path and --config-dir both name a folder; one file is read, so give one of them")
    folder = also if folder is None else folder
    if folder is not None and name is None:
        parser.error("--config-path and --config-dir name a folder; --config-name is to name the file in it")
    if name is not None:
        if hasattr(flags, "config"):
            parser.error("--config and --config-name both name a file; one of them is enough")
        file = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
        flags.config = f"{folder.rstrip('/') or '/'}/{file}" if folder else file
    if overrides and not hasattr(flags, "config"):
        parser.refuse_unknown(overrides, ())
    return flags, others, overrides
