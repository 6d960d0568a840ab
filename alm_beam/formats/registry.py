"""The formats by their names. A format's module is imported when it is asked for."""

import importlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from alm_beam.formats.format import Format, Target

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "rttm": "rttm",
        "ctm+rttm": "ctm",
        "whisperx": "whisperx",
        "lhotse": "lhotse",
        "nemo": "nemo",
        "curator": "curator",
    }
)
"""The names that `--from` takes, and the module of each."""


TARGETS: Mapping[str, str] = MappingProxyType({"rttm": "cuts_to_rttm", "nemo": "cuts_to_nemo"})
"""The names that `--to` takes, and the module of each."""


def target_named(name: str) -> Target:
    """The format of that name, made of cuts.

    >>> target_named("rttm").suffix
    '.rttm'
    """
    found: Target = importlib.import_module(f"alm_beam.formats.{TARGETS[name]}").TARGET
    return found


def format_named(name: str) -> Format:
    """The format of that name.

    >>> format_named("rttm").endings
    ('.rttm',)
    """
    found: Format = importlib.import_module(f"alm_beam.formats.{FORMATS[name]}").FORMAT
    return found


def format_of_endings(endings: Iterable[str]) -> str | None:
    """The name of the format that files with these endings are of for sure; None where they tell nothing.

    >>> format_of_endings([".rttm"]), format_of_endings([".ctm", ".rttm"]), format_of_endings([".json"])
    ('rttm', 'ctm+rttm', None)
    """
    found = {ending.lower() for ending in endings}
    return next((name for name in ("rttm", "ctm+rttm") if found == {*format_named(name).endings}), None)
