"""The `.idx` beside the cuts of a run, and Lhotse's reading of both."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alm_beam
from alm_beam.core.config import JobConfig
from alm_beam.sample import write_sample


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> str:
    return write_sample(str(tmp_path_factory.mktemp("in") / "in.jsonl"), recordings=10, seed=8)[0]


def run(manifest: str, output: Path, **parameters: Any) -> list[Path]:
    """The shards of the cuts of a run, each of which has a sound `.idx`, and there is no other."""
    alm_beam.run(JobConfig.of({"input": [manifest], "output": str(output), **parameters}))
    shards = sorted(output.glob("cuts-*.jsonl"))
    for shard in shards:
        lines = shard.read_bytes().splitlines(keepends=True)
        stated = np.fromfile(f"{shard}.idx", "<u8")
        assert stated.tolist() == np.cumsum([0, *map(len, lines)]).tolist()
    assert sorted(output.glob("*.idx")) == [Path(f"{shard}.idx") for shard in shards]
    return shards


def test_each_shard_of_a_run_has_its_own_and_none_of_an_earlier_run_stays(tmp_path, manifest):
    assert len(run(manifest, tmp_path, num_shards=5)) == 5
    assert len(run(manifest, tmp_path, num_shards=2, overwrite=True)) == 2
    assert run(manifest, tmp_path, cuts=False, overwrite=True) == []


def test_empty_shards_have_one_too(tmp_path):
    empty = tmp_path / "in.jsonl"
    empty.write_bytes(b"")
    shards = run(str(empty), tmp_path / "out", num_shards=3)
    assert [Path(f"{shard}.idx").read_bytes() for shard in shards] == [bytes(8)] * 3


@pytest.fixture
def lhotse() -> Any:
    return pytest.importorskip("lhotse", reason="lhotse is not installed: it brings torch, gigabytes")


def test_lhotse_reads_the_cuts_beside_them_and_since_2_opens_them_at_any(tmp_path, manifest, lhotse):
    shards = run(manifest, tmp_path, num_shards=2)
    lines = [[json.loads(line) for line in shard.open("rb")] for shard in shards]
    for shard, each in zip(shards, lines):
        made = Path(f"{shard}.idx").read_bytes()
        assert [cut.id for cut in lhotse.CutSet.from_file(shard)] == [line["id"] for line in each]
        if int(lhotse.__version__.partition(".")[0]) >= 2:
            cuts = lhotse.CutSet.from_file(shard, indexed=True)
            assert len(cuts) == len(each) > 2
            for at in (len(each) - 1, 0, len(each) // 2):
                assert cuts[at].to_dict() == lhotse.serialization.deserialize_item(dict(each[at])).to_dict()
            assert [cut.id for cut in cuts] == [line["id"] for line in each]
            assert lhotse.indexing.create_jsonl_index(shard, tmp_path / "other").read_bytes() == made
        assert Path(f"{shard}.idx").read_bytes() == made, "it was taken as it was"
    both = lhotse.CutSet.from_files([*map(str, shards)], shuffle_iters=False)
    assert sorted(cut.id for cut in both) == sorted(line["id"] for each in lines for line in each)
