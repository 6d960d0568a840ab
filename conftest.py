"""What the examples in docstrings may use without making it: `windows`, a folder of cuts with an index."""

from typing import Any

import pytest

from tests.loader.cuts import cut, write_cuts


@pytest.fixture(scope="session", autouse=True)
def _windows_of_docstrings(tmp_path_factory: pytest.TempPathFactory, doctest_namespace: dict[str, Any]) -> None:
    """8 windows: 5 of the label "calls", 3 of the label "meetings"."""
    cuts = [cut(number, "calls" if number < 5 else "meetings") for number in range(8)]
    doctest_namespace["windows"] = write_cuts(tmp_path_factory.mktemp("windows"), cuts)
