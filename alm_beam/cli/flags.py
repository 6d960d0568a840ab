"""The flags of the job: their parser, and the configuration that they state. No Beam, so that help is quick."""

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, NoReturn

from alm_beam.core.config import (
    ALL,
    GREEDY,
    LONGEST,
    MOST_AUDIO,
    ConfigError,
    EntryConfig,
    JobConfig,
    OverlapConfig,
    WindowConfig,
)
from alm_beam.storage.secrets import redacted, shown

if TYPE_CHECKING:
    from alm_beam.storage.connections import StorageOptions

_EPILOG = """\
Any flag of Apache Beam may follow: --runner (without it the job runs here, on all cores if the input is large enough),
--direct_num_workers=1 (to keep to one process), --temp_location, ...

Exit code: 0 when the run is complete and --output holds _SUCCESS, or goes on unwatched (--template_location on
Dataflow, --no_wait_until_finish); 1 when it failed; 2 when a flag is wrong: then nothing was read or written.
"""


class _Switch(argparse.Action):
    """`--x`, `--no_x`, `--x=true`, `--x=false`: templates and schedulers pass values, people do not."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any):
        super().__init__([f"--{dest}", f"--no_{dest}"], dest, nargs="?", metavar="true|false", **kwargs)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: str | None = None
    ) -> None:
        states: dict[str, bool] = {"true": True, "false": False}
        state = states.get((value or "true").lower(), value)
        is_negated = option == f"--no_{self.dest}" and type(state) is bool
        setattr(namespace, self.dest, not state if is_negated else state)


class FlagParser(argparse.ArgumentParser):
    """A parser that knows no abbreviations. Its errors end the process with exit code 2."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Ends the process with the message, without the list of all flags that would hide it."""
        self.exit(2, f"{self.prog}: error: {redacted(message)} (see {self.prog} --help)\n")

    def parse_known_flags(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The flags. Ends the process if there is one that is not known, and names the nearest."""
        flags, unknown = self.parse_known_args(list(arguments))
        self.refuse_unknown(unknown, ())
        return flags

    def add_storage_options(self) -> None:
        """Adds `--storage_options`, for a command that has no configuration of its own."""
        help_text = "fsspec's options for the URLs, as of alm-beam windows; never shown"
        self.add_argument("--storage_options", metavar="JSON", default="{}", help=help_text)

    def storage_options(self, flags: argparse.Namespace, urls: Sequence[str]) -> "StorageOptions":
        """fsspec's options for the URLs. Ends the process if the flag does not state them."""
        from alm_beam.storage.options import options_by_protocol, parse_storage_options

        try:
            return options_by_protocol(parse_storage_options(flags.storage_options), urls)
        except (ValueError, ImportError) as error:
            self.error(f"--storage_options: {error}")

    def refuse(self, flag: str, value: object, why: str) -> NoReturn:
        """Ends the process with a message that names the flag and what it was given."""
        message = f"--{flag}={value}: {why}"
        for url in _URLS_OF[flag](str(value)) if flag in _URLS_OF else ():
            message = message.replace(url, shown(url))
        self.error(message)

    def refuse_unknown(self, unknown: Sequence[str], known: Iterable[str]) -> None:
        """Ends the process if there is an argument that is neither ours nor among `known`, and names the nearest.

        Of the argument it shows the flag alone: what was given to a flag that is misspelt, or lacks a shell quote, may
        be a secret.
        """
        if unknown:
            flag = re.match(r"-[-\w]*", unknown[0])
            if not flag:
                self.error("there is an argument that belongs to no flag (is a shell quote missing?)")
            nearest = difflib.get_close_matches(flag[0].lower(), [*self._option_string_actions, *known], n=1)
            self.error(f"unknown argument {flag[0]}" + (f" (did you mean {nearest[0]}?)" if nearest else ""))


def windows_parser(prog: str) -> FlagParser:
    """The parser of the main job's flags. It leaves those that it does not know to the caller: they may be Beam's."""
    defaults = {**_defaults(JobConfig), **_defaults(WindowConfig), **_defaults(OverlapConfig)}
    parser = FlagParser(
        prog=prog, description="Builds training windows from manifests of diarized recordings.", epilog=_EPILOG
    )

    def add(group: argparse._ArgumentGroup, name: str, metavar: str, text: str, **kwargs: Any) -> None:
        kwargs.setdefault("default", defaults.get(name))
        shown = "" if kwargs["default"] is None else " (default: %(default)s)"
        group.add_argument(f"--{name}", metavar=metavar, help=text + shown, **kwargs)

    files = parser.add_argument_group("files")
    add(
        files,
        "input",
        "PATH",
        "manifest, folder (searched recursively for .jsonl and .json, also with .gz .zst .bz2) or glob; "
        "repeatable, or comma-separated; a path or any fsspec URL; one that is named twice is read twice",
        action="append",
        required=True,
    )
    add(files, "output", "DIR", "folder to write; a path or any fsspec URL", required=True)
    files.add_argument("--overwrite", action=_Switch, default=False, help="replace a finished run in --output")
    add(
        files,
        "num_shards",
        "N",
        "number of output shards, 0: the runner decides; a fixed number makes a local runner hold the whole output in "
        "memory",
        type=_number,
    )
    add(files, "repeat_factor", "N", "read the input this many times over, for scale tests", type=_number)
    add(
        files,
        "max_reject_fraction",
        "FRACTION",
        "fail the run when a greater share of the entries cannot be used",
        type=_number,
    )
    add(
        files,
        "storage_options",
        "JSON",
        'fsspec\'s options for the URLs, {"<option>": value}, or {"<protocol>": {"<option>": value}}; never shown',
    )
    add(
        files,
        "native_filesystems",
        "SCHEMES",
        "URL schemes that Beam's own filesystems serve instead of fsspec's, comma-separated (default: gs on Dataflow)",
        type=_names,
    )
    rules = parser.add_argument_group("windows")
    add(rules, "target_window_duration", "SECONDS", "how long a window should last", type=_number)
    add(rules, "tolerance", "FRACTION", "of the target, by which a window may be shorter or longer", type=_number)
    add(rules, "min_sample_rate", "HZ", "a recording below it gives no windows", type=_number)
    add(rules, "min_bandwidth", "HZ", "a segment below it is in no window", type=_number)
    add(rules, "min_speakers", "N", "least number of distinct speakers in a window", type=_number)
    add(rules, "max_speakers", "N", "greatest number of distinct speakers in a window", type=_number)
    rules.add_argument(
        "--truncation",
        action=_Switch,
        default=defaults["truncation"],
        help="cut a segment that crosses the maximum duration at a word end (default: on)",
    )
    add(
        rules,
        "candidates",
        f"{LONGEST}|{ALL}",
        f"of each start the longest window, or with {ALL} every window that obeys the rules",
    )
    choice = parser.add_argument_group("overlapping windows")
    add(
        choice,
        "selection",
        f"{GREEDY}|{MOST_AUDIO}",
        f"how the windows that stay are chosen: one pair after the other, or with {MOST_AUDIO} those that last longest "
        "together",
    )
    choice.add_argument(
        "--compare_selection",
        action=_Switch,
        default=defaults["compare_selection"],
        help=f"state in the statistics of a {GREEDY} run what {MOST_AUDIO} would have kept; takes time",
    )
    add(
        choice,
        "overlap_percentage",
        "PERCENT",
        "of two windows that share this much of the shorter one, or more, one goes",
        type=_number,
    )
    add(
        choice,
        "target_duration",
        "SECONDS",
        "the one nearer to it stays (default: --target_window_duration)",
        type=_number,
        default=None,
    )
    shape = parser.add_argument_group("output")
    # Reversed, the defaults read as the reference writes them.
    for name, text in (
        ("drop_fields", "fields left out of the segments of windows, comma-separated"),
        ("drop_fields_top_level", "fields of the entry left out, comma-separated"),
    ):
        add(shape, name, "NAMES", text, default=",".join(sorted(_defaults(EntryConfig)[name], reverse=True)))
    shape.add_argument(
        "--candidate_windows",
        action=_Switch,
        default=_defaults(EntryConfig)["candidate_windows"],
        help="write the candidates too: `windows` and `lost_win_full_data`, most of the bytes (default: on)",
    )
    shape.add_argument(
        "--cuts",
        action=_Switch,
        default=_defaults(EntryConfig)["cuts"],
        help="write the windows that stay as Lhotse cuts too, a line each, with an index for training (default: on)",
    )
    return parser


def job_config(parser: FlagParser, flags: argparse.Namespace) -> JobConfig:
    """The configuration that the flags state. Ends the process where one is out of its range."""
    given = vars(flags) | {
        name: frozenset(_names(getattr(flags, name))) for name in ("drop_fields", "drop_fields_top_level")
    }
    from alm_beam.storage.options import parse_storage_options

    given["storage_options"] = parse_storage_options(flags.storage_options or "{}")
    given["input"] = tuple(path for each in flags.input for path in _names(each))
    try:
        return JobConfig.of(given)
    except ConfigError as error:
        parser.refuse(error.parameter, error.value, error.allowed)


def _number(text: str) -> int | float | str:
    """The number that the text states; the text itself where it states none, for the configuration to refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _names(text: str) -> list[str]:
    return [name for name in map(str.strip, text.split(",")) if name]


_URLS_OF: dict[str, Callable[[str], list[str]]] = {"input": _names, "output": lambda value: [value]}
"""The paths and URLs that a flag names."""


def _defaults(config: type) -> dict[str, Any]:
    return {field.name: field.default for field in fields(config) if field.default is not MISSING}
