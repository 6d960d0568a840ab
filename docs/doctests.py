"""Shows the doctests of docstrings as code in the Python API's page: mkdocstrings takes `>>>` for quotations."""

from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Puts fences around the doctests of every docstring that is read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Changes the docstring of one function, class or module."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """A docstring, with a fence around each run of lines that begins with `>>>` and ends before an empty line."""
    lines, fence = [], None
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        if fence is None and line.lstrip().startswith(">>> "):
            fence = indent
            lines.append(f"{fence}```pycon")
        elif fence is not None and not line.strip():
            lines.append(f"{fence}```")
            fence = None
        lines.append(line)
    return "\n".join([*lines, f"{fence}```"] if fence is not None else lines)
