import bz2
import gzip
import io
import lzma

import pytest

from alm_beam.storage.compression import DecompressionError, ZstdFile, decompressed, is_compressed


def zstd(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with ZstdFile(buffer, "wb") as file:
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
def test_data_of_another_kind_is_an_error(suffix):
    with pytest.raises((*DecompressionError, OSError)):
        decompressed(f"a{suffix}", io.BytesIO(DATA)).read()


def test_a_name_without_a_known_suffix_is_read_as_it_is():
    assert not is_compressed("a.gz/b.jsonl")
    assert decompressed("a.gz/b.jsonl", io.BytesIO(DATA)).read() == DATA
