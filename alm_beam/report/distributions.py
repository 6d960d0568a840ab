"""The distributions of a report: a histogram each, with what it shows in words."""

from collections.abc import Callable
from typing import NamedTuple

from alm_beam.core.histogram import Histogram
from alm_beam.core.report_collector import DURATION, PAUSE, SHARE, SPEAKERS, SPEECH, YIELD
from alm_beam.report.html import Markup
from alm_beam.report.svg import duration, histogram
from alm_beam.report.table import counted


class Shown(NamedTuple):
    """How a distribution is shown.

    Attributes:
        title: what is counted.
        of: the word for one of what is counted.
        text: gives the text of a value.
        kind: the colour.
        is_sampled: whether it is of the recordings in the sample alone.
    """

    title: str
    of: str
    text: Callable[[float], str]
    kind: str
    is_sampled: bool


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _number(value: float) -> str:
    return f"{value:.0f}"


SHOWN = {
    DURATION: Shown("Window duration", "window", duration, "kept", False),
    SPEAKERS: Shown("Speakers per window", "window", _number, "c3", True),
    SHARE: Shown("Balance: share of who speaks longest", "window", _percent, "c3", True),
    SPEECH: Shown("Share of speech", "window", _percent, "c5", True),
    PAUSE: Shown("Longest pause", "window", duration, "c1", True),
    YIELD: Shown("Yield: share of a recording that is kept", "recording", _percent, "c0", False),
}
"""The distributions, in the order of the page."""

_MOST_TICKS = 5


def in_words(name: str, values: Histogram) -> str:
    """What a distribution shows: how many values, and between which the middle half of them is."""
    shown = SHOWN[name]
    number = counted(f"{{}}|{shown.of}", values.total)
    if not values.total:
        return number
    if name == SPEAKERS:
        most = max(range(len(values.counts)), key=values.counts.__getitem__)
        return f"{number}; most often {_bin_text(name, values, most)}"
    low, middle, high = (_quantile_text(name, values, each) for each in (0.25, 0.5, 0.75))
    half = "" if low == high else f", half of them from {low} to {high}"
    return f"{number}; median {middle}{half}"


def _quantile_text(name: str, values: Histogram, share: float) -> str:
    place = values.quantile(share)
    text = SHOWN[name].text
    return f"more than {text(values.edges[-1])}" if place is None else f"about {text(place)}"


def distribution(name: str, values: Histogram, title: str) -> Markup:
    """The drawing of a distribution."""
    counts, edges = values.counts, values.edges
    first = 0
    if name == SPEAKERS:
        first = 0 if counts[0] else 1
        last = max((index for index, each in enumerate(counts) if each), default=0) + 1
        counts = counts[first : max(last, first + 4)]
        ticks = [(index + 0.5, _bin_text(name, values, first + index)) for index in range(len(counts))]
    elif values.is_open:
        step = max(len(counts) // _MOST_TICKS, 1)
        ticks = [(float(place), SHOWN[name].text(edges[place])) for place in range(len(counts) - 1, -1, -step)][::-1]
    else:
        step = max(len(counts) // (_MOST_TICKS - 1), 1)
        places = [*range(0, len(counts) - step + 1, step), len(counts)]
        ticks = [(float(place), SHOWN[name].text(edges[place])) for place in places]
    texts = [f"{_bin_text(name, values, first + index)}: {each:,}" for index, each in enumerate(counts) if each]
    return histogram(title, counts, ticks, f"{in_words(name, values)}. {', '.join(texts)}", SHOWN[name].kind)


def _bin_text(name: str, values: Histogram, index: int) -> str:
    text = SHOWN[name].text
    low = text(values.edges[index])
    if index == len(values.counts) - 1 and values.is_open:
        return f"{low} or more"
    return low if name == SPEAKERS else f"{low} to {text(values.edges[index + 1])}"
