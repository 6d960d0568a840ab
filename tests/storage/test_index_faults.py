"""Every fault of an index or of the cuts, found when it is opened, or by the whole check."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alm_beam.cli.main import main
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.open import ROW, IndexFault, _candidates, open_index
from alm_beam.storage.index.verify import verify_index
from tests.loader.uploads import uploaded
from tests.servers.faults import Request, proxy
from tests.servers.stores import Store
from tests.storage.cuts import LINES, change_meta, line, rewrite, shard, swap, write_shards

GOOD = b"".join(each + b"\n" for each in LINES[:5])


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no index": (lambda f: shutil.rmtree(f / "index"), r"index\.json: there is no index; make one"),
    "rows.bin empty": (lambda f: (f / "index/rows.bin").write_bytes(b""), r"rows\.bin: has 0 bytes .* it is empty"),
    "rows.bin cut by rows": (
        lambda f: rewrite(f / "index/rows.bin", lambda b: b[: 48 * 5]),
        r"rows\.bin: has 240 bytes .* it is cut off",
    ),
    "rows.bin cut": (lambda f: rewrite(f / "index/rows.bin", lambda b: b[:-1]), r"rows\.bin: .* it is cut off"),
    "rows.bin appended": (lambda f: rewrite(f / "index/rows.bin", lambda b: b + b[:48]), r"rows\.bin: .* was appended"),
    "rows.bin missing": (lambda f: (f / "index/rows.bin").unlink(), r"rows\.bin: is missing"),
    "rows.bin changed": (
        lambda f: rewrite(f / "index/rows.bin", lambda b: b[:24000] + b"x" + b[24001:]),
        r"rows\.bin: its bytes are not those",
    ),
    "index.json empty": (
        lambda f: (f / "index/index.json").write_bytes(b""),
        r"index\.json: is no index\.json, or half",
    ),
    "index.json of a later version": (lambda f: change_meta(f, version=4), r"index\.json: is of version 4.*update"),
    "index.json that needs more": (lambda f: change_meta(f, requires=["a\x1b"]), r"know \(a\\x1b\); update alm_beam"),
    "index.json half": (lambda f: rewrite(f / "index/index.json", lambda b: b[:100]), r"index\.json: .* half of one"),
    "index.json of another version": (
        lambda f: change_meta(f, version=1),
        r"index\.json: is of version 1, this alm_beam reads 2 to 3; make the index again",
    ),
    "index.json without a field": (lambda f: change_meta(f, rows_digest=None), r"index\.json: is no index\.json"),
    "index.json contradicts itself": (lambda f: change_meta(f, rows=999), r"index\.json: .* contradict"),
    "data appended": (
        lambda f: rewrite(shard(f), lambda b: b + LINES[0] + b"\n"),
        r"cuts-00001-of-00003\.jsonl: has \d+ bytes, \d+ when it was indexed: data was appended",
    ),
    "data truncated": (
        lambda f: rewrite(shard(f), lambda b: b[: b[:-200].rfind(b"\n") + 1]),
        r"cuts-00001.* it is cut off",
    ),
    "data empty": (lambda f: rewrite(shard(f), lambda _: b""), r"cuts-00001.* it is empty"),
    "rewritten, same size": (
        lambda f: rewrite(shard(f), lambda b: b.replace(b'"r-', b'"R-')),
        r"cuts-00001.*: the line at byte \d+ is not the one that was indexed",
    ),
    "rewritten, same size, newer": (
        lambda f: rewrite(shard(f), lambda b: b.replace(b'"r-', b'"R-'), keep_time=False),
        r"cuts-00001.*: is newer than the index",
    ),
    "swapped": (swap, r"cuts-00000.*: has \d+ bytes, .* or swapped with cuts-00001-of-00003\.jsonl"),
    "missing": (lambda f: shard(f).unlink(), r"cuts-00001.*: is in the index, but missing"),
    "one more": (lambda f: (f / "cuts-9.jsonl").write_bytes(b""), r"cuts-9\.jsonl: is not in the index"),
    "one more, compressed": (lambda f: (f / "cuts-9.jsonl.gz").write_bytes(b""), r"cuts-9.* and compressed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found_and_named(folder, fault):
    open_index(str(folder))
    plant, message = FAULTS[fault]
    plant(folder)
    with pytest.raises(IndexFault, match=message):
        open_index(str(folder))
    if fault != "one more, compressed":
        build_index(str(folder), overwrite=True)
        open_index(str(folder))


def test_shards_of_one_size_that_were_swapped(tmp_path):
    folder = write_shards(tmp_path, [b'{"id":"r-%03d","duration":1}' % number for number in range(100)], 2)
    build_index(str(folder))
    swap(folder)
    with pytest.raises(
        IndexFault, match=r"cuts-0000\d.*: the line at byte \d+ is not the one that was indexed.*swapped"
    ):
        open_index(str(folder), samples=2)


def test_a_large_index_is_sampled_and_the_whole_check_finds_the_rest(folder, monkeypatch):
    monkeypatch.setattr("alm_beam.storage.index.open.WHOLE_CHECK_BYTES", 1000)
    index = open_index(str(folder))
    verify_index(index)
    at = int(index.rows["offset"][17] + index.rows["length"][17] - 3)
    path = folder / index.shards[int(index.rows["shard"][17])].name
    rewrite(path, lambda b: b[:at] + b"8" + b[at + 1 :])
    overlooked = open_index(str(folder))
    with pytest.raises(IndexFault, match=rf"{path.name}: its lines are not those that were indexed"):
        verify_index(overlooked)


def test_the_whole_check_reads_rows_and_counts(folder, monkeypatch):
    monkeypatch.setattr("alm_beam.storage.index.open.WHOLE_CHECK_BYTES", 1000)
    rewrite(folder / "index/rows.bin", lambda b: b[: 48 * 17 + 24] + b"\1" + b[48 * 17 + 25 :])
    with pytest.raises(IndexFault, match=r"rows\.bin: its bytes are not those that were written"):
        verify_index(open_index(str(folder)))


def test_every_shard_is_sampled(tmp_path):
    folder = write_shards(tmp_path, LINES, 16)
    build_index(str(folder))
    for number in range(16):
        rewrite(shard(folder, number), lambda b: b.replace(b'"r-', b'"R-'))
        with pytest.raises(IndexFault, match=f"cuts-{number:05}"):
            open_index(str(folder))
        rewrite(shard(folder, number), lambda b: b.replace(b'"R-', b'"r-'))
    open_index(str(folder))


def test_a_row_of_every_shard_is_found_in_few_pages():
    """Also of one that has a small label alone. Rows one by one would be read from as many places of the disk."""
    rows = np.zeros(1_000_000, ROW)
    rows["shard"] = np.arange(len(rows)) % 15
    rows["shard"][777_000:777_050] = 15
    begins = [0, 777_000, 777_050]
    chosen = _candidates(len(rows), begins)
    assert set(rows["shard"][chosen]) == set(range(16))
    assert len(set((chosen * ROW.itemsize // 4096).tolist())) < 1000


def test_an_index_that_was_made_again_is_not_mixed_with_the_old_one(folder):
    pickled = pickle.dumps(open_index(str(folder)))
    assert np.array_equal(pickle.loads(pickled).rows, open_index(str(folder)).rows)
    shard(folder).write_bytes(GOOD)
    build_index(str(folder), overwrite=True)
    with pytest.raises(IndexFault, match="was made again since"):
        pickle.loads(pickled)


def test_on_a_store(store: Store, tmp_path, monkeypatch):
    """Opening fetches the index once, and of the cuts only the sampled lines."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    url, lines = store.bucket() + "/cuts", [line(number, "x" * 2000) for number in range(600)]
    for number in range(2):
        content = b"".join(each + b"\n" for each in lines[number::2])
        store.write(f"{url}/cuts-0000{number}-of-00002.jsonl", content)
    build_index_of = ["index", url, store.flag()]
    assert main(build_index_of) == 0
    assert {name for name in store.names(url) if not name.startswith("cuts-")} == {"index/index.json", "index/rows.bin"}
    local = write_shards(tmp_path / "local", lines, 2)
    assert build_index(str(local)).fingerprint == open_index(url, storage_options=store.options).fingerprint
    shutil.rmtree(tmp_path / f"alm_beam_index_{os.getuid()}")
    with proxy(store.port) as between:
        behind = store.behind(between.port).options
        index = open_index(url, samples=4, storage_options=behind)
        first = between.answered
        pickle.loads(pickle.dumps(index))
        open_index(url, samples=4, storage_options=behind)
        second = between.answered - first
    assert index.rows.tobytes() == store.read(f"{url}/index/rows.bin")
    assert 600 * 48 < first < 600 * 48 + 30_000, "of 1.3 MB of cuts, a few lines"
    assert second < 30_000, "the rows are on this machine now"
    store.write(f"{url}/cuts-00000-of-00002.jsonl", lines[0])
    with pytest.raises(IndexFault, match="it is cut off"):
        open_index(url, storage_options=store.options)


def test_a_store_that_refuses_lines_is_told_with_their_shard(s3, tmp_path):
    url = uploaded(s3, str(write_shards(tmp_path / "cuts", LINES, 2)))
    build_index(url, storage_options=s3.options)

    def refused(request: Request) -> str | None:
        return "status:403:AccessDenied" if request.method == "GET" and ".jsonl" in request.path else None

    with proxy(s3.port, refused) as between, pytest.raises(OSError, match=f"^{url}/cuts-0000.*: (?s:.*)AccessDenied"):
        open_index(url, storage_options=s3.behind(between.port).options)
