"""The `.idx` beside shards: where each line begins, as Lhotse's own reading of the file finds it."""

from pathlib import Path

import numpy as np
import pytest

from alm_beam.storage.discovery import find_manifests, folder_search
from alm_beam.storage.index import scan
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.format import IndexFault
from alm_beam.storage.index.open import open_index
from alm_beam.storage.index.verify import verify_index
from tests.storage.cuts import LINES, rewrite, shard, write_shards


def offsets(content: bytes) -> list[int]:
    """What Lhotse's create_jsonl_index writes, which reads line by line."""
    found = [0]
    for line in content.splitlines(keepends=True):
        found.append(found[-1] + len(line))
    return found


def idx(path: Path) -> list[int]:
    return np.fromfile(f"{path}.idx", "<u8").tolist()


@pytest.mark.parametrize("held", [0, 4 << 20])
def test_each_shard_has_the_offsets_of_its_lines(tmp_path, monkeypatch, held):
    monkeypatch.setattr("alm_beam.storage.index.rows._OFFSETS_BYTES", held or 1)
    monkeypatch.setattr(scan, "_READ_BYTES", 1000)
    folder = write_shards(tmp_path / "cuts", LINES, 3)
    build_index(str(folder))
    for number in range(3):
        assert idx(shard(folder, number)) == offsets(shard(folder, number).read_bytes())
        assert len(idx(shard(folder, number))) == len(LINES[number::3]) + 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        LINES[0],
        LINES[0] + b"\r\n" + LINES[1],
        b"\n\n" + LINES[0] + b"\n  \n\n" + LINES[1] + b"\n\n",
        b'{"id": "m", "type": "MixedCut", "tracks": []}\n' + LINES[0] + b'\n{"duration": NaN}\nnothing\n',
    ],
)
def test_lines_that_the_index_leaves_out_are_lines_of_the_file(tmp_path, content):
    (tmp_path / "cuts.jsonl").write_bytes(content)
    build_index(str(tmp_path), skip_unusable=True)
    assert idx(tmp_path / "cuts.jsonl") == offsets(content)


def test_what_is_stale_is_replaced_and_other_files_stay(tmp_path):
    folder = write_shards(tmp_path / "cuts", LINES, 2)
    stale, other = Path(f"{shard(folder)}.idx"), folder / "notes.jsonl.idx"
    stale.write_bytes(b"stale")
    other.write_bytes(b"other")
    build_index(str(folder))
    rewrite(shard(folder), lambda content: content + LINES[0] + b"\n")
    build_index(str(folder), overwrite=True)
    assert idx(shard(folder)) == offsets(shard(folder).read_bytes())
    assert other.read_bytes() == b"other"


def test_an_index_that_is_not_made_leaves_what_was_there(tmp_path):
    (tmp_path / "cuts.jsonl").write_bytes(b"nothing\n")
    with pytest.raises(IndexFault, match="1 not JSON"):
        build_index(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"cuts.jsonl"}


def test_the_check_reads_them_too_where_they_are(folder):
    index = open_index(str(folder))
    verify_index(index)
    beside = Path(f"{shard(folder)}.idx")
    for change in (lambda data: data[:-1], lambda data: data[:8] + b"x" + data[9:], lambda data: data + data):
        content = beside.read_bytes()
        rewrite(beside, change)
        with pytest.raises(IndexFault, match=r"\.jsonl\.idx: does not say where the lines of cuts-.* begin; remove it"):
            verify_index(index)
        beside.write_bytes(content)
    beside.unlink()
    verify_index(index)


def test_no_reader_of_ours_takes_them_for_cuts(folder):
    assert [each.name for each in open_index(str(folder)).shards] == scan.find_shards(str(folder))
    for search in (folder_search([".jsonl"], "cuts"), folder_search([".jsonl", ".json"])):
        found = [each.path for each in find_manifests([str(folder)], folder=search) if "/index/" not in each.path]
        assert found == [str(shard(folder, number)) for number in range(3)]


def test_in_a_store(s3):
    url = f"{s3.bucket()}/cuts"
    content = b"\n".join(LINES)
    s3.write(f"{url}/cuts-0.jsonl", content)
    build_index(url, storage_options=s3.options)
    assert np.frombuffer(s3.read(f"{url}/cuts-0.jsonl.idx"), "<u8").tolist() == offsets(content)
    verify_index(open_index(url, storage_options=s3.options))
    assert s3.names(url) == {"cuts-0.jsonl", "cuts-0.jsonl.idx", "index/index.json", "index/rows.bin"}
