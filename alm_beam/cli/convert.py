"""`alm-beam convert`: what other tools wrote to manifests, and cuts to what others read."""

import logging
from argparse import SUPPRESS
from collections.abc import Sequence

from alm_beam.cli.dry_run import print_estimate
from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.flags import add_flags, usage_of
from alm_beam.cli.job import configured, state_of
from alm_beam.cli.output import failed, outlets, print_json
from alm_beam.core.command_config import CommandConfig
from alm_beam.core.convert_config import ConvertConfig
from alm_beam.core.parameters import Choice, ConfigError, Parameter, parameters_of
from alm_beam.formats.registry import FORMATS, TARGETS
from alm_beam.storage.secrets import shown

_DESCRIPTION = """\
Makes manifests of what other tools wrote: diarizers, recognisers, Lhotse, NeMo, Curator. With --to, makes of cuts what
others read."""

_EPILOG = """\
Exit code: 0 when the run is complete and --output holds _SUCCESS, also where audio was not found; 1 when it failed; 2
when a flag is wrong: then nothing was read or written.
"""

_EXAMPLES = (
    "alm-beam convert --from rttm --input diarized/ --audio_root audio/ --output manifests/",
    "alm-beam convert --to nemo --input windows/ --output nemo/",
)

_BY_HAND = (("from_format", "--from", FORMATS), ("to_format", "--to", TARGETS))
_NOT_TAKEN = ("num_shards",)


def main(argv: Sequence[str], prog: str) -> int:
    """Runs the conversion that the flags describe, prints its summary, and gives the exit code.

    Raises:
        SystemExit: with code 2 when a flag is wrong; nothing was written then.
    """
    with outlets():
        try:
            return _exit_code(argv, prog)
        finally:
            logging.disable(logging.NOTSET)


def _exit_code(argv: Sequence[str], prog: str) -> int:
    parser = _parser(prog)
    flags = parser.parse_known_flags(argv)
    command_flags, config = configured(parser, flags, (), ConvertConfig, _in_files())
    if config is None:
        return 0
    if command_flags.dry_run:
        from alm_beam.jobs.convert import estimate

        return print_estimate(parser, lambda: estimate(config), as_json=command_flags.json)
    if command_flags.quiet:
        logging.disable(logging.WARNING)
    try:
        from alm_beam.cli.watch import CommandWatch
        from alm_beam.jobs.conversion import written_statistics
        from alm_beam.jobs.convert import run
        from alm_beam.report.conversion import render_conversion

        stats = run(config, CommandWatch(prog, config, command_flags))
    except ConfigError as error:
        parser.refuse(error)
    except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
        return failed(prog, error, f"{state_of(config)}: ")
    if command_flags.json:
        return print_json({"output": shown(config.output), **written_statistics(config)})
    if not command_flags.quiet:
        print(render_conversion(stats, config))
    return 0


def _in_files() -> dict[str, Parameter]:
    """The parameters that a file may state, by their keys there, which are the flags' names."""
    parameters = {name: each for name, each in parameters_of(ConvertConfig).items() if name not in _NOT_TAKEN}
    for name, _, known in _BY_HAND:
        text = parameters[name]
        parameters[name] = Choice(
            name=name, help=text.help, label=text.label, metavar=text.metavar, without=text.without, options=(*known,)
        )
    keys = {name: flag.removeprefix("--") for name, flag, _ in _BY_HAND}
    return {keys.get(name, name): each for name, each in parameters.items()}


def _parser(prog: str) -> FlagParser:
    usage = usage_of(prog, _in_files().values())
    parser = FlagParser(prog=prog, usage=usage, description=_DESCRIPTION, epilog=_EPILOG, examples=_EXAMPLES)
    parameters = parameters_of(ConvertConfig)
    formats = parser.add_argument_group("formats")
    for name, flag, known in _BY_HAND:
        parameter = parameters[name]
        text = f"{parameter.help} (default: {parameter.without})"
        known_names = "|".join(known)
        formats.add_argument(flag, dest=name, choices=[*known], metavar=known_names, help=text, default=SUPPRESS)
    others = {name: each for name, each in parameters.items() if name not in _NOT_TAKEN}
    for name, _, _ in _BY_HAND:
        del others[name]
    add_flags(parser.add_argument_group("files"), others.values())
    add_flags(parser.add_argument_group("this command"), parameters_of(CommandConfig).values())
    return parser
