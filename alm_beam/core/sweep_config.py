"""What a run of the job is told that computes windows in many ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, ClassVar, NamedTuple

from alm_beam.core.config import ManifestConfig, OverlapConfig, WindowConfig
from alm_beam.core.parameter_fields import choice, max_line_bytes, number, whole
from alm_beam.core.parameters import HIDDEN, ConfigError, check_fields, parameters_of
from alm_beam.core.run_config import RunConfig
from alm_beam.core.several import Swept, swept, value_text

DISTINCT_HOURS, KEPT_HOURS = "distinct_hours", "kept_hours"
"""What there is to be most of."""

MAX_COMBINATIONS = 1000
"""So many combinations a sweep may have: each costs a part of a run, and a line of the table."""

SweptWindows = swept(WindowConfig, "SweptWindows", __name__)
SweptOverlap = swept(OverlapConfig, "SweptOverlap", __name__, without=frozenset({"compare_selection"}))

_WINDOWS, _OVERLAP = SweptWindows(), SweptOverlap()


@dataclass(frozen=True)
class SweepSettings:
    """Which recordings a sweep looks at, and what it looks for.

    >>> SweepSettings(sample=0.01).aim
    'distinct_hours'

    Raises:
        ConfigError: a value is out of its range.
    """

    aim: str = choice(
        DISTINCT_HOURS,
        f"what the best combination has most of: `{DISTINCT_HOURS}`, hours of recordings that are in any kept window; "
        f"`{KEPT_HOURS}`, hours of kept windows, overlaps included",
        label="Aim",
        options=(DISTINCT_HOURS, KEPT_HOURS),
    )
    sample: float = number(
        1,
        "share of the entries that is looked at, chosen by a hash of the entry's line: the same ones in every run",
        label="Share of the entries",
        unit="fraction",
        above=0,
        at_most=1,
    )
    max_line_bytes: int = max_line_bytes()

    def __post_init__(self) -> None:
        check_fields(self)


class Combination(NamedTuple):
    """One way to make windows.

    Attributes:
        varied: the values of the parameters that have several in the sweep, by name.
        windows: which runs of segments are windows.
        overlap: which of the overlapping windows are kept.
    """

    varied: dict[str, Any]
    windows: WindowConfig
    overlap: OverlapConfig


class LeftOut(NamedTuple):
    """Values that do not go together.

    Attributes:
        varied: as of a `Combination`.
        error: why they do not.
    """

    varied: dict[str, Any]
    error: ConfigError


@dataclass(frozen=True)
class SweepConfig(RunConfig):
    """Everything that a run of the job is told that computes windows in many ways.

    The parameters of windows and of overlapping windows take several values each, and every combination is computed:

    >>> told = {"input": "manifests/", "output": "sweep", "target_window_duration": [30, 60], "selection": "most_audio"}
    >>> config = SweepConfig.of(told)
    >>> [each.varied for each in config.combinations]
    [{'target_window_duration': 30}, {'target_window_duration': 60}]
    >>> config.combinations[1].overlap.selection
    'most_audio'

    Raises:
        ConfigError: a value is out of its range, or given twice; there are more than 1,000 combinations; or no
            combination's values go together.
    """

    num_shards: int = field(default=0, init=False, repr=False)  # nothing is written in shards
    windows: Swept = _WINDOWS
    overlap: Swept = _OVERLAP
    sweep: SweepSettings = SweepSettings()
    manifest: ManifestConfig = ManifestConfig()
    repeat_factor: int = whole(
        1,
        "read the input this many times over, for scale tests",
        label="Read the input so many times",
        at_least=1,
    )

    parts: ClassVar[Mapping[str, tuple[str, type]]] = {
        "sweep": ("the sweep", SweepSettings),
        "manifest": ("entries", ManifestConfig),
        "windows": ("windows", SweptWindows),
        "overlap": ("overlapping windows", SweptOverlap),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = {name: len(values) for name, values in self._values.items() if len(values) > 1}
        count = prod(counts.values())
        if count > MAX_COMBINATIONS:
            most = max(counts, key=counts.__getitem__)
            listed = ", ".join(f"{name}: {values}" for name, values in counts.items())
            reason = (
                f"makes {count:,} combinations with the others ({listed}); a sweep has at most {MAX_COMBINATIONS:,}"
            )
            raise ConfigError(most, HIDDEN, reason)
        if not self.combinations:
            raise self.left_out[0].error

    @cached_property
    def varied(self) -> list[str]:
        """The parameters that have several values, in their order."""
        return [name for name, values in self._values.items() if len(values) > 1]

    @cached_property
    def combinations(self) -> Sequence[Combination]:
        """The combinations, the values of the last parameter changing first."""
        return [each for each in self._product if isinstance(each, Combination)]

    @cached_property
    def left_out(self) -> Sequence[LeftOut]:
        """The combinations whose values do not go together."""
        return [each for each in self._product if isinstance(each, LeftOut)]

    @cached_property
    def _values(self) -> dict[str, tuple[Any, ...]]:
        return {**self.windows.values(), **self.overlap.values()}

    @cached_property
    def _product(self) -> Sequence[Combination | LeftOut]:
        found: list[Combination | LeftOut] = []
        of_windows = parameters_of(WindowConfig)
        for values in product(*self._values.values()):
            named = dict(zip(self._values, values))
            varied = {name: named[name] for name in self.varied}
            try:
                windows = WindowConfig(**{name: value for name, value in named.items() if name in of_windows})
            except ConfigError as error:
                found.append(LeftOut(varied, ConfigError(error.parameter, value_text(error.value), error.allowed)))
                continue
            overlap = OverlapConfig(**{name: value for name, value in named.items() if name not in of_windows})
            found.append(Combination(varied, windows, overlap.for_windows(windows)))
        return found
