"""The parameters that name files and folders; of the others see `alm_beam.core.parameters`."""

import os
import re
from dataclasses import dataclass
from typing import Any

from alm_beam.core.parameters import Parameter, Text, split_at_commas

_COMPRESSED = (".gz", ".zst", ".bz2", ".xz")

_NAME_BYTES = 255
"""No usual filesystem takes a longer name of a file."""


@dataclass(frozen=True, kw_only=True)
class Paths(Parameter):
    """One path or URL at least."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return "a file, a folder or a glob"

    def takes(self, value: object) -> bool:
        """Whether it is a tuple of texts, none of them empty, and not empty itself."""
        return isinstance(value, tuple) and value != () and all(isinstance(each, str) and each for each in value)

    def convert(self, value: Any) -> Any:
        """Comma-separated text, one path and a list of paths become a tuple of texts."""
        if isinstance(value, str):
            return tuple(split_at_commas(value))
        several = [value] if isinstance(value, os.PathLike) else value
        return tuple(map(_text_of_path, several)) if isinstance(several, (list, tuple)) else value


@dataclass(frozen=True, kw_only=True)
class Folder(Parameter):
    """A path or URL."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return "a folder"

    def takes(self, value: object) -> bool:
        """Whether it is a text, and not empty."""
        return isinstance(value, str) and value != ""

    def convert(self, value: Any) -> Any:
        """A path of Python's becomes a text."""
        return _text_of_path(value)


@dataclass(frozen=True, kw_only=True)
class File(Folder):
    """A path or URL of a file."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return "a file"


@dataclass(frozen=True, kw_only=True)
class FileName(Text):
    """The name of a file in the output folder."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return (
            f"a printable name of a file, of {_NAME_BYTES} bytes at most, without any of / * ? [ ], that neither "
            "begins with a dot nor ends like that of a compressed file"
        )

    def takes(self, value: object) -> bool:
        """Whether it is such a name."""
        return (
            isinstance(value, str)
            and re.fullmatch(r"[^./*?[\]][^/*?[\]]*", value) is not None
            and value.isprintable()
            and len(value.encode()) <= _NAME_BYTES
            and not value.lower().endswith(_COMPRESSED)
        )


def _text_of_path(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value
