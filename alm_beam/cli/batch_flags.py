"""The flags that state how windows are read and batched, for all commands that do so."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alm_beam.cli.flag_parser import FlagParser

if TYPE_CHECKING:
    from alm_beam.loader.mixture_weights import PlannedMixture
    from alm_beam.storage.connections import StorageOptions

_OF_PLAN = ("max_num_elements", "max_seconds", "batch_size", "sample_rate", "num_seqs_multiple_of")
_LIMITS = ("min_duration", "max_duration", "drop_remainder")


def add_source_flags(parser: FlagParser) -> None:
    """Adds the folders, and how they are mixed."""
    sources = parser.add_argument_group("sources")
    sources.add_argument(
        "dirs", metavar="DIR", nargs="+", help="folder of cuts with an index; a path or any fsspec URL"
    )
    sources.add_argument(
        "--weights", metavar="W,W", help="a weight for each DIR, comma-separated (default: all are read as one)"
    )
    sources.add_argument(
        "--beta_corpus",
        type=float,
        metavar="B",
        help="instead of --weights: read each corpus in proportion to its hours to the power of B; 1: to its hours, 0: "
        "all equally often",
    )
    sources.add_argument(
        "--beta_language", type=float, metavar="B", help="the same for the languages of a corpus; give both"
    )
    sources.add_argument(
        "--summary",
        metavar="FILE",
        help="with these, a tab-separated table with the columns corpus, language and hours (default: the hours of the "
        "indexes)",
    )
    sources.add_argument(
        "--repeat",
        action="store_true",
        help="read a DIR again when it is exhausted, so that the weights hold to the end",
    )


def mixture_of(parser: FlagParser, flags: argparse.Namespace, options: "StorageOptions") -> "PlannedMixture":
    """The sources that the flags state. Ends the process if a flag is wrong, or flags do not go together.

    Raises:
        IndexFault, SourceError, OSError: an index that hours are to be read of cannot be read.
    """
    from alm_beam.loader.mixture import WeightError, check_weights
    from alm_beam.loader.mixture_summary import SummaryError
    from alm_beam.loader.mixture_weights import PlannedMixture, planned_mixture
    from alm_beam.loader.sources import Source

    weights = weights_of(parser, flags.weights)
    has_betas = _has_betas(parser, flags)
    if flags.repeat and weights is None and not has_betas:
        parser.error("--repeat: repeats sources so that their weights hold, and there are no --weights")
    try:
        if has_betas:
            betas = {"beta_corpus": flags.beta_corpus, "beta_language": flags.beta_language}
            return planned_mixture(flags.dirs, **betas, summary=flags.summary, storage_options=options)
        if weights is None:
            return PlannedMixture([Source(url) for url in flags.dirs], [])
        if len(weights) != len(flags.dirs):
            parser.error(f"--weights: {len(weights)} weights for {len(flags.dirs)} folders")
        check_weights(weights)
        return PlannedMixture([Source(url, weight=weight) for url, weight in zip(flags.dirs, weights)], [])
    except WeightError as error:
        parser.error(f"{'--beta_corpus, --beta_language' if has_betas else '--weights'}: {error}")
    except SummaryError as error:
        parser.error(f"--summary: {error}")


def _has_betas(parser: FlagParser, flags: argparse.Namespace) -> bool:
    """Whether the weights follow from hours. Ends the process if flags do not go together."""
    given = [name for name in ("beta_corpus", "beta_language") if getattr(flags, name) is not None]
    if len(given) == 1:
        parser.error(f"--{given[0]}: give both --beta_corpus and --beta_language")
    if flags.summary is not None and not given:
        parser.error("--summary: its hours give weights by --beta_corpus and --beta_language, which are missing")
    if flags.weights is not None and given:
        parser.error("--weights: --beta_corpus and --beta_language give the weights; leave one of both out")
    return bool(given)


def weights_of(parser: FlagParser, text: str | None) -> list[float] | None:
    """The weights that `--weights` states. Ends the process if they are no numbers."""
    try:
        return None if text is None else [float(each) for each in text.split(",")]
    except ValueError:
        parser.error(f"--weights={text}: must be numbers, separated by commas")


def add_batch_flags(parser: FlagParser, *, required: bool) -> None:
    """Adds the flags of planned batches. Where they are not required, none of the sizes means that there are none."""
    group = parser.add_argument_group("batches", "Lengths are counted in samples at --sample_rate.")
    sizes = group.add_mutually_exclusive_group(required=required)
    sizes.add_argument("--max_num_elements", type=int, metavar="N", help="samples of a batch at most, padding included")
    sizes.add_argument("--max_seconds", type=float, metavar="S", help="the same in seconds")
    sizes.add_argument("--batch_size", type=int, metavar="N", help="windows of a batch, however long they are")
    group.add_argument(
        "--sample_rate",
        type=int,
        default=16_000,
        metavar="HZ",
        help="that of the audio that is loaded (default: %(default)s)",
    )
    buckets = group.add_mutually_exclusive_group()
    buckets.add_argument(
        "--num_buckets",
        type=int,
        metavar="N",
        help="buckets at most, each of 1.5 steps or more on average; they end where padding is least (default: 100)",
    )
    buckets.add_argument("--bucket_edges", metavar="S,S", help="where each bucket ends, seconds, ascending")
    group.add_argument(
        "--num_seqs_multiple_of",
        type=int,
        default=1,
        metavar="N",
        help="sizes of batches above this are made multiples of it (default: %(default)s)",
    )
    group.add_argument(
        "--min_duration",
        type=float,
        default=0.0,
        metavar="S",
        help="leave out shorter windows, seconds (default: %(default)s)",
    )
    group.add_argument(
        "--max_duration", type=float, metavar="S", help="leave out longer windows, seconds (default: none is)"
    )
    group.add_argument(
        "--drop_remainder", action="store_true", help="leave out the last step of an epoch if it is not full"
    )


def batch_arguments(parser: FlagParser, flags: argparse.Namespace) -> dict[str, Any] | None:
    """The arguments of `WindowBatches` that the flags state; None where no size of batches is given.

    Ends the process if one is out of its range, or there is one and no size.
    """
    from alm_beam.loader.batching.plan_config import PlanConfig

    given = {name: getattr(flags, name) for name in (*_OF_PLAN, *_LIMITS)}
    buckets = flags.num_buckets
    if flags.bucket_edges is not None:
        buckets = _edges(parser, flags.bucket_edges)
    if buckets is not None:
        given["buckets"] = buckets
    if all(given[name] is None for name in _OF_PLAN[:3]):
        alone = [name for name in given if name == "buckets" or given[name] != parser.get_default(name)]
        if alone:
            name = "bucket_edges" if flags.bucket_edges is not None else "num_buckets"
            flag = name if alone[0] == "buckets" else alone[0]
            parser.error(f"--{flag}: is of batches; give --max_num_elements, --max_seconds or --batch_size, too")
        return None
    try:
        PlanConfig(**given)
    except ValueError as error:
        message = str(error)
        if message.startswith("buckets="):
            name = "num_buckets" if isinstance(buckets, int) else "bucket_edges"
            message = f"{name}={message.removeprefix('buckets=')}"
        parser.error(f"--{message}")
    return given


def _edges(parser: FlagParser, text: str) -> Sequence[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        parser.error(f"--bucket_edges={text}: must be seconds, separated by commas")
