"""`alm-beam report`: the report of a run, made again from what the run has left, or of several runs side by side."""

import json
from collections.abc import Sequence

from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.output import printed
from alm_beam.core.text import visible
from alm_beam.storage.outputs import REPORT
from alm_beam.storage.secrets import shown


def main(argv: Sequence[str], prog: str) -> int:
    """Writes the page, says where, and gives the exit code.

    Raises:
        SystemExit: with code 2 when a flag is wrong; nothing was read or written.
    """
    parser = FlagParser(
        prog=prog,
        description="Makes the report of a run of alm-beam windows again, or one of several runs side by side.\n"
        "It reads the statistics that the runs have left, and no windows.",
        epilog="Exit code: 0 when the page is written; 1 when it could not be; 2 when a flag is wrong.",
        examples=(
            "alm-beam report windows/",
            "alm-beam report windows/ shorter_windows/ --output compared.html",
        ),
    )
    parser.add_argument_group("runs").add_argument(
        "dirs", metavar="DIR", nargs="+", help="folder of a run, a path or any fsspec URL"
    )
    page = parser.add_argument_group("page")
    page.add_argument(
        "--output",
        metavar="FILE",
        help=f"where to write the page, a path or any fsspec URL; an earlier page there is replaced (default: "
        f"{REPORT} in DIR, required for several)",
    )
    page.add_argument("--json", action="store_true", help="print one JSON object: where the page is")
    parser.add_storage_options()
    flags = parser.parse_known_flags(argv)
    if flags.output is None and len(flags.dirs) > 1:
        parser.error("the page of several runs needs --output=FILE")
    if flags.output is not None and (not flags.output or flags.output.endswith("/")):
        parser.error(f"--output={flags.output}: must be a file, as in compared.html")
    if "" in flags.dirs:
        parser.error("DIR must be a folder, and is empty")
    output = flags.output or f"{flags.dirs[0].rstrip('/')}/{REPORT}"

    def written() -> str:
        from alm_beam.report.page_place import why_no_place
        from alm_beam.report.reported_run import read_run
        from alm_beam.report.run_page import render_report
        from alm_beam.storage.paths import errors_that_name, located, make_folder

        options = parser.storage_options(flags, [*flags.dirs, output])
        content = render_report([read_run(folder, options) for folder in flags.dirs]).encode()
        if why := why_no_place(output, flags.dirs, options):
            parser.error(f"--output={shown(output)}: {why}")
        place = located(output, options)
        with errors_that_name(output):
            make_folder(place.fs, place.path.rpartition("/")[0])
            place.fs.pipe_file(place.path, content)
        return json.dumps({"output": shown(output)}, indent=2) if flags.json else f"report: {visible(shown(output))}"

    return printed(prog, written)
