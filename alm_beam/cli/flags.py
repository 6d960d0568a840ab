"""The flags of the jobs, and the configurations that they state. No Beam, so that help is quick."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from alm_beam.cli.flag_parser import FlagParser
from alm_beam.core.command_config import CommandConfig
from alm_beam.core.given import Given
from alm_beam.core.parameters import ConfigError, Parameter, Switch, Whole, parameters_of, split_at_commas
from alm_beam.core.path_parameters import File, Paths
from alm_beam.core.run_config import RunConfig
from alm_beam.core.several import Several

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


def usage_of(prog: str, parameters: Iterable[Parameter]) -> str:
    """What a job has to be told, in one line: the parser requires none of it, as a file may state it.

    >>> from alm_beam.core.config import PARAMETERS
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
