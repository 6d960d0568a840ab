"""`alm-beam schema`: the JSON Schemas of what is read and written."""

import json
from collections.abc import Sequence
from pathlib import Path

from alm_beam.cli.flag_parser import FlagParser

FOLDER = Path(__file__).parents[1] / "schemas"
"""The schemas, one a file, each by its name."""


def main(argv: Sequence[str], prog: str) -> int:
    """Prints a schema, or the names of all with what each is of, and gives the exit code.

    Raises:
        SystemExit: with code 2 when there is no schema of this name.
    """
    names = sorted(path.stem for path in FOLDER.glob("*.json"))
    parser = FlagParser(
        prog=prog,
        description="Prints a JSON Schema (draft 2020-12); without a name, which ones there are.",
        epilog="Exit code: 0; 2 when there is no such schema.",
        examples=("alm-beam schema", "alm-beam schema manifest > manifest.schema.json"),
    )
    parser.add_argument_group("schemas").add_argument(
        "name", metavar="NAME", nargs="?", choices=names, help=", ".join(names)
    )
    name = parser.parse_known_flags(argv).name
    if name is None:
        print("\n".join(f"{each:<16}{json.loads(_text(each))['title']}" for each in names))
    else:
        print(_text(name), end="")
    return 0


def _text(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")
