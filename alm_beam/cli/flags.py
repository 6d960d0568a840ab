"""The flags of the job: their parser, and the configuration that they state. No Beam, so that help is quick."""

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from alm_beam.core.command_config import CommandConfig
from alm_beam.core.config import PARAMETERS, ConfigError
from alm_beam.core.given import Given
from alm_beam.core.parameters import Parameter, Switch, Whole, parameters_of, split_at_commas
from alm_beam.core.path_parameters import File, Paths
from alm_beam.core.run_config import RunConfig
from alm_beam.core.several import Several
from alm_beam.core.text import visible
from alm_beam.storage.secrets import redacted, shown

if TYPE_CHECKING:
    from alm_beam.storage.connections import StorageOptions

_Config = TypeVar("_Config", bound=RunConfig)

_EPILOG = """\
Any flag of Apache Beam may follow: --runner (without it the job runs here, on all cores if the input is large enough),
--direct_num_workers=1 (to keep to one process), --temp_location, ...

Exit code: 0 when the run is complete and --output holds _SUCCESS, or when the run goes on without this command
(--template_location on Dataflow, --no_wait_until_finish); 1 when the run failed; 2 when a flag is wrong: then nothing
was read or written.
"""


class _Switch(argparse.Action):
    """`--x`, `--no_x`, `--x=true`, `--x=false`: templates and schedulers pass values, people do not.

    It keeps the text of the positive form.
    """

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any):
        super().__init__([f"--{dest}", f"--no_{dest}"], dest, nargs="?", **kwargs)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: str | None = None
    ) -> None:
        text = value or "true"
        if option == f"--no_{self.dest}":
            text = {"true": "false", "false": "true"}.get(text.lower(), text)
        setattr(namespace, self.dest, text)


class _Once(argparse.Action):
    """A flag that may be given once: the second would leave nothing of the first."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: str | None = None
    ) -> None:
        if hasattr(namespace, self.dest):
            parser.error(f"--{self.dest} is given twice; it may be given once")
        setattr(namespace, self.dest, value)


class FlagParser(argparse.ArgumentParser):
    """A parser that knows no abbreviations. Its errors end the process with exit code 2."""

    def __init__(self, *, examples: Sequence[str] = (), **kwargs: Any):
        """
        Args:
            examples: commands that work, for the end of help.
            kwargs: argparse's.
        """
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)
        self.examples = examples

    def format_help(self) -> str:
        """The help: a usage of one line, the flags in their groups, and examples at the end."""
        choices = [each._group_actions for each in self._mutually_exclusive_groups if each.required]
        self.usage = self.usage or short_usage(self.prog, self._actions, choices)
        listed = "".join(f"\n  {example}" for example in self.examples)
        return super().format_help() + (f"\nExamples:{listed}\n" if listed else "")

    def error(self, message: str) -> NoReturn:
        """Ends the process with the message, without the list of all flags that would hide it."""
        self.exit(2, f"{self.prog}: error: {visible(redacted(message))} (see {self.prog} --help)\n")

    def parse_known_flags(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The flags. Ends the process if there is one that is not known, and names the nearest."""
        flags, unknown = self.parse_known_args(list(arguments))
        self.refuse_unknown(unknown, ())
        return flags

    def add_storage_options(self) -> None:
        """Adds `--storage_options`, for a command that has no configuration of its own."""
        help_text = "fsspec's options for the URLs, as for alm-beam windows; never shown"
        self.add_argument("--storage_options", metavar="JSON", default="{}", help=help_text)

    def storage_options(self, flags: argparse.Namespace, urls: Sequence[str]) -> "StorageOptions":
        """fsspec's options for the URLs. Ends the process if the flag does not state them."""
        from alm_beam.storage.options import options_by_protocol

        try:
            return options_by_protocol(PARAMETERS["storage_options"].parse(flags.storage_options), urls)
        except (ValueError, ImportError) as error:
            self.error(f"--storage_options: {error}")

    def refuse(self, error: ConfigError) -> NoReturn:
        """Ends the process with a message that names the flag and, where it may be shown, what it was given."""
        self.refuse_at(f"--{error.parameter}", error)

    def refuse_at(self, where: str, error: ConfigError) -> NoReturn:
        """Ends the process with a message that says where the value stands: a flag, or a place in a file."""
        message = f": {error.allowed}" if error.is_hidden else f"={error.text}: {error.allowed}"
        for url in _URLS_OF[error.parameter](error.text) if error.parameter in _URLS_OF else ():
            message = message.replace(url, shown(url))
        self.error(where + message)

    def refuse_unknown(self, unknown: Sequence[str], known: Iterable[str]) -> None:
        """Ends the process if there is an argument that is neither ours nor among `known`, and names the nearest.

        The message shows the argument's flag alone: what was given to a flag that is misspelt, or lacks a shell quote,
        may be a secret.
        """
        if unknown:
            flag = re.match(r"-[-\w]*", unknown[0])
            if not flag:
                self.error("there is an argument that belongs to no flag (is a shell quote missing?)")
            nearest = difflib.get_close_matches(flag[0].lower(), [*self._option_string_actions, *known], n=1)
            self.error(f"unknown argument {flag[0]}" + (f" (did you mean {nearest[0]}?)" if nearest else ""))


