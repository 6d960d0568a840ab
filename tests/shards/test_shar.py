"""Lhotse Shar, byte by byte; `test_shar_in_lhotse.py` reads it with Lhotse."""

import errno
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
import orjson
import pytest
from xxhash import xxh3_128_hexdigest

from alm_beam.core.faults import BadEntry
from alm_beam.shards.format import OpenOutput, Output, Partition, SlicedWindow
from alm_beam.shards.names import member_name
from alm_beam.shards.own_audio import own_audio_cut
from alm_beam.shards.shar import Shar
from tests.shards.windows import cut_of, files, folder, noise, window_of, write_shards

HOSTILE = [
    "a",
    "a.b",
    "a/b",
    "../../etc/passwd",
    "/",
    "会議",
    "x" * 300,
    "a b",
    "A",
    "a\x00b",
    "a-0123456789abcdef",
    "",
]


def two_shards() -> list[list[SlicedWindow]]:
    hostile = [window_of(cut_of(each, 0.1)) for each in HOSTILE]
    return [hostile, [window_of(cut_of("two", channel=[1, 3]), noise(8000, 2)), window_of(cut_of("a"), copy=1)]]


def test_files_are_numbered_alike(tmp_path):
    paths, _ = write_shards(Shar(), tmp_path, two_shards())
    assert paths == [
        [
            f"shar/cuts.00000{number}.jsonl",
            f"shar/recording.00000{number}.tar",
            f"shar_index/cuts.00000{number}.jsonl.idx",
            f"shar_index/recording.00000{number}.tar.idx",
        ]
        for number in (0, 1)
    ]
    assert files(tmp_path).keys() == {*paths[0], *paths[1]}
    assert {Path(each).parts[0] for each in files(tmp_path)} == {*Shar.folders}


def test_each_cut_has_two_members_of_its_name(tmp_path):
    shards = two_shards()
    write_shards(Shar(), tmp_path, shards)
    for number, windows in enumerate(shards):
        lines = (tmp_path / f"shar/cuts.00000{number}.jsonl").read_bytes().splitlines()
        assert [orjson.loads(line) for line in lines] == [own_audio_cut(each) for each in windows]
        with tarfile.open(tmp_path / f"shar/recording.00000{number}.tar", "r:") as archive:
            content = [(each.name, archive.extractfile(each).read()) for each in archive]
        assert [name for name, _ in content[::2]] == [f"{each.name}.flac" for each in windows]
        assert [name for name, _ in content[1::2]] == [f"{each.name}.json" for each in windows]
        assert [audio for _, audio in content[::2]] == [each.audio for each in windows]
        for window, (_, manifest) in zip(windows, content[1::2], strict=True):
            assert orjson.loads(manifest) == own_audio_cut(window)["recording"]


def test_members_are_where_it_is_told(tmp_path):
    shards = two_shards()
    _, members = write_shards(Shar(), tmp_path, shards)
    for window, member in zip(chain(*shards), members, strict=True):
        data = (tmp_path / member.file).read_bytes()[member.offset :][: member.bytes]
        assert data == window.audio
        assert member.digest == xxh3_128_hexdigest(data)


def test_the_index_leads_to_lines_and_pairs(tmp_path):
    shards = two_shards()
    write_shards(Shar(), tmp_path, shards)
    for number, windows in enumerate(shards):
        lines = (tmp_path / f"shar/cuts.00000{number}.jsonl").read_bytes()
        *offsets, size = np.fromfile(tmp_path / f"shar_index/cuts.00000{number}.jsonl.idx", "<u8").tolist()
        assert size == len(lines)
        places = zip(offsets, [*offsets[1:], size], strict=True)
        assert [orjson.loads(lines[start:stop])["id"] for start, stop in places] == [each.name for each in windows]
        tar = (tmp_path / f"shar/recording.00000{number}.tar").read_bytes()
        *offsets, size = np.fromfile(tmp_path / f"shar_index/recording.00000{number}.tar.idx", "<u8").tolist()
        assert size == len(tar)
        for offset, window in zip(offsets, windows, strict=True):
            with tarfile.open(fileobj=io.BytesIO(tar[offset:])) as archive:
                assert archive.getnames()[:2] == [f"{window.name}.flac", f"{window.name}.json"]


def test_a_shard_without_windows_is_empty_files(tmp_path):
    write_shards(Shar(), tmp_path, [[]])
    assert files(tmp_path) == {
        "shar/cuts.000000.jsonl": b"",
        "shar/recording.000000.tar": bytes(tarfile.RECORDSIZE),
        "shar_index/cuts.000000.jsonl.idx": bytes(8),
        "shar_index/recording.000000.tar.idx": tarfile.RECORDSIZE.to_bytes(8, "little"),
    }


