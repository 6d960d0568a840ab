import bz2
import gzip
import io
import lzma

import pytest
from backports.zstd import CompressionParameter, ZstdFile

from alm_beam.storage.compression import DecompressionError, decompressed, is_compressed


def zstd(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with ZstdFile(buffer, "wb", options={CompressionParameter.checksum_flag: 1}) as file:
        file.write(data)
    return buffer.getvalue()


DATA = b"line\n" * 100_000
COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstd, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_reads_all_members(suffix):
    stored = COMPRESS[suffix](DATA) + COMPRESS[suffix](b"more\n")
    assert decompressed(f"A{suffix.upper()}", io.BytesIO(stored)).read() == DATA + b"more\n"
    assert is_compressed(f"dir.x/a.jsonl{suffix}")


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_data_that_is_cut_off_is_an_error_not_a_short_file(suffix, kept):
    stored = COMPRESS[suffix](DATA)
    with pytest.raises(DecompressionError):
        decompressed(f"a{suffix}", io.BytesIO(stored[: int(len(stored) * kept)])).read()


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_second_member_that_is_damaged_is_an_error_not_a_short_file(suffix):
    second = bytearray(COMPRESS[suffix](DATA))
    for at in (0, len(second) // 2):
        damaged = bytearray(second)
        damaged[at] ^= 0xFF
        with pytest.raises(DecompressionError):
            decompressed(f"a{suffix}", io.BytesIO(COMPRESS[suffix](DATA) + damaged)).read()


def test_xz_may_be_padded_between_and_behind_streams():
    stored = lzma.compress(b"one") + bytes(100_000) + lzma.compress(b"two") + bytes(8)
    assert decompressed("a.xz", io.BytesIO(stored)).read() == b"onetwo"


@pytest.mark.parametrize("suffix", COMPRESS)
def test_data_of_another_kind_is_an_error(suffix):
    with pytest.raises(DecompressionError):
        decompressed(f"a{suffix}", io.BytesIO(DATA)).read()


def test_a_name_without_a_known_suffix_is_read_as_it_is():
    assert not is_compressed("a.gz/b.jsonl")
    assert decompressed("a.gz/b.jsonl", io.BytesIO(DATA)).read() == DATA


@pytest.mark.parametrize(
    ("path", "compressed"),
    [
        ("s3://lake/m.jsonl.gz?versionId=7", True),
        ("https://host/m.jsonl.zst?X-Signature=a.b/c", True),
        ("https://host/m.jsonl?name=m.gz", False),
        ("/data/m.jsonl.GZ", True),
    ],
)
def test_the_ending_of_the_name_counts_and_not_that_of_a_query(path, compressed):
    assert is_compressed(path) is compressed


def with_window(log: int, data: bytes = b"{}\n") -> bytes:
    """A zstd frame that states a window of 2**log bytes."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(log - 10) << 3]) + (len(data) << 3 | 1).to_bytes(3, "little") + data


@pytest.mark.parametrize("log", [10, 27, 28, 29])
def test_a_long_window_of_zstd_is_read(log):
    assert decompressed("m.zst", io.BytesIO(with_window(log))).read() == b"{}\n"


@pytest.mark.parametrize("log", [30, 31])
def test_a_window_above_the_limit_is_named_with_what_to_do(log):
    with pytest.raises(DecompressionError, match=r"above the limit of 512 MiB.*zstd -dc --long=31 OLD"):
        decompressed("m.zst", io.BytesIO(with_window(log))).read()


NO_STREAMS = {
    "plain JSON": b'{"a": 1}\n' * 1000,
    "plain text": b"Dear colleagues\n",
    "UTF-16": '{"a": 1}\n'.encode("utf-16"),
    "a zip archive": b"PK\x03\x04" + bytes(100),
    "gzip": gzip.compress(DATA),
    "bzip2": bz2.compress(DATA),
    "zstd": zstd(DATA),
    "xz": lzma.compress(DATA),
}


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("kind", NO_STREAMS)
def test_a_file_that_is_not_what_its_name_says_is_told_what_it_is(suffix, kind):
    stored = NO_STREAMS[kind]
    if stored.startswith(COMPRESS[suffix](b"")[:3]):
        assert decompressed(f"m{suffix}", io.BytesIO(stored)).read() == DATA
        return
    with pytest.raises(DecompressionError, match=rf"as its name says: it looks like {kind}; rename it"):
        decompressed(f"m{suffix}", io.BytesIO(stored)).read()


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("garbage", [b"garbage", b'{"a": 1}\n' * 20_000, b"\0\0garbage"])
@pytest.mark.parametrize("streams", [1, 2])
def test_what_follows_whole_data_and_is_none_is_an_error_that_says_so(suffix, garbage, streams):
    stored = COMPRESS[suffix](DATA) * streams + garbage
    with pytest.raises(DecompressionError, match=r"is followed by what is none.*(garbage|\{\"a\")"):
        decompressed(f"m{suffix}", io.BytesIO(stored)).read()


@pytest.mark.parametrize("suffix", COMPRESS)
def test_zeros_behind_the_data_are_padding(suffix):
    assert decompressed(f"m{suffix}", io.BytesIO(COMPRESS[suffix](DATA) + bytes(100_000))).read() == DATA


@pytest.mark.parametrize("suffix", COMPRESS)
def test_empty_data_is_none_and_an_empty_file_is_cut_off(suffix):
    assert decompressed(f"m{suffix}", io.BytesIO(COMPRESS[suffix](b""))).read() == b""
    with pytest.raises(DecompressionError, match="cut off: it is empty"):
        decompressed(f"m{suffix}", io.BytesIO(b"")).read()


@pytest.mark.parametrize("suffix", COMPRESS)
def test_no_read_gives_more_than_was_asked_for_however_well_it_was_compressed(suffix):
    data = bytes(5_000_000)
    file = decompressed(f"m{suffix}", io.BytesIO(COMPRESS[suffix](data)))
    parts = list(iter(lambda: file.read(1000), b""))
    assert max(map(len, parts)) <= 1000
    assert b"".join(parts) == data


def test_frames_of_zstd_that_are_to_be_skipped_are():
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    assert decompressed("m.zst", io.BytesIO(skipped + zstd(b"one") + skipped + zstd(b"two"))).read() == b"onetwo"
