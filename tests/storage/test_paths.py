"""What a filesystem tells of a path: nothing there, or no answer."""

import socket

import pytest

from alm_beam.storage.paths import info_of, located


def test_a_server_that_is_not_reached_says_nothing_of_its_files():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        place = located(f"http://127.0.0.1:{taken.getsockname()[1]}/a.wav")
        with pytest.raises(OSError, match="Cannot connect") as raised:
            info_of(place.fs, place.path)
    assert not isinstance(raised.value, FileNotFoundError)


def test_a_local_file_below_a_file_is_not_there(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    place = located(f"{tmp_path}/a/b")
    assert info_of(place.fs, place.path) is None
