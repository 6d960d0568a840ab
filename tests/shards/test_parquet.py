"""Parquet, read back by pyarrow as Omnilingual's reader does it, and by our own reader of rows."""

import errno
import subprocess
import sys
from contextlib import contextmanager
from io import BytesIO

import numpy as np
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
import soundfile

from alm_beam.audio.parquet_rows import rows_with
from alm_beam.core.faults import BadEntry
from alm_beam.shards import parquet
from alm_beam.shards.format import Partition
from alm_beam.shards.parquet import Parquet
from tests.shards.made_windows import Folder, encoded, samples_of, started, window_of, written

EN = Partition("ami", "train", "en")
FILE = "parquet/corpus=ami/split=train/language=en/part-00000.parquet"


def test_pyarrow_reads_what_omnilingual_expects(tmp_path):
    written(Parquet(), tmp_path, [[window_of(0), window_of(1)], [window_of(2)]], EN)
    table = pyarrow.parquet.ParquetDataset(tmp_path / "parquet").read()
    word = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    expected = {
        "text": pyarrow.string(),
        "audio_bytes": pyarrow.list_(pyarrow.int8()),
        "audio_size": pyarrow.int64(),
        "corpus": word,
        "split": word,
        "language": word,
    }
    assert {field.name: field.type for field in table.schema} == expected
    for number, row in enumerate(table.to_pylist()):
        decoded, rate = soundfile.read(BytesIO(np.array(row["audio_bytes"], np.int8)), dtype="int16")
        assert rate == 16_000
        assert np.array_equal(decoded[:, None], samples_of(number, 0.5 + number / 4))
        assert row["audio_size"] == len(decoded)
        assert row["text"] == f"number {number} später"
        assert (row["corpus"], row["split"], row["language"]) == EN


def test_pyarrow_dataset_reads_it_with_text_as_partition(tmp_path):
    written(Parquet(), tmp_path, [[window_of(0)]], EN)
    found = pyarrow.dataset.dataset(tmp_path / "parquet", partitioning="hive")
    assert found.to_table(filter=pyarrow.dataset.field("language") == "en").num_rows == 1
    assert found.to_table(filter=pyarrow.dataset.field("language") == "de").num_rows == 0


@pytest.mark.parametrize("value", ["a/b=c", "100 %", "deü 中", "", "..", "a\nb", "a\\b", "%2F", "_x", ".y"])
def test_any_value_of_a_partition_comes_back(tmp_path, value):
    written(Parquet(), tmp_path, [[window_of(0)]], Partition(value, "train", value))
    assert all(not path.is_file() for path in (tmp_path / "parquet").iterdir())
    [row] = pyarrow.parquet.ParquetDataset(tmp_path / "parquet").read(["corpus", "language"]).to_pylist()
    assert row == {"corpus": value, "language": value}


def test_row_groups_have_100_rows(tmp_path):
    window = window_of(0)._replace(audio=b"fLaC")
    written(Parquet(), tmp_path, [[window] * 250], EN)
    metadata = pyarrow.parquet.ParquetFile(tmp_path / FILE).metadata
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [100, 100, 50]


def test_row_groups_of_large_rows_are_bounded_in_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BYTES_PER_GROUP", 1000)
    sizes = [400, 600, 1, 2000, 500, 500]
    written(Parquet(), tmp_path, [[window_of(0)._replace(audio=bytes(size)) for size in sizes]], EN)
    metadata = pyarrow.parquet.ParquetFile(tmp_path / FILE).metadata
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [2, 1, 1, 2]


def test_the_file_is_hardly_larger_than_the_audio(tmp_path):
    audio = encoded(samples_of(3, 60))
    written(Parquet(), tmp_path, [[window_of(0)._replace(audio=audio)]], EN)
    assert (tmp_path / FILE).stat().st_size < 1.02 * len(audio) + 2000


def test_a_member_is_a_row(tmp_path):
    folder = Folder(tmp_path)
    writer = started(Parquet(), folder, 0, EN)
    windows = [window_of(number, ending) for number, ending in enumerate(["flac", "wav", "opus"] * 40)]
    members = [writer.add(window) for window in windows]
    assert writer.finish() == [FILE]
    assert [member.offset for member in members] == [*range(120)]
    assert {member.file for member in members} == {FILE}
    with (tmp_path / FILE).open("rb") as file:
        for number in [0, 119, 5, 100, 99]:
            rows = rows_with(members[number].offset, file, FILE)
            assert (rows.first, len(rows.audio)) == ((0, 100) if number < 100 else (100, 20))
            assert rows.of(members[number].offset) == windows[number].audio
            assert members[number].bytes == len(windows[number].audio)
            assert rows.of(rows.first - 1) is None
            assert rows.of(rows.first + len(rows.audio)) is None


def test_same_windows_same_bytes(tmp_path):
    shards = [[window_of(number) for number in range(120)]]
    assert (
        written(Parquet(), tmp_path / "a", shards, EN).files() == written(Parquet(), tmp_path / "b", shards, EN).files()
    )


