"""Archives, as Python's own tarfile reads them."""

import io
import mmap
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.shards.tar import TarWriter

members = st.dictionaries(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}", fullmatch=True), st.binary(max_size=2000))


class Written:
    """What can be written to, and nothing else."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def written(files: dict[str, bytes]) -> bytes:
    archive = TarWriter(output := Written())
    for name, data in files.items():
        archive.add(name, data)
    assert archive.finish() == len(output.data)
    return output.data


@given(members)
def test_tarfile_reads_what_was_added(files):
    data = written(files)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        assert {each.name: archive.extractfile(each).read() for each in archive} == files
        assert archive.getnames() == list(files)
        for each in archive:
            assert (each.mtime, each.uid, each.gid, each.uname, each.gname) == (0, 0, 0, "", "")
            assert each.isfile()
            assert each.mode == 0o644


@given(members)
def test_the_bytes_are_those_that_tarfile_writes(files):
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert written(files) == whole.getvalue()


@given(members)
def test_it_tells_where_headers_and_data_are(files):
    archive = TarWriter(output := Written())
    told = []
    for name, data in files.items():
        header = archive.size
        told.append((name, header, archive.add(name, data)))
    archive.finish()
    with tarfile.open(fileobj=io.BytesIO(output.data), mode="r:") as read:
        assert [(each.name, each.offset, each.offset_data) for each in read] == told


def test_the_longest_name_has_a_plain_header():
    name = "x" * 100
    data = written({name: b"1"})
    assert data[:100] == name.encode()
    assert data[156:157] == tarfile.REGTYPE
    assert len(data) == tarfile.RECORDSIZE


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", ""),
        ("x" * 101, "x" * 101),
        (".", "."),
        ("..", ".."),
        (".x", ".x"),
        ("/x", "/x"),
        ("../x", "../x"),
        ("a/x", "a/x"),
        ("a\\x", "a\\x"),
        ("é", "é"),
        ("a\n", r"a\n"),
        ("a\0", r"a\x00"),
    ],
)
def test_no_other_name_is_written(name, shown):
    archive = TarWriter(output := Written())
    with pytest.raises(ValueError, match="no name for a member of a tar") as error:
        archive.add(name, b"")
    assert str(error.value).startswith(f"{shown}: no name")
    assert output.data == b""


def test_a_name_is_written_once():
    archive = TarWriter(output := Written())
    archive.add("a.flac", b"1")
    before = output.data
    with pytest.raises(ValueError, match=r"a\.flac: the tar has a member of this name already"):
        archive.add("a.flac", b"2")
    assert output.data == before


def test_a_member_of_8_gib_is_refused(tmp_path):
    with (tmp_path / "sparse").open("w+b") as file:
        file.truncate(8 << 30)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as huge:
            archive = TarWriter(output := Written())
            with pytest.raises(ValueError, match=r"a\.wav: 8589934592 bytes; .* less than 8589934592 \(8 GiB\)"):
                archive.add("a.wav", huge)
    assert output.data == b""
