"""The configurations of a run. An object of these classes always holds valid values.

What a parameter means, its unit and its range stand in its field; see `alm_beam.core.parameters`.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from alm_beam.core.parameters import (
    HIDDEN,
    ConfigError,
    Folder,
    Parameter,
    Paths,
    about,
    check_fields,
    choice,
    names,
    number,
    parameters_of,
    secret_object,
    switch,
    whole,
)

__all__ = [
    "ALL",
    "GREEDY",
    "GROUPS",
    "LONGEST",
    "MOST_AUDIO",
    "PARAMETERS",
    "ConfigError",
    "EntryConfig",
    "JobConfig",
    "OverlapConfig",
    "WindowConfig",
]

LONGEST, ALL = "longest", "all"
"""Which windows are candidates, for each segment that may start one."""

GREEDY, MOST_AUDIO = "greedy", "most_audio"
"""How the kept windows are chosen."""

_PERCENT = 100.0


@dataclass(frozen=True)
class WindowConfig:
    """Which runs of consecutive segments are windows.

    A window lasts `target_window_duration` plus or minus `tolerance` times that, both ends included:

    >>> config = WindowConfig(target_window_duration=60, tolerance=0.1)
    >>> config.min_duration, config.max_duration  # seconds
    (54.0, 66.0)

    Raises:
        ConfigError: a value is out of its range.
    """

    target_window_duration: float = number(
        120.0, "how long a window should last", label="Target window duration", unit="seconds", above=0
    )
    tolerance: float = number(
        0.1,
        "a window may be shorter or longer than the target duration by up to this share of it, both ends included",
        label="Tolerance",
        unit="fraction",
        at_least=0,
        below=1,
    )
    min_sample_rate: float = number(
        16000,
        "recordings with a lower sample rate give no windows",
        label="Minimum sample rate",
        unit="Hz",
        at_least=0,
    )
    min_bandwidth: float = number(
        8000, "segments with a lower bandwidth are in no window", label="Minimum bandwidth", unit="Hz", at_least=0
    )
    min_speakers: int = whole(
        2, "smallest number of distinct speakers in a window", label="Minimum number of speakers", at_least=1
    )
    max_speakers: int = whole(
        5,
        "largest number of distinct speakers in a window; it may not be below `min_speakers`",
        label="Maximum number of speakers",
        at_least=1,
    )
    truncation: bool = switch(
        True,
        "shorten a segment that would make its window longer than the maximum, so that it ends with a word",
        label="Shorten segments at the maximum duration",
    )
    drop_empty_truncations: bool = switch(
        False,
        "end a window before a segment of which truncation would leave no word, instead of with it",
        label="End windows before segments that would be empty",
    )
    candidates: str = choice(
        LONGEST,
        f"which of the windows that start at one segment are candidates: `{LONGEST}`, the longest one; `{ALL}`, every "
        "one that obeys the rules",
        label="Candidates",
        options=(LONGEST, ALL),
    )
    min_duration: float = field(init=False)
    max_duration: float = field(init=False)

    def __post_init__(self) -> None:
        check_fields(self)
        target, least = self.target_window_duration, self.min_speakers
        if self.max_speakers < least:
            most = parameters_of(WindowConfig)["max_speakers"].allowed.rpartition(" ")[2]
            at_least = f"must be a whole number from min_speakers ({least}) to {most}"
            raise ConfigError("max_speakers", self.max_speakers, at_least)
        width = target * self.tolerance
        if target - width <= 0:
            reason = "must be greater: with its tolerance it reaches down to 0"
            raise ConfigError("target_window_duration", target, reason)
        object.__setattr__(self, "min_duration", target - width)
        object.__setattr__(self, "max_duration", target + width)


@dataclass(frozen=True)
class OverlapConfig:
    """Which of the overlapping candidate windows are kept.

    `target_duration` is in seconds; None stands for the target window duration of the windows:

    >>> OverlapConfig(overlap_percentage=80).threshold  # fraction of the shorter window
    0.8
    >>> JobConfig(("in.jsonl",), "out", WindowConfig(target_window_duration=60)).overlap.target_duration
    60

    Raises:
        ConfigError: a value is out of its range.
    """

    overlap_percentage: float = number(
        50,
        "one of two windows is dropped if they overlap by this percentage of the shorter one, or more",
        label="Overlap at which one of two windows is dropped",
        at_least=0,
        at_most=100,
        metavar="PERCENT",
    )
    target_duration: float | None = number(
        None,
        "if two windows overlap too much, the one whose duration is nearer to this is kept",
        label="Preferred duration of overlapping windows",
        unit="seconds",
        above=0,
        follows="target_window_duration",
    )
    selection: str = choice(
        GREEDY,
        f"how the kept windows are chosen: `{GREEDY}` decides one overlapping pair after the other; `{MOST_AUDIO}` "
        "keeps the windows that have the most seconds in total",
        label="How the kept windows are chosen",
        options=(GREEDY, MOST_AUDIO),
    )
    compare_selection: bool = switch(
        False,
        f"state in the statistics of a `{GREEDY}` run what `{MOST_AUDIO}` would have kept; the run then takes longer",
        label="Compare the ways to choose",
    )

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def threshold(self) -> float:
        """The overlap, as a fraction of the shorter window, from which on a pair loses one."""
        return self.overlap_percentage / _PERCENT

    def for_windows(self, windows: WindowConfig) -> "OverlapConfig":
        """This configuration with a target duration: the one of the windows where it has none of its own."""
        if self.target_duration is not None:
            return self
        return replace(self, target_duration=windows.target_window_duration)


@dataclass(frozen=True)
class EntryConfig:
    """What is written of a recording.

    Dropped fields are left out of the output only; windows are built with them. Both sets may be given as
    comma-separated text:

    >>> sorted(EntryConfig(drop_fields="words, text").drop_fields)
    ['text', 'words']

    Raises:
        ConfigError: a value is out of its range.
    """

    drop_fields: frozenset[str] = names(
        "words", "segment fields to leave out of the output, separated by commas", label="Segment fields left out"
    )
    drop_fields_top_level: frozenset[str] = names(
        "words,segments", "entry fields to leave out of the output, separated by commas", label="Entry fields left out"
    )
    candidate_windows: bool = switch(
        True,
        "write the candidate windows, too (`windows`, and `lost_win_full_data` in `stats`); they are most of the bytes",
        label="Write the candidate windows, too",
    )
    cuts: bool = switch(
        True,
        "write the kept windows as Lhotse cuts, too, one per line, with an index for training",
        label="Write cuts and their index, too",
    )
    max_line_bytes: int = whole(
        1 << 30,
        "longest line that is read or written, in bytes (uncompressed); what is longer is rejected",
        label="Longest line",
        at_least=1000,
        at_most=10**12,
        metavar="BYTES",
    )

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class JobConfig:
    """Everything that a run of the main job is told.

    >>> config = JobConfig(input=("manifests/",), output="windows", windows=WindowConfig(target_window_duration=30))
    >>> config.overlap.target_duration  # seconds; follows the windows unless it is given
    30
    >>> JobConfig.of({"input": "manifests/", "output": "windows", "target_window_duration": 30}) == config
    True

    Raises:
        ConfigError: a value is out of its range.
    """

    input: tuple[str, ...] = field(
        metadata=about(
            Paths(
                help="a manifest, a folder (searched recursively for .jsonl and .json, also with .gz, .zst or .bz2) "
                "or a glob, as a path or any fsspec URL; separate several by commas, or repeat the flag; a file that "
                "is named twice is read twice",
                label="Manifests",
                metavar="PATH",
                is_required=True,
            )
        )
    )
    output: str = field(
        metadata=about(
            Folder(
                help="folder to write to, a path or any fsspec URL",
                label="Output folder",
                metavar="DIR",
                is_required=True,
            )
        )
    )
    windows: WindowConfig = WindowConfig()
    overlap: OverlapConfig = OverlapConfig()
    entry: EntryConfig = EntryConfig()
    repeat_factor: int = whole(
        1,
        "read the input this many times over, for scale tests",
        label="Read the input so many times",
        at_least=1,
    )
    num_shards: int = whole(
        0,
        "number of output shards; if it is not 0, a local runner holds the whole output in memory",
        label="Number of output shards",
        at_least=0,
        zero="the runner decides",
    )
    overwrite: bool = switch(
        False,
        "replace a finished run in the output folder; without this, such a folder is refused",
        label="Replace a finished run",
    )
    max_reject_fraction: float = number(
        0.01,
        "fail the run if more than this share of the entries cannot be used",
        label="Greatest share of rejects",
        unit="fraction",
        at_least=0,
        at_most=1,
    )
    storage_options: Mapping[str, Any] = secret_object(
        'fsspec\'s options for the URLs: `{"<option>": value}`, or `{"<protocol>": {"<option>": value}}`; never shown',
        label="Options of the filesystems",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "overlap", self.overlap.for_windows(self.windows))

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "JobConfig":
        """Makes a configuration from values by the names of their flags. A value that is not given has its default.

        Values are Python's or a configuration file's: a set of names may be a list or comma-separated text, and so may
        `input`. If `target_duration` is None, it is `target_window_duration`.

        >>> JobConfig.of({"input": ["a.jsonl", "b.jsonl"], "output": "out", "drop_fields": "words,text"}).input
        ('a.jsonl', 'b.jsonl')
        >>> JobConfig.of({"input": "a.jsonl", "output": "out", "target_windw_duration": 60})
        Traceback (most recent call last):
        alm_beam.core.parameters.ConfigError: target_windw_duration: is no parameter (did you mean \
target_window_duration?)

        Raises:
            ConfigError: a value is out of its range, a name is unknown, or `input` or `output` is missing.
        """
        for name in parameters.keys() - PARAMETERS.keys():
            nearest = difflib.get_close_matches(name.lower(), PARAMETERS, n=1)
            advice = f" (did you mean {nearest[0]}?)" if nearest else ""
            raise ConfigError(name, HIDDEN, f"is no parameter{advice}")
        for name, parameter in PARAMETERS.items():
            if parameter.is_required and name not in parameters:
                raise ConfigError(name, HIDDEN, f"is missing; it must be {parameter.allowed}")

        def part(config: type) -> dict[str, Any]:
            return {name: parameters[name] for name in parameters_of(config) if name in parameters}

        return cls(
            **part(cls),
            windows=WindowConfig(**part(WindowConfig)),
            overlap=OverlapConfig(**part(OverlapConfig)),
            entry=EntryConfig(**part(EntryConfig)),
        )

    def parameters(self) -> dict[str, Any]:
        """The values by the names of their flags, as `of` takes them. Those that may hold secrets are left out."""
        return {
            name: getattr(config, name)
            for config in (self, self.windows, self.overlap, self.entry)
            for name, parameter in parameters_of(type(config)).items()
            if not parameter.is_secret
        }


GROUPS: Mapping[str, type] = {
    "files": JobConfig,
    "windows": WindowConfig,
    "overlapping windows": OverlapConfig,
    "output": EntryConfig,
}
"""The configurations that hold the parameters of a run, by the title under which help and docs list them."""

PARAMETERS: Mapping[str, Parameter] = {
    name: parameter for config in GROUPS.values() for name, parameter in parameters_of(config).items()
}
"""Every parameter of a run, by name."""