def short_usage(
    prog: str, actions: Iterable[argparse.Action], choices: Iterable[Sequence[argparse.Action]] = ()
) -> str:
    """What has to be given, in one line: `prog INPUT --output DIR [flags]`.

    >>> parser = FlagParser(prog="count")
    >>> _ = parser.add_argument("dirs", metavar="DIR", nargs="+"), parser.add_argument("--step", metavar="N")
    >>> short_usage(parser.prog, parser._actions)
    'count DIR ... [flags]'
    """
    words = [prog]
    for action in actions:
        name = str(action.metavar or action.dest)
        if not action.option_strings:
            words.append({"+": f"{name} ...", "?": f"[{name}]"}.get(str(action.nargs), name))
        elif action.required:
            words.append(f"{action.option_strings[0]} {name}")
    words += [f"({' | '.join(each.option_strings[0] for each in some)})" for some in choices]
    return " ".join([*words, "[flags]"]).replace("%", "%%")


def usage_of(prog: str, parameters: Iterable[Parameter]) -> str:
    """What a job has to be told, in one line: the parser requires none of it, as a file may state it.

    >>> usage_of("alm-beam windows", PARAMETERS.values())
    'alm-beam windows --input PATH --output DIR [flags]'
    """
    needed = [f"--{each.name} {each.metavar}" for each in parameters if each.is_required]
    return " ".join([prog, *needed, "[flags]"]).replace("%", "%%")


def job_parser(prog: str, description: str, config: type[RunConfig], examples: Sequence[str] = ()) -> FlagParser:
    """The parser of a job's flags. It leaves those that it does not know to the caller: they may be Beam's.

    What it gives are the texts of the flags, of those alone that are there; `job_config` makes values of them.

    Args:
        prog: the command's name in messages.
        description: what the command does, for help.
        config: the configuration of the job.
        examples: commands that work, for the end of help.
    """
    usage = usage_of(prog, config.every_parameter().values())
    parser = FlagParser(prog=prog, usage=usage, description=description, epilog=_EPILOG, examples=examples)
    for title, part in {"this command": CommandConfig, **config.groups()}.items():
        add_flags(parser.add_argument_group(title), parameters_of(part).values())
    return parser


def add_flags(group: "argparse._ActionsContainer", parameters: Iterable[Parameter]) -> None:
    """Adds a flag for each of the parameters, which keeps the text that it is given, or nothing."""
    for parameter in parameters:
        group.add_argument(
            f"--{parameter.name}",
            action=_action(parameter),
            default=argparse.SUPPRESS,
            metavar=parameter.metavar,
            help=_help(parameter).replace("%", "%%"),
        )


def job_config(
    parser: FlagParser, flags: argparse.Namespace, config: type[_Config], stated: Mapping[str, Given] | None = None
) -> _Config:
    """The configuration that the flags state, and below them a file. Ends the process where one is out of its range.

    Args:
        parser: the parser of the flags.
        flags: what it gave.
        config: the class of the configuration.
        stated: what a file states, by the names of the parameters.
    """
    stated = stated or {}
    parameters = config.every_parameter()
    texts: dict[str, str | list[str]] = {name: text for name, text in vars(flags).items() if name in parameters}
    missing = [f"--{name}" for name, each in parameters.items() if each.is_required and name not in {*texts, *stated}]
    if missing:
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    given: dict[str, Any] = {name: each.value for name, each in stated.items()}
    for name, text in texts.items():
        try:
            given |= {name: parameters[name].parse(text)} if isinstance(text, str) else {}
        except ValueError as error:
            parser.error(f"--{name}: {error}")
    options = given.get("storage_options")
    for name, several in texts.items():
        if isinstance(several, list):
            given[name] = [path for text in several for path in _paths_in(text, options)]
    for name, each in stated.items():
        if isinstance(parameters[name], Paths) and name not in texts and isinstance(each.value, str):
            given[name] = _paths_in(each.value, options)
    try:
        return config.of(given)
    except ConfigError as error:
        if error.parameter in stated and error.parameter not in texts:
            parser.refuse_at(stated[error.parameter].where, error)
        parser.refuse(error)


def command_config(parser: FlagParser, flags: argparse.Namespace) -> CommandConfig:
    """How the flags tell the command to run its job. Ends the process where one is out of its range."""
    parameters = parameters_of(CommandConfig)
    try:
        return CommandConfig(
            **{name: each.parse(getattr(flags, name)) for name, each in parameters.items() if hasattr(flags, name)}
        )
    except ConfigError as error:
        parser.refuse(error)


def _paths_in(text: str, storage_options: Any) -> list[str]:
    """The paths in a flag. What they name is looked for only where there may be more than one way to read it."""
    if text and text.strip() == text and "," not in text:
        return [text]
    from alm_beam.storage.commas import paths_in
    from alm_beam.storage.options import options_by_protocol

    options: StorageOptions = {}
    with suppress(ValueError, ImportError, AttributeError, TypeError):  # the run says what is wrong with them
        options = options_by_protocol(storage_options, split_at_commas(text))
    return paths_in(text, options)


def default_words(parameter: Parameter) -> str:
    """The default of a parameter, as help and docs state it; empty where there is none."""
    if isinstance(parameter, Switch) and parameter.default is not None:
        return "on" if parameter.default else "off"
    return f"--{parameter.follows}" if parameter.follows else parameter.default_text or parameter.without


def _help(parameter: Parameter) -> str:
    default = default_words(parameter)
    if isinstance(parameter, Whole) and parameter.zero:
        default += f", {parameter.zero}"
    return parameter.help + (f" (default: {default})" if default else "")


def _action(parameter: Parameter) -> type[argparse.Action] | str:
    if isinstance(parameter.of if isinstance(parameter, Several) else parameter, Switch):
        return _Switch
    if isinstance(parameter, File):
        return _Once
    return "append" if isinstance(parameter, Paths) else "store"


_URLS_OF: dict[str, Callable[[str], list[str]]] = {
    "input": lambda value: [value, *split_at_commas(value)],
    "output": lambda value: [value],
}
"""The paths and URLs that a flag names."""
