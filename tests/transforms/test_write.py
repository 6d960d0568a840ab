import json
from collections import Counter

import pytest

from alm_beam.core.losses import LossStats
from alm_beam.runners.filesystem import StorageSetup
from alm_beam.storage import run_folder
from alm_beam.transforms.write import RejectLimitError, ReplacedError, _FinishRun, write_shards


def test_statistics_then_the_marker(tmp_path):
    stats = LossStats(recordings=9, rejected=Counter(not_json=1))
    assert list(_FinishRun(str(tmp_path), StorageSetup({}), {"version": "1"}, 0.1).process(stats)) == [stats]
    assert json.loads((tmp_path / "loss_stats.json").read_text()) == {**stats.to_dict(), "version": "1"}
    assert (tmp_path / "_SUCCESS").exists()


def test_no_marker_where_the_statistics_cannot_be_written(tmp_path):
    (tmp_path / "loss_stats.json").mkdir()
    with pytest.raises(OSError, match="loss_stats"):
        list(_FinishRun(str(tmp_path), StorageSetup({}), {}, 1).process(LossStats()))
    assert not (tmp_path / "_SUCCESS").exists()


def test_statistics_but_no_marker_above_the_reject_limit(tmp_path):
    stats = LossStats(recordings=8, rejected=Counter(not_json=1, cut_off=1))
    with pytest.raises(RejectLimitError, match="2 of 10 entries were rejected"):
        list(_FinishRun(str(tmp_path), StorageSetup({}), {}, 0.1).process(stats))
    assert (tmp_path / "loss_stats.json").exists()
    assert not (tmp_path / "_SUCCESS").exists()


def test_a_run_in_whose_folder_another_began_leaves_what_that_one_wrote(tmp_path):
    sink = write_shards(str(tmp_path), run_folder.ENTRIES, StorageSetup({}))._sink
    temporary = sink.initialize_write()
    writer = sink.open_writer(temporary, "1")
    writer.write(b"{}")
    shard = writer.close()
    sink.pre_finalize(temporary, [shard])
    run_folder.clear(str(tmp_path))
    other = tmp_path / "alm_output-00000-of-00001.jsonl"
    other.write_bytes(b"of the other run\n")
    with pytest.raises(ReplacedError, match="another run has begun to write to the same folder"):
        sink.pre_finalize(temporary, [shard])
    assert other.read_bytes() == b"of the other run\n"
