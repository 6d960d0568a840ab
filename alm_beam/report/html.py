"""Pages of HTML that open offline: one file, without scripts, that asks for nothing else.

What is written is a `Markup`, which `element` alone makes. It escapes every other text, so no text of a manifest can be
markup, and shows what is not printable as `core.text.visible` does. A page suits a phone, paper, dark rooms and readers
of the screen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from alm_beam.core.text import visible

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})

_VOID = frozenset({"meta", "br"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = str | Iterable[str]
"""What an element holds: markup, text, which is escaped, or several of them."""


def element(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """An element of HTML or SVG.

    Args:
        name: its name.
        children: what it holds.
        attributes: its attributes. An underscore stands for a dash, except at the end, where it is left out; one that
            is None or False is left out, and one that is True has no value.

    >>> element("p", "a < b, ", element("b", "really"), class_="note", aria_hidden="true")
    '<p class="note" aria-hidden="true">a &lt; b, <b>really</b></p>'
    """
    named = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{named}>")
    return Markup(f"<{name}{named}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """What stands one after the other, as markup."""
    return Markup("".join(escaped(each) if isinstance(each, str) else joined(*each) for each in children))


def escaped(text: str) -> Markup:
    r"""A text as HTML shows it; markup as it is.

    >>> escaped('<script>\x00')
    '&lt;script&gt;\\x00'
    """
    return text if isinstance(text, Markup) else Markup(visible(text).translate(_ESCAPES))


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escaped(str(value))}"'


_MADE_BY = element("meta", name="generator", content="alm_beam")

PAGE_BYTES = 200
"""So much of a file tells whether it is a page of ours."""


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        anchor: its name in links within the page; letters, digits and dashes.
        title: its heading.
        content: what it holds.
    """

    anchor: str
    title: str
    content: Sequence[Markup]


def page(title: str, sections: Sequence[Section], lead: Child = ()) -> str:
    """A whole page, as UTF-8 can hold it.

    Args:
        title: its heading.
        sections: its parts, each of which its table of contents links to.
        lead: what stands below the heading, before the first part.

    >>> page("A <run>", [Section("files", "Files", [element("p", "none")])])[:15]
    '<!doctype html>'
    """
    links = (element("li", element("a", each.title, href=f"#{each.anchor}")) for each in sections)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        _MADE_BY,
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title),
        element("style", Markup(_STYLE)),
    )
    body = element(
        "body",
        element("header", element("h1", title), lead),
        element("nav", element("ul", links), aria_label="Contents"),
        element("main", map(_section, sections)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def is_page(content: bytes) -> bool:
    """Whether a file that begins with this (PAGE_BYTES of it) is a page of ours.

    >>> is_page(page("A run", []).encode()), is_page(b"<!doctype html>")
    (True, False)
    """
    return content.startswith(b"<!doctype html>") and str(_MADE_BY).encode() in content[:PAGE_BYTES]


def _section(section: Section) -> Markup:
    heading = f"{section.anchor}-title"
    title = element("h2", section.title, id=heading)
    return element("section", title, section.content, id=section.anchor, aria_labelledby=heading)


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[Child]], *, texts: Iterable[int] = (0,)
) -> Markup:
    """A table that scrolls where it is wider than the screen. The first cell of each row is its heading.

    Args:
        caption: what it lists.
        heads: the headings of its columns.
        rows: its cells.
        texts: the columns that hold text; the other ones hold figures.
    """
    words = frozenset(texts)

    def cell(name: str, column: int, content: Child, scope: str | None = None) -> Markup:
        return element(name, content, scope=scope, class_=None if column in words else "figure")

    head = element("tr", (cell("th", column, text, "col") for column, text in enumerate(heads)))
    body = (
        element(
            "tr",
            (cell("td", column, each) if column else cell("th", 0, each, "row") for column, each in enumerate(row)),
        )
        for row in rows
    )
    content = element("table", element("caption", caption), element("thead", head), element("tbody", body))
    return element("div", content, class_="scroll", tabindex=0, role="region", aria_label=caption)


def figure(drawing: Markup, caption: Child) -> Markup:
    """A drawing with what it shows, above it."""
    return element("figure", element("figcaption", caption), drawing)


def grid(items: Iterable[Markup]) -> Markup:
    """Things side by side, as many as there is room for."""
    return element("div", items, class_="grid")


def notice(*text: Child, kind: Literal["note", "bad"] = "note") -> Markup:
    """A line that should not be missed.

    Args:
        text: what it says.
        kind: whether it is for information, or says that something went wrong.
    """
    return element("p", *text, class_=f"notice {kind}")


