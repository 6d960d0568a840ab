"""The parser of flags that all commands share. It loads no parameters, so that help of all commands is quick."""

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from alm_beam.core.text import visible
from alm_beam.storage.secrets import redacted, shown

if TYPE_CHECKING:
    from alm_beam.core.parameters import ConfigError
    from alm_beam.storage.connections import StorageOptions


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
        from alm_beam.core.config import PARAMETERS
        from alm_beam.storage.options import options_by_protocol

        try:
            return options_by_protocol(PARAMETERS["storage_options"].parse(flags.storage_options), urls)
        except (ValueError, ImportError) as error:
            self.error(f"--storage_options: {error}")

    def refuse(self, error: "ConfigError") -> NoReturn:
        """Ends the process with a message that names the flag and, where it may be shown, what it was given."""
        self.refuse_at(f"--{error.parameter}", error)

    def refuse_at(self, where: str, error: "ConfigError") -> NoReturn:
        """Ends the process with a message that says where the value stands: a flag, or a place in a file."""
        message = f": {error.allowed}" if error.is_hidden else f"={error.text}: {error.allowed}"
        for url in _urls_of(error):
            message = message.replace(url, shown(url))
        self.error(where + message)

    def refuse_unknown(self, unknown: Sequence[str], known: Iterable[str]) -> None:
        """Ends the process if there is an argument that is neither ours nor among `known`, and names the nearest.

        The message shows the argument's flag alone: what was given to a flag that is misspelt, or lacks a shell quote,
        may be a secret.
        """
        if unknown:
            import difflib

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


def _urls_of(error: "ConfigError") -> list[str]:
    """The paths and URLs that a refused flag names."""
    from alm_beam.core.parameters import split_at_commas

    if error.parameter == "input":
        return [error.text, *split_at_commas(error.text)]
    return [error.text] if error.parameter == "output" else []
