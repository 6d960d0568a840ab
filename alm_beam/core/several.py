"""Parameters that take several values, each of which is tried: those of a sweep."""

from dataclasses import dataclass, field, make_dataclass
from typing import Any, TypeVar

from alm_beam.core.parameters import ConfigError, Limits, Parameter, about, check_fields, parameters_of

NO_VALUE = "none"
"""Stands in a list for no value, where the parameter may have none."""


def value_text(value: Any) -> str:
    """A value of a parameter as its flag takes it.

    >>> value_text(None), value_text(True), value_text(0.5), value_text([("snr", 5.0)])
    ('none', 'true', '0.5', 'snr=5.0')
    """
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(f"{name}={limit}" for name, limit in value) or NO_VALUE
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Several(Parameter):
    """One value or several of another parameter, in a tuple, none of them twice.

    Text separates them by commas; or by semicolons, where a value has commas of its own.

    Attributes:
        of: the other parameter.
    """

    of: Parameter

    @property
    def separator(self) -> str:
        """What stands between two values."""
        return ";" if isinstance(self.of, Limits) else ","

    @property
    def allowed(self) -> str:
        """The values that are allowed, in words."""
        return f"{self.of.allowed}; {self.how}"

    @property
    def how(self) -> str:
        """How several values are written, in words."""
        return f"several are separated by {'commas' if self.separator == ',' else 'semicolons'}"

    def takes(self, value: object) -> bool:
        """Whether it is a tuple of values that the other parameter takes, none of them twice, and not empty."""
        if not isinstance(value, tuple) or not value:
            return False
        return all(map(self._takes_one, value)) and len(set(value)) == len(value)

    def check(self, value: object) -> None:
        """Raises ConfigError that names the first value that is not allowed, or that is there twice."""
        if not isinstance(value, tuple) or not value:
            raise ConfigError(self.name, str(value), f"must be {self.allowed}")
        for at, each in enumerate(value):
            if not self._takes_one(each):
                self._refuse(each)
            if each in value[:at]:
                raise ConfigError(self.name, value_text(each), "must not be given twice")

    def convert(self, value: Any) -> Any:
        """One value, a list of values and the text of a flag become a tuple of values of the other parameter."""
        is_one = value != "" and self._takes_one(self.of.convert(value))
        if isinstance(value, str) and (not is_one or self.separator in value):
            return self.parse(value)
        several = value if isinstance(value, (list, tuple)) and not is_one else [value]
        return tuple(map(self._converted_one, several))

    def parse(self, text: str) -> Any:
        """The values that the text states; a part of it that states none stays a text, for `check` to refuse."""
        return tuple(map(self._parsed_one, text.split(self.separator)))

    @property
    def default_text(self) -> str | None:
        """The other parameter's default as the text of a flag."""
        return self.of.default_text

    @property
    def _may_be_none(self) -> bool:
        return bool(self.of.follows or self.of.without) and not isinstance(self.of, Limits)

    def _takes_one(self, value: object) -> bool:
        return (value is None and self._may_be_none) or self.of.takes(value)

    def _converted_one(self, value: Any) -> Any:
        stays = value == "" or (value is None and self._may_be_none)  # no text is an error, not no limits
        return value if stays else self.of.convert(value)

    def _parsed_one(self, text: str) -> Any:
        text = text.strip()
        if not text:
            return text
        if self._may_be_none and text.lower() == NO_VALUE:
            return None
        if isinstance(self.of, Limits) and text.lower() == NO_VALUE:
            return ()
        return self.of.parse(text)

    def _refuse(self, value: object) -> None:
        if value == "":
            raise ConfigError(self.name, "", f"there is an empty value; it must be {self.of.allowed}")
        none = f", or {NO_VALUE}" if self._may_be_none else ""
        shown = value if isinstance(value, (str, int, float)) else repr(value)
        raise ConfigError(self.name, shown, f"must be {self.of.allowed}{none}")


@dataclass(frozen=True)
class Swept:
    """A configuration each of whose parameters has several values, in a tuple. `swept` makes its kinds."""

    def __post_init__(self) -> None:
        check_fields(self)

    def values(self) -> dict[str, tuple[Any, ...]]:
        """The values of each parameter, by its name."""
        return {name: getattr(self, name) for name in parameters_of(type(self))}


_Config = TypeVar("_Config")


def swept(config: type, name: str, module: str, *, without: frozenset[str] = frozenset()) -> type[Swept]:
    """A kind of `Swept` with the parameters of a configuration.

    Args:
        config: the configuration; its parameters' defaults are the only values by default.
        name: the name of the kind.
        module: where it is.
        without: parameters that it does not have.

    >>> from alm_beam.core.config import OverlapConfig
    >>> kind = swept(OverlapConfig, "SweptOverlap", __name__)
    >>> kind(overlap_percentage=[0, 50]).values()["overlap_percentage"]
    (0, 50)
    """
    fields = []
    for each in parameters_of(config).values():
        if each.name not in without:
            default = () if isinstance(each, Limits) else each.default
            several = Several(
                help=each.help,
                label=each.label,
                metavar=each.metavar,
                default=(default,),
                follows=each.follows,
                without=each.without,
                of=each,
            )
            fields.append((each.name, tuple, field(default=(default,), metadata=about(several))))
    kind = make_dataclass(name, fields, bases=(Swept,), frozen=True)
    kind.__module__ = module  # where pickle looks for it; the argument of that name is of Python 3.12
    return kind