_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser lets the page do: nothing but show itself."""

_STYLE = """
:root{--back:#fff;--card:#f6f8fa;--text:#1c2128;--muted:#57606a;--line:#d0d7de;--link:#0b57a4;--c0:#1f5fae;--c1:#b35900;
--c2:#1a7f37;--c3:#8250df;--c4:#bf3989;--c5:#0f766e;--c6:#7a5c00;--c7:#6e7781;--kept:#1a7f37;--candidate:#1f5fae;
--heat:#1f5fae;--bad:#b42318}
@media (prefers-color-scheme:dark){:root{--back:#0f1419;--card:#171d25;--text:#e6edf3;--muted:#9fabb8;--line:#36404c;
--link:#79b8ff;--c0:#6cb0ff;--c1:#f0a050;--c2:#56d364;--c3:#c5a3ff;--c4:#ff9bce;--c5:#4fd1c5;--c6:#e3c04f;--c7:#aab4bf;
--kept:#56d364;--candidate:#6cb0ff;--heat:#2f6fc4;--bad:#ff8a7a}}
@media print{:root{--back:#fff;--card:#fff;--text:#000;--muted:#444;--line:#999;--link:#000;--c0:#1f5fae;--c1:#b35900;
--c2:#1a7f37;--c3:#8250df;--c4:#bf3989;--c5:#0f766e;--c6:#7a5c00;--c7:#6e7781;--kept:#1a7f37;--candidate:#1f5fae;
--heat:#1f5fae;--bad:#b42318}nav{display:none}figure,tr,.notice{break-inside:avoid}
h2,h3{break-after:avoid}.scroll{overflow:visible!important}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:1120px;padding:1rem;background:var(--back);color:var(--text);overflow-wrap:anywhere;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.25rem;margin:2.5rem 0 .75rem;padding-top:.5rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:.5rem 0}
a{color:var(--link)}
a:focus-visible,.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;margin:.75rem 0 0;padding:0}
nav a{display:inline-block;padding:.25rem 0}
.flag{white-space:nowrap}
code,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.75rem;white-space:pre-wrap;
margin:.5rem 0}
.muted{color:var(--muted)}
.notice{border-left:4px solid var(--candidate);background:var(--card);padding:.5rem .75rem;border-radius:0 6px 6px 0}
.notice.bad{border-color:var(--bad)}
.grid{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr))}
.grid>*{min-width:0;margin:0}
figure{margin:0 0 1rem;padding:.75rem;background:var(--card);border:1px solid var(--line);border-radius:6px}
figcaption{margin-bottom:.5rem}
figcaption b{display:block}
.scroll{overflow-x:auto;margin:.5rem 0 1rem}
table{border-collapse:collapse;width:100%;font-size:.9375rem}
caption{text-align:left;color:var(--muted);padding:.25rem 0;font-size:.875rem}
th,td{text-align:left;vertical-align:top;padding:.375rem .75rem .375rem 0;border-bottom:1px solid var(--line);
min-width:4rem}
td:not(.figure){min-width:12rem}
thead th{color:var(--muted);font-weight:600;vertical-align:bottom}
tbody th{font-weight:400;min-width:9rem}
.figure{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;overflow:hidden}
svg text{fill:var(--text);font-size:12px;font-family:inherit}
svg text.dim{fill:var(--muted);font-size:11px}
svg line{stroke:var(--line)}
.key+figure{margin-top:1rem}
.key{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;margin:.5rem 0 0;padding:0;font-size:.875rem}
.key svg{display:inline-block;width:28px;height:10px;margin-right:.4rem}
.f-kept{fill:var(--kept)}.f-candidate{fill:var(--candidate)}.f-line{fill:var(--line)}
.f-heat{fill:var(--heat)}.f-c0{fill:var(--c0)}.f-c1{fill:var(--c1)}.f-c2{fill:var(--c2)}.f-c3{fill:var(--c3)}
.f-c4{fill:var(--c4)}.f-c5{fill:var(--c5)}.f-c6{fill:var(--c6)}.f-c7{fill:var(--c7)}
.box{fill:var(--kept);fill-opacity:.12;stroke:var(--kept);stroke-width:1.5}
.s{fill:none;stroke-width:2}.s-c0{stroke:var(--c0)}.s-c1{stroke:var(--c1)}.s-c2{stroke:var(--c2)}.s-c3{stroke:var(--c3)}
.s-c4{stroke:var(--c4)}.s-c5{stroke:var(--c5)}.s-c6{stroke:var(--c6)}.s-c7{stroke:var(--c7)}
"""
