"""`alm-beam index`: the index of existing cuts."""

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alm_beam import __version__
from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.output import printed
from alm_beam.cli.process import note_end
from alm_beam.core.text import visible
from alm_beam.report.table import hours, row

if TYPE_CHECKING:
    from alm_beam.storage.index.meta import Meta
    from alm_beam.storage.index.unusable import UnusableLines


def main(argv: Sequence[str], prog: str) -> int:
    """Makes or checks the index, prints what is in it, and gives the exit code.

    Raises:
        SystemExit: with code 2 when a flag is wrong, or there is an index and no `--overwrite`; nothing was written.
    """
    parser = FlagParser(
        prog=prog,
        description="Makes or checks the index of the cuts*.jsonl in a folder. (`alm-beam windows` indexes its own.)",
        epilog="Exit code: 0 when the index is complete, or sound; 1 when it could not be made, or is not sound; 2\n"
        "when a flag is wrong, or there is an index and no --overwrite: then nothing was written.",
        examples=("alm-beam index cuts/", "alm-beam index windows/ --check --json"),
    )
    group = parser.add_argument_group("index")
    group.add_argument("dir", metavar="DIR", help="folder of cuts, a path or any fsspec URL")
    group.add_argument("--overwrite", action="store_true", help="replace the index if there is one")
    group.add_argument("--check", action="store_true", help="make no index; read all that the index lists, and compare")
    group.add_argument(
        "--skip_unusable",
        action="store_true",
        help="leave out lines that cannot be indexed (MixedCut, NaN, blank, ...), and tell which; --check knows them",
    )
    group.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_storage_options()
    flags = parser.parse_known_flags(argv)
    if flags.check and flags.overwrite:
        parser.error("--check makes no index, so --overwrite means nothing beside it; give one of them")

    text_of = _json if flags.json else _summary

    def summary() -> str:
        from alm_beam.cli.left import IndexLeft
        from alm_beam.cli.progress import counted_progress
        from alm_beam.jobs.watch import ToDo
        from alm_beam.storage.index.build import make_index
        from alm_beam.storage.index.format import IndexExistsError
        from alm_beam.storage.index.open import open_index
        from alm_beam.storage.index.verify import verify_index

        options = parser.storage_options(flags, [flags.dir])
        if flags.check:
            index = open_index(flags.dir, storage_options=options)
            with counted_progress(prog, ToDo.of_cuts("comparing")):
                skipped = verify_index(index)
            return text_of("sound", flags.dir, index.meta, index.repeated_windows, skipped)
        note_end(IndexLeft(flags.dir, options, os.getpid()))
        try:
            with counted_progress(prog, ToDo.of_cuts("sorting")):
                made = make_index(
                    flags.dir, overwrite=flags.overwrite, skip_unusable=flags.skip_unusable, options=options
                )
        except IndexExistsError as error:
            parser.error(str(error))
        return text_of("indexed", flags.dir, made.meta, made.meta.repeated_windows or 0, made.skipped)

    return printed(prog, summary)


def _json(state: str, folder: str, meta: "Meta", repeated: int, skipped: "UnusableLines") -> str:
    from alm_beam.storage.secrets import shown

    content = {
        "version": __version__,
        "state": state,
        "dir": shown(folder),
        "fingerprint": meta.fingerprint,
        "windows": meta.rows,
        "seconds": meta.duration,
        "shards": len(meta.shards),
        "labels": [{"label": each.label, "windows": each.rows, "seconds": each.duration} for each in meta.labels],
        "label_sets": [
            {"corpus": each.corpus, "language": each.language, "windows": each.rows, "seconds": each.duration}
            for each in meta.label_sets or ()
        ],
        "repeated_windows": repeated,
        "left_out": {"windows": skipped.total, "named": [*skipped.listed()]},
    }
    return json.dumps(content, indent=2)


def _summary(state: str, folder: str, meta: "Meta", repeated: int, skipped: "UnusableLines") -> str:
    from alm_beam.storage.secrets import shown

    lines = [
        row("windows", f"{meta.rows:,}", hours(meta.duration)),
        *(
            row(f"  {visible(each.label) or '(no source)'}", f"{each.rows:,}", hours(each.duration))
            for each in meta.labels
        ),
        row("shards", f"{len(meta.shards):,}"),
    ]
    sets = meta.label_sets or ()
    if len(sets) > 1:
        lines.append("by corpus and language")
        for each in sets:
            names = f"{visible(each.corpus) or '(no corpus)'}  {visible(each.language) or '(no language)'}"
            lines.append(row(f"  {names}", f"{each.rows:,}", hours(each.duration)))
    if repeated:
        lines.append(f"note: {repeated:,} repeated windows: their lines are the same as those of other windows")
    if skipped.total:
        lines += [f"note: left out {skipped.summary()}:", *(f"  {each}" for each in skipped.listed())]
    return "\n".join([*lines, f"{state}: {visible(shown(folder))}, fingerprint {meta.fingerprint}"])
