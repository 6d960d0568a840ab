"""`alm-beam index`: the index of existing cuts."""

from collections.abc import Sequence

from alm_beam.cli.flags import FlagParser
from alm_beam.cli.output import printed


def main(argv: Sequence[str], prog: str) -> int:
    """Makes or checks the index, prints what is in it, and gives the exit code."""
    parser = FlagParser(
        prog=prog,
        description="Makes or checks the index of the cuts*.jsonl in a folder. (`alm-beam windows` indexes its own.)",
    )
    parser.add_argument("dir", metavar="DIR", help="folder of cuts, a path or any fsspec URL")
    parser.add_argument("--overwrite", action="store_true", help="replace the index if there is one")
    parser.add_argument(
        "--check", action="store_true", help="make no index; read all that the index lists, and compare"
    )
    parser.add_storage_options()
    flags = parser.parse_known_flags(argv)

    def summary() -> str:
        from alm_beam.storage.index.build import build_index
        from alm_beam.storage.index.open import open_index
        from alm_beam.storage.index.verify import verify_index
        from alm_beam.storage.secrets import shown

        options = parser.storage_options(flags, [flags.dir])
        if not flags.check:
            build_index(flags.dir, overwrite=flags.overwrite, storage_options=options)
        index = open_index(flags.dir, storage_options=options)
        if flags.check:
            verify_index(index)
        state = f"{'sound' if flags.check else 'indexed'}: {shown(flags.dir)}, fingerprint {index.fingerprint}"
        return "\n".join(
            (
                f"{len(index):,} windows, {index.duration / 3600:,.2f} hours, in {len(index.shards):,} shards",
                *(
                    f"{label.rows:>12,} {label.duration / 3600:>12,.2f} hours  {label.label or '(no source)'}"
                    for label in index.labels
                ),
                state,
            )
        )

    return printed(prog, summary)
