"""A file of parameters: YAML, a mapping of their names to values.

Plain values are read as their parameters want them, not as YAML's many rules do: a text stays the text that is
written (`language: no` is Norwegian), and `1e3` is a number.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

from alm_beam.core.given import Given
from alm_beam.core.parameters import ConfigError, Limits, Names, Number, Parameter, SecretObject, Switch
from alm_beam.core.path_parameters import Paths
from alm_beam.core.several import NO_VALUE, Several
from alm_beam.core.text import visible

MOST_VALUES = 100_000
"""So many values a file may state by its aliases (`*name`); more are a slip, or meant to fill the memory."""

_NULL = "tag:yaml.org,2002:null"
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_QUOTED = re.compile(r"(alias|anchor|handle) .*", re.DOTALL)
"""Where a message of YAML's parser repeats what the file holds, which may be a secret without its quotes."""


class ConfigFileError(ValueError):
    """A file of parameters cannot be used. The message says which one, where in it, and why.

    >>> root_of(b"min_speakers: [3\\n", "conf.yaml")
    Traceback (most recent call last):
        ...
    alm_beam.core.config_file.ConfigFileError: conf.yaml, line 2: is not YAML (expected ',' or ']', but got ...
    """


class UnknownKeyError(ConfigFileError):
    """A file states what is no parameter.

    Attributes:
        key: the name.
        where: the file and the line.

    >>> from alm_beam.core.config import PARAMETERS
    >>> parameters_in(root_of(b"min_speaker: 3", "conf.yaml"), "conf.yaml", PARAMETERS)
    Traceback (most recent call last):
        ...
    alm_beam.core.config_file.UnknownKeyError: conf.yaml, line 1: min_speaker is no parameter of this command (did \
you mean min_speakers?)
    """

    def __init__(self, key: str, where: str, known: Collection[str]):
        super().__init__(f"{where}: {visible(key)} is no parameter of this command{did_you_mean(key, known)}")
        self.key = key
        self.where = where


def did_you_mean(key: str, known: Collection[str]) -> str:
    """The words, in brackets and with a space before them, that name the nearest of the known names; empty if none is.

    >>> did_you_mean("min-speaker", ["min_speakers", "truncation"])
    ' (did you mean min_speakers?)'
    """
    nearest = difflib.get_close_matches(key.lower().replace("-", "_"), known, n=1)
    return f" (did you mean {visible(nearest[0])}?)" if nearest else ""


