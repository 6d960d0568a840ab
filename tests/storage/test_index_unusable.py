"""Lines that cannot be indexed: each is named, and all of them are counted or left out."""

import os
from pathlib import Path

import pytest

from alm_beam.loader import WindowLoader
from alm_beam.loader.check_findings import FAILED, PASSED
from alm_beam.loader.check_static import _index_complete
from alm_beam.storage.index import plain_cuts, scan, unusable
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.open import IndexFault, open_index
from alm_beam.storage.index.verify import verify_index
from tests.storage.cuts import LINES, change_meta, read_lines, rewrite, write_shards

MIXED = (
    b'{"id": "mixed", "tracks": [{"cut": {"id": "a", "start": 0, "duration": 3.0, "channel": 0, "type": "MonoCut"}, '
    b'"type": "MonoCut", "offset": 0.0}, {"cut": {"id": "pad", "duration": 2.0, "type": "PaddingCut"}}], '
    b'"type": "MixedCut"}'
)
NAN = b'{"id": "nan", "start": 0, "duration": 3.0, "channel": 0, "custom": {"snr": [NaN]}, "type": "MonoCut"}'
INFINITY = b'{"id": "inf", "start": 0, "duration": 3.0, "channel": 0, "custom": {"snr": -Infinity}, "type": "MonoCut"}'
TEXT_NAN = b'{"id": "t", "start": 0, "duration": 3.0, "custom": {"text": "NaN"}, "type": "MonoCut"}'
NO_DURATION = b'{"id": "x", "start": 0, "type": "MonoCut"}'
UNUSABLE = [MIXED, NAN, b"", INFINITY, NO_DURATION, b'{"duration": NaN}', b'{"duration": 1e400}', b"\r", MIXED]

GOOD = b"".join(each + b"\n" for each in LINES[:5])


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (b"", "is blank"),
        (b" \t", "is blank"),
        (b"{", "is not JSON"),
        (b'{"duration":1}}', "is not JSON"),
        (b'{"duration":1}{"duration":1}', "is not JSON"),
        (b'{"duration":1,"x":"\xff"}', "is not JSON"),
        (b"[1]", "is no object"),
        (b'{"id":"x"}', "is no object with a duration"),
        (b'{"duration":"1"}', "is no object with a duration"),
        (b'{"duration":true}', "is no object with a duration"),
        (b'{"duration":-1.0}', "is no object with a duration"),
        (b'{"duration":\n1}', "is not JSON"),
        (b'{"a":{}\n,"duration":1}', "is not JSON"),
    ],
)
def test_what_is_no_cut_is_named(tmp_path, bad, found):
    (tmp_path / "cuts-0.jsonl").write_bytes(GOOD + bad + b"\n" + LINES[9])
    with pytest.raises(IndexFault, match=rf"cuts-0\.jsonl: line 6 \(byte {len(GOOD)}\) {found}"):
        build_index(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"cuts-0.jsonl"}


