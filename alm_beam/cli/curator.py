"""What stands on the command lines of NeMo Curator, which are Hydra's, and which `alm-beam windows` takes, too."""

import argparse
from collections.abc import Sequence

from alm_beam.cli.flags import FlagParser

_PATH, _NAME = "config_path", "config_name"


def add_flags_of_hydra(parser: FlagParser) -> None:
    """Adds the flags by which Hydra is told the file."""
    group = parser.add_argument_group("as NeMo Curator has it")
    texts = {
        "-cp": ("path", "the folder of the file that --config names"),
        "-cn": ("name", "its name, also without .yaml"),
    }
    for short, (name, text) in texts.items():
        dest = f"config_{name}"
        group.add_argument(
            f"--config-{name}", short, dest=dest, metavar=name.upper(), default=argparse.SUPPRESS, help=text
        )


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
    folder, name = (vars(flags).pop(each, None) for each in (_PATH, _NAME))
    if folder is not None and name is None:
        parser.error("--config-path names a folder; --config-name is to name the file in it")
    if name is not None:
        if hasattr(flags, "config"):
            parser.error("--config and --config-name both name a file; one of them is enough")
        file = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
        flags.config = f"{folder.rstrip('/') or '/'}/{file}" if folder else file
    if overrides and not hasattr(flags, "config"):
        parser.refuse_unknown(overrides, ())
    return flags, others, overrides
