"""Where audio is lost, and what to tune: the reasons, each with its losses and the parameters that concern it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from alm_beam.core.losses import GAP, SHARE, SPEECH, Losses, LossReason, Lost
from alm_beam.core.text import shortened
from alm_beam.report.html import Markup, element, joined

OVERLAP = ("overlap_percentage", "selection", "candidates")
"""What decides how much of the candidate windows is kept."""

_MOST_CHARS = 60


class LossRow(NamedTuple):
    """A reason why segments start no window.

    Attributes:
        text: the reason, in words.
        lost: what it lost.
        advice: what may help, in words.
        parameters: the names of the parameters that concern it.
        is_part: whether it is a part of the losses of the reason before.
    """

    text: str
    lost: Lost
    advice: str
    parameters: Sequence[str]
    is_part: bool = False


_WINDOW = (
    LossReason.WINDOW,
    "no window of the right duration",
    "raise the tolerance, or try another duration",
    ("target_window_duration", "tolerance", "max_speakers", "truncation"),
    False,
)
_REASONS = (
    (LossReason.BANDWIDTH, "low bandwidth", "lower it to what your model needs", ("min_bandwidth",), False),
    (LossReason.SAMPLE_RATE, "low sample rate", "lower it if your model resamples", ("min_sample_rate",), False),
    (LossReason.SPEAKERS, "too few speakers", "1 keeps monologues", ("min_speakers",), False),
    _WINDOW,
    (LossReason.NO_SPEAKER, "stopped at no-speaker", "leave such segments out", ("skip_no_speaker",), True),
    (LossReason.NEXT_BANDWIDTH, "stopped at low bandwidth", "lower it", ("min_bandwidth",), True),
)
_RULES = {
    GAP: ("stopped at a pause", "raise it", ("max_gap",), True),
    SPEECH: ("too little speech", "lower it", ("min_speech",), False),
    SHARE: ("too much of one speaker", "raise it", ("max_speaker_share",), False),
}
_METRICS = ("min_metrics", "max_metrics", "require_metrics")


def loss_rows(losses: Losses) -> list[LossRow]:
    """The reasons of a run: those that always count, then the optional rules that are on."""
    found = [
        LossRow(text, Lost(losses.lost[reason], losses.lost_seconds[reason]), advice, parameters, is_part)
        for reason, text, advice, parameters, is_part in _REASONS
    ]
    for name, lost in sorted(losses.by_rule.items(), key=lambda rule: rule[0] != GAP):
        text, advice, parameters, is_part = _RULES.get(
            name, (f"{name} outside its limit", "change the limit", _METRICS, False)
        )
        found.append(LossRow(text, lost, advice, parameters, is_part))
    return found


def flag(name: str, parameters: Mapping[str, Any]) -> str:
    """A parameter as it is given on the command line, with its value in a run.

    >>> flag("min_speakers", {"min_speakers": 2}), flag("max_gap", {"max_gap": None})
    ('--min_speakers=2', '--max_gap (not set)')
    >>> flag("truncation", {"truncation": False}), flag("tolerance", {})
    ('--no_truncation', '--tolerance')
    """
    if name not in parameters:
        return f"--{name}"
    value = parameters[name]
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no_{name}"
    return f"--{name} (not set)" if value is None or value == [] else f"--{name}={shown_value(value)}"


def flags(names: Iterable[str], parameters: Mapping[str, Any]) -> Markup:
    """Several of them, as HTML; each is on one line."""
    shown_flags = (element("code", shortened(flag(name, parameters), _MOST_CHARS), class_="flag") for name in names)
    return joined(*(part for each in shown_flags for part in (each, " ")))


def shown_value(value: Any) -> str:
    """The value of a parameter, in words.

    >>> shown_value([["snr", 5.0]]), shown_value(["words", "text"]), shown_value(120.0), shown_value(None)
    ('snr=5', 'words,text', '120', 'not set')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ",".join(
            f"{each[0]}={shown_value(each[1])}" if isinstance(each, (list, tuple)) and len(each) == 2 else str(each)
            for each in value
        )
    if isinstance(value, float):
        return f"{value:.10g}"
    return "not set" if value is None else str(value)
