"""Which segments have a metric that is outside the limits of the configuration."""

from typing import Any

from alm_beam.core.config import WindowConfig
from alm_beam.core.faults import NUMBER, BadEntry, RejectReason, Segment, described
from alm_beam.core.manifest import Recording

_SEPARATOR = "."


def metrics_outside(recording: Recording, config: WindowConfig) -> list[str | None]:
    """For each segment the name of the first metric that is outside its limit; None if all are within.

    A name is a key of a segment's `metrics`, or else a path in it, with dots between the keys. Of a list the worst of
    its numbers counts. A metric that is missing, null, or a list without numbers is within its limit, unless the
    configuration has `require_metrics`.

    Args:
        recording: the recording.
        config: the rules. The limits count in the order in which it has them, those of `min_metrics` first.

    Raises:
        BadEntry: a metric is neither a number, null, nor a list of those.

    >>> from alm_beam.core.manifest import parse_recording
    >>> measured = {"pesq_squim": [3.1, None, 2.2]}, {"pesq_squim": 2.8, "wer": {"wer": 0.5}}, {}
    >>> segments = [{"start": 0, "end": 1, "metrics": metrics} for metrics in measured]
    >>> recording = parse_recording({"audio_sample_rate": 16000, "segments": segments})
    >>> metrics_outside(recording, WindowConfig(min_metrics={"pesq_squim": 2.5}, max_metrics={"wer.wer": 0.3}))
    ['pesq_squim', 'wer.wer', None]
    """
    segments = recording.segments
    found: list[str | None] = [None] * len(segments)
    limits = [(name, limit, True) for name, limit in config.min_metrics]
    limits += [(name, limit, False) for name, limit in config.max_metrics]
    for name, limit, is_minimum in limits:
        for index, segment in enumerate(segments):
            numbers = _numbers(recording, index, segment, name)
            if not numbers:
                is_outside = config.require_metrics
            else:
                is_outside = min(numbers) < limit if is_minimum else max(numbers) > limit
            if is_outside and found[index] is None:
                found[index] = name
    return found


def _numbers(recording: Recording, index: int, segment: Segment, name: str) -> list[float]:
    """The numbers that a segment has for a metric."""
    path, value = _found("metrics", segment.get("metrics"), name, recording, index)
    several = value if type(value) is list else [value]
    if NUMBER.issuperset(map(type, several)):
        return several
    numbers: list[float] = []
    for at, each in enumerate(several):
        if type(each) in NUMBER:
            numbers.append(each)
        elif each is not None:
            place = f"{recording.place_of(index)}.{path}" + (f"[{at}]" if type(value) is list else "")
            found = f"expected a number, null or a list of those, found {described(each)}"
            raise BadEntry(RejectReason.METRIC_NOT_NUMBER, f"{place}: {found}")
    return numbers


def _found(path: str, metrics: Any, name: str, recording: Recording, index: int) -> tuple[str, Any]:
    """Where a metric is in its segment, and its value; None where it is missing."""
    if metrics is None:
        return path, None
    if type(metrics) is not dict:
        place = f"{recording.place_of(index)}.{path}"
        raise BadEntry(RejectReason.METRIC_NOT_NUMBER, f"{place}: expected an object, found {described(metrics)}")
    if name in metrics:
        return f"{path}.{name}", metrics[name]
    key, _, rest = name.partition(_SEPARATOR)
    return _found(f"{path}.{key}", metrics.get(key), rest, recording, index) if rest else (path, None)
