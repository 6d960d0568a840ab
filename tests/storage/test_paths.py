"""What a filesystem tells of a path: nothing there, or no answer."""

import socket
import threading
from contextlib import suppress

import fsspec
import pytest

from alm_beam.storage.paths import info_of, located, remove_folder


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


def test_a_folder_into_which_another_thread_writes_is_removed(tmp_path):
    """`LocalFileSystem.rm` alone fails here in most of the rounds."""
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir()
        has_begun = threading.Event()

        def write(folder=folder, has_begun=has_begun) -> None:
            with suppress(FileNotFoundError):  # the folder is gone
                for name in range(100_000):
                    (folder / str(name)).touch()
                    if name == 300:
                        has_begun.set()

        writer = threading.Thread(target=write)
        writer.start()
        has_begun.wait()
        remove_folder(fsspec.filesystem("file"), str(folder))
        writer.join()
        assert not folder.exists()
