"""What is known of a parameter: default, type, range, unit and help, kept in the field of a configuration's dataclass.

Flags, help, the docs' tables and the templates are made from it, and so are the checks of the configuration.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from alm_beam.core.text import visible

MOST = 1_000_000_000
"""No parameter may be greater: what is, is a slip of the pen, or a number that JSON cannot hold."""

HIDDEN = "(not shown)"
"""Stands in errors for a value that may hold secrets."""

_KEY = "parameter"


class ConfigError(ValueError):
    """A parameter is out of its range, missing, or unknown.

    Attributes:
        parameter: name of the parameter, as on the command line without the dashes.
        value: what was given; HIDDEN where it may hold secrets, or where nothing was given.
        allowed: the values that are allowed, in words.

    >>> from alm_beam.core.config import WindowConfig
    >>> WindowConfig(tolerance=1)
    Traceback (most recent call last):
        ...
    alm_beam.core.parameters.ConfigError: tolerance=1: must be a fraction, 0 <= tolerance < 1
    """

    def __init__(self, parameter: str, value: object, allowed: str):
        super().__init__(parameter, value, allowed)
        self.parameter = parameter
        self.value = value
        self.allowed = allowed

    @property
    def is_hidden(self) -> bool:
        """Whether the message states the name alone."""
        return isinstance(self.value, str) and self.value == HIDDEN

    @property
    def text(self) -> str:
        """What was given, as the text of a flag.

        >>> ConfigError("min_metrics", (("win", 2), ("snr", 3)), "must not name 'win'").text
        'win=2,snr=3'
        """
        if not isinstance(self.value, tuple):
            return str(self.value)
        return ",".join("=".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in self.value)

    def __str__(self) -> str:
        given = "" if self.is_hidden else f"={self.text}"
        return visible(f"{self.parameter}{given}: {self.allowed}")


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """What is known of one parameter.

    Attributes:
        name: that of its field and, without the dashes, of its flag; `parameters_of` fills it in.
        help: what it does, in words that begin with a small letter and end without a full stop.
        label: its name in a form, as Dataflow's console shows it.
        metavar: stands for a value in help.
        is_required: whether a value must be given.
        default: the value where none is given; None where there is none to name, or where `follows` says it.
        follows: the parameter whose value is the default, if that is another parameter's.
        without: what it means that there is no value, in words, for a parameter that may have none and has no default.
    """

    help: str
    label: str
    metavar: str
    is_required: bool = False
    default: Any = None
    follows: str = ""
    without: str = ""
    name: str = ""

    is_secret: ClassVar[bool] = False
    """Whether a value may hold what nobody is to see."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """The values that are allowed, in words that follow "must be"."""

    @abstractmethod
    def takes(self, value: object) -> bool:
        """Whether the value has the type and is in the range."""

    def check(self, value: object) -> None:
        """Raises ConfigError if the value is not allowed."""
        may_be_none = self.follows or self.without
        if not (value is None and may_be_none) and not self.takes(value):
            raise ConfigError(self.name, HIDDEN if self.is_secret else value, f"must be {self.allowed}")

    def convert(self, value: Any) -> Any:
        """The value in the type of the field, where Python or a configuration file has it in another."""
        return value

    def parse(self, text: str) -> Any:
        """The value that the text of a flag states; the text itself where it states none, for `check` to refuse.

        Raises:
            ValueError: the text is not of the parameter's language. The message does not repeat the text.
        """
        return self.convert(text)

    @property
    def default_text(self) -> str | None:
        """The default as the text of a flag; None where there is none."""
        return None if self.default is None else str(self.default)


@dataclass(frozen=True, kw_only=True)
class Number(Parameter):
    """A number, whole or not. Of the four ends of its range, `at_most` alone is always stated."""

    unit: str = ""
    at_least: float | None = None
    above: float | None = None
    at_most: float = MOST
    below: float | None = None

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        what = {"": "a number", "fraction": "a fraction"}.get(self.unit, f"a number of {self.unit}")
        if self.above is not None:
            return f"{what} above {self.above}, at most {self.at_most}"
        if self.below is not None:
            return f"{what}, {self.at_least} <= {self.name} < {self.below}"
        return f"{what} from {self.at_least} to {self.at_most}"

    def takes(self, value: object) -> bool:
        """Whether it is a finite int or float in the range."""
        return (
            isinstance(value, (int, float))
            and type(value) in (int, float)  # True is an int, too, and JSON knows no subclass of float
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and abs(value) <= self.at_most
        )

    def parse(self, text: str) -> int | float | str:
        """The number, or the text."""
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        return text


@dataclass(frozen=True, kw_only=True)
class Whole(Number):
    """A whole number from `at_least` on."""

    zero: str = ""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        zero = f" ({self.zero})" if self.zero else ""
        return f"a whole number from {self.at_least}{zero} to {self.at_most}"

    def takes(self, value: object) -> bool:
        """Whether it is a whole number in the range."""
        return type(value) is int and super().takes(value)


@dataclass(frozen=True, kw_only=True)
class Switch(Parameter):
    """True or False."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return "true or false"

    def takes(self, value: object) -> bool:
        """Whether it is True or False."""
        return isinstance(value, bool)

    def parse(self, text: str) -> bool | str:
        """`true` and `false`, in any case, or the text."""
        states: dict[str, bool] = {"true": True, "false": False}
        return states.get(text.lower(), text)

    @property
    def default_text(self) -> str | None:
        """`true` or `false`; None where there is no default."""
        return None if self.default is None else str(self.default).lower()


