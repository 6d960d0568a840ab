"""The command `alm-beam`. A sub-command imports what it needs when it is called."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from alm_beam import __version__
from alm_beam.cli.flags import FlagParser, windows_parser

if TYPE_CHECKING:
    from alm_beam.storage.options import StorageOptions

_DESCRIPTION = "Turns manifests of diarized recordings into training windows for audio language models."

_EPILOG = """\
A first trial:
  alm-beam sample trial.jsonl --recordings 20
  alm-beam windows --input trial.jsonl --output trial_windows
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the sub-command that the arguments name and gives its exit code."""
    parser = FlagParser(prog="alm-beam", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"alm-beam {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser)
    for name, (command, text) in _COMMANDS.items():
        commands.add_parser(name, help=text, add_help=False).set_defaults(command=command)
    arguments = list(sys.argv[1:] if argv is None else argv)
    return int(parser.parse_args(arguments[:1]).command(arguments[1:]))


def _windows(arguments: list[str]) -> int:
    prog = "alm-beam windows"
    if not {"-h", "--help"}.isdisjoint(arguments):
        windows_parser(prog).print_help()
        return 0
    from alm_beam.jobs.windows import run

    return run(arguments, prog)


def _sample(arguments: list[str]) -> int:
    parser = FlagParser(prog="alm-beam sample", description="Writes made-up manifests, for trials and scale tests.")
    parser.add_argument("out", metavar="OUT", help="manifest (.jsonl, .json; .gz, .zst, .bz2 may follow), or a folder")
    parser.add_argument(
        "--recordings", type=_recordings, default=5, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same one gives the same manifests")
    parser.add_argument("--hostile", action="store_true", help="with all that a usable manifest may hold")
    flags, unknown = parser.parse_known_args(arguments)
    parser.refuse_unknown(unknown, ())
    from alm_beam.sample import write_sample
    from alm_beam.storage.options import use
    from alm_beam.storage.paths import reason
    from alm_beam.storage.secrets import shown

    use({})  # so that messages show no secret of fsspec's configuration
    try:
        paths = write_sample(flags.out, recordings=flags.recordings, seed=flags.seed, hostile=flags.hostile)
    except (OSError, ValueError, ImportError) as error:
        print(f"{parser.prog}: error: cannot write {shown(flags.out)} ({reason(error)})", file=sys.stderr)
        return 1
    print("\n".join(map(shown, paths)))
    return 0


def _with_storage_options(
    parser: FlagParser, arguments: list[str], urls: str
) -> "tuple[argparse.Namespace, StorageOptions]":
    """The flags, and fsspec's options for the URLs in the flag of that name. Ends the process if one is wrong."""
    parser.add_argument(
        "--storage_options", metavar="JSON", default="{}", help="fsspec's options, as of alm-beam windows; never shown"
    )
    flags, unknown = parser.parse_known_args(arguments)
    parser.refuse_unknown(unknown, ())
    from alm_beam.storage.options import parse_storage_options

    named = getattr(flags, urls)
    try:
        return flags, parse_storage_options(flags.storage_options, [named] if isinstance(named, str) else named)
    except (ValueError, ImportError) as error:
        parser.error(f"--storage_options: {error}")


def _index(arguments: list[str]) -> int:
    parser = FlagParser(
        prog="alm-beam index",
        description="Makes the index of the cuts*.jsonl in a folder. (`alm-beam windows` makes that of its own.)",
    )
    parser.add_argument("dir", metavar="DIR", help="a path or any fsspec URL")
    parser.add_argument("--overwrite", action="store_true", help="make it again where there is one")
    parser.add_argument("--check", action="store_true", help="make none: read all that the one there says, and compare")
    flags, options = _with_storage_options(parser, arguments, "dir")
    from alm_beam.storage.index.build import build_index
    from alm_beam.storage.index.open import open_index
    from alm_beam.storage.index.verify import verify_index
    from alm_beam.storage.options import use
    from alm_beam.storage.secrets import redacted, shown

    use(options)
    try:
        if not flags.check:
            build_index(flags.dir, overwrite=flags.overwrite)
        index = open_index(flags.dir)
        if flags.check:
            verify_index(index)
    except (OSError, ValueError, ImportError) as error:
        print(f"{parser.prog}: error: {redacted(str(error))}", file=sys.stderr)
        return 1
    print(f"{len(index):,} windows, {index.duration / 3600:,.2f} hours, in {len(index.shards):,} shards")
    for label in index.labels:
        print(f"{label.rows:>12,} {label.duration / 3600:>12,.2f} hours  {label.label or '(no source)'}")
    print(f"{'sound' if flags.check else 'indexed'}: {shown(flags.dir)}, fingerprint {index.fingerprint}")
    return 0


def _check_loader(arguments: list[str]) -> int:
    parser = FlagParser(
        prog="alm-beam check-loader",
        description="Tries a loader of windows with a process for each rank and worker: nothing twice, nothing lost, "
        "the same after a resumption. Exit code: 0 when all is well, 1 when a check failed, 2 when a flag is wrong.",
    )
    parser.add_argument("dirs", metavar="DIR", nargs="+", help="folder of cuts with an index; a path or any fsspec URL")
    parser.add_argument("--weights", metavar="W,W", help="of each DIR, comma-separated (default: read as one)")
    parser.add_argument("--repeat", action="store_true", help="read DIRs again, so that the weights hold to the end")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the order (default: %(default)s)")
    parser.add_argument("--world_size", type=int, default=2, metavar="N", help="ranks (default: %(default)s)")
    parser.add_argument("--num_workers", type=int, default=2, metavar="N", help="of each rank (default: %(default)s)")
    parser.add_argument(
        "--limit",
        type=int,
        default=100_000,
        metavar="N",
        help="windows a process reads of a pass; 0: all (%(default)s)",
    )
    parser.add_argument("--text_field", default="text", metavar="NAME", help="of supervisions; empty: not looked at")
    parser.add_argument("--state", metavar="FILE", help="a saved state, as JSON: does it fit?")
    parser.add_argument(
        "--loader",
        metavar="MODULE:FUNCTION",
        default="alm_beam.loader:WindowLoader",
        help="what makes the loader, called as WindowLoader is; its iterators have a `token` (default: %(default)s)",
    )
    flags, options = _with_storage_options(parser, arguments, "dirs")
    for name, least in (("world_size", 1), ("num_workers", 0), ("limit", 0)):
        if getattr(flags, name) < least:
            parser.error(f"--{name}={getattr(flags, name)}: must be at least {least}")
    from alm_beam.loader.check_report import print_checks
    from alm_beam.storage.secrets import redacted

    try:
        return 0 if print_checks(flags, options) else 1
    except (OSError, ValueError, ImportError) as error:
        print(f"{parser.prog}: error: {redacted(str(error))}", file=sys.stderr)
        return 1


def _recordings(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number, 0 or more")
    return int(text)


_COMMANDS: dict[str, tuple[Callable[[list[str]], int], str]] = {
    "windows": (_windows, "manifests in, training windows out: the main job"),
    "index": (_index, "the index of existing cuts, for training; or a check of it"),
    "check-loader": (_check_loader, "try a loader of windows, with a process for each rank and worker"),
    "sample": (_sample, "write made-up manifests, for trials and scale tests"),
}
