"""NeMo's tarred data sets, read back as its loader documents that it pairs files, rows and members."""

import json
import re
import tarfile
from collections import defaultdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from alm_beam.core.audio_member import FIELD
from alm_beam.core.faults import BadEntry
from alm_beam.shards.nemo import Nemo
from tests.shards.made_windows import RATE, Folder, samples_of, started, window_of, written

PART = re.compile(r"^(?P<stem>.+)(?P<sub>-sub\d+)(?P<ext>\.\w+)?$")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pairs(manifests: list[Path], tars: list[Path]) -> list[tuple[dict[str, Any], np.ndarray, int]]:
    """Rows with their samples, as NeMo's `LazyNeMoTarredIterator` gets them, front to back."""
    of_manifests = {int(re.search(r"manifest[^/]*_(\d+)[^/]*\.json", str(path))[1]): path for path in manifests}
    of_tars = {int(re.search(r"audio[^/]*_(\d+)[^/]*\.tar", str(path))[1]): path for path in tars}
    assert of_manifests.keys() == of_tars.keys()
    found = []
    for number in sorted(of_manifests):
        rows = defaultdict(list)
        for row in rows_of(of_manifests[number]):
            assert row["shard_id"] == number
            part = PART.match(row["audio_filepath"])
            rows[part["stem"] + (part["ext"] or "") if part else row["audio_filepath"]].append(row)
        with tarfile.open(of_tars[number], "r|*") as archive:
            for member in archive:
                samples, rate = soundfile.read(BytesIO(archive.extractfile(member).read()), dtype="int16")
                found += [(row, samples, rate) for row in rows.pop(member.name)]
        assert not rows
    return found


def read_back(folder: Folder) -> list[tuple[dict[str, Any], np.ndarray, int]]:
    place = folder.path / "nemo"
    return pairs(sorted(place.glob("sharded_manifests/*")), sorted(place.glob("audio_*.tar")))


def test_rows_and_audio_are_paired(tmp_path):
    folder = written(Nemo(), tmp_path, [[window_of(0), window_of(1)], [window_of(2)]])
    assert [*folder.files()] == [
        "nemo/audio_0.tar",
        "nemo/audio_1.tar",
        "nemo/metadata.yaml",
        "nemo/sharded_manifests/manifest_0.json",
        "nemo/sharded_manifests/manifest_1.json",
        "nemo/tarred_audio_manifest.json",
    ]
    found = read_back(folder)
    assert len(found) == 3
    for number, (row, samples, rate) in enumerate(found):
        assert np.array_equal(samples[:, None], samples_of(number, 0.5 + number / 4))
        assert row == {
            "audio_filepath": f"rec_{number}-1_5-abc{number}.flac",
            "duration": len(samples) / RATE,
            "text": f"number {number} später",
            "shard_id": number // 2,
            "sampling_rate": rate,
            "lang": "en",
            "segments": [
                {"start": 0.0, "end": 0.3, "speaker": "ann", "text": f"number {number}", "channel": 0},
                {"start": 0.25, "end": 0.45, "speaker": "bob", "text": "später ", "channel": 0},
            ],
            "num_speakers": 2,
            "cut_id": f"rec/{number}-1.5",
            "sliced_from": {"recording_id": f"rec/{number}", "start": 12.5, "channel": 0},
            "source": "radio",
        }
        assert row["audio_filepath"].count(".") == 1


def test_the_manifest_of_all_has_all_rows(tmp_path):
    folder = written(Nemo(), tmp_path, [[window_of(0), window_of(1)], [], [window_of(2)]])
    shards = [rows_of(tmp_path / f"nemo/sharded_manifests/manifest_{number}.json") for number in range(3)]
    assert rows_of(tmp_path / "nemo/tarred_audio_manifest.json") == [row for rows in shards for row in rows]
    metadata = yaml.safe_load((tmp_path / "nemo/metadata.yaml").read_text())
    assert metadata["num_samples_per_shard"] == 1
    assert metadata["dataset_config"]["num_shards"] == 3
    assert metadata["dataset_config"]["shard_manifests"] is True
    assert len(read_back(folder)) == 3


