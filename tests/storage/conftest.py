"""What tests of the index share."""

from pathlib import Path

import pytest

from alm_beam.storage.index.build import build_index
from tests.storage.cuts import LINES, write_shards


@pytest.fixture
def folder(tmp_path) -> Path:
    build_index(str(write_shards(tmp_path / "cuts", LINES, 3)))
    return tmp_path / "cuts"
