"""What README and the picture promise beside their examples."""

import argparse
import re
import runpy
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from apache_beam.options.pipeline_options import PipelineOptions

import alm_beam
from tests.docs.blocks import PAGES, REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


def test_the_readme_is_short_and_names_how_to_begin():
    assert len(README.splitlines()) <= 150
    assert "`make demo`" in README
    assert "`make test`" in README


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, page.name


def test_every_flag_that_is_named_exists():
    """Those with an underscore, as only ours and Beam's have."""
    beam = argparse.ArgumentParser()
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(beam)
    names = ("windows", "sweep", "measure", "shards", "convert", "validate", "sample", "index", "batches")
    programs = [["alm_beam", name] for name in (*names, "check-loader", "report")]
    programs.append(["apache_beam.runners.worker.worker_pool_main"])
    helps = [subprocess.check_output([sys.executable, "-m", *program, "--help"], text=True) for program in programs]
    known = set(re.findall(r"--[a-z_]+", " ".join(helps))) | set(beam._option_string_actions)
    for page in PAGES:
        named = set(re.findall(r"--[a-z0-9]+(?:_[a-z0-9]+)+(?![-\w])", page.read_text(encoding="utf-8")))
        assert named - {"--no_name"} <= known, page.name


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
