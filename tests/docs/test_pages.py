"""What README and the picture promise beside their examples."""

import re
import runpy
import xml.etree.ElementTree as ElementTree

import alm_beam
from tests.docs.blocks import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


def test_the_readme_is_short_and_names_how_to_begin():
    assert len(README.splitlines()) <= 150
    assert "`make demo`" in README
    assert "`make test`" in README


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, page.name


def test_every_public_name_is_in_the_reference():
    page = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    documented = {name.rsplit(".", 1)[1] for name in re.findall(r"^::: (\S+)$", page, re.MULTILINE)}
    assert documented == {name for name in alm_beam.__all__ if not name.startswith("_")}


def test_the_picture_is_what_its_script_draws():
    drawn = runpy.run_path(str(REPOSITORY / "docs" / "draw_windows.py"))["picture"]()
    assert (REPOSITORY / "docs" / "windows.svg").read_text(encoding="utf-8") == drawn


def test_the_picture_can_be_read_aloud():
    root = ElementTree.parse(REPOSITORY / "docs" / "windows.svg").getroot()
    assert root.get("role") == "img"
    named = [root.find(f"{SVG}{tag}") for tag in ("title", "desc")]
    assert root.get("aria-labelledby").split() == [each.get("id") for each in named]
    assert all(len(each.text.split()) > 5 for each in named)
