"""The plan of shards: every line once, in the order and the sizes that were asked for, the same at any time."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alm_beam.core.cut_audio import parse_cut
from alm_beam.core.faults import BadEntry
from alm_beam.core.shards_config import LayoutConfig, ShardsConfig, SliceConfig
from alm_beam.storage.discovery import find_manifests
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.format import IndexFault
from alm_beam.storage.index.open import open_index
from alm_beam.storage.lines import ManifestReadError
from alm_beam.storage.plan_file import NAME, lines_of, planned_shard, write_plan
from alm_beam.storage.shard_plan import ShardPlan, planned
from tests.storage.cuts import rewrite
from tests.storage.test_compression import COMPRESS


def cut(recording: str, number: int, **fields: Any) -> bytes:
    source = {"type": "file", "channels": [0, 1], "source": f"{recording}.wav"}
    audio = {"id": recording, "sources": [source], "sampling_rate": 16000, "num_samples": 16000000, "duration": 1000.0}
    made = {"id": f"{recording}-{number}", "start": number * 2.0, "duration": 4.0, "channel": 0, "recording": audio}
    return json.dumps({**made, "type": "MonoCut", **fields}).encode()


def write(path: Path, lines: list[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def plan_of(
    *paths: Path, audio: SliceConfig | None = None, options: dict[str, Any] | None = None, **layout: Any
) -> ShardPlan:
    config = ShardsConfig(("in",), "out", layout=LayoutConfig(**layout), audio=audio or SliceConfig())
    return planned(find_manifests([*map(str, paths)], options or {}), config, options or {})


def shards(plan: ShardPlan, folder: Path) -> list[list[bytes]]:
    """The lines of each shard, as whoever makes it reads them."""
    write_plan(plan, str(folder))
    return [[line.text for line in lines_of(planned_shard(str(folder), number))] for number in range(len(plan))]


def ids(plan: ShardPlan, folder: Path) -> list[list[str]]:
    return [[json.loads(line)["id"] for line in each] for each in shards(plan, folder)]


def test_recordings_come_in_the_order_of_the_files_and_their_windows_by_time(tmp_path):
    write(tmp_path / "b.jsonl", [cut("y", 2), cut("x", 1), cut("z", 0)])
    write(tmp_path / "a.jsonl", [cut("x", 2), cut("y", 0), b"", b"  ", cut("x", 0)])
    found = ids(plan_of(tmp_path / "b.jsonl", tmp_path / "a.jsonl", windows_per_shard=3), tmp_path / "plan")
    assert found == [["x-0", "x-1", "x-2"], ["y-0", "y-2", "z-0"]]


def test_a_file_is_planned_once_however_often_and_by_whatever_way_it_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", [cut("x", 0)])
    (tmp_path / "link.jsonl").symlink_to(path)
    plan = plan_of(path, tmp_path / "link.jsonl", path)
    assert len(plan.windows) == 1
    assert plan.key == plan_of(path).key


@pytest.mark.parametrize("order", ["recording", "shuffled"])
def test_random_cuts_are_all_planned_and_no_shard_is_too_large(tmp_path, order):
    draw = random.Random(order)
    for attempt in range(60):
        folder = tmp_path / str(attempt)
        lines: list[bytes] = []
        for recording in range(draw.randint(0, 8)):
            lines += [
                cut(f"r{recording}", draw.randint(0, 9), duration=draw.choice([0.5, 4, 60]))
                for _ in range(draw.randint(1, 12))
            ]
        draw.shuffle(lines)
        parts = draw.randint(1, 3)
        paths = [write(folder / f"cuts-{part}.jsonl", lines[part::parts]) for part in range(parts)]
        windows, size = draw.choice([0, 1, 3, 7]), draw.choice([0, 128_000, 500_000])
        plan = plan_of(*paths, order=order, windows_per_shard=windows, shard_bytes=size)
        found = shards(plan, folder / "plan")
        assert Counter(line for each in found for line in each) == Counter(lines)
        assert all(fits(each, windows or (0 if size else 100), size) for each in found)
        if order == "recording":
            whole = [[line for line in lines if recording_of(line) == name] for name in {*map(recording_of, lines)}]
            for each in whole:
                if fits(each, windows or (0 if size else 100), size):
                    assert any({*each} <= {*shard} for shard in found), "it is in one shard"
        again = plan_of(*reversed(paths), order=order, windows_per_shard=windows, shard_bytes=size)
        assert (again.key, again.windows.tobytes(), again.ends.tolist()) == (
            plan.key,
            plan.windows.tobytes(),
            plan.ends.tolist(),
        )
        names = Counter(
            (json.loads(line)["id"], int(copy))
            for line, copy in zip((line for each in found for line in each), plan.windows["copy"])
        )
        assert set(names.values()) <= {1}, "id and copy name a window"


def recording_of(line: bytes) -> str:
    name: str = json.loads(line)["recording"]["id"]
    return name


def fits(lines: list[bytes], windows: int, size: int) -> bool:
    taken = sum(json.loads(line)["duration"] * 16000 * 2 for line in lines)
    return len(lines) == 1 or ((not windows or len(lines) <= windows) and (not size or taken <= size))


def test_shards_are_about_equal(tmp_path):
    path = write(tmp_path / "a.jsonl", [cut(f"r{number}", 0) for number in range(201)])
    assert np.diff(plan_of(path).ends, prepend=0).tolist() == [67, 67, 67]
    assert np.diff(plan_of(path, order="shuffled", windows_per_shard=200).ends, prepend=0).tolist() == [100, 101]


def test_a_recording_that_no_shard_holds_is_divided_and_others_are_not(tmp_path):
    lines = [cut("long", number) for number in range(10)] + [cut("short", number) for number in range(3)]
    path = write(tmp_path / "a.jsonl", lines)
    found = ids(plan_of(path, windows_per_shard=4), tmp_path / "plan")
    assert [len(each) for each in found] == [3, 3, 3, 4]
    assert found[-1] == ["long-9", "short-0", "short-1", "short-2"]


def test_bytes_are_those_of_the_audio_that_is_written(tmp_path):
    lines = [cut("r", number, channel=[0, 1], type="MultiCut") for number in range(8)]
    path = write(tmp_path / "a.jsonl", lines)
    size = 4 * 16000 * 2 * 4  # four mono windows of 4 s at 16 kHz
    assert len(plan_of(path, shard_bytes=size)) == 2
    assert len(plan_of(path, shard_bytes=size, audio=SliceConfig(channels="keep"))) == 4
    assert len(plan_of(path, shard_bytes=size, audio=SliceConfig(sample_rate=8000))) == 1
    assert len(plan_of(path, shard_bytes=1)) == 8, "a window that is too large is a shard by itself"
    assert len(plan_of(path, shard_bytes=size, windows_per_shard=1)) == 8


def test_the_shuffled_order_depends_on_seed_and_lines_alone(tmp_path):
    lines = [cut(f"r{number // 5}", number % 5) for number in range(200)]
    one = write(tmp_path / "one.jsonl", lines)
    several = [write(tmp_path / f"s-{part}.jsonl", lines[::-1][part::3]) for part in range(3)]
    first = ids(plan_of(one, order="shuffled"), tmp_path / "1")
    assert first == ids(plan_of(*several, order="shuffled"), tmp_path / "2")
    assert first != ids(plan_of(one, order="shuffled", seed=1), tmp_path / "3")
    assert first != ids(plan_of(one), tmp_path / "4")


def test_windows_with_the_same_id_are_told_apart(tmp_path):
    one = write(tmp_path / "a.jsonl", [cut("x", 0), cut("y", 0), cut("x", 0)])
    two = write(tmp_path / "b.jsonl", [cut("x", 0)])
    assert plan_of(one, two).windows["copy"].tolist() == [0, 1, 2, 0]


def test_parquet_is_planned_by_partition(tmp_path):
    lines = [
        cut("a", 0, custom={"source": "ami", "split": "dev"}, supervisions=[{"language": "en"}, {"language": "de"}]),
        cut("b", 0, custom={"corpus": "icsi", "source": "x", "language": "de"}, supervisions=[]),
        cut("c", 0, custom=None, supervisions=[{"language": 5}]),
        cut("d", 0, custom={"source": "ami", "split": "dev", "lang": "en"}),
        cut("e", 0, custom={"corpus": "", "source": ["ami"]}, supervisions="none"),
        b"[]",
    ]
    path = write(tmp_path / "a.jsonl", lines)
    plan = plan_of(path, format="parquet")
    assert plan.partitions == (("ami", "dev", "en"), ("icsi", "train", "de"), ("unknown", "train", "unknown"))
    assert shards(plan, tmp_path / "plan") == [[lines[0], lines[3]], [lines[1]], [lines[2], lines[4], lines[5]]]
    told = plan_of(path, format="parquet", corpus="c", split="s", language="l", windows_per_shard=4)
    assert told.partitions == (("c", "s", "l"),) * 2
    assert set(plan_of(path, format="shar").partitions) == {("", "", "")}


def test_the_key_tells_plans_apart(tmp_path):
    path = write(tmp_path / "a.jsonl", [cut("x", 0), cut("x", 1)])
    keys = {plan_of(path).key}
    for change in ({"format": "nemo"}, {"order": "shuffled"}, {"windows_per_shard": 1}, {"corpus": "c"}, {"seed": 2}):
        keys.add(plan_of(path, **change).key)
    for audio in (SliceConfig(sample_rate=8000), SliceConfig(pad=0.2), SliceConfig(audio_root="x")):
        keys.add(plan_of(path, audio=audio).key)
    keys.add(plan_of(write(tmp_path / "b.jsonl", [cut("x", 0), cut("x", 1)])).key)
    write(path, [cut("x", 0), cut("x", 2)])
    keys.add(plan_of(path).key)
    assert len(keys) == 11
    assert all(len(key) == 32 for key in keys)


def test_the_key_is_of_the_cuts_and_not_of_how_the_run_was_told(tmp_path, monkeypatch):
    path = write(tmp_path / "a.jsonl", [cut("x", 0)])
    monkeypatch.chdir(tmp_path)
    config = ShardsConfig(("x",), "elsewhere", overwrite=True, max_reject_fraction=1.0, storage_options={"s3": {}})
    assert planned(find_manifests(["a.jsonl"]), config).key == plan_of(path).key
    write(tmp_path / "empty.jsonl", [b""])
    assert plan_of(path, tmp_path / "empty.jsonl").key == plan_of(path).key


HOSTILE = [
    b"{",
    b"[]",
    b"NaN",
    b'"text"',
    b'{"id": "x", "type": "MixedCut", "tracks": []}',
    b'{"id": 5, "start": "x", "duration": null, "channel": {}, "recording": []}',
    b'{"id": "x", "start": 1e99, "duration": 1e308, "recording": {"sampling_rate": 1e308}}',
    b'{"id": "x", "start": ' + b"9" * 400 + b', "duration": 1}',
    b'{"id": "\xff", "start": 0}',
    b'{"id": "\\ud800", "start": 0}',
    b"[" * 5000,
    b"\0",
]


def test_what_is_no_cut_has_its_place_and_a_reason(tmp_path):
    lines = [cut("x", 0), *HOSTILE, cut("y", 0)]
    path = write(tmp_path / "a.jsonl", lines)
    plan = plan_of(path, windows_per_shard=5, shard_bytes=10**9)
    assert [line for each in shards(plan, tmp_path / "plan") for line in each] == lines
    for number in range(len(plan)):
        for line in lines_of(planned_shard(str(tmp_path / "plan"), number)):
            assert line.file == str(path)
            if line.text not in (lines[0], lines[-1]):
                with pytest.raises(BadEntry):
                    parse_cut(line)


def test_a_file_of_another_kind_is_one_reject(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'[\n{"id": "a"},\n{"id": "b"}\n]\n')
    write(tmp_path / "b.jsonl", [cut("x", 0)])
    plan = plan_of(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    write_plan(plan, str(tmp_path / "plan"))
    first, second = lines_of(planned_shard(str(tmp_path / "plan"), 0))
    with pytest.raises(BadEntry, match="not_a_manifest"):
        parse_cut(first)
    assert parse_cut(second).id == "x-0"


def test_lines_end_as_they_may(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + cut("x", 0) + b"\r\n\r\n" + cut("x", 1))
    write_plan(plan_of(path), str(tmp_path / "plan"))
    read = [*lines_of(planned_shard(str(tmp_path / "plan"), 0))]
    assert [parse_cut(line).id for line in read] == ["x-0", "x-1"]
    assert [line.offset for line in read] == [0, len(cut("x", 0)) + 7]


@pytest.mark.parametrize("text", [b"", b"\n\n  \n"])
def test_no_cuts_are_no_shards(tmp_path, text):
    (tmp_path / "a.jsonl").write_bytes(text)
    plan = plan_of(tmp_path / "a.jsonl", format="parquet", order="shuffled")
    assert (len(plan), len(plan.windows), plan.partitions, plan.files) == (0, 0, (), ())
    write_plan(plan, str(tmp_path / "plan"))
    with pytest.raises(IndexError, match="shard 0: the plan has 0"):
        planned_shard(str(tmp_path / "plan"), 0)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_cuts_are_copied_and_called_as_before(tmp_path, suffix):
    path = tmp_path / f"cuts.jsonl{suffix}"
    lines = [cut("x", number) for number in range(5)]
    path.write_bytes(COMPRESS[suffix](b"".join(line + b"\n" for line in lines)))
    plan = plan_of(path)
    assert shards(plan, tmp_path / "plan") == [lines]
    read = [*lines_of(planned_shard(str(tmp_path / "plan"), 0))]
    assert {line.file for line in read} == {str(path)}
    assert [line.offset for line in read] == [sum(len(line) + 1 for line in lines[:at]) for at in range(5)]
    assert plan.key != plan_of(write(tmp_path / "cuts.jsonl", lines)).key


def test_compressed_cuts_that_are_cut_off_are_named(tmp_path):
    path = tmp_path / "cuts.jsonl.gz"
    path.write_bytes(COMPRESS[".gz"](cut("x", 0) + b"\n")[:-9])
    with pytest.raises(ManifestReadError, match=rf"{path}: the compressed data is cut off"):
        plan_of(path)


@pytest.mark.parametrize(
    "change", [lambda text: text.replace(b"x-1", b"x-9"), lambda text: b" " + text, lambda text: text[:-30]]
)
def test_a_file_that_changes_after_the_plan_is_named(tmp_path, change):
    path = write(tmp_path / "a.jsonl", [cut("x", 0), cut("x", 1)])
    write_plan(plan_of(path), str(tmp_path / "plan"))
    rewrite(path, change)
    with pytest.raises(
        ManifestReadError, match=rf"{path}: the line at byte \d+, of \d+ bytes, is not the one that was"
    ):
        [*lines_of(planned_shard(str(tmp_path / "plan"), 0))]


def test_a_file_that_is_gone_is_named(tmp_path):
    path = write(tmp_path / "a.jsonl", [cut("x", 0)])
    write_plan(plan_of(path), str(tmp_path / "plan"))
    path.unlink()
    with pytest.raises(ManifestReadError, match=rf"{path}: cannot be read \(does not exist"):
        [*lines_of(planned_shard(str(tmp_path / "plan"), 0))]


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:-5] + b"x" + data[-4:], lambda _: b""])
def test_a_plan_that_is_damaged_is_refused(tmp_path, change):
    plan = plan_of(write(tmp_path / "a.jsonl", [cut("x", number) for number in range(4)]), windows_per_shard=2)
    write_plan(plan, str(tmp_path / "plan"))
    rewrite(tmp_path / "plan" / NAME, change)
    with pytest.raises(IndexFault, match=rf"{NAME}: is not as it was written; start the run again"):
        planned_shard(str(tmp_path / "plan"), 1)


def test_a_shard_knows_its_plan_and_its_number(tmp_path):
    plan = plan_of(write(tmp_path / "a.jsonl", [cut("x", number) for number in range(4)]), windows_per_shard=2)
    write_plan(plan, str(tmp_path / "plan"))
    shard = planned_shard(str(tmp_path / "plan"), 1)
    assert (shard.plan, shard.number, len(shard.windows)) == (plan.key, 1, 2)
    for number in (-1, 2):
        with pytest.raises(IndexError, match=f"shard {number}: the plan has 2"):
            planned_shard(str(tmp_path / "plan"), number)


def test_many_long_lines_are_fetched_some_at_a_time(tmp_path):
    lines = [cut("x", number, text="y" * 3_000_000) for number in range(9)]
    path = write(tmp_path / "a.jsonl", lines[::-1])
    assert shards(plan_of(path), tmp_path / "plan") == [lines]


class TestFoldersWithAnIndex:
    CONFIG = ShardsConfig(("in",), "out", layout=LayoutConfig(windows_per_shard=6))

    @pytest.fixture
    def lines(self) -> list[bytes]:
        return [cut(f"r{number // 4}", number % 4) for number in range(20)]

    @pytest.fixture
    def folder(self, tmp_path: Path, lines: list[bytes]) -> Path:
        for part in range(3):
            write(tmp_path / "in" / f"cuts-{part}.jsonl", lines[part::3])
        write(tmp_path / "in" / "rejects-0.jsonl", [b"{}"])
        build_index(str(tmp_path / "in"))
        return tmp_path / "in"

    def test_the_plan_is_that_of_the_files(self, tmp_path, folder, lines):
        plan = planned([open_index(str(folder))], self.CONFIG)
        assert [line for each in shards(plan, tmp_path / "plan") for line in each] == lines
        files = find_manifests([str(folder / "cuts*.jsonl")])
        assert plan.key == planned(files, self.CONFIG).key
        assert plan.key == planned([*files, open_index(str(folder)), *files], self.CONFIG).key
        assert plan.files == tuple(str(folder / f"cuts-{part}.jsonl") for part in range(3))

    def test_a_file_that_changed_since_the_index_was_opened_is_refused(self, folder):
        index = open_index(str(folder))
        rewrite(folder / "cuts-1.jsonl", lambda text: text.replace(b"4.0", b"5.0", 1))
        with pytest.raises(IndexFault, match=r"cuts-1.jsonl: the line at byte 0 is not the one that was indexed"):
            planned([index], self.CONFIG)

    @pytest.mark.parametrize("change", [lambda text: text[:-400], lambda text: text + b"{}\n"])
    def test_a_file_of_another_length_is_refused(self, folder, change):
        index = open_index(str(folder))
        rewrite(folder / "cuts-1.jsonl", change)
        with pytest.raises(IndexFault, match="is not the one that was indexed"):
            planned([index], self.CONFIG)

    def test_what_the_index_left_out_is_not_planned(self, tmp_path, folder, lines):
        write(folder / "cuts-9.jsonl", [b"", *HOSTILE, cut("z", 0) + b"\r"])
        build_index(str(folder), overwrite=True, skip_unusable=True)
        plan = planned([open_index(str(folder))], self.CONFIG)
        found = [line for each in shards(plan, tmp_path / "plan") for line in each]
        assert found[:20] == lines
        assert cut("z", 0) in found
        assert b"[]" not in found


def test_a_store_is_read_by_ranges(s3, tmp_path):
    bucket = s3.bucket()
    lines = [cut(f"r{number // 10}", number % 10) for number in range(300)]
    for part in range(3):
        s3.write(f"{bucket}/in/cuts-{part}.jsonl", b"".join(line + b"\n" for line in lines[part::3]))
    s3.write(f"{bucket}/in/cuts-3.jsonl.gz", COMPRESS[".gz"](cut("z", 0)))
    local = write(tmp_path / "local.jsonl", [cut("l", 0)])
    options = {"s3": s3.options}
    config = ShardsConfig(("in",), "out", layout=LayoutConfig(order="shuffled"))
    plan = planned(find_manifests([f"{bucket}/in/", str(local)], options), config, options)
    write_plan(plan, f"{bucket}/plan", options)
    found = [
        line.text
        for number in range(len(plan))
        for line in lines_of(planned_shard(f"{bucket}/plan", number, options), options)
    ]
    assert Counter(found) == Counter([*lines, cut("z", 0), cut("l", 0)])
    s3.write(f"{bucket}/in/cuts-1.jsonl", b"x")
    with pytest.raises(ManifestReadError, match=rf"{bucket}/in/cuts-1.jsonl: "):
        [*lines_of(planned_shard(f"{bucket}/plan", 0, options), options)]
