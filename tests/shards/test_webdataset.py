"""WebDataset, read back by `webdataset`."""

import json
import subprocess
import sys
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile
import webdataset

from alm_beam.core.faults import BadEntry
from alm_beam.shards.own_audio import own_audio_cut
from alm_beam.shards.webdataset import WebDataset
from tests.shards.made_windows import RATE, Folder, samples_of, started, window_of, written


def samples_in(path: Path, count: int) -> list[dict[str, object]]:
    """Front to back, as `WebDataset` reads them."""
    urls = str(path / f"webdataset/{{000000..{count - 1:06}}}.tar")
    return [*webdataset.WebDataset(urls, shardshuffle=False)]


def test_webdataset_gives_audio_and_cut_as_one_sample(tmp_path):
    shards = [[window_of(0), window_of(1)], [window_of(2)]]
    folder = written(WebDataset(), tmp_path, shards)
    assert [*folder.files()] == ["webdataset/000000.tar", "webdataset/000001.tar"]
    found = samples_in(tmp_path, 2)
    assert len(found) == 3
    for number, (sample, window) in enumerate(zip(found, chain(*shards))):
        assert sample["__key__"] == window.name
        samples, rate = soundfile.read(BytesIO(sample["flac"]), dtype="int16")
        assert np.array_equal(samples[:, None], samples_of(number, 0.5 + number / 4))
        cut = json.loads(sample["json"])
        assert cut == own_audio_cut(window)
        assert (cut["start"], cut["recording"]["num_samples"], rate) == (0, len(samples), RATE)
        assert cut["custom"]["source"] == "radio"
        assert [each["text"] for each in cut["supervisions"]] == ["später ", f"number {number}"]


def test_webdataset_decodes_the_json(tmp_path):
    written(WebDataset(), tmp_path, [[window_of(0)]])
    [(audio, cut)] = (
        webdataset.WebDataset(str(tmp_path / "webdataset/000000.tar"), shardshuffle=False)
        .decode()
        .to_tuple("flac", "json")
    )
    assert audio[:4] == b"fLaC"
    assert cut["custom"]["cut_id"] == "rec/0-1.5"


@pytest.mark.parametrize(("ending", "channels"), [("wav", 2), ("opus", 1)])
def test_any_audio(tmp_path, ending, channels):
    window = window_of(1, ending, channels)
    written(WebDataset(), tmp_path, [[window]])
    [sample] = samples_in(tmp_path, 1)
    assert sample[ending] == window.audio
    assert json.loads(sample["json"])["type"] == window.cut["type"]


def test_a_member_is_where_it_is_said_to_be(tmp_path):
    writer = started(WebDataset(), Folder(tmp_path), 12)
    windows = [window_of(number) for number in range(5)]
    members = [writer.add(window) for window in windows]
    assert writer.finish() == ["webdataset/000012.tar"]
    for member, window in zip(members, windows):
        assert (tmp_path / member.file).read_bytes()[member.offset :][: member.bytes] == window.audio


def test_same_windows_same_bytes(tmp_path):
    shards = [[window_of(number) for number in range(4)]]
    assert (
        written(WebDataset(), tmp_path / "a", shards).files() == written(WebDataset(), tmp_path / "b", shards).files()
    )


def test_nothing_is_in_place_before_the_end(tmp_path):
    folder = Folder(tmp_path)
    writer = started(WebDataset(), folder)
    writer.add(window_of(0))
    assert all(path.endswith(".part") for path in folder.files())
    writer.abandon()
    assert folder.files() == {}


def test_a_malformed_window_leaves_the_shard_whole(tmp_path):
    writer = started(WebDataset(), Folder(tmp_path))
    with pytest.raises(BadEntry, match="supervisions: expected a list"):
        writer.add(window_of(0, supervisions=1))
    deep: list[object] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(BadEntry, match="nested"):
        writer.add(window_of(0, custom={"deep": deep}))
    writer.add(window_of(1))
    writer.finish()
    assert len(samples_in(tmp_path, 1)) == 1


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import webdataset
print(len([*webdataset.WebDataset(sys.argv[1], shardshuffle=False)]))
"""


def test_webdataset_needs_no_torch(tmp_path):
    """So that these tests read with the library itself wherever they run."""
    written(WebDataset(), tmp_path, [[window_of(0)]])
    command = [sys.executable, "-c", WITHOUT_TORCH, tmp_path / "webdataset/000000.tar"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"
