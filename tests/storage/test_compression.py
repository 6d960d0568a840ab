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