def test_nothing_is_in_place_before_the_end(tmp_path):
    folder = Folder(tmp_path)
    writer = started(Parquet(), folder, 0, EN)
    writer.add(window_of(0))
    assert FILE not in folder.files()
    writer.abandon()
    assert folder.files() == {}
    writer = started(Parquet(), folder, 0, EN)
    writer.finish()
    writer.abandon()
    assert [*folder.files()] == [FILE]


def test_a_disk_that_fills_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BYTES_PER_GROUP", 1)
    folder = Folder(tmp_path)

    @contextmanager
    def opened(path):
        with folder.opened(path) as file:
            yield Full(file)

    writer = Parquet().writer(0, 1, EN, opened)
    writer.add(window_of(0))
    with pytest.raises(OSError, match="No space left"):
        writer.add(window_of(1))
    writer.abandon()
    Parquet().writer(0, 1, EN, opened).abandon()  # writes nothing any more
    assert folder.files() == {}


class Full:
    """A file of a disk that has room for the first bytes alone."""

    def __init__(self, file):
        self.file = file

    def write(self, data):
        if len(data) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.file.write(data)


def test_a_shard_of_nothing_is_an_empty_table(tmp_path):
    written(Parquet(), tmp_path, [[]], EN)
    assert pyarrow.parquet.ParquetFile(tmp_path / FILE).metadata.num_rows == 0


def test_a_malformed_window_leaves_the_shard_whole(tmp_path):
    writer = started(Parquet(), Folder(tmp_path), 0, EN)
    with pytest.raises(BadEntry, match=r"supervisions\[0\] has no duration"):
        writer.add(window_of(0, supervisions=[{"start": 1}]))
    assert writer.add(window_of(1)).offset == 0
    writer.finish()
    assert pyarrow.parquet.ParquetFile(tmp_path / FILE).metadata.num_rows == 1


def test_rows_say_what_is_wrong(tmp_path):
    written(Parquet(), tmp_path, [[window_of(0)]], EN)
    whole = (tmp_path / FILE).read_bytes()
    for row in (-1, 1):
        with pytest.raises(ValueError, match=f"a.parquet: there is no row {row}, it has 1"):
            rows_with(row, BytesIO(whole), "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: not a whole parquet file"):
        rows_with(0, BytesIO(whole[:-9]), "a.parquet")
    damaged = BytesIO(whole[:4] + bytes(len(whole) - 3000) + whole[len(whole) - 2996 :])
    with pytest.raises(ValueError, match=r"a\.parquet: row group 0 cannot be read"):
        rows_with(0, damaged, "a.parquet")
    for column, why in [(pyarrow.array([b"x"]), "list<int8>, found binary"), (None, "found None")]:
        other = BytesIO()
        pyarrow.parquet.write_table(pyarrow.table({"audio_bytes": column} if column else {"text": ["x"]}), other)
        with pytest.raises(ValueError, match=why):
            rows_with(0, other, "a.parquet")
    empty = BytesIO()
    absent = pyarrow.array([None], pyarrow.list_(pyarrow.int8()))
    pyarrow.parquet.write_table(pyarrow.table({"audio_bytes": absent}), empty)
    with pytest.raises(ValueError, match="row group 0 has a row without audio_bytes"):
        rows_with(0, empty, "a.parquet")


class Failing(BytesIO):
    """A file of a store that fails after a number of reads."""

    reads_left = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise ConnectionResetError("the store is gone")
        return super().read(size)


@pytest.mark.parametrize("reads", [0, 1])
def test_a_file_that_fails_is_no_damaged_file(tmp_path, reads):
    written(Parquet(), tmp_path, [[window_of(0)]], EN)
    file = Failing((tmp_path / FILE).read_bytes())
    file.reads_left = reads
    with pytest.raises(ConnectionResetError, match="the store is gone"):
        rows_with(0, file, "a.parquet")


WITHOUT = """
import sys
sys.modules["pyarrow"] = None
from alm_beam.audio.parquet_rows import rows_with
from alm_beam.shards.format import Partition
from alm_beam.shards.parquet import Parquet
for make in (lambda: Parquet().writer(0, 1, Partition(), None), lambda: rows_with(0, None, "a.parquet")):
    try:
        make()
    except ImportError as error:
        print(error)
"""


def test_without_pyarrow_it_is_named():
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert run.stdout.count("pip install pyarrow") == 2


MEMORY = """
import os, resource, sys
from contextlib import contextmanager
from alm_beam.shards.format import Partition, SlicedWindow
from alm_beam.shards.parquet import Parquet
from alm_beam.audio.parquet_rows import rows_with
import pyarrow.parquet
@contextmanager
def opened(path):
    with open(sys.argv[1], "wb") as file:
        yield file
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
base = peak()
writer = Parquet().writer(0, 1, Partition(), opened)
for number in range(120):
    writer.add(SlicedWindow({}, "a", os.urandom(2_000_000), "flac", 16000, 1, 1, ""))
writer.finish()
written = peak()
for row in (0, 119, 50):
    rows_with(row, open(sys.argv[1], "rb"), "a")
print(written - base, peak() - base)
"""


def test_memory_is_that_of_a_row_group(tmp_path):
    run = subprocess.run([sys.executable, "-c", MEMORY, tmp_path / "a"], capture_output=True, text=True, check=True)
    written, read = map(float, run.stdout.split())
    assert written < 200
    assert read < 260
