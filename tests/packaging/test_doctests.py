"""The examples in docstrings: each does what it says."""

import doctest
import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest

import alm_beam

MODULES = [
    "alm_beam",
    *(
        module.name
        for module in pkgutil.walk_packages(alm_beam.__path__, "alm_beam.")
        if not module.name.endswith("__main__")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch, doctest_namespace):
    source = Path(importlib.util.find_spec(name).origin).read_text(encoding="utf-8")
    if re.search(r"^(>>> )?(from|import) torch\b", source, re.MULTILINE):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testmod(importlib.import_module(name), extraglobs=doctest_namespace, optionflags=flags)
    assert found.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert any(each.examples for each in finder.find(importlib.import_module("alm_beam.loader.remainder")))
