"""The fields of a configuration's dataclass, each made with what is known of its parameter.

`text` is a parameter's help: words that begin with a small letter and end without a full stop.
"""

from dataclasses import field
from typing import Any

from alm_beam.core.parameters import (
    MOST,
    Choice,
    Limits,
    Names,
    Number,
    Parameter,
    SecretObject,
    Switch,
    Text,
    Whole,
    about,
    split_at_commas,
)
from alm_beam.core.path_parameters import File, FileName, Folder


def number(
    default: float | None,
    text: str,
    *,
    label: str,
    unit: str = "",
    at_least: float | None = None,
    above: float | None = None,
    at_most: float = MOST,
    below: float | None = None,
    metavar: str = "",
    follows: str = "",
    without: str = "",
) -> Any:
    """A field that holds a number. `unit` is seconds, Hz or fraction; `text` is its help."""
    return _field(
        Number(
            help=text,
            label=label,
            metavar=metavar or unit.upper(),
            default=default,
            follows=follows,
            without=without,
            unit=unit,
            at_least=at_least,
            above=above,
            at_most=at_most,
            below=below,
        )
    )


def whole(
    default: int, text: str, *, label: str, at_least: int, at_most: int = MOST, zero: str = "", metavar: str = "N"
) -> Any:
    """A field that holds a whole number. `zero` says what 0 means where it means something else than a count."""
    return _field(
        Whole(help=text, label=label, metavar=metavar, default=default, at_least=at_least, at_most=at_most, zero=zero)
    )


def switch(default: bool | None, text: str, *, label: str, without: str = "") -> Any:
    """A field that holds True or False; or None, which means what `without` says."""
    return _field(Switch(help=text, label=label, metavar="true|false", default=default, without=without))


def choice(default: str, text: str, *, label: str, options: tuple[str, ...]) -> Any:
    """A field that holds one of a few words."""
    return _field(Choice(help=text, label=label, metavar="|".join(options), default=default, options=options))


def names(default: str, text: str, *, label: str) -> Any:
    """A field that holds a frozenset of names; the default is comma-separated text."""
    some = frozenset(split_at_commas(default))
    return _field(Names(help=text, label=label, metavar="NAMES", default=some, written=default))


def optional_text(words: str, *, label: str, metavar: str, without: str) -> Any:
    """A field that holds a text, or None, which means what `without` says. `words` is its help."""
    return _field(Text(help=words, label=label, metavar=metavar, without=without))


def optional_folder(words: str, *, label: str, without: str) -> Any:
    """A field that holds a path or URL, or None, which means what `without` says. `words` is its help."""
    return _field(Folder(help=words, label=label, metavar="DIR", without=without))


def optional_file(words: str, *, label: str, without: str) -> Any:
    """A field that holds the path or URL of a file, or None, which means what `without` says. `words` is its help."""
    return _field(File(help=words, label=label, metavar="FILE", without=without))


def optional_file_name(words: str, *, label: str, without: str) -> Any:
    """A field that holds a file's name, or None, which means what `without` says. `words` is its help."""
    return _field(FileName(help=words, label=label, metavar="NAME", without=without))


def limits(words: str, *, label: str, without: str) -> Any:
    """A field that holds pairs of a name and a number, none by default. `words` is its help."""
    parameter = Limits(help=words, label=label, metavar="NAME=NUMBER,...", without=without)
    return field(default=(), metadata=about(parameter))


def max_line_bytes() -> Any:
    """The field of the longest line, which more than one configuration has."""
    return whole(
        1 << 30,
        "longest line that is read or written, in bytes (uncompressed); what is longer is rejected",
        label="Longest line",
        at_least=1000,
        at_most=10**12,
        metavar="BYTES",
    )


def secret_object(text: str, *, label: str) -> Any:
    """A field that holds a dict, empty by default, that neither repr nor errors show."""
    parameter = SecretObject(help=text, label=label, metavar="JSON")
    return field(default_factory=dict, repr=False, hash=False, metadata=about(parameter))


def _field(parameter: Parameter) -> Any:
    return field(default=parameter.default, metadata=about(parameter))
