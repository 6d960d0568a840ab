"""The names of windows."""

from typing import NamedTuple


class Token(NamedTuple):
    """Names a window.

    Attributes:
        source: number of its source, from 0, in the order in which the loader was given them.
        row: number of its row in the index of the source's folder, from 0.

    >>> from alm_beam.loader import WindowLoader
    >>> loader = WindowLoader(windows, shuffle=False)
    >>> passing = iter(loader)
    >>> window = next(passing)
    >>> passing.token
    Token(source=0, row=0)
    >>> loader.window(passing.token) == window
    True
    """

    source: int
    row: int
