"""The job that writes audio shards, from cuts to what trainers read."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from alm_beam.core.shards_config import LayoutConfig, ShardsConfig
from alm_beam.jobs.shards import Work
from alm_beam.loader import WindowLoader
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.index.open import open_index
from alm_beam.storage.index.verify import verify_index
from alm_beam.storage.outputs import SHARDS
from alm_beam.storage.shard_plan import planned
from tests.jobs.cuts import RATE, cut, cuts_in, files_in, job, many, noise, recording, rejects, shar_audio, stats, write

REPO = Path(__file__).parents[2]
FORMATS = ("shar", "nemo", "webdataset", "parquet")


def test_each_window_has_its_own_audio_sample_for_sample(tmp_path):
    source = many(tmp_path, 3, windows=6)
    assert job(tmp_path / "out", source, flags=["--windows_per_shard=6"]) == 0
    found = shar_audio(tmp_path / "out")
    assert len(found) == 18
    for number in range(3):
        whole, _ = soundfile.read(tmp_path / "audio" / f"r{number:02}.flac", dtype="int16", always_2d=True)
        for index in range(6):
            samples, rate = found[f"r{number:02}-{index}"]
            assert rate == 16000
            np.testing.assert_array_equal(samples, whole[index * 8000 : index * 8000 + 16000])


def test_two_workers_that_take_shards_in_turns_have_as_much_audio_to_slice(tmp_path):
    source, config = many(tmp_path, 10), ShardsConfig(("cuts",), "out", layout=LayoutConfig(windows_per_shard=12))
    work = Work(planned([Manifest(str(source), source.stat().st_size)], config), ())
    assert np.diff(work.plan.ends, prepend=0).tolist() == [12, 8, 12, 8]
    assert work.plan.sizes.tolist() == [count * 2 * RATE for count in (12, 8, 12, 8)]
    assert work.numbers == [0, 2, 1, 3]


@pytest.mark.parametrize("layout", FORMATS)
def test_what_a_run_leaves(tmp_path, layout):
    out = tmp_path / "out"
    assert job(out, many(tmp_path, 4), flags=["--windows_per_shard=4", f"--format={layout}"]) == 0
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    trees = {tree.folder: tree for tree in SHARDS.trees}
    top = {name for name in found if "/" not in name or name.startswith("index/")}
    expected = {"_SUCCESS", "README.md", "index/index.json", "index/rows.bin", "shards_stats.json"}
    expected |= {"input_cfg.yaml"} if layout in ("shar", "nemo") else set()
    cuts = {f"cuts-{number:05d}-of-00004.jsonl{ending}" for number in range(4) for ending in ("", ".idx")}
    assert top == expected | cuts
    inside = {name.split("/")[0] for name in found - top}
    assert inside == ({"shar", "shar_index"} if layout == "shar" else {layout})
    for name in found - top:
        folder, _, path = name.partition("/")
        assert re.fullmatch(trees[folder].pattern, path), "an overwrite would leave it"
    assert len(cuts_in(out)) == 16
    verify_index(open_index(str(out)))
    assert len(open_index(str(out))) == stats(out)["windows"] == 16


@pytest.mark.parametrize("layout", FORMATS)
def test_the_loader_reads_each_window_with_its_audio(tmp_path, layout):
    source = many(tmp_path, 2)
    assert job(tmp_path / "out", source, flags=["--windows_per_shard=3", f"--format={layout}"]) == 0
    loader = WindowLoader(str(tmp_path / "out"))
    seen = set()
    for window in loader:
        samples, rate = loader.audio(window)
        name = window["custom"].get("cut_id", window["id"])
        number, index = int(name[1:3]), int(name[4:])
        whole, _ = soundfile.read(tmp_path / "audio" / f"r{number:02}.flac", dtype="float32")
        np.testing.assert_array_equal(samples[0], whole[index * 8000 : index * 8000 + 16000])
        assert (samples.shape, rate) == ((1, 16000), 16000)
        seen.add(name)
    assert len(seen) == 8


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("order", ["recording", "shuffled"])
def test_the_same_command_gives_the_same_bytes(tmp_path, layout, order):
    source = many(tmp_path, 3)
    flags = ["--windows_per_shard=5", f"--format={layout}", f"--order={order}"]
    assert job(tmp_path / "one", source, flags=[*flags, "--direct_num_workers=1"]) == 0
    assert job(tmp_path / "two", source, flags=flags) == 0
    one, two = files_in(tmp_path / "one"), files_in(tmp_path / "two")
    one.pop("input_cfg.yaml", None), two.pop("input_cfg.yaml", None)  # which names the folder
    assert one == two


def test_a_finished_run_of_windows_is_read_with_its_index_and_its_manifests_say_where_audio_is(tmp_path):
    noise(tmp_path / "in" / "a.wav", 260)
    turns = [{"start": s, "end": s + 5, "speaker": "ab"[s // 5 % 2], "text": "yes"} for s in range(0, 260, 5)]
    entry = {"audio_filepath": "a.wav", "audio_sample_rate": 16000, "duration": 260.0, "segments": turns}
    (tmp_path / "in" / "m.jsonl").write_text(json.dumps(entry) + "\n")
    flags = ["--min_bandwidth=0", "--overlap_percentage=60"]
    windows = [sys.executable, "pipelines/build_windows.py", f"--input={tmp_path}/in/m.jsonl"]
    subprocess.run([*windows, f"--output={tmp_path}/windows", *flags], cwd=REPO, check=True, capture_output=True)
    made = [json.loads(line) for line in (tmp_path / "windows" / "cuts-00000-of-00001.jsonl").read_text().splitlines()]
    assert made
    assert job(tmp_path / "out", tmp_path / "windows") == 0
    whole, _ = soundfile.read(tmp_path / "in" / "a.wav", dtype="int16")
    found = shar_audio(tmp_path / "out")
    assert len(found) == len(made)
    for each in made:
        start, count = round(each["start"] * 16000), round(each["duration"] * 16000)
        np.testing.assert_array_equal(found[each["id"]][0][:, 0], whole[start : start + count])


def test_windows_of_recordings_stay_together_and_shuffled_ones_do_not(tmp_path):
    source = many(tmp_path, 6)
    assert job(tmp_path / "together", source, flags=["--windows_per_shard=8"]) == 0
    assert job(tmp_path / "mixed", source, flags=["--windows_per_shard=8", "--order=shuffled", "--seed=3"]) == 0
    together = [each["custom"].get("cut_id", each["id"]) for each in cuts_in(tmp_path / "together")]
    mixed = [each["custom"].get("cut_id", each["id"]) for each in cuts_in(tmp_path / "mixed")]
    assert together == sorted(together)
    assert sorted(mixed) == together != mixed


class TestFaults:
    def test_each_is_a_reject_that_names_cut_source_and_reason(self, tmp_path):
        good = recording(noise(tmp_path / "good.wav", 3), 3)
        empty, text, cut_off = tmp_path / "empty.wav", tmp_path / "text.wav", tmp_path / "cut_off.flac"
        empty.touch()
        text.write_text("no audio at all")
        cut_off.write_bytes(noise(tmp_path / "whole.flac", 4).read_bytes()[:60_000])
        cuts = [
            cut("one", good, 0, 1),
            cut("missing", recording(tmp_path / "nosuch.wav", 3), 0, 1),
            cut("empty", recording(empty, 3), 0, 1),
            cut("text", recording(text, 3), 0, 1),
            cut("cut_off", recording(cut_off, 4), 3, 1),
            cut("behind", good, 2.5, 1),
            cut("two", good, 2, 1),
            "[1]",
            json.dumps({"id": "mixed", "type": "MixedCut", "tracks": []}),
            "{",
        ]
        out = tmp_path / "out"
        assert job(out, write(tmp_path / "cuts.jsonl", cuts), flags=["--max_reject_fraction=1"]) == 0
        assert sorted(shar_audio(out)) == ["one", "two"]
        found = {each["line"][:20]: each for each in rejects(out)}
        assert len(found) == 8
        by_reason = {each["reason"]: each["detail"] for each in rejects(out)}
        assert by_reason["audio_missing"].startswith("cut missing: ")
        assert str(tmp_path / "nosuch.wav") in by_reason["audio_missing"]
        assert {"audio_missing", "audio_empty", "audio_unreadable", "audio_too_short", "not_a_cut"} <= by_reason.keys()
        assert "cut behind: " in by_reason["audio_too_short"]
        assert stats(out)["rejected"] == 8

    def test_too_many_rejects_fail_the_run_and_what_was_made_is_taken_over_once_they_are_mended(self, tmp_path, capfd):
        source, out = many(tmp_path, 4), tmp_path / "out"
        lost = tmp_path / "audio" / "r02.flac"
        data = lost.read_bytes()
        lost.unlink()
        assert job(out, source, flags=["--windows_per_shard=4"]) == 1
        assert "4 of 16 entries were rejected" in capfd.readouterr().err
        assert not (out / "_SUCCESS").exists()
        assert len(rejects(out)) == 4
        lost.write_bytes(data)
        assert job(out, source, flags=["--windows_per_shard=4"]) == 0
        assert stats(out)["taken_over"] == 3
        assert not rejects(out)
        assert len(shar_audio(out)) == 16

    def test_a_window_that_ends_a_little_behind_the_audio_is_padded_and_counted(self, tmp_path):
        of = recording(noise(tmp_path / "a.wav", 1.95), 2)
        source = write(tmp_path / "cuts.jsonl", [cut("padded", of, 1, 1), cut("whole", of, 0, 1)])
        assert job(tmp_path / "out", source) == 0
        samples = shar_audio(tmp_path / "out")["padded"][0]
        assert len(samples) == 16000
        assert not samples[15200:].any()
        assert samples[15199].any()
        assert stats(tmp_path / "out")["padded_windows"] == 1
        assert stats(tmp_path / "out")["padded_dur"] == pytest.approx(0.05)

    def test_what_the_file_has_counts_and_not_what_the_cut_states(self, tmp_path):
        of = recording(noise(tmp_path / "a.wav", 2, rate=8000, channels=2), 2, rate=16000)
        assert job(tmp_path / "out", write(tmp_path / "cuts.jsonl", [cut("a", of, 0.5, 1)])) == 0
        assert shar_audio(tmp_path / "out")["a"][1] == 8000
        found = stats(tmp_path / "out")
        assert (found["different_sample_rate"], found["different_channels"]) == (1, 1)

    def test_what_is_above_full_scale_is_scaled_and_says_so(self, tmp_path):
        loud = np.sin(np.arange(32000) / 7).astype(np.float32) * 2
        soundfile.write(tmp_path / "a.wav", loud, 16000, "FLOAT")
        source = write(tmp_path / "cuts.jsonl", [cut("a", recording(tmp_path / "a.wav", 2), 0, 2)])
        assert job(tmp_path / "out", source) == 0
        [window] = cuts_in(tmp_path / "out")
        samples = shar_audio(tmp_path / "out")["a"][0][:, 0] / 32768
        np.testing.assert_allclose(samples, loud * window["custom"]["gain"], atol=1 / 32768)
        assert np.abs(samples).max() > 0.99
        assert stats(tmp_path / "out")["scaled_windows"] == 1

    def test_a_relative_path_that_two_folders_hold_is_refused(self, tmp_path, monkeypatch):
        for folder in ("cuts", "here"):
            noise(tmp_path / folder / "a.wav", 1, seed=len(folder))
        monkeypatch.chdir(tmp_path / "here")
        source = write(tmp_path / "cuts" / "cuts.jsonl", [cut("a", recording("a.wav", 1), 0, 1)])
        assert job(tmp_path / "out", source, flags=["--max_reject_fraction=1"]) == 0
        [reject] = rejects(tmp_path / "out")
        assert "name the folder that is meant by --audio_root" in reject["detail"]
        flags = [f"--audio_root={tmp_path}/here", "--overwrite"]
        assert job(tmp_path / "out", source, flags=flags) == 0
        whole, _ = soundfile.read(tmp_path / "here" / "a.wav", dtype="int16")
        np.testing.assert_array_equal(shar_audio(tmp_path / "out")["a"][0][:, 0], whole)


def test_channels_of_several_files_are_mixed_or_kept(tmp_path):
    of = recording(noise(tmp_path / "a.wav", 2, seed=1), 2, channels=2)
    of["sources"] = [
        {"type": "file", "channels": [0], "source": str(tmp_path / "a.wav")},
        {"type": "file", "channels": [1], "source": str(noise(tmp_path / "b.wav", 2, seed=2))},
    ]
    both = cut("both", of, 0.5, 1, type="MultiCut", channel=[0, 1])
    source = write(tmp_path / "cuts.jsonl", [both, cut("second", of, 0, 1, channel=1)])
    first, second = (soundfile.read(tmp_path / name, dtype="int16")[0].astype(int) for name in ("a.wav", "b.wav"))
    assert job(tmp_path / "keep", source, flags=["--channels=keep"]) == 0
    kept = shar_audio(tmp_path / "keep")
    np.testing.assert_array_equal(kept["both"][0], np.stack([first, second], axis=1)[8000:24000])
    np.testing.assert_array_equal(kept["second"][0][:, 0], second[:16000])
    assert job(tmp_path / "mono", source) == 0
    mixed = shar_audio(tmp_path / "mono")["both"][0]
    np.testing.assert_allclose(mixed[:, 0], ((first + second) / 2)[8000:24000], atol=0.51)


def test_ids_that_are_the_same_or_no_names_of_files_are_told_apart(tmp_path):
    of = recording(noise(tmp_path / "a.wav", 3), 3)
    ids = ["../../x", "..-..-x", "a/b", "a b", "a.b", "é" * 200, "x" * 300, "same", "same"]
    cuts = [cut(name, of, index / 10, 1) for index, name in enumerate(ids)]
    for layout in ("shar", "nemo", "webdataset"):
        out = tmp_path / layout
        assert job(out, write(tmp_path / "cuts.jsonl", cuts), flags=[f"--format={layout}"]) == 0
        assert stats(out)["windows"] == len(ids)
        found = cuts_in(out)
        assert len({each["id"] for each in found}) == len(ids)
        assert sorted(each["custom"].get("cut_id", each["id"]) for each in found) == sorted(ids)


def test_an_input_without_cuts_gives_a_run_without_windows(tmp_path, capfd):
    assert job(tmp_path / "out", write(tmp_path / "cuts.jsonl", [])) == 0
    assert "note: the input holds no cuts" in capfd.readouterr().out
    assert stats(tmp_path / "out")["windows"] == 0
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_an_index_that_is_not_of_the_cuts_is_refused(tmp_path, capfd):
    source = many(tmp_path, 2)
    subprocess.run(
        [sys.executable, "-m", "alm_beam", "index", str(source.parent)], check=True, capture_output=True, cwd=REPO
    )
    source.write_bytes(source.read_bytes().replace(b"words of", b"sworn of"))
    with pytest.raises(SystemExit) as stopped:
        job(tmp_path / "out", source.parent)
    assert stopped.value.code == 2
    assert "cuts.jsonl" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
