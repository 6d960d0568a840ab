"""What a dry run tells, as text for a terminal."""

from collections.abc import Callable
from itertools import starmap
from math import floor

from alm_beam.core.estimate import About, Estimate
from alm_beam.core.text import visible
from alm_beam.report.table import row

_MORE = {"hours_of_audio": "hours of audio", "kept_windows": "kept windows", "kept_hours": "kept hours"}
"""The texts of amounts whose names are none."""


def render_estimate(estimate: Estimate) -> str:
    """Lines that tell what a run would read, write and take, and from what that was estimated.

    >>> about = About(10.0, 8.0, 12.0)
    >>> print(render_estimate(Estimate(1, 2 * 10**9, {".jsonl": 1}, 5, 0.01, {}, {"cuts": about}, about, 2, 2e8)))
    files                                              1           2.00 GB
      .jsonl                                           1
    recordings looked at                               5              1.0%      of the bytes
    output                                                      about 10 B         8 to 12 B
      cuts                                                      about 10 B         8 to 12 B
    time on this machine                                        about 10 s         8 to 12 s  with 2 processes
    memory of a process                                       about 200 MB
    rejected in the sample                             0
    dry run: nothing was written
    """
    processes = "1 process" if estimate.workers == 1 else f"{estimate.workers} processes"
    rows: list[tuple[str, ...]] = [
        ("files", f"{estimate.files:,}", _size(estimate.size)),
        *((f"  {visible(kind)}", f"{count:,}") for kind, count in estimate.kinds.items()),
        (
            f"{estimate.sampled_what} looked at",
            f"{estimate.sampled:,}",
            f"{floor(estimate.sampled_share * 1000) / 10:.1f}%",
            "of the bytes",
        ),
        *(
            (_MORE.get(name, name.replace("_", " ")), "", *_amount(each))
            for name, each in estimate.amounts.items()
            if each.value
        ),
        ("output", "", *_range(estimate.output_bytes, _size)),
        *((f"  {name}", "", *_range(each, _size)) for name, each in estimate.outputs.items() if each.value),
        ("time on this machine", "", *_range(estimate.seconds, _time), f"with {processes}"),
        ("memory of a process", "", f"about {_size(estimate.worker_bytes)}"),
        ("rejected in the sample", f"{estimate.rejected.total():,}"),
        *((f"  {reason}", f"{count:,}") for reason, count in estimate.rejected.most_common()),
    ]
    notes = (f"note: {note}" for note in estimate.notes)
    return "\n".join([*starmap(row, rows), *notes, "dry run: nothing was written"])


def _amount(about: About) -> tuple[str, ...]:
    return _range(about, lambda value: f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}")


def _range(about: About, text_of: Callable[[float], str]) -> tuple[str, ...]:
    """The text of the value and, where it is not known, of its range."""
    low, high = text_of(about.low), text_of(about.high)
    if about.low == about.high:
        return (text_of(about.value),)
    if low == high:
        return (f"about {text_of(about.value)}",)
    unit = high.partition(" ")[2]
    low = low.removesuffix(f" {unit}") if unit else low
    return f"about {text_of(about.value)}", f"{low} to {high}"


def _size(size: float) -> str:
    """The text of a number of bytes, with three digits or more."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= factor:
            return f"{size / factor:,.{2 if size < 10 * factor else 1 if size < 100 * factor else 0}f} {unit}"
    return f"{size:,.0f} B"


def _time(seconds: float) -> str:
    for factor, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * factor:
            return f"{seconds / factor:,.1f} {unit}"
    return f"{seconds:,.0f} s"
