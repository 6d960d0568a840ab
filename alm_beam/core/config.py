"""The configurations of a run. An object of these classes always holds valid values.

What a parameter means, its unit and its range stand in its field; see `alm_beam.core.parameters`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from alm_beam.core.losses import RESERVED_NAMES
from alm_beam.core.parameter_fields import (
    choice,
    limits,
    max_line_bytes,
    names,
    number,
    optional_file_name,
    optional_text,
    switch,
    whole,
)
from alm_beam.core.parameters import ConfigError, Parameter, check_fields, parameters_of
from alm_beam.core.run_config import RunConfig

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
    "ManifestConfig",
    "OverlapConfig",
    "WindowConfig",
]

LONGEST, ALL = "longest", "all"
"""Which windows are candidates, for each segment that may start one."""

GREEDY, MOST_AUDIO = "greedy", "most_audio"
"""How the kept windows are chosen."""

COMPARED_BYTES = 8_000_000
"""Inputs up to this size, as stored, are told what the other selection would keep: it takes a second there."""

_PERCENT = 100.0


@dataclass(frozen=True)
class ManifestConfig:
    """How an entry of a manifest is read, where it does not state everything, or states it in another way.

    >>> ManifestConfig(speaker_separator="")
    Traceback (most recent call last):
        ...
    alm_beam.core.parameters.ConfigError: speaker_separator=: must be a text that is not empty

    Raises:
        ConfigError: a value is out of its range.
    """

    default_sample_rate: float | None = number(
        None,
        "sample rate of the entries that state none",
        label="Sample rate where none is stated",
        unit="Hz",
        above=0,
        without="they are rejected",
    )
    default_bandwidth: float = number(
        0, "bandwidth of the segments that state none", label="Bandwidth where none is stated", unit="Hz", at_least=0
    )
    skip_no_speaker: bool = switch(
        False,
        "leave out the segments labelled `no-speaker`, before windows are built; otherwise they end windows",
        label="Leave out segments labelled no-speaker",
    )
    speaker_separator: str | None = optional_text(
        "what stands between the speakers in a label that names several of them, a comma for example; each of them "
        "then speaks in the segment, and `no-speaker` among them does not count",
        label="Separator of speakers in a label",
        metavar="TEXT",
        without="a label names one speaker",
    )

    def __post_init__(self) -> None:
        check_fields(self)


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
    max_gap: float | None = number(
        None,
        "a window does not grow over a pause that is longer than this; a pause is the time from the latest end of its "
        "segments so far to the next start",
        label="Longest pause in a window",
        unit="seconds",
        at_least=0,
        without="no limit",
    )
    min_speech: float = number(
        0,
        "smallest share of a window that at least one of its segments covers",
        label="Minimum share of speech",
        unit="fraction",
        at_least=0,
        at_most=1,
    )
    max_speaker_share: float = number(
        1,
        "largest share of a window's speech that the speaker who speaks longest may have",
        label="Maximum share of one speaker",
        unit="fraction",
        above=0,
        at_most=1,
    )
    min_metrics: tuple[tuple[str, float], ...] = limits(
        "segments with a lower value of one of these metrics are in no window; a name is a path in a segment's "
        "`metrics`, with dots, and of a list the smallest number counts",
        label="Minimum of metrics",
        without="no metric counts",
    )
    max_metrics: tuple[tuple[str, float], ...] = limits(
        "segments with a higher value of one of these metrics are in no window; of a list the largest number counts",
        label="Maximum of metrics",
        without="no metric counts",
    )
    require_metrics: bool = switch(
        False,
        "segments that lack a metric of `min_metrics` or `max_metrics` are in no window, either",
        label="Metrics have to be there",
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
        for limits_of in ("min_metrics", "max_metrics"):
            for name, _ in getattr(self, limits_of):
                if name in RESERVED_NAMES:
                    reason = f"must not name {name!r}: the statistics have lost_{name} for something else"
                    raise ConfigError(limits_of, getattr(self, limits_of), reason)
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

    `target_duration` is in seconds; None stands for the target window duration of the windows. `compare_selection` is
    None where the job decides by the size of its input; elsewhere that means False.

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
    compare_selection: bool | None = switch(
        None,
        f"state in the statistics of a `{GREEDY}` run what `{MOST_AUDIO}` would have kept; the run then takes longer",
        label="Compare the ways to choose",
        without="on for up to 8 MB of input, as stored",
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

    def for_input(self, stored_bytes: int) -> "OverlapConfig":
        """This configuration for an input of so many bytes: with `compare_selection` decided where it is not.

        >>> [OverlapConfig().for_input(size).compare_selection for size in (8_000_000, 8_000_001)]
        [True, False]
        >>> OverlapConfig(compare_selection=False).for_input(1).compare_selection
        False
        """
        if self.compare_selection is not None:
            return self
        return replace(self, compare_selection=self.selection == GREEDY and stored_bytes <= COMPARED_BYTES)


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
    entries: bool = switch(
        True,
        "write an entry for each recording (`alm_output-*`); who only trains needs the cuts alone, with --no_entries",
        label="Write an entry for each recording",
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
    report: bool = switch(
        True,
        "write a report, too, as a page of HTML: what was kept and lost, distributions, time lines, rejects",
        label="Write a report, too",
    )
    max_line_bytes: int = max_line_bytes()
    entries_file: str | None = optional_file_name(
        "write the entries as one file of this name in the output folder, as NeMo Curator does, instead of shards",
        label="Name of the one file of entries",
        without="they are written in shards",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.entries_file and not self.entries:
            raise ConfigError(
                "entries_file", self.entries_file, "names a file of entries, which --no_entries leaves out"
            )

    @property
    def all_candidates(self) -> bool:
        """Whether every candidate window is written."""
        return self.entries and self.candidate_windows


@dataclass(frozen=True)
class JobConfig(RunConfig):
    """Everything that a run of the main job is told.

    >>> config = JobConfig(input=("manifests/",), output="windows", windows=WindowConfig(target_window_duration=30))
    >>> config.overlap.target_duration  # seconds; follows the windows unless it is given
    30
    >>> JobConfig.of({"input": "manifests/", "output": "windows", "target_window_duration": 30}) == config
    True

    Raises:
        ConfigError: a value is out of its range.
    """

    windows: WindowConfig = WindowConfig()
    overlap: OverlapConfig = OverlapConfig()
    entry: EntryConfig = EntryConfig()
    manifest: ManifestConfig = ManifestConfig()
    repeat_factor: int = whole(
        1,
        "read the input this many times over, for scale tests",
        label="Read the input so many times",
        at_least=1,
    )

    parts: ClassVar[Mapping[str, tuple[str, type]]] = {
        "manifest": ("entries", ManifestConfig),
        "windows": ("windows", WindowConfig),
        "overlap": ("overlapping windows", OverlapConfig),
        "entry": ("output", EntryConfig),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "overlap", self.overlap.for_windows(self.windows))


GROUPS: Mapping[str, type] = JobConfig.groups()
"""The configurations that hold the parameters of the main job, by the title under which help and docs list them."""

PARAMETERS: Mapping[str, Parameter] = JobConfig.every_parameter()
"""Every parameter of the main job, by name."""
