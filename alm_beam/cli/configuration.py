"""What a command is told by a file and by flags together, and how that is shown."""

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.flags import default_words, job_config
from alm_beam.core.command_config import CommandConfig
from alm_beam.core.config_file import (
    ConfigFileError,
    UnknownKeyError,
    is_pipeline,
    parameters_in,
    root_of,
    written,
)
from alm_beam.core.given import Given
from alm_beam.core.parameters import Parameter, parameters_of
from alm_beam.core.path_parameters import Folder, Paths
from alm_beam.core.run_config import RunConfig
from alm_beam.core.several import Several
from alm_beam.core.text import visible
from alm_beam.storage.connections import close_connections
from alm_beam.storage.paths import errors_that_name, located
from alm_beam.storage.secrets import shown

if TYPE_CHECKING:
    from alm_beam.core.curator_pipeline import CuratorPipeline

_MOST_BYTES = 1 << 20


def stated_in(
    parser: FlagParser,
    flags: argparse.Namespace,
    url: str,
    known: Mapping[str, Parameter],
    overrides: Sequence[str] | None = None,
) -> dict[str, Given]:
    """The parameters that a file states, or a pipeline of NeMo Curator's.

    What is ignored in a pipeline is told in one line on stderr. Ends the process where the file cannot be used.

    Args:
        parser: the parser of the flags.
        flags: what it gave.
        url: the file, a path or any fsspec URL.
        known: the parameters that may be in it, by their keys there.
        overrides: as on Hydra's command line, for a pipeline; None for a job that takes no pipeline.
    """
    name, data = visible(shown(url)), _content(parser, flags, url)
    with _refusals(parser):
        root = root_of(data, name)
        if not is_pipeline(root):
            if overrides:
                why = "is no pipeline of NeMo Curator, which alone takes arguments like key=value"
                raise ConfigFileError(f"{name}: {why}")
            return parameters_in(root, name, known)
        if overrides is None:
            raise ConfigFileError(f"{name}: is a pipeline of NeMo Curator, which alm-beam windows takes")
        pipeline = _pipeline(data, name, overrides, known, flags)
        if pipeline.ignored and getattr(flags, "quiet", "false").lower() != "true":
            names = ", ".join(map(visible, pipeline.ignored))
            print(f"{parser.prog}: note: {name}: ignored, because they change no result: {names}", file=sys.stderr)
        return pipeline.given


def _pipeline(
    data: bytes, name: str, overrides: Sequence[str], known: Mapping[str, Parameter], flags: argparse.Namespace
) -> "CuratorPipeline":
    try:
        from alm_beam.core.curator_pipeline import read_pipeline
    except ImportError:
        why = "is a pipeline of NeMo Curator; to read it: pip install 'alm-beam[curator]'"
        raise ConfigFileError(f"{name}: {why}") from None
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    return read_pipeline(text, name, overrides, known, vars(flags))


@contextmanager
def _refusals(parser: FlagParser) -> Iterator[None]:
    """Ends the process where a file of parameters cannot be used."""
    try:
        yield
    except UnknownKeyError as error:
        _refuse_unknown(parser, error)
    except ConfigFileError as error:
        parser.error(str(error))


def _content(parser: FlagParser, flags: argparse.Namespace, url: str) -> bytes:
    """What a file of parameters holds."""
    options = parser.storage_options(argparse.Namespace(storage_options=getattr(flags, "storage_options", "")), [url])
    try:
        with errors_that_name(url):
            place = located(url, options)
            with place.fs.open(place.path, "rb") as file:
                data = bytes(file.read(_MOST_BYTES + 1))
    except OSError as error:
        parser.error(f"--config={error}")
    finally:
        close_connections()  # or this process could not fork
    if len(data) > _MOST_BYTES:
        parser.error(f"--config={shown(url)}: is larger than {_MOST_BYTES:,} bytes; it is no file of parameters")
    return data


