"""`alm-beam check-loader`: tries a loader of windows."""

from collections.abc import Sequence

from alm_beam.cli.batch_flags import add_batch_flags, add_source_flags, batch_arguments, mixture_of
from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.output import failed, styled_stdout


def main(argv: Sequence[str], prog: str) -> int:
    """Makes the checks, prints what each found, and gives the exit code."""
    parser = FlagParser(
        prog=prog,
        description="Runs a loader of windows with a process for each rank and worker. Checks that no window comes\n"
        "twice or is missing, and that a loader that was stopped goes on exactly.",
        epilog="Exit code: 0 when all is well, 1 when a check failed, 2 when a flag is wrong.",
        examples=(
            "alm-beam check-loader windows/",
            "alm-beam check-loader windows/ --world_size 4 --num_workers 2 --max_seconds 480 --json",
        ),
    )
    add_source_flags(parser)
    order = parser.add_argument_group("order")
    order.add_argument(
        "--seed", type=int, default=0, metavar="S", help="of the order of the windows (default: %(default)s)"
    )
    order.add_argument(
        "--order",
        choices=("windows", "shards"),
        default="windows",
        help="windows: any window may come next; shards: file by file (default: %(default)s)",
    )
    order.add_argument(
        "--shuffle_window",
        type=int,
        default=1024,
        metavar="N",
        help="with --order=shards, number of windows that are mixed with one another (default: %(default)s)",
    )
    ranks = parser.add_argument_group("ranks and workers")
    ranks.add_argument("--world_size", type=int, default=2, metavar="N", help="number of ranks (default: %(default)s)")
    ranks.add_argument(
        "--num_workers", type=int, default=2, metavar="N", help="number of workers of each rank (default: %(default)s)"
    )
    ranks.add_argument(
        "--limit",
        type=int,
        default=100_000,
        metavar="N",
        help="number of windows that a process reads at most in a pass; 0 reads all (default: %(default)s)",
    )
    checks = parser.add_argument_group("checks")
    checks.add_argument(
        "--text_field",
        default="text",
        metavar="NAME",
        help="field of the supervisions that must hold a text; if empty, this is not checked (default: %(default)s)",
    )
    checks.add_argument("--state", metavar="FILE", help="check whether this saved state, a JSON file, fits")
    checks.add_argument(
        "--loader",
        metavar="MODULE:FUNCTION",
        default="alm_beam.loader:WindowLoader",
        help="the function that makes the loader; it takes the arguments of WindowLoader, and its iterators have a "
        "`token` (default: %(default)s)",
    )
    checks.add_argument(
        "--audio",
        action="store_true",
        help="also check the audio of cuts that point into recordings; that of shards is checked without it",
    )
    checks.add_argument(
        "--audio_root",
        metavar="DIR",
        help="folder that relative paths of audio files are below (default: that of the cuts, or the working "
        "directory)",
    )
    checks.add_argument("--json", action="store_true", help="print one JSON object when all checks are made")
    add_batch_flags(parser, required=False)
    parser.add_storage_options()
    flags = parser.parse_known_flags(argv)
    bounds = (
        ("shuffle_window", 1, 1 << 20),
        ("world_size", 1, 1 << 20),
        ("num_workers", 0, 128),
        ("limit", 0, None),
    )
    for name, minimum, maximum in bounds:
        if getattr(flags, name) < minimum:
            parser.error(f"--{name}={getattr(flags, name)}: must be at least {minimum}")
        if maximum is not None and getattr(flags, name) > maximum:
            parser.error(f"--{name}={getattr(flags, name)}: must be at most {maximum:,}")
    batching = batch_arguments(parser, flags)
    from alm_beam.loader.check_findings import FlagFault
    from alm_beam.loader.check_report import print_checks

    options = parser.storage_options(flags, [*flags.dirs, *filter(None, [flags.audio_root, flags.summary])])
    try:
        with styled_stdout():
            is_sound = print_checks(
                mixture_of(parser, flags, options),
                repeat=flags.repeat,
                seed=flags.seed,
                order=flags.order,
                shuffle_window=flags.shuffle_window,
                world_size=flags.world_size,
                num_workers=flags.num_workers,
                limit=flags.limit,
                text_field=flags.text_field,
                state=flags.state,
                loader=flags.loader,
                audio=flags.audio,
                audio_root=flags.audio_root,
                batching=batching,
                storage_options=options,
                as_json=flags.json,
            )
    except FlagFault as error:
        parser.error(str(error))
    except (OSError, ValueError, ImportError, MemoryError) as error:
        return failed(prog, error)
    return 0 if is_sound else 1
