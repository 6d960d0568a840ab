"""The command `alm-beam`: finds the sub-command. What a command needs is imported when it is called."""

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from alm_beam.cli.process import note_command, run_process

_DESCRIPTION = "Turns manifests of diarized recordings into training windows for audio language models."

_EPILOG = """\
A first trial:
  alm-beam sample trial.jsonl --recordings 20
  alm-beam windows --input trial.jsonl --output trial_windows
"""

_COMMANDS = {
    "convert": "make manifests of RTTM, CTM, WhisperX, Lhotse, NeMo or Curator files; or RTTM or NeMo of cuts",
    "windows": "make training windows from manifests: the main job",
    "report": "make the page again that shows what a run kept and lost; or one of several runs side by side",
    "sweep": "compute windows in many ways, and say which parameters keep most",
    "measure": "measure the audio of manifests: rate, duration, channels, bandwidths",
    "shards": "write the windows of cuts with their audio, as trainers read them",
    "validate": "say whether manifests are fit for training windows, and which flags follow",
    "schema": "print the JSON Schema of a manifest, or of what the commands write",
    "index": "make or check the index of existing cuts, for training",
    "batches": "show what an epoch of padded batches looks like: steps, sizes, padding, the largest batch",
    "check-loader": "check that the loader reads every window once and resumes exactly",
    "sample": "write made-up manifests, for trials and scale tests",
}
"""The commands, each in the module of its name."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name and gives its exit code."""
    from alm_beam.cli.output import outlets

    with outlets():
        return _exit_code(list(sys.argv[1:] if argv is None else argv))


def command() -> NoReturn:
    """The whole of a process."""
    run_process(__name__)


def _exit_code(arguments: list[str]) -> int:
    import argparse

    from alm_beam import __version__
    from alm_beam.cli.flag_parser import FlagParser

    parser = FlagParser(prog="alm-beam", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"alm-beam {__version__}")
    commands = parser.add_subparsers(
        metavar="COMMAND", dest="command", required=True, parser_class=argparse.ArgumentParser
    )
    for name, text in _COMMANDS.items():
        commands.add_parser(name, help=text, add_help=False)
    command = parser.parse_args(arguments[:1]).command
    note_command(prog := f"alm-beam {command}")
    module = importlib.import_module(f"alm_beam.cli.{command.replace('-', '_')}")
    return int(module.main(arguments[1:], prog))
