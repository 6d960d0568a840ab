"""The site that `make docs` builds: complete, and with nothing that is loaded from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.blocks import PAGES, REPOSITORY

LOADED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "use": "href",
    "object": "data",
}
NOT_LOADED = {"canonical", "next", "prev", "alternate"}


class _References(HTMLParser):
    """What a page loads, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "a" and named.get("href"):
            self.linked.append(str(named["href"]))
        elif named.get(LOADED.get(tag, "")) and named.get("rel") not in NOT_LOADED:
            self.loaded.append(str(named[LOADED[tag]]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="mkdocs is missing: it is in the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def references(page: Path) -> _References:
    found = _References()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def test_no_page_loads_anything_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert {f"{page.stem}.html" for page in PAGES} - {"README.html"} <= {page.name for page in pages}
    for page in pages:
        outside = [each for each in references(page).loaded if urlsplit(each).netloc]
        assert not outside, page.name
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text), sheet.name


def test_the_picture_is_on_the_first_page(site):
    assert "windows.svg" in references(site / "index.html").loaded
    assert (site / "windows.svg").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    """Files that exist, from README too, which is not part of the site."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        place = urlsplit(target)
        if not place.netloc and place.path:
            assert (page.parent / unquote(place.path)).exists(), target
