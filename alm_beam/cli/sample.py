"""`alm-beam sample`: made-up manifests."""

import argparse
import json
from collections.abc import Sequence

from alm_beam import __version__
from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.output import printed
from alm_beam.core.text import visible


def main(argv: Sequence[str], prog: str) -> int:
    """Writes the manifests, prints their paths, and gives the exit code."""
    parser = FlagParser(
        prog=prog,
        description="Writes made-up manifests, for trials and scale tests.",
        epilog="Exit code: 0; 1 when they cannot be written; 2 when a flag is wrong.",
        examples=("alm-beam sample trial.jsonl --recordings 20", "alm-beam sample trial/ --recordings 100000 --seed 7"),
    )
    group = parser.add_argument_group("manifests")
    group.add_argument(
        "out", metavar="OUT", help="manifest (.jsonl or .json, also with .gz, .zst or .bz2) or folder to write"
    )
    group.add_argument(
        "--recordings", type=_count, default=5, metavar="N", help="number of recordings (default: %(default)s)"
    )
    group.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="of the random numbers; the same seed gives the same manifests (default: %(default)s)",
    )
    group.add_argument("--hostile", action="store_true", help="make valid but unusual entries")
    group.add_argument("--json", action="store_true", help="print one JSON object")
    flags = parser.parse_known_flags(argv)

    def text() -> str:
        from alm_beam.cli.left import SampleLeft
        from alm_beam.cli.process import note_end
        from alm_beam.sample import write_sample
        from alm_beam.storage.paths import reason
        from alm_beam.storage.secrets import shown

        note_end(SampleLeft(flags.out))
        try:
            written = write_sample(flags.out, recordings=flags.recordings, seed=flags.seed, hostile=flags.hostile)
        except (OSError, ValueError, ImportError) as error:
            raise OSError(f"cannot write {shown(flags.out)} ({reason(error)})") from None
        paths = [shown(path) for path in written]
        if flags.json:
            return json.dumps({"version": __version__, "recordings": flags.recordings, "manifests": paths}, indent=2)
        return "\n".join(map(visible, paths))

    return printed(prog, text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number, 0 or more")
    return int(text)
