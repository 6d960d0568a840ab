"""Drawings for pages: bars, histograms, lines, heat maps and time lines, as SVG within HTML.

Each is as wide as its place: what is drawn stretches, and texts keep their size, so that a phone shows them as large as
a screen. It is an image to readers of the screen, with a title and a description that says what is seen. The texts
are escaped by `report.html`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from alm_beam.core.text import shortened
from alm_beam.report.html import Markup, element

COLOURS = 8
"""There are so many colours for series, `c0` to `c7`. In a time line the last one, grey, is left to other speakers."""

_WIDE = 10_000
"""The width of what stretches, in units of its own."""

_DASHES = ("", "7 4", "2 3", "10 3 2 3")
_LABEL_CHARS = 60

_LANE = 28.0
"""The height of a lane of a time line, px."""

_MOST_SECONDS = 360_000


def _image(title: str, description: str, height: float, *content: Iterable[str] | str) -> Markup:
    """An image of this height, px."""
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        *content,
        height=_figure(height),
        role="img",
    )


def _stretched(y: float, height: float, *content: Iterable[str] | str) -> Markup:
    """Content that stretches with the image: x from 0 to _WIDE, y in px from 0."""
    return element(
        "svg",
        *content,
        x=0,
        y=_figure(y),
        width="100%",
        height=_figure(height),
        viewBox=f"0 0 {_WIDE} {_figure(height)}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _text(text: str, x: str, y: float, anchor: str = "start", kind: str | None = None) -> Markup:
    return element("text", shortened(text, _LABEL_CHARS), x=x, y=_figure(y), text_anchor=anchor, class_=kind)


def _rect(x: float, y: float, width: float, height: float, kind: str, opacity: float | None = None) -> Markup:
    """A rectangle; x and width are shares of the image's width."""
    return element(
        "rect",
        x=_percent(x),
        y=_figure(y),
        width=_percent(width),
        height=_figure(height),
        class_=kind,
        fill_opacity=None if opacity is None else _figure(opacity),
    )


def _percent(share: float) -> str:
    return f"{_figure(100 * share)}%"


