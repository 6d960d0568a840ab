"""A value of a parameter that a file states, with what is to be said of where it stands."""

from typing import Any, NamedTuple


class Given(NamedTuple):
    """A value that a file of parameters states, or what overrides it.

    Attributes:
        value: in the type of the parameter, or in one that `RunConfig.of` takes; of paths a text, where commas may
            separate several, or a list.
        source: where it comes from, in a few words.
        where: what a message about it begins with: the file, and where in it.
    """

    value: Any
    source: str
    where: str