def _refuse_unknown(parser: FlagParser, error: UnknownKeyError) -> NoReturn:
    """Ends the process, and says whose parameter it is that a file may not state."""
    where = f"{error.where}: {visible(error.key)}"
    if error.key in parameters_of(CommandConfig):
        parser.error(f"{where} is the command's, and no parameter of its job; give it as a flag")
    if f"--{error.key}" in _flags_of_beam():
        parser.error(f"{where} is Beam's; give it as a flag: --{error.key}=...")
    parser.error(str(error))


def _flags_of_beam() -> list[str]:
    """The flags that Beam knows; none where it is not installed."""
    launch = _launch()
    return launch.parsed_options(())[2] if launch else []


def _check_flags_of_beam(parser: FlagParser, others: Sequence[str]) -> None:
    """Ends the process where a flag is not Beam's, or has a value that Beam refuses."""
    launch = _launch()
    if launch is None:
        return
    try:
        options, unknown, known = launch.parsed_options(others)
        parser.refuse_unknown(unknown, known)
        launch.check_runner(options)
    except launch.OptionsError as error:
        parser.error(str(error))


def _launch() -> Any:
    """The module that knows Beam's options; None where Beam is not installed."""
    logging.disable(logging.WARNING)  # Beam warns, while it is imported, of extras that are not needed here
    try:
        from alm_beam.jobs import launch
    except ImportError:
        return None
    finally:
        logging.disable(logging.NOTSET)
    return launch


def print_config(
    parser: FlagParser,
    flags: argparse.Namespace,
    others: Sequence[str],
    config: type[RunConfig],
    stated: Mapping[str, Given],
    known: Mapping[str, Parameter],
) -> None:
    """Prints all parameters of a job as a file for `--config`.

    A comment on each line says where its value is from. A parameter that is required and not given is told in a
    comment. Secrets are left out, also those in URLs, and a comment says so. Ends the process where a value is out of
    its range, or a flag is neither ours nor Beam's.

    Args:
        parser: the parser of the flags.
        flags: what it gave.
        others: the flags that it does not know.
        config: the class of the job's configuration.
        stated: what a file states.
        known: the parameters that may be in a file, by their keys there.
    """
    if others:
        _check_flags_of_beam(parser, others)
    missing = [key for key, each in known.items() if each.is_required and each.name not in {*vars(flags), *stated}]
    stand_ins = {key: Given(known[key].convert("-"), "", "") for key in missing}
    values = job_config(parser, flags, config, {**stated, **stand_ins}).parameters()
    sources = {key: _source(each, flags, stated) for key, each in known.items()}
    told = {
        key: _told(values[each.name], each, flags, stated)
        for key, each in known.items()
        if key not in missing and not each.is_secret
    }
    for key, value in told.items():
        if isinstance(known[key], (Paths, Folder)) and value is not None and value != values[known[key].name]:
            sources[key] += "; what may be secret in a URL is left out"
    is_ascii = "utf" not in (sys.stdout.encoding or "").lower()
    for key in missing:
        print(f"# {key}: must be given, here or as a flag")
    print(written(told, sources, is_ascii=is_ascii))
    for key, each in known.items():
        if each.is_secret:
            print(f"# {key}: never shown  # {sources[key]}")


def _told(value: Any, parameter: Parameter, flags: argparse.Namespace, stated: Mapping[str, Given]) -> Any:
    """A value as a file may state it and anybody may see it."""
    is_default = parameter.name not in stated or stated[parameter.name].value is None
    if parameter.follows and not hasattr(flags, parameter.name) and is_default:
        return None  # it goes on to follow when the file is changed
    if isinstance(parameter, Several) and len(value) == 1:
        return value[0]
    if isinstance(parameter, Paths):
        return tuple(map(shown, value))
    return shown(value) if isinstance(parameter, Folder) and value is not None else value


def _source(parameter: Parameter, flags: argparse.Namespace, stated: Mapping[str, Given]) -> str:
    """Where the value of a parameter is from, in a few words."""
    if hasattr(flags, parameter.name):
        return "flag"
    if parameter.name in stated:
        return stated[parameter.name].source
    return f"default: {default_words(parameter)}" if parameter.follows or parameter.without else "default"
