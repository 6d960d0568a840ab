"""Parameters of a run. Every check stands here; whatever holds one of these objects holds valid values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

MAX_OVERLAP_PERCENTAGE = 100.0
MOST = 1_000_000_000
"""No parameter may be greater: what is, is a slip of the pen, or a number that JSON cannot hold."""

LONGEST, ALL = "longest", "all"
"""Which windows of a start are candidates."""

GREEDY, MOST_AUDIO = "greedy", "most_audio"
"""How the windows that stay are chosen."""

_SECONDS = f"a number of seconds above 0, at most {MOST}"


class ConfigError(ValueError):
    """A parameter is out of its range.

    Attributes:
        parameter: name of the parameter, as on the command line without the dashes.
        value: what was given.
        allowed: the values that are allowed, in words.
    """

    def __init__(self, parameter: str, value: object, allowed: str):
        super().__init__(f"{parameter}={value}: {allowed}")
        self.parameter = parameter
        self.value = value
        self.allowed = allowed


def _check(holds: bool, parameter: str, value: object, allowed: str) -> None:
    if not holds:
        raise ConfigError(parameter, value, f"must be {allowed}")


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= MOST  # type: ignore[arg-type]


def _is_whole(value: object, least: int) -> bool:
    return type(value) is int and least <= value <= MOST


@dataclass(frozen=True)
class WindowConfig:
    """Which runs of consecutive segments are windows.

    Attributes:
        target_window_duration: seconds, > 0.
        tolerance: fraction, 0 <= tolerance < 1; a window lasts target ± target * tolerance, both ends included.
        min_sample_rate: Hz, >= 0; a recording below it gives no windows.
        min_bandwidth: Hz, >= 0; a segment below it is in no window.
        min_speakers: least number of distinct speakers in a window, >= 1.
        max_speakers: greatest number of distinct speakers in a window, >= min_speakers.
        truncation: cut a segment that crosses the maximum duration at a word end.
        candidates: LONGEST, of each start the longest window, or ALL, every window.
    """

    target_window_duration: float = 120.0
    tolerance: float = 0.1
    min_sample_rate: float = 16000
    min_bandwidth: float = 8000
    min_speakers: int = 2
    max_speakers: int = 5
    truncation: bool = True
    candidates: str = LONGEST
    min_duration: float = field(init=False)
    max_duration: float = field(init=False)

    def __post_init__(self) -> None:
        target, tolerance = self.target_window_duration, self.tolerance
        _check(_is_number(target) and target > 0, "target_window_duration", target, _SECONDS)
        _check(_is_number(tolerance) and 0 <= tolerance < 1, "tolerance", tolerance, "a fraction, 0 <= tolerance < 1")
        for name in ("min_sample_rate", "min_bandwidth"):
            value = getattr(self, name)
            _check(_is_number(value) and value >= 0, name, value, f"a number of Hz from 0 to {MOST}")
        _check(_is_whole(self.min_speakers, 1), "min_speakers", self.min_speakers, f"a whole number from 1 to {MOST}")
        at_least = f"a whole number from min_speakers ({self.min_speakers}) to {MOST}"
        _check(_is_whole(self.max_speakers, self.min_speakers), "max_speakers", self.max_speakers, at_least)
        _check(type(self.truncation) is bool, "truncation", self.truncation, "true or false")
        _check(self.candidates in (LONGEST, ALL), "candidates", self.candidates, f"{LONGEST} or {ALL}")
        width = target * self.tolerance
        _check(target - width > 0, "target_window_duration", target, "greater: with its tolerance it reaches down to 0")
        object.__setattr__(self, "min_duration", target - width)
        object.__setattr__(self, "max_duration", target + width)


@dataclass(frozen=True)
class OverlapConfig:
    """Which of the overlapping windows stay.

    Attributes:
        overlap_percentage: 0 to 100; of a pair that overlaps by this share of the shorter window, or more, one goes.
        target_duration: seconds, > 0; the window whose duration is nearer to it stays. None: the target window duration
            that the candidates were built with.
        selection: GREEDY, one pair after the other as the reference has it, or MOST_AUDIO, those that last longest
            together.
        compare_selection: state in the statistics what MOST_AUDIO keeps.
    """

    overlap_percentage: float = 50
    target_duration: float | None = None
    selection: str = GREEDY
    compare_selection: bool = False

    def __post_init__(self) -> None:
        percentage, target = self.overlap_percentage, self.target_duration
        in_range = _is_number(percentage) and 0 <= percentage <= MAX_OVERLAP_PERCENTAGE
        _check(in_range, "overlap_percentage", percentage, "a number from 0 to 100")
        _check(target is None or (_is_number(target) and target > 0), "target_duration", target, _SECONDS)
        _check(self.selection in (GREEDY, MOST_AUDIO), "selection", self.selection, f"{GREEDY} or {MOST_AUDIO}")
        _check(type(self.compare_selection) is bool, "compare_selection", self.compare_selection, "true or false")

    @property
    def threshold(self) -> float:
        """The overlap, as a fraction of the shorter window, from which on a pair loses one."""
        return self.overlap_percentage / MAX_OVERLAP_PERCENTAGE


@dataclass(frozen=True)
class EntryConfig:
    """What is written of a recording.

    Attributes:
        drop_fields: fields of a segment that are left out. They go from the output only: windows are built with them.
        drop_fields_top_level: fields of the entry that are left out.
        candidate_windows: write `windows` and `stats.lost_win_full_data`, which are most of the bytes of an entry.
        cuts: write the windows that stay as cuts, too, with their index.
    """

    drop_fields: frozenset[str] = frozenset({"words"})
    drop_fields_top_level: frozenset[str] = frozenset({"words", "segments"})
    candidate_windows: bool = True
    cuts: bool = True

    def __post_init__(self) -> None:
        for name in ("drop_fields", "drop_fields_top_level"):
            value = getattr(self, name)
            _check(type(value) is frozenset, name, value, "a set of field names")
        for name in ("candidate_windows", "cuts"):
            _check(type(getattr(self, name)) is bool, name, getattr(self, name), "true or false")


@dataclass(frozen=True)
class JobConfig:
    """Everything that a run of the job is told.

    Attributes:
        input: files, folders and globs; paths or fsspec URLs.
        output: the folder to write to; a path or an fsspec URL.
        repeat_factor: how many times over the input is read, >= 1.
        num_shards: number of output shards; 0 leaves it to the runner.
        overwrite: replace a finished run in `output`.
        max_reject_fraction: 0 to 1; the run fails when a greater share of the entries is rejected.
    """

    input: tuple[str, ...]
    output: str
    windows: WindowConfig = WindowConfig()
    overlap: OverlapConfig = OverlapConfig()
    entry: EntryConfig = EntryConfig()
    repeat_factor: int = 1
    num_shards: int = 0
    overwrite: bool = False
    max_reject_fraction: float = 0.01
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _check(bool(self.input) and all(self.input), "input", ",".join(self.input), "a file, a folder or a glob")
        _check(self.output != "", "output", self.output, "a folder")
        _check(
            _is_whole(self.repeat_factor, 1), "repeat_factor", self.repeat_factor, f"a whole number from 1 to {MOST}"
        )
        decided = f"a whole number from 0 (the runner decides) to {MOST}"
        _check(_is_whole(self.num_shards, 0), "num_shards", self.num_shards, decided)
        _check(type(self.overwrite) is bool, "overwrite", self.overwrite, "true or false")
        fraction = self.max_reject_fraction
        _check(_is_number(fraction) and 0 <= fraction <= 1, "max_reject_fraction", fraction, "a fraction from 0 to 1")

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "JobConfig":
        """The configuration that parameters state by the names of their flags; what they leave out has its default.

        `target_duration` follows `target_window_duration` where it is left out, or None.

        Raises:
            ConfigError: a value is out of its range.
        """
        given = dict(parameters)
        if given.get("target_duration") is None:
            given["target_duration"] = given.get("target_window_duration", WindowConfig.target_window_duration)

        def part(config: type) -> dict[str, Any]:
            return {each.name: given[each.name] for each in fields(config) if each.init and each.name in given}

        return cls(
            **part(cls),
            windows=WindowConfig(**part(WindowConfig)),
            overlap=OverlapConfig(**part(OverlapConfig)),
            entry=EntryConfig(**part(EntryConfig)),
        )

    def parameters(self) -> dict[str, Any]:
        """What `of` takes."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        for part in (given.pop("windows"), given.pop("overlap"), given.pop("entry")):
            given.update({each.name: getattr(part, each.name) for each in fields(part) if each.init})
        return given
