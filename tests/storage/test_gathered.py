"""Gathering on disk: what is given comes again, together, in order."""

import tempfile
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.errors import RunError
from alm_beam.storage import gathered as module
from alm_beam.storage.gathered import Gathered

VALUES = st.lists(st.tuples(st.text(max_size=2), st.binary(max_size=40).map(lambda value: value.replace(b"\n", b""))))


@given(VALUES, st.integers(1, 2000), st.integers(2, 3), st.integers(1, 60))
def test_all_sizes_give_the_same(values, held_bytes, most_runs, block_bytes):
    expected: dict[str, list[bytes]] = {}
    for key, value in values:
        expected.setdefault(key, []).append(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_BYTES", block_bytes)
        patch.setattr(module, "_READ_BYTES", block_bytes)
        with Gathered(held_bytes, most_runs) as gathered:
            for key, value in values:
                gathered.add(key, value)
            found = list(gathered.groups())
    assert found == sorted(expected.items(), key=lambda item: item[0].encode())


def test_the_file_has_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Gathered(held_bytes=100, most_runs=2) as gathered:
        for number in range(1000):
            gathered.add(str(number % 7), b"%d" % number)
        assert gathered._runs
        assert list(tmp_path.iterdir()) == []
        assert sum(len(values) for _, values in gathered.groups()) == 1000


def test_no_room_names_the_place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with Gathered(held_bytes=10) as gathered, pytest.raises(RunError, match=r"gathered in .*missing .*TMPDIR"):
        gathered.add("key", b"a value that is too long")


def _full(**_: object) -> IO[bytes]:
    return open("/dev/full", "r+b", buffering=0)


def test_a_full_disk_names_the_place(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", _full)
    with Gathered(held_bytes=10) as gathered, pytest.raises(RunError, match=r"No space left.*TMPDIR"):
        gathered.add("key", b"a value that is too long")
