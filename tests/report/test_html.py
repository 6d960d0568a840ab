"""Pages: no text is markup, whatever it is, and nothing in them asks for another file."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from alm_beam.report.html import Markup, Section, element, escaped, figure, grid, notice, page, table
from alm_beam.report.svg import Bar, Lane, bars, duration, heat_map, histogram, lines, time_line

HOSTILE = [
    "<script>alert(1)</script>",
    '" onload="alert(1)',
    "' onload='alert(1)",
    "]]><!-- &amp; -->",
    "\x00\x07\x1b[31m\r\n\t\x7f\x85",
    "\u202e\u2066\u200f\u2028\ufeff\ufffe",
    "\ud800 lone \udcff",
    "</title></svg></style><img src=x onerror=alert(1)>",
    "x" * 1_000_000,
    "<" * 5000,
]


class Elements(HTMLParser):
    """The elements and texts of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def drawings(text: str) -> list[Markup]:
    """A drawing of each kind, with the text wherever a text can be."""
    return [
        bars(text, [Bar(text, 1.0, text), Bar("none", 0.0, "0 h")]),
        histogram(text, [1, 0, 3], [(0, text), (3, text)], text),
        lines(text, [text, "b"], {text: [1.0, None]}, "h"),
        heat_map(text, [text], [text], [[1.0]], [[text]], (text, text)),
        time_line(text, 0.0, 10.0, [Lane(text, [(0.0, 5.0)], "c0"), Lane(text, [(1, 2)], "c1", 0.1)], [(0, 5)], text),
    ]


def everything(text: str) -> str:
    """A page with the text wherever a text can be."""
    content = [
        grid(figure(each, text) for each in drawings(text)),
        table(text, [text, text], [[text, text]]),
        notice(text),
    ]
    return page(text, [Section("a", text, content)], element("p", text, title=text))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_text_is_never_markup_and_always_utf_8(text: str) -> None:
    plain, hostile = Elements(everything("plain")), Elements(everything(text))
    assert hostile.names == plain.names
    assert hostile.attributes == plain.attributes
    written = everything(text).encode()
    assert all(char >= 32 or char == 10 for char in written)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u0080-\u009f]", written.decode())


def test_a_text_is_shown_as_it_is() -> None:
    assert "a & b < c" in "".join(Elements(page("t", [], element("p", "a & b < c"))).texts)


def test_markup_is_not_escaped_again() -> None:
    assert escaped(element("b", "<")) == "<b>&lt;</b>"
    assert isinstance(element("b"), Markup)


def test_drawings_are_well_formed() -> None:
    for text in ("plain", "<&>\"'\x01"):
        for drawing in drawings(text):
            root = next(ElementTree.fromstring(f"<p>{drawing}</p>").iter("svg"))
            assert root.attrib["role"] == "img"
            assert [each.tag for each in root][:2] == ["title", "desc"]


def test_nothing_is_asked_for() -> None:
    written = everything("plain")
    assert not re.search(r"https?:|//|url\(|@import|<link|<img|<script|src=", written)


@pytest.mark.parametrize("values", [[], [0.0], [None], [float("inf"), float("nan"), None]])
def test_drawings_of_little(values: list[float | None]) -> None:
    labels = ["x"] * len(values)
    assert "nan" not in lines("t", labels, {"a": values})
    assert "<svg" in heat_map("t", labels, ["r"], [values], [labels])
    assert "<svg" in bars("t", [Bar("a", 0.0, "0")])
    assert "<svg" in histogram("t", [0], [], "none")
    assert "<svg" in time_line("t", 5.0, 5.0, [Lane("a", [], "c0"), Lane("b", [(5.0, 5.0)], "c1")], [], "none")


def test_a_bar_is_as_long_as_its_share_of_the_whole() -> None:
    drawn = ElementTree.fromstring(bars("t", [Bar("a", 5.0, "5"), Bar("b", 20.0, "20")], whole=10.0))
    assert [each.attrib["width"] for each in drawn.findall("rect")] == ["100%", "50%", "100%", "100%"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.96, "60 s"), (61.5, "1:02"), (3600, "1:00:00"), (1e12, "1e+12 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
