"""Overrides as Hydra's command line has them: `stages.1.min_speakers=3`, `+key=value`, `++key=value`, `~key`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

_OVERRIDE = re.compile(r"(\+\+|\+|~|)([A-Za-z_][\w/@-]*(?:\.[\w/@-]+|\[\d+\])*)(?:=(.*))?", re.DOTALL)
_ESCAPE = re.compile(r"\\([\\()\[\]{}:=, \t'\"])")
_QUOTED = re.compile(r"(['\"])(\\.|(?!\1)[^\\])*\1", re.DOTALL)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|nan)", re.IGNORECASE)
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False}


class Override(NamedTuple):
    """One override.

    Attributes:
        sign: empty to change a value, `+` to add one, `++` to do either, `~` to remove one.
        key: the path of the value, with dots.
        value: what it is to be.
    """

    sign: str
    key: str
    value: Any


def override_of(text: str) -> Override | None:
    """The override that an argument of a command states; None where it is none.

    >>> override_of("stages.1.min_speakers=3")
    Override(sign='', key='stages.1.min_speakers', value=3)
    >>> override_of("~stages.1.drop_fields").sign
    '~'
    >>> override_of("--min_speakers=3")

    Raises:
        ValueError: the value is neither a text, a number, a list nor another that this reads.
    """
    match = _OVERRIDE.fullmatch(text)
    if match is None:
        return None
    sign, key, value = match.groups()
    if value is None and sign != "~":
        return None
    return Override(sign, re.sub(r"\[(\d+)\]", r".\1", key), None if value is None else _value(value))


def split_arguments(arguments: Sequence[str], takes_value: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """The arguments of a command that are flags with their values, and those that look like overrides.

    Args:
        arguments: all of them.
        takes_value: by each flag that is known, whether the next argument is its value. Of other flags it may be.
    """
    flags, overrides = list[str](), list[str]()
    for before, each in zip(["", *arguments], arguments):
        if takes_value.get(before, before.startswith("-") and "=" not in before):
            is_override = before not in takes_value and _is_of_a_pipeline(each)
        else:
            is_override = _is_override(each)
        (overrides if is_override else flags).append(each)
    return flags, overrides


def _is_override(text: str) -> bool:
    match = _OVERRIDE.fullmatch(text)
    return match is not None and (match[3] is not None or match[1] == "~")


def _is_of_a_pipeline(text: str) -> bool:
    """Whether it changes what every pipeline of Curator has."""
    return (
        _is_override(text)
        and re.match(r"[+~]*(stages[.\[]|(manifest_path|output_dir|backend)=|hydra[./])", text) is not None
    )


def _value(text: str) -> Any:
    """The value, by Hydra's rules for what stands on a command line: `on` and `010` are texts."""
    text = text.strip()
    if text[:1] in ("'", '"'):
        if not _QUOTED.fullmatch(text):
            raise ValueError("begins with a quote, and does not end with it")
        return text[1:-1].replace(f"\\{text[0]}", text[0])
    if text.startswith("{"):
        raise ValueError("is a mapping, which is not read here; write it into the file")
    if text.startswith("["):
        return [*_items(text)]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not re.fullmatch(r"[-+]?0[0-9_]+", text):
        return float(text)
    return text if "${" in text else _ESCAPE.sub(r"\1", text)


def _items(text: str) -> Iterator[Any]:
    try:
        items = yaml.compose(text, Loader=yaml.SafeLoader).value
    except (yaml.YAMLError, RecursionError):
        raise ValueError("is no list; write [one,two]") from None
    for each in items:
        if not isinstance(each, yaml.ScalarNode):
            raise ValueError("is a list of other things than texts and numbers, which is not read here")
        yield each.value if each.style else _value(each.value)