@dataclass(frozen=True, kw_only=True)
class Choice(Parameter):
    """One of a few words."""

    options: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return " or ".join(self.options)

    def takes(self, value: object) -> bool:
        """Whether it is one of the words."""
        return isinstance(value, str) and value in self.options


@dataclass(frozen=True, kw_only=True)
class Names(Parameter):
    """A set of names."""

    written: str
    """The default as the text of a flag, in the order in which it is to be shown."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return "a set of field names"

    def takes(self, value: object) -> bool:
        """Whether it is a frozenset of texts."""
        return isinstance(value, frozenset) and all(isinstance(each, str) for each in value)

    def convert(self, value: Any) -> Any:
        """Comma-separated text, a list, a tuple and any set become a frozenset."""
        several = split_at_commas(value) if isinstance(value, str) else value
        is_of_texts = isinstance(several, (list, tuple, Set)) and all(isinstance(each, str) for each in several)
        return frozenset(several) if is_of_texts else value

    @property
    def default_text(self) -> str:
        """The names, comma-separated."""
        return self.written


@dataclass(frozen=True, kw_only=True)
class Text(Parameter):
    """A text that is not empty."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return "a text that is not empty"

    def takes(self, value: object) -> bool:
        """Whether it is a text, and not empty."""
        return isinstance(value, str) and value != ""


@dataclass(frozen=True, kw_only=True)
class Limits(Parameter):
    """A number for each of some names, in an order; none by default."""

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return "names with a number each, as NAME=NUMBER, separated by commas; no name twice"

    def takes(self, value: object) -> bool:
        """Whether it is a tuple of pairs of a name and a number, with no name twice."""
        if not isinstance(value, tuple) or not all(isinstance(each, tuple) and len(each) == 2 for each in value):
            return False
        are_limits = all(isinstance(name, str) and name and _is_finite(number) for name, number in value)
        return are_limits and len(dict(value)) == len(value)

    def convert(self, value: Any) -> Any:
        """Text as of a flag, a mapping and a list of pairs become a tuple of pairs, and None an empty one."""
        if value is None:
            return ()
        if isinstance(value, str):
            return self.parse(value)
        several = value.items() if isinstance(value, Mapping) else value
        if not isinstance(several, (list, tuple)) and several is value:
            return value
        return tuple(tuple(each) if isinstance(each, (list, tuple)) else each for each in several)

    def parse(self, text: str) -> Any:
        """The pairs that the text states; the text itself where it states none."""
        pairs = [part.rpartition("=") for part in split_at_commas(text)]
        try:
            limits = tuple((name.strip(), float(number)) for name, _, number in pairs)
        except ValueError:
            return text
        return limits if self.takes(limits) else text


@dataclass(frozen=True, kw_only=True)
class SecretObject(Parameter):
    """A JSON object whose content no message shows."""

    is_secret: ClassVar[bool] = True

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return "a JSON object"

    def takes(self, value: object) -> bool:
        """Whether it is a dict with texts as keys."""
        return isinstance(value, dict) and all(isinstance(each, str) for each in value)

    def convert(self, value: Any) -> Any:
        """Any mapping becomes a dict of its own."""
        return dict(value) if isinstance(value, Mapping) else value

    def parse(self, text: str) -> Any:
        """What the text, JSON, states; blank text states an empty object.

        Raises:
            ValueError: it is not JSON.
        """
        try:
            return json.loads(text) if text.strip() else {}
        except ValueError as error:
            raise ValueError(f"is not JSON ({error})") from None


def about(parameter: Parameter) -> Mapping[str, Parameter]:
    """The metadata of the parameter's field. Only a field without default has to spell it.

    A type checker takes a field without default for one that has to be given only if it sees `dataclasses.field`.
    """
    return {_KEY: parameter}


def parameters_of(config: type) -> dict[str, Parameter]:
    """The parameters in the fields of a configuration's dataclass, by name, in the order of the fields."""
    return {each.name: replace(each.metadata[_KEY], name=each.name) for each in fields(config) if _KEY in each.metadata}


def check_fields(config: object) -> None:
    """Brings every parameter of a new configuration into the type of its field, and checks it.

    Raises:
        ConfigError: a value is out of its range.
    """
    for name, parameter in parameters_of(type(config)).items():
        value = parameter.convert(getattr(config, name))
        parameter.check(value)
        object.__setattr__(config, name, value)


def split_at_commas(text: str) -> list[str]:
    """The parts of a comma-separated text, without the spaces around them and without empty ones.

    >>> split_at_commas("words, text,")
    ['words', 'text']
    """
    return [part for part in map(str.strip, text.split(",")) if part]


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and type(value) in (int, float) and abs(value) <= MOST