def test_the_same_windows_give_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        write_shards(Shar(), tmp_path / name, two_shards())
    assert files(tmp_path / "one") == files(tmp_path / "other")


def test_numbers_may_be_large(tmp_path):
    writer = Shar().writer(1_234_567, 2_000_000, Partition(), folder(tmp_path))
    assert writer.finish()[0] == "shar/cuts.1234567.jsonl"


def test_nothing_is_in_place_before_the_end(tmp_path):
    writer = Shar().writer(0, 1, Partition(), folder(tmp_path))
    writer.add(window_of(cut_of("a")))
    assert all(Path(name).name.startswith(".") for name in files(tmp_path))
    writer.abandon()
    writer.abandon()
    assert files(tmp_path) == {}


def test_abandoning_a_finished_shard_does_nothing(tmp_path):
    writer = Shar().writer(0, 1, Partition(), folder(tmp_path))
    writer.add(window_of(cut_of("a")))
    paths = writer.finish()
    writer.abandon()
    assert files(tmp_path).keys() == {*paths}


def full_disk(path: Path, room: int) -> OpenOutput:
    """A folder on a disk on which so many bytes are left."""
    left = [room]

    @contextmanager
    def opened(name: str) -> Iterator[Output]:
        with folder(path)(name) as file:

            class Filling:
                def write(self, data: bytes) -> None:
                    left[0] -= len(data)
                    if left[0] < 0:
                        raise OSError(errno.ENOSPC, "No space left on device")
                    file.write(data)

            yield Filling()

    return opened


def written_onto(opened: OpenOutput) -> None:
    writer = Shar().writer(0, 1, Partition(), opened)
    try:
        writer.add(window_of(cut_of("a", 0.1)))
        writer.add(window_of(cut_of("b", 0.1)))
        writer.finish()
    except OSError:
        writer.abandon()
        raise


def test_a_disk_that_fills_leaves_nothing(tmp_path):
    written_onto(full_disk(tmp_path / "whole", 10**9))
    whole = sum(map(len, files(tmp_path / "whole").values()))
    for room in (*range(0, whole, 500), *range(whole - 100, whole)):
        with pytest.raises(OSError, match="No space left"):
            written_onto(full_disk(tmp_path / "full", room))
        assert files(tmp_path / "full") == {}
    written_onto(full_disk(tmp_path / "full", whole))
    assert files(tmp_path / "full") == files(tmp_path / "whole")


@pytest.mark.parametrize("name", ["shar/recording.000000.tar", "shar_index/recording.000000.tar.idx"])
def test_a_file_that_cannot_be_opened_leaves_nothing(tmp_path, name):
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).with_name(f".{Path(name).name}.unfinished").mkdir()
    with pytest.raises(IsADirectoryError) as error:  # which holds on to the writer
        written_onto(folder(tmp_path))
    assert files(tmp_path) == {}
    assert name in str(error.value).replace("/.", "/")


@pytest.mark.parametrize(
    ("custom", "reason"), [([1], "not_a_cut"), ({"deep": orjson.loads("[" * 300 + "]" * 300)}, "too_deep")]
)
def test_a_bad_cut_leaves_the_shard_as_it_was(tmp_path, custom, reason):
    good = [window_of(cut_of("a")), window_of(cut_of("b"))]
    writer = Shar().writer(0, 1, Partition(), folder(tmp_path / "one"))
    writer.add(good[0])
    with pytest.raises(BadEntry) as error:
        writer.add(window_of(cut_of("bad", custom=custom)))
    assert error.value.reason.value == reason
    writer.add(good[1])
    writer.finish()
    write_shards(Shar(), tmp_path / "other", [good])
    assert files(tmp_path / "one") == files(tmp_path / "other")


def test_a_name_is_given_once(tmp_path):
    writer = Shar().writer(0, 1, Partition(), folder(tmp_path))
    writer.add(window_of(cut_of("a")))
    with pytest.raises(ValueError, match=r"a\.flac: the tar has a member of this name already"):
        writer.add(window_of(cut_of("a", 0.5)))
    writer.add(window_of(cut_of("a", 0.5), copy=1))
    writer.finish()
    with tarfile.open(tmp_path / "shar/recording.000000.tar") as archive:
        assert archive.getnames()[::2] == ["a.flac", f"{member_name('a', 1)}.flac"]
