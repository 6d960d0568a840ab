"""NaN and infinity in an entry that is given as a dict: JSON has neither, and null would stand for something else."""

import math
from collections.abc import Iterator
from typing import Any

from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.stated_fields import sample_rate_field, segments_field


def number_fault(entry: dict[str, Any]) -> BadEntry | None:
    """The fault of an entry with NaN or infinity for a time, the sample rate or a bandwidth; None without one.

    >>> number_fault({"sample_rate": float("nan"), "segments": []}).detail
    'sample_rate: expected a number of Hz, found nan'
    """
    rate = sample_rate_field(entry)
    if rate and _is_non_finite(entry[rate]):
        detail = f"{rate}: expected a number of Hz, found {entry[rate]}"
        return BadEntry(RejectReason.SAMPLE_RATE_NOT_NUMBER, detail)
    field = segments_field(entry)
    segments = entry.get(field)
    for index, segment in enumerate(segments if isinstance(segments, list | tuple) else ()):
        if not isinstance(segment, dict):
            continue
        for name in ("start", "end"):
            if _is_non_finite(segment.get(name)):
                detail = f"{field}[{index}].{name}: {segment[name]} is not a time"
                return BadEntry(RejectReason.TIME_NOT_FINITE, detail)
        metrics = segment.get("metrics")
        for place, value in _bandwidths(metrics) if isinstance(metrics, dict) else ():
            if _is_non_finite(value):
                detail = f"{field}[{index}].metrics.{place}: expected a number of Hz, found {value}"
                return BadEntry(RejectReason.BANDWIDTH_NOT_NUMBER, detail)
    return None


def _bandwidths(metrics: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The bandwidth of a segment, or each of them where it is a list or an array, by its place."""
    bandwidth = metrics.get("bandwidth")
    try:
        each = enumerate(bandwidth)  # type: ignore[arg-type]
    except TypeError:
        yield "bandwidth", bandwidth
    else:
        yield from ((f"bandwidth[{at}]", value) for at, value in each)


def _is_non_finite(value: Any) -> bool:
    """Whether the value is a number, of Python or NumPy, that is NaN or infinite."""
    try:
        return not math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False
