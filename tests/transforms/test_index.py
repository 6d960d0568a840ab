"""The index that a run makes, and the windows that come twice in one run."""

import json
from collections import Counter
from pathlib import Path

import orjson
import pytest

import alm_beam
from alm_beam.core.config import JobConfig
from alm_beam.core.cut_labels import CutLabels
from alm_beam.core.cuts import CutLines
from alm_beam.core.losses import Finding, LossStats
from alm_beam.sample import sample_entries, write_sample
from alm_beam.storage.index.build import PARTS, build_index
from alm_beam.storage.index.format import IndexFault
from alm_beam.storage.index.open import open_index
from alm_beam.storage.index.scan import scan_shard
from alm_beam.storage.outputs import CUTS
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.staged_run import StagedRun
from alm_beam.transforms.finish import _FinishRun
from alm_beam.transforms.index import IndexedCutsSink, _ScanShard


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> str:
    return write_sample(str(tmp_path_factory.mktemp("in") / "in.jsonl"), recordings=10, seed=8)[0]


def counted(output: Path, **parameters: object) -> tuple[int, int, int]:
    """Windows that were kept, and that are repeated, as the statistics and the index of a run state them."""
    stats = alm_beam.run(JobConfig.of({"output": str(output), **parameters}))
    assert stats is not None
    written = json.loads((output / "loss_stats.json").read_text())
    assert written[Finding.REPEATED_WINDOW.value] == stats.findings[Finding.REPEATED_WINDOW.value]
    return stats.kept_windows, written["repeated_windows"], open_index(str(output)).repeated_windows


@pytest.mark.parametrize("num_shards", [0, 3])
def test_windows_that_come_twice_are_counted(tmp_path, manifest, num_shards):
    kept, *repeated = counted(tmp_path / "once", input=[manifest], num_shards=num_shards)
    assert kept > 10
    assert repeated == [0, 0]
    twice = counted(tmp_path / "twice", input=[manifest, manifest], num_shards=num_shards)
    assert twice == (2 * kept, kept, kept)
    three = counted(tmp_path / "three", input=[manifest], num_shards=num_shards, repeat_factor=3)
    assert three == (3 * kept, 2 * kept, 2 * kept)


@pytest.mark.parametrize("num_shards", [0, 3])
def test_the_index_is_that_of_the_shards_that_were_written(tmp_path, num_shards):
    """The writer states offsets, keys, durations and labels; reading the shards gives the same bytes."""
    entries = [*sample_entries(recordings=12, seed=3)]
    for number, entry in enumerate(entries):
        entry |= [{"source": "ami", "lang": "en"}, {"corpus": "calls"}, {"source": 7, "language": ""}, {}][number % 4]
        for segment in entry["segments"][:: number % 3 + 1]:
            segment["language"] = ["de", "", 5][number % 3]
    manifest = tmp_path / "in.jsonl"
    manifest.write_bytes(b"".join(map(orjson.dumps, entries)).replace(b"}{", b"}\n{"))
    out = tmp_path / "out"
    alm_beam.run(JobConfig.of({"input": [str(manifest)], "output": str(out), "num_shards": num_shards}))
    index = open_index(str(out))
    assert len(index.rows) > 20
    found = {(each.corpus, each.language) for each in index.label_sets or ()}
    assert found >= {("ami", "en"), ("calls", "de"), ("", "")}
    files = ["index/rows.bin", "index/index.json", *(path.name for path in out.glob("cuts-*.idx"))]
    written = {name: (out / name).read_bytes() for name in files}
    assert len(written) == 2 + (num_shards or 1)
    build_index(str(out), overwrite=True)
    assert {name: (out / name).read_bytes() for name in files} == written


def test_without_cuts_nothing_is_counted(tmp_path, manifest):
    stats = alm_beam.run(JobConfig.of({"input": [manifest, manifest], "output": str(tmp_path / "out"), "cuts": False}))
    assert stats is not None
    assert stats.findings[Finding.REPEATED_WINDOW.value] == 0


def test_the_count_does_not_change_the_statistics_that_were_given(tmp_path):
    folder = RunFolder(str(tmp_path))
    folder.prepare()
    run, given = StagedRun.of(folder, "1"), LossStats(recordings=2)
    step = _FinishRun(run, {}, {}, 1.0)
    (tmp_path / run.url / "index").mkdir(parents=True)
    for name in ("rows.bin", "index.json"):
        (tmp_path / run.url / "index" / name).touch()
    [ended] = step.process(given, [4], [])
    assert ended.findings == Counter(repeated_windows=4)
    assert given == LossStats(recordings=2)
    assert [*step.process(given, [4], [])] == [ended], "the step, done again"


def test_a_cut_that_no_index_can_hold_fails_the_run(tmp_path):
    with (tmp_path / "x.jsonl").open("wb") as file:
        sink = IndexedCutsSink(StagedRun.of(RunFolder(str(tmp_path)), "1"), "x.jsonl")
        sink.open(file)
        sink.write(CutLines([b"{}", b"{}"], [5.0, 2e9], [CutLabels("", "", "")] * 2))
        with pytest.raises(IndexFault, match=r"a cut lasts 2e\+09 seconds, .* \(--no_cuts\)"):
            sink.flush()


def test_a_line_of_the_run_itself_that_is_no_cut_fails_it(tmp_path):
    run = StagedRun.of(RunFolder(str(tmp_path)), "1")
    Path(run.shards_url(CUTS)).mkdir(parents=True)
    Path(run.shards_url(CUTS), "x.jsonl").write_bytes(b'{"duration": NaN}\n')
    with pytest.raises(IndexFault, match=r"1 line \(1 NaN or Infinity\)"):
        [*_ScanShard(run).process("x.jsonl")]
    assert scan_shard(run.shards_url(CUTS), "x.jsonl", f"{tmp_path}/{PARTS}").unusable.total == 1