def test_names_are_never_taken_for_parts_of_files(tmp_path):
    names = ["a-sub2", "a-sub2_", "a-sub2__", "a", "a-sub", "a-sub2x"]
    windows = [window_of(number)._replace(name=name) for number, name in enumerate(names)]
    found = read_back(written(Nemo(), tmp_path, [windows]))
    assert len({row["audio_filepath"] for row, _, _ in found}) == len(names)
    for number, (row, samples, _) in enumerate(found):
        assert row["cut_id"] == f"rec/{number}-1.5"
        assert np.array_equal(samples[:, None], samples_of(number, 0.5 + number % 3 / 4))


def test_custom_fields_that_nemo_would_misread_have_other_names(tmp_path):
    custom = {
        "offset": 3,
        "_skipme": True,
        "text": "a",
        "custom_text": "b",
        "lang": "fr",
        "duration": 9,
        "shard_id": 7,
        "audio_filepath": "x",
        "emotion": {"calm": 0.5},
        FIELD: "not of this run",
    }
    [(row, _, _)] = read_back(written(Nemo(), tmp_path, [[window_of(0, custom=custom)._replace(language="unknown")]]))
    assert row["duration"] == 0.5
    assert row["text"] == "number 0 später"
    assert not {"offset", "_skipme", "lang", FIELD} & row.keys()
    assert (row["custom_text"], row["custom_custom_text"]) == ("b", "a")
    assert (row["custom_offset"], row["custom__skipme"], row["custom_lang"]) == (3, True, "fr")
    assert row["emotion"] == {"calm": 0.5}
    assert row["num_speakers"] == 2


def test_a_window_where_nobody_speaks_has_an_empty_text(tmp_path):
    [(row, _, _)] = read_back(written(Nemo(), tmp_path, [[window_of(0, supervisions=None, custom=None)]]))
    assert (row["text"], row["segments"], row["num_speakers"]) == ("", [], 0)


@pytest.mark.parametrize(("ending", "channels"), [("wav", 2), ("opus", 1), ("flac", 2)])
def test_any_audio(tmp_path, ending, channels):
    [(row, samples, rate)] = read_back(written(Nemo(), tmp_path, [[window_of(1, ending, channels)]]))
    assert row["audio_filepath"] == f"rec_1-1_5-abc1.{ending}"
    assert row["duration"] == len(samples) / rate == 0.75
    assert samples.ndim == channels


def test_a_member_is_where_it_is_said_to_be(tmp_path):
    folder = Folder(tmp_path)
    writer = started(Nemo(), folder, 1)
    windows = [window_of(number) for number in range(5)]
    members = [writer.add(window) for window in windows]
    assert writer.finish() == ["nemo/audio_1.tar", "nemo/sharded_manifests/manifest_1.json"]
    for member, window in zip(members, windows):
        assert member.file == "nemo/audio_1.tar"
        assert (tmp_path / member.file).read_bytes()[member.offset :][: member.bytes] == window.audio


def test_same_windows_same_bytes(tmp_path):
    shards = [[window_of(number) for number in range(4)]]
    assert written(Nemo(), tmp_path / "a", shards).files() == written(Nemo(), tmp_path / "b", shards).files()


def test_nothing_is_in_place_before_the_end(tmp_path):
    folder = Folder(tmp_path)
    writer = started(Nemo(), folder)
    writer.add(window_of(0))
    assert all(path.endswith(".part") for path in folder.files())
    writer.abandon()
    assert folder.files() == {}


def test_a_malformed_window_leaves_the_shard_whole(tmp_path):
    folder = Folder(tmp_path)
    writer = started(Nemo(), folder)
    with pytest.raises(BadEntry, match="supervisions: expected a list, found"):
        writer.add(window_of(0, supervisions="none"))
    writer.add(window_of(1))
    writer.finish()
    assert len(read_back(folder)) == 1


def test_all_rows_are_never_in_memory():
    """The manifest of all is written piece by piece."""
    pieces, sizes = iter([b"x" * 10, b"\n"] * 3), []

    class File:
        def write(self, data: bytes) -> None:
            sizes.append(len(data))

        def __enter__(self) -> "File":
            return self

        def __exit__(self, *_: object) -> None: ...

    Nemo().whole([("a.tar", "a.json")], lambda _: pieces, lambda _: File())
    assert sizes[:-1] == [10, 1] * 3
