"""`alm-beam batches`: what an epoch of planned batches looks like."""

import json
from collections.abc import Sequence

from alm_beam.cli.batch_flags import add_batch_flags, add_source_flags, batch_arguments, mixture_of
from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.output import printed
from alm_beam.core.text import visible

_MAX_RANKS = 1 << 20


def main(argv: Sequence[str], prog: str) -> int:
    """Plans an epoch, prints what it looks like, and gives the exit code.

    Raises:
        SystemExit: with code 2 when a flag is wrong.
    """
    parser = _parser(prog)
    flags = parser.parse_known_flags(argv)
    for name, minimum, maximum in (("world_size", 1, _MAX_RANKS), ("epoch", 0, (1 << 62) - 1)):
        if not minimum <= getattr(flags, name) <= maximum:
            parser.error(f"--{name}={getattr(flags, name)}: must be from {minimum} to {maximum:,}")
    arguments = batch_arguments(parser, flags) or {}
    options = parser.storage_options(flags, [*flags.dirs, *filter(None, [flags.summary])])

    def text() -> str:
        from alm_beam import __version__
        from alm_beam.loader import Partition, WindowBatches
        from alm_beam.loader.batching.epoch_outline import epoch_outline, expected_sources
        from alm_beam.loader.mixture_weights import mixture_lines
        from alm_beam.report.batches import render_outline

        mixture = mixture_of(parser, flags, options)
        batches = WindowBatches(
            mixture.sources,
            **arguments,
            seed=flags.seed,
            repeat=flags.repeat,
            partition=Partition(0, flags.world_size),
            storage_options=options,
        )
        outline = epoch_outline(batches, flags.epoch, flags.world_size)
        expected = expected_sources(batches)
        if flags.json:
            sources = [{"source": str(each), "windows": each.windows, "epochs": each.epochs} for each in expected]
            figures = {"version": __version__, "seed": flags.seed, "sources": sources, **outline.to_dict()}
            return json.dumps(figures, indent=2)
        lines = mixture_lines(mixture, expected, repeat=flags.repeat) if expected else []
        return "\n".join([*map(visible, lines), render_outline(outline)])

    return printed(prog, text)


def _parser(prog: str) -> FlagParser:
    parser = FlagParser(
        prog=prog,
        description="Plans the batches of an epoch from the index alone, as alm_beam.loader.WindowBatches does, and\n"
        "prints what it looks like: steps, sizes of batches, padding, the largest batch. No audio is read.",
        epilog="Exit code: 0; 1 when the index cannot be read, or its windows do not fit into such batches; 2 when a\n"
        "flag is wrong.",
        examples=(
            "alm-beam batches windows/ --max_seconds 480",
            "alm-beam batches windows/ --max_num_elements 7680000 --world_size 8 --json",
        ),
    )
    add_source_flags(parser)
    epoch = parser.add_argument_group("epoch")
    epoch.add_argument(
        "--seed", type=int, default=0, metavar="S", help="of the order of the windows (default: %(default)s)"
    )
    epoch.add_argument("--epoch", type=int, default=0, metavar="N", help="which epoch (default: %(default)s)")
    epoch.add_argument("--world_size", type=int, default=1, metavar="N", help="number of ranks (default: %(default)s)")
    epoch.add_argument("--json", action="store_true", help="print one JSON object: alm-beam schema batches")
    add_batch_flags(parser, required=True)
    parser.add_storage_options()
    return parser
