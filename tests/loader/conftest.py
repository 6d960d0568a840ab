"""Folders of cuts that the tests of the loader share; none of them changes one."""

import pytest

from tests.loader.cuts import cut, write_cuts
from tests.loader.sounding import write_shards


@pytest.fixture(scope="session")
def cuts(tmp_path_factory) -> str:
    """100 windows of the labels ami (60) and call (40), in three shards."""
    windows = [cut(number, "ami" if number < 60 else "call") for number in range(100)]
    return write_cuts(tmp_path_factory.mktemp("cuts"), windows, shards=3)


@pytest.fixture(scope="session")
def more_cuts(tmp_path_factory) -> str:
    """37 other windows, without a label."""
    return write_cuts(tmp_path_factory.mktemp("more"), [cut(number) for number in range(1000, 1037)])


@pytest.fixture(scope="session")
def no_cuts(tmp_path_factory) -> str:
    return write_cuts(tmp_path_factory.mktemp("none"), [])


@pytest.fixture(scope="session")
def shards(tmp_path_factory) -> str:
    """12 windows in two shards of FLAC."""
    return write_shards(tmp_path_factory.mktemp("run") / "shards", 12)