def _figure(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


class Bar(NamedTuple):
    """A bar of `bars`.

    Attributes:
        label: what it stands for.
        value: how long it is.
        text: the value, in words.
        kind: its colour: `kept`, `candidate`, or `c0` to `c7`.
    """

    label: str
    value: float
    text: str
    kind: str = "c0"


def bars(title: str, rows: Sequence[Bar], whole: float | None = None) -> Markup:
    """Bars below each other, each under its label. A funnel is one whose bars begin at the left and become shorter.

    Args:
        title: what they show.
        rows: the bars; no value is negative.
        whole: the value of a bar of the full width; the largest of them if None.
    """
    most = max((each.value for each in rows), default=0.0) if whole is None else whole
    content: list[Markup] = []
    for number, each in enumerate(rows):
        top = 42 * number
        content += [
            _text(each.label, "0", top + 13),
            _text(each.text, "100%", top + 13, "end"),
            _rect(0, top + 20, 1, 14, "f-line", 0.5),
            _rect(0, top + 20, min(each.value / most, 1.0) if most > 0 else 0.0, 14, f"f-{each.kind}"),
        ]
    said = "; ".join(f"{shortened(each.label, _LABEL_CHARS)}: {each.text}" for each in rows)
    return _image(title, said, 42 * len(rows), content)


def histogram(
    title: str, counts: Sequence[int], ticks: Sequence[tuple[float, str]], description: str, kind: str = "c0"
) -> Markup:
    """A histogram with bins of equal width in the drawing.

    Args:
        title: what is counted.
        counts: how many there are in each bin.
        ticks: texts below the axis, each with its place: 0 at its left end, the number of bins at its right end.
        description: what is seen, for those who do not see it.
        kind: the colour.
    """
    most, high, top = max(counts, default=0), 96.0, 16.0
    width = 1 / max(len(counts), 1)
    content = [_text(f"{most:,}", "0", 11, kind="dim")]
    for number, each in enumerate(counts):
        if each:
            tall = max(high * each / most, 1.0)  # what is rare is seen, too
            content.append(_rect((number + 0.05) * width, top + high - tall, 0.9 * width, tall, f"f-{kind}"))
    content.append(_axis(top + high))
    for place, text in ticks:
        at = place * width
        anchor = "start" if at < 0.06 else "end" if at > 0.94 else "middle"
        content.append(_text(text, _percent(at), top + high + 15, anchor, "dim"))
    return _image(title, description, top + high + 20, content)


def _axis(y: float) -> Markup:
    return element("line", x1=0, x2="100%", y1=_figure(y), y2=_figure(y))


def lines(title: str, labels: Sequence[str], series: Mapping[str, Sequence[float | None]], unit: str = "") -> Markup:
    """Lines over places that are equally far apart, with a key below. The axis begins at 0.

    Args:
        title: what they show.
        labels: the texts of the places, from left to right.
        series: the values at the places, by the name of the line; None where there is none.
        unit: follows each value in words.
    """
    known = {name: [_known(value) for value in each] for name, each in series.items()}
    values = [value for each in known.values() for value in each if value is not None]
    most, high, top = max(values, default=0.0) or 1.0, 180.0, 16.0
    step = _WIDE / max(len(labels), 1)
    drawn: list[Markup] = []
    for number, each in enumerate(known.values()):
        points = [
            f"{_figure((place + 0.5) * step)} {_figure(high * (1 - value / most))}"
            for place, value in enumerate(each)
            if value is not None
        ]
        if points:
            drawn.append(_line(f"M{'L'.join(points)}", number))
            dots = "".join(f"M{point}h0" for point in points)
            drawn.append(_line(dots, number, is_dots=True))
    texts = [
        _text(text, _percent((place + 0.5) / len(labels)), top + high + 16, "middle", "dim")
        for place, text in enumerate(labels)
    ]
    said = "; ".join(
        f"{shortened(name, _LABEL_CHARS)}: "
        + ", ".join(
            f"{shortened(label, _LABEL_CHARS)} {'none' if value is None else f'{value:,.4g}{unit}'}"
            for label, value in zip(labels, each)
        )
        for name, each in known.items()
    )
    image = _image(
        title,
        said,
        top + high + 22,
        _text(f"{most:,.4g}{unit}", "0", 11, kind="dim"),
        _axis(top),
        _axis(top + high / 2),
        _axis(top + high),
        _stretched(top, high, drawn),
        texts,
    )
    keys = ((name, _line("M0 5H28", number)) for number, name in enumerate(series))
    return element("div", image, key(keys))


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _line(path: str, number: int, *, is_dots: bool = False) -> Markup:
    dash = "" if is_dots else _DASHES[number // COLOURS % len(_DASHES)]
    return element(
        "path",
        d=path,
        class_=f"s s-c{number % COLOURS}",
        vector_effect="non-scaling-stroke",
        stroke_dasharray=dash or None,
        stroke_linecap="round" if is_dots else None,
        style="stroke-width:7px" if is_dots else None,
    )


def key(items: Iterable[tuple[str, Markup]]) -> Markup:
    """What the colours of a drawing mean: texts, each with a sample that is 28 px wide and 10 px high."""
    return element(
        "ul",
        (
            element("li", element("svg", drawn, viewBox="0 0 28 10", aria_hidden="true"), shortened(text, _LABEL_CHARS))
            for text, drawn in items
        ),
        class_="key",
    )


def swatch(kind: str, opacity: float | None = None) -> Markup:
    """A sample of a colour, for `key`."""
    return element("rect", width=28, height=10, class_=kind, fill_opacity=opacity)


def heat_map(
    title: str,
    columns: Sequence[str],
    rows: Sequence[str],
    values: Sequence[Sequence[float | None]],
    texts: Sequence[Sequence[str]],
    names: tuple[str, str] = ("", ""),
) -> Markup:
    """A field for each row and column, darker where its value is greater, with its text.

    Args:
        title: what it shows.
        columns: the texts of the columns.
        rows: the texts of the rows.
        values: for each row its values; None where there is none.
        texts: the same in words.
        names: what the rows and what the columns stand for.
    """
    known = [value for row in values for value in map(_known, row) if value is not None]
    least, most = min(known, default=0.0), max(known, default=0.0)
    left, head, tall = 0.22, 34.0, 34.0
    width = (1 - left) / max(len(columns), 1)
    content = [_text(names[0], "0", 12, kind="dim"), _text(names[1], "100%", 12, "end", "dim")]
    content += [
        _text(text, _percent(left + (number + 0.5) * width), 28, "middle") for number, text in enumerate(columns)
    ]
    for number, (text, row, words) in enumerate(zip(rows, values, texts)):
        top = head + tall * number
        content.append(_text(text, "0", top + 21))
        for column, (value, word) in enumerate(zip(row, words)):
            at = left + column * width
            shade = _known(value)
            share = 0.0 if shade is None or most == least else (shade - least) / (most - least)
            content.append(_rect(at + 0.002, top + 1, width - 0.004, tall - 2, "f-heat", 0.06 + 0.5 * share))
            content.append(_text(word, _percent(at + width / 2), top + 21, "middle"))
    said = "; ".join(
        f"{shortened(text, _LABEL_CHARS)}: "
        + ", ".join(f"{shortened(column, _LABEL_CHARS)} {word}" for column, word in zip(columns, words))
        for text, words in zip(rows, texts)
    )
    return _image(title, said, head + tall * len(rows), content)


@dataclass(frozen=True)
class Lane:
    """A row of a time line.

    Attributes:
        label: what it shows.
        spans: starts and ends, seconds.
        kind: its colour, as of a `Bar`.
        opacity: of its spans, which may overlap.
    """

    label: str
    spans: Sequence[tuple[float, float]]
    kind: str
    opacity: float = 1.0


def time_line(
    title: str, begin: float, end: float, lanes: Sequence[Lane], boxes: Sequence[tuple[float, float]], description: str
) -> Markup:
    """What happens when, in a lane each, with boxes over all lanes.

    Args:
        title: what it shows.
        begin: seconds, its left end.
        end: seconds, its right end.
        lanes: its rows.
        boxes: starts and ends of the boxes, seconds.
        description: what is seen, for those who do not see it.
    """
    seconds = end - begin if end > begin else 1.0
    height = _LANE * len(lanes)

    def x(time: float) -> float:
        return _WIDE * min(max((time - begin) / seconds, 0.0), 1.0)

    def path(spans: Iterable[tuple[float, float]], y: float, tall: float) -> str:
        drawn = ((x(start), max(x(stop) - x(start), 4.0)) for start, stop in spans)
        return "".join(f"M{at:.0f} {_figure(y)}h{wide:.0f}v{_figure(tall)}h-{wide:.0f}z" for at, wide in drawn)

    drawn: list[Markup] = []
    texts: list[Markup] = []
    for number, lane in enumerate(lanes):
        top = _LANE * number
        texts.append(_text(lane.label, "0", top + 11, kind="dim"))
        texts.append(_axis(top + 24.5))
        # Spans that may overlap are drawn one by one: where there are several, the colour is stronger.
        groups = [lane.spans] if lane.opacity == 1 else [[span] for span in lane.spans]
        opacity = None if lane.opacity == 1 else _figure(lane.opacity)
        drawn += [
            element("path", d=path(spans, top + 15, 9), class_=f"f-{lane.kind}", fill_opacity=opacity)
            for spans in groups
            if spans
        ]
    if boxes:
        shape = path(boxes, 1, height - 2)
        drawn.insert(0, element("path", d=shape, class_="box", vector_effect="non-scaling-stroke"))
    scale = [
        _text(duration(begin + share * seconds), _percent(share), height + 13, anchor, "dim")
        for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    ]
    return _image(title, description, height + 18, _stretched(0, height, drawn), texts, scale)


def duration(seconds: float) -> str:
    """Seconds as people read them.

    >>> duration(12.34), duration(754), duration(-1), duration(7384)
    ('12.3 s', '12:34', '-1 s', '2:03:04')
    """
    if seconds < 60 or seconds >= _MOST_SECONDS:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    over, minutes = divmod(minutes, 60)
    return f"{over}:{minutes:02d}:{rest:02d}" if over else f"{minutes}:{rest:02d}"
