"""What the report of a run is made of: what the run's files of statistics hold, and the command that made it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from alm_beam.core.config import WindowConfig
from alm_beam.core.losses import LossStats
from alm_beam.core.parameters import ConfigError, parameters_of
from alm_beam.core.report_stats import ReportStats
from alm_beam.report.table import counted
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.found_runs import jobs_in
from alm_beam.storage.outputs import LOSS_STATS, REPORT_STATS, SWEEP, SWEEP_PAGE
from alm_beam.storage.paths import errors_that_name, info_of, located
from alm_beam.storage.secrets import shown

_ALWAYS = ("recordings", "windows", "filtered_windows", "total_segments", "total_dur")
"""What every version has written."""


@dataclass(frozen=True)
class ReportedRun:
    """A run as its report shows it.

    Attributes:
        statistics: what `loss_stats.json` holds.
        shown: what else the report shows; None where that is not known.
        command: the command that made the run; empty where there was none.
    """

    statistics: Mapping[str, Any]
    shown: ReportStats | None = None
    command: str = ""

    @cached_property
    def stats(self) -> LossStats:
        """The totals."""
        return LossStats.from_dict(dict(self.statistics))

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of the run, by name."""
        return self.statistics.get("parameters") or {}

    @property
    def output(self) -> str:
        """Where the run was written; empty where that is not known."""
        return str(self.parameters.get("output", ""))

    @property
    def version(self) -> str:
        """The version of this package that made the run; empty where that is not known."""
        return str(self.statistics.get("version", ""))

    @cached_property
    def windows(self) -> WindowConfig | None:
        """The rules of the run; None where they are none of this version."""
        known = {name: self.parameters[name] for name in parameters_of(WindowConfig) if name in self.parameters}
        try:
            for limits in ("min_metrics", "max_metrics"):
                known |= {limits: tuple(map(tuple, known[limits]))} if known.get(limits) else {}
            return WindowConfig(**known)
        except (ConfigError, TypeError, ValueError):
            return None


def reported_run(statistics: bytes, report_stats: bytes | None) -> ReportedRun:
    """A run from its files.

    Args:
        statistics: `loss_stats.json`.
        report_stats: `report_stats.json`; None where it is not there.

    Raises:
        ValueError: a file holds something else; the message says which.
    """
    file = LOSS_STATS
    try:
        totals = _checked_totals(orjson.loads(statistics))
        if report_stats is None:
            return ReportedRun(totals)
        file = REPORT_STATS
        named = orjson.loads(report_stats)
        shown_of_run = ReportStats.from_dict(named)
        if shown_of_run.recordings != totals["recordings"]:
            of = counted("{}|recording", totals["recordings"])
            raise ValueError(f"it is of another run: {LOSS_STATS} is of {of}")
        return ReportedRun(totals, shown_of_run, _text(named, "command"))
    except ValueError as error:
        raise ValueError(f"{file} is not what alm-beam windows writes ({error})") from None


def _checked_totals(held: Any) -> dict[str, Any]:
    """What `loss_stats.json` holds, whose counts and durations are numbers that are not negative.

    Raises:
        ValueError: it holds something else; the message says where.
    """
    if not isinstance(held, dict):
        raise ValueError("it is no JSON object")
    if missing := [name for name in _ALWAYS if name not in held]:
        raise ValueError(f"it has no `{missing[0]}`")
    usual = LossStats(most_audio_seconds=0.0).to_dict()
    for name, value in held.items():
        if name == "rejected_by_reason":
            for reason, count in _object(held, name).items():
                _check_number(count, f"{name}.{reason}", is_whole=True)
        elif name in usual or name.startswith(("lost_", "dur_lost_")):
            is_seconds = isinstance(usual.get(name), float) or name.startswith("dur_")
            _check_number(value, name, is_whole=not is_seconds)
    _object(held, "parameters")
    _text(held, "version")
    return held


def _check_number(value: Any, name: str, *, is_whole: bool) -> None:
    is_number = isinstance(value, int if is_whole else (int, float)) and not isinstance(value, bool)
    if not is_number or value < 0:
        raise ValueError(f"must be a {'whole ' if is_whole else ''}number, at least 0 - at `$.{name}`")


def _object(held: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = held.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"must be a JSON object - at `$.{name}`")
    return value


def _text(held: Mapping[str, Any], name: str) -> str:
    value = held.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"must be a text - at `$.{name}`")
    return value


def read_run(folder: str, options: StorageOptions) -> ReportedRun:
    """The run in a folder, from its files of statistics.

    Args:
        folder: a path or any fsspec URL.
        options: fsspec's, by protocol.

    Raises:
        FileNotFoundError: there is no `loss_stats.json`.
        OSError: a file cannot be read.
        ValueError: a file holds something else; the message says which.
    """
    fs, path, _ = located(folder.rstrip("/"), options)

    def content(name: str) -> bytes | None:
        with errors_that_name(f"{folder.rstrip('/')}/{name}"):
            file = f"{path}/{name}"
            return None if info_of(fs, file) is None else bytes(fs.cat_file(file))

    statistics = content(LOSS_STATS)
    if statistics is None:
        raise FileNotFoundError(f"{shown(folder)} {_why_none(folder, options)}")
    try:
        return reported_run(statistics, content(REPORT_STATS))
    except ValueError as error:
        raise ValueError(f"{shown(folder)}: {error}") from None


def _why_none(folder: str, options: StorageOptions) -> str:
    """What a folder without a run of windows is, and what to do."""
    with suppress(OSError):
        jobs = jobs_in(folder, options)
        if SWEEP.job in jobs:
            return f"holds a sweep, whose {SWEEP_PAGE} the sweep itself makes: run it again with --overwrite"
        if jobs:
            return f"holds a run of alm-beam {jobs[0]}: name a folder that alm-beam windows has written"
    return f"has no {LOSS_STATS}: name a folder that alm-beam windows has written"
