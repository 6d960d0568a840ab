"""Ranges of bytes: many at a time, and no more than that."""

import asyncio

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem

from alm_beam.storage.byte_ranges import REQUESTS_AT_A_TIME, read_ranges

COUNT = 4 * REQUESTS_AT_A_TIME


class _Numbers(AsyncFileSystem):
    """The bytes of a range are its first and its last number; a request takes a while."""

    cachable = False
    asked = most = 0

    async def _cat_file(self, path, start=None, end=None, **kwargs):
        self.asked += 1
        self.most = max(self.most, self.asked)
        await asyncio.sleep(0.001)
        self.asked -= 1
        if start == 7 and path == "/broken":
            raise PermissionError(path)
        return b"%d-%d" % (start, end)


@pytest.mark.parametrize(("stated", "most"), [(None, REQUESTS_AT_A_TIME), (3, 3)])
def test_so_many_requests_are_on_their_way_as_the_user_states_or_else_some(stated, most):
    fs = _Numbers(batch_size=stated)
    starts = list(range(COUNT))

    found = read_ranges(fs, ["/file"] * COUNT, starts, [start + 1 for start in starts])

    assert found == [b"%d-%d" % (start, start + 1) for start in starts]
    assert fs.most == most


def test_what_cannot_be_read_is_raised_or_in_its_place():
    paths, starts, ends = ["/file", "/broken"], [7, 7], [8, 8]

    with pytest.raises(PermissionError):
        read_ranges(_Numbers(), paths, starts, ends)
    whole, broken = read_ranges(_Numbers(), paths, starts, ends, on_error="return")

    assert whole == b"7-8"
    assert isinstance(broken, PermissionError)


def test_a_local_file_that_is_missing_is_raised(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_ranges(fsspec.filesystem("file"), [str(tmp_path / "gone")], [0], [1])