def test_what_cannot_be_indexed_is_named(tmp_path):
    with pytest.raises(IndexFault, match=r"holds no cuts\*\.jsonl"):
        build_index(str(tmp_path))
    write_shards(tmp_path, LINES, 1)
    (tmp_path / "cuts-1.jsonl.gz").write_bytes(b"")
    with pytest.raises(IndexFault, match=r"cuts-1\.jsonl\.gz: is compressed"):
        build_index(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    write_shards(tmp_path, LINES[:5], 1)
    os.mkfifo(tmp_path / "cuts-1.jsonl")
    with pytest.raises(IndexFault, match=r"cuts-1\.jsonl: is no regular file"):
        build_index(str(tmp_path))
    (tmp_path / "cuts-1.jsonl").unlink()
    (tmp_path / "there").write_bytes(LINES[7])
    (tmp_path / "cuts-1.jsonl").symlink_to(tmp_path / "there")
    assert build_index(str(tmp_path)).rows == 6


def lhotse_like(folder: Path) -> Path:
    """Two shards of cuts, between which stand lines that cannot be indexed."""
    folder.mkdir(exist_ok=True)
    (folder / "cuts-0.jsonl").write_bytes(b"\n".join([*LINES[:3], *UNUSABLE, TEXT_NAN, *LINES[3:6]]) + b"\n")
    (folder / "cuts-1.jsonl").write_bytes(b"\n".join([MIXED, *LINES[6:9]]))
    return folder


def test_all_of_them_are_counted_by_kind_and_the_first_are_named(tmp_path):
    lhotse_like(tmp_path)
    with pytest.raises(IndexFault) as raised:
        build_index(str(tmp_path))
    counts = "10 lines (3 MixedCut, 3 NaN or Infinity, 2 blank, 1 no cut, 1 not JSON) cannot be indexed: "
    assert str(raised.value).startswith(counts)
    *lines, last = str(raised.value).removeprefix(counts).split("; ")
    starts = [len(b"\n".join([*LINES[:3], *UNUSABLE[:at], b""])) for at in range(5)]
    assert lines == [
        f"{tmp_path}/cuts-0.jsonl: line {number} (byte {start}) {what}"
        for number, start, what in zip(
            range(4, 9),
            starts,
            [
                "is a MixedCut, which states no duration",
                "holds NaN, which is not JSON",
                "is blank",
                "holds -Infinity, which is not JSON",
                "is no object with a duration in seconds, from 0 to 1000000000, so no cut",
            ],
        )
    ]
    assert last == "and 5 more. Mend them, or give --skip_unusable to leave them out"
    assert {path.name for path in tmp_path.iterdir()} == {"cuts-0.jsonl", "cuts-1.jsonl"}


@pytest.mark.parametrize("read_bytes", [1 << 19, 200])
def test_they_are_left_out_and_the_rest_is_whole(tmp_path, monkeypatch, read_bytes):
    monkeypatch.setattr(scan, "_READ_BYTES", read_bytes)
    meta = build_index(str(lhotse_like(tmp_path)), skip_unusable=True)
    assert (meta.rows, meta.skipped) == (10, 10)
    index = open_index(str(tmp_path))
    assert sorted(read_lines(index, tmp_path)) == sorted([*LINES[:9], TEXT_NAN])
    assert verify_index(index).total == 10
    assert meta.fingerprint == build_index(str(write_shards(tmp_path / "x", [*LINES[:9], TEXT_NAN], 1))).fingerprint


def test_the_loader_reads_the_rest_and_its_check_knows_that_lines_were_left_out(tmp_path):
    build_index(str(lhotse_like(tmp_path)), skip_unusable=True)
    assert len([*WindowLoader(str(tmp_path))]) == 10
    assert _index_complete(str(tmp_path), open_index(str(tmp_path))).result == PASSED
    change_meta(tmp_path, skipped=9)
    assert _index_complete(str(tmp_path), open_index(str(tmp_path))).result == FAILED


def test_the_whole_check_sees_lines_that_became_unusable_or_usable(tmp_path):
    build_index(str(lhotse_like(tmp_path)), skip_unusable=True)
    for old, new in ((NAN, NAN.replace(b"NaN", b"123")), (TEXT_NAN, TEXT_NAN.replace(b'"NaN"', b"-1e+b"))):
        rewrite(tmp_path / "cuts-0.jsonl", lambda b, old=old, new=new: b.replace(old, new))
        with pytest.raises(IndexFault, match="its lines are not those that were indexed"):
            verify_index(open_index(str(tmp_path), samples=0))
        rewrite(tmp_path / "cuts-0.jsonl", lambda b, old=old, new=new: b.replace(new, old))
    change_meta(tmp_path, skipped=9)
    with pytest.raises(IndexFault, match=r"index\.json: is not what the shards give"):
        verify_index(open_index(str(tmp_path)))


def test_an_index_of_nothing_is_not_made_of_unusable_lines(tmp_path):
    (tmp_path / "cuts.jsonl").write_bytes(MIXED + b"\n\n")
    with pytest.raises(IndexFault, match=r"no line can be indexed, of 2 lines \(1 MixedCut, 1 blank\)"):
        build_index(str(tmp_path), skip_unusable=True)


def test_a_failed_build_leaves_the_old_index(folder):
    before = {path.name: path.read_bytes() for path in (folder / "index").iterdir()}
    with (folder / "cuts-00001-of-00003.jsonl").open("ab") as file:
        file.write(MIXED)
    with pytest.raises(IndexFault, match="1 line "):
        build_index(str(folder), overwrite=True)
    assert {path.name: path.read_bytes() for path in (folder / "index").iterdir()} == before
    assert not list(folder.glob("beam-temp*"))


def test_a_line_too_long_for_a_record_is_named(tmp_path, monkeypatch):
    for module in (plain_cuts, unusable):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", max(map(len, LINES[:60])) - 1)
    with pytest.raises(IndexFault, match=r"\(1 too long\)(.|\n)*line \d+ .* has \d+ bytes, more than"):
        build_index(str(write_shards(tmp_path, LINES[:60], 1)))


def test_what_lhotse_itself_writes(tmp_path):
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed: it brings torch, gigabytes")
    from lhotse.testing.dummies import dummy_cut, dummy_multi_cut

    strange = dummy_cut(1, duration=3.0)
    strange.custom = {"snr": float("nan")}
    cuts = [dummy_cut(0), strange, dummy_cut(2).pad(10.0), dummy_cut(3).mix(dummy_cut(4)), dummy_multi_cut(5)]
    lhotse.CutSet.from_cuts(cuts).to_jsonl(tmp_path / "cuts.jsonl")
    with pytest.raises(IndexFault, match=r"3 lines \(2 MixedCut, 1 NaN or Infinity\)"):
        build_index(str(tmp_path))
    assert build_index(str(tmp_path), skip_unusable=True).rows == 2