def root_of(data: bytes, file: str) -> Any:
    """The tree of a YAML file, as PyYAML's `compose` gives it, which is a mapping; None of an empty file.

    Args:
        data: what the file holds.
        file: its name in messages.

    Raises:
        ConfigFileError: it is not YAML, or no mapping.
    """
    try:
        root = yaml.compose(data, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigFileError(f"{file}{line_of_error(error, data)}: is not YAML ({problem_of(error)})") from None
    if root is None or _is_null(root):
        return None
    if not isinstance(root, yaml.MappingNode):
        raise ConfigFileError(f"{file}: must be a mapping, with a line `name: value` for each parameter")
    _check_aliases(root, file)
    return root


def _check_aliases(root: Any, file: str) -> None:
    """Refuses a mapping of which aliases make so much that it could not be read."""
    counts: dict[int, int] = {}
    if _values_in(root, counts) > max(MOST_VALUES, len(counts)):
        key, _ = max(root.value, key=lambda pair: counts[id(pair[1])])
        where = f"{file}, line {key.start_mark.line + 1}"
        raise ConfigFileError(f"{where}: its aliases (*) make more than {MOST_VALUES:,} values; write it without them")


def _values_in(node: Any, counts: dict[int, int]) -> int:
    """How many values a node states, with all that aliases repeat; `counts` has those of the nodes before."""
    if id(node) not in counts:
        counts[id(node)] = total = 1  # for a node that holds itself
        for pair in () if isinstance(node, yaml.ScalarNode) else node.value:
            for each in pair if isinstance(pair, tuple) else (pair,):
                total += _values_in(each, counts)
        counts[id(node)] = total
    return counts[id(node)]


def is_pipeline(root: Any) -> bool:
    """Whether the tree of a file, as `root_of` gives it, is a pipeline of NeMo Curator's, and no file of parameters."""
    keys = {key.value for key, _ in root.value if isinstance(key, yaml.ScalarNode)} if root else set()
    return not keys.isdisjoint(("stages", "hydra"))


def parameters_in(root: Any, file: str, known: Mapping[str, Parameter]) -> dict[str, Given]:
    """The parameters that a file states, by their names.

    Args:
        root: what `root_of` gave.
        file: its name in messages.
        known: the parameters that may be in it, by their keys there.

    >>> from alm_beam.core.config import PARAMETERS
    >>> parameters_in(root_of(b"truncation: no", "conf.yaml"), "conf.yaml", PARAMETERS)
    {'truncation': Given(value=False, source='conf.yaml', where='conf.yaml, line 1: truncation')}

    Raises:
        ConfigFileError: a key is unknown or there twice, or a value is none that its parameter takes.
    """
    given: dict[str, Given] = {}
    lines: dict[str, int] = {}
    for key_node, node in root.value if root else ():
        line = key_node.start_mark.line + 1
        where = f"{file}, line {line}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigFileError(f"{where}: there is a list or a mapping where the name of a parameter must be")
        key = key_node.value
        if key not in known:
            raise UnknownKeyError(key, where, known)
        if key in lines:
            raise ConfigFileError(f"{where}: {key} is there twice, on line {lines[key]} first")
        lines[key] = line
        parameter = known[key]
        given[parameter.name] = Given(_value(node, parameter, f"{where}: {key}"), file, f"{where}: {key}")
    return given


def _value(node: Any, parameter: Parameter, where: str) -> Any:
    """The value of a parameter, in its type."""
    if isinstance(parameter, Several):
        return _several(node, parameter, where)
    may_be_none = parameter.follows or parameter.without or isinstance(parameter, SecretObject)
    if _is_null(node) and not may_be_none:
        raise ConfigFileError(f"{where} has no value; it must be {parameter.allowed}")
    if _is_null(node):
        return parameter.convert({} if isinstance(parameter, SecretObject) else None)
    if isinstance(parameter, Paths) and isinstance(node, yaml.ScalarNode) and node.value.strip(" ,"):
        return node.value  # which of its commas separate paths, the files tell
    try:
        value = parameter.convert(_read(node, parameter, where))
    except ConfigFileError:
        raise
    except (ValueError, TypeError) as error:
        raise ConfigFileError(f"{where}: must be {parameter.allowed}, but {error}") from None
    if not parameter.takes(value):
        is_shown = isinstance(node, yaml.ScalarNode) and not parameter.is_secret
        shown = f"={visible(node.value)}" if is_shown else ""
        raise ConfigFileError(f"{where}{shown}: must be {parameter.allowed}")
    return value


def _several(node: Any, parameter: Several, where: str) -> tuple[Any, ...]:
    """The values of a parameter that takes several: of a list its items, of a text what a flag would make of it."""
    is_text = isinstance(node, yaml.ScalarNode) and not _is_null(node)
    if is_text and parameter.separator in node.value:
        values = parameter.parse(node.value)
    elif isinstance(node, yaml.SequenceNode):
        values = tuple(_one_of_several(each, parameter, where) for each in node.value)
    else:
        values = (_one_of_several(node, parameter, where),)
    try:
        parameter.check(values)
    except ConfigError as error:
        given = f"={visible(error.text)}" if values else " is an empty list"
        raise ConfigFileError(f"{where}{given}: {error.allowed}") from None
    return tuple(values)


def _one_of_several(node: Any, parameter: Several, where: str) -> Any:
    if isinstance(node, yaml.ScalarNode) and node.value.lower() == NO_VALUE:
        return parameter.parse(NO_VALUE)[0]
    return _value(node, parameter.of, where)


def _read(node: Any, parameter: Parameter, where: str) -> Any:
    match parameter:
        case SecretObject():
            return parameter.parse(node.value) if isinstance(node, yaml.ScalarNode) else _plain(node, set(), where)
        case Limits() if isinstance(node, yaml.MappingNode):
            return [(_text(name), _number(_text(number))) for name, number in node.value]
        case Names() | Paths() if isinstance(node, yaml.SequenceNode):
            return [_text(each) for each in node.value]
        case Number():
            return _number_of(node, parameter, where)
        case Switch():
            return _SWITCHES.get(_text(node).lower(), node.value)
    return parameter.parse(_text(node))


def _number_of(node: Any, parameter: Number, where: str) -> Any:
    text = _text(node)
    if node.style is None and _OCTAL.fullmatch(text):
        raise ConfigFileError(f"{where}={text}: begins with a 0, by which YAML means an octal number; leave it out")
    return parameter.parse(text)


def _number(text: str) -> float | str:
    return float(text) if _NUMBER.fullmatch(text) else text


def _text(node: Any) -> str:
    """The text of a plain or quoted value, as it is written."""
    if not isinstance(node, yaml.ScalarNode):
        kind = "mapping" if isinstance(node, yaml.MappingNode) else "list"
        raise TypeError(f"there is a {kind}")
    if _is_null(node):
        raise TypeError("there is a place without a value")
    return str(node.value)


def _plain(node: Any, above: set[int], where: str) -> Any:
    """What a node means in JSON's types; YAML's own rules would make other numbers of `012` and `1:30`, and dates."""
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.style else _typed(node)
    if id(node) in above:
        raise ConfigFileError(f"{where} holds itself")
    inside = {*above, id(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each, inside, where) for each in node.value]
    names = [_text(name) for name, _ in node.value]
    if len({*names}) < len(names):
        raise ConfigFileError(f"{where} has a name twice")
    return {name: _plain(each, inside, where) for name, (_, each) in zip(names, node.value)}


def _typed(node: Any) -> Any:
    text = node.value
    if _is_null(node):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    is_number = _NUMBER.fullmatch(text) and not _OCTAL.fullmatch(text)
    return float(text) if is_number else text


def _is_null(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL


def line_of_error(error: Exception, data: bytes = b"") -> str:
    """The line that an error of PyYAML is in, to follow the file's name; empty where it is not known.

    Args:
        error: it.
        data: what the file holds, where it may be no text.
    """
    if isinstance(error, yaml.reader.ReaderError) and data:
        is_text = error.encoding == "unicode"
        before = (
            data.decode("utf-8", "replace")[: error.position] if is_text else data[: error.position].decode("latin-1")
        )
        return f", line {before.count(chr(10)) + 1}" if b"\0" not in data else ""  # NUL: of UTF-16, or of no text
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f", line {mark.line + 1}"


def problem_of(error: Exception) -> str:
    """What an error of PyYAML says is wrong, without the lines of the file that PyYAML would show."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if getattr(error, "encoding", "") == "utf-8":
        return f"{getattr(error, 'reason', '')}: the file must be UTF-8"
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    if "'\\t'" in problem:
        problem += "; YAML takes no tabs before a line's text: write spaces"
    return _QUOTED.sub(r"\1", problem)


def written(values: Mapping[str, Any], comments: Mapping[str, str], *, is_ascii: bool = False) -> str:
    """Parameters as a file of YAML that states the same values, a line for each, with a comment at its end.

    Args:
        values: by the names of the parameters.
        comments: what is said of each.
        is_ascii: write other characters as escapes.

    >>> print(written({"tolerance": 0.1, "drop_fields": frozenset()}, {"tolerance": "flag", "drop_fields": "default"}))
    tolerance: 0.1  # flag
    drop_fields: []  # default
    """
    lines = (f"{name}: {_written(value, is_ascii)}  # {comments[name]}" for name, value in values.items())
    return "\n".join(lines)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    """A text in one line, with escapes for what is not printable."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)


def _written(value: Any, is_ascii: bool) -> str:
    texts = [*_texts(value)]
    allow_unicode = not is_ascii and all(map(str.isprintable, texts))
    written = yaml.dump(
        _as_yaml(value),
        Dumper=_Dumper,
        default_flow_style=True,
        width=float("inf"),
        sort_keys=False,
        allow_unicode=allow_unicode,
    )
    return str(written).removesuffix("\n").removesuffix("\n...")


def _as_yaml(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        are_limits = all(isinstance(each, tuple) and each and isinstance(each[0], str) for each in value)
        return dict(value) if are_limits else [_as_yaml(each) for each in value]  # there is a path, or one of several
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, frozenset)):
        for each in value:
            yield from _texts(each)
