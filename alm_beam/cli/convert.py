"""`alm-beam convert`: what other tools wrote to manifests, and cuts to what others read."""

from argparse import SUPPRESS
from collections.abc import Sequence

from alm_beam.cli.flags import FlagParser, add_flags, job_config
from alm_beam.cli.job import state_of
from alm_beam.cli.output import failed, outlets
from alm_beam.core.convert_config import ConvertConfig
from alm_beam.core.parameters import ConfigError, parameters_of
from alm_beam.formats.registry import FORMATS, TARGETS

_DESCRIPTION = """\
Makes manifests of what other tools wrote: diarizers, recognisers, Lhotse, NeMo, Curator. With --to, makes of cuts what
others read."""

_EPILOG = """\
  alm-beam convert --from rttm --input diarized/ --audio_root audio/ --output manifests/
  alm-beam convert --to nemo --input windows/ --output nemo/

Exit code: 0 when the run is complete and --output holds _SUCCESS, also where audio was not found; 1 when it failed; 2
when a flag is wrong: then nothing was read or written.
"""

_BY_HAND = ("from_format", "to_format")
_NOT_TAKEN = ("num_shards",)


def main(argv: Sequence[str], prog: str) -> int:
    """Runs the conversion that the flags describe, prints its summary, and gives the exit code.

    Raises:
        SystemExit: with code 2 when a flag is wrong; nothing was written then.
    """
    with outlets():
        return _exit_code(argv, prog)


def _exit_code(argv: Sequence[str], prog: str) -> int:
    parser = _parser(prog)
    flags = parser.parse_known_flags(argv)
    config = job_config(parser, flags, ConvertConfig)
    try:
        from alm_beam.jobs.convert import run
        from alm_beam.report.conversion import render_conversion

        stats = run(config)
    except ConfigError as error:
        parser.refuse(error)
    except (OSError, ValueError, RuntimeError, ImportError, MemoryError) as error:
        return failed(prog, error, f"{state_of(config)}: ")
    print(render_conversion(stats, config))
    return 0


def _parser(prog: str) -> FlagParser:
    parser = FlagParser(prog=prog, description=_DESCRIPTION, epilog=_EPILOG)
    parameters = parameters_of(ConvertConfig)
    for name, flag, known in (("from_format", "--from", FORMATS), ("to_format", "--to", TARGETS)):
        parameter = parameters[name]
        text = f"{parameter.help} (default: {parameter.without})"
        known_names = "|".join(known)
        parser.add_argument(flag, dest=name, choices=[*known], metavar=known_names, help=text, default=SUPPRESS)
    add_flags(parser, (each for name, each in parameters.items() if name not in (*_BY_HAND, *_NOT_TAKEN)))
    return parser
