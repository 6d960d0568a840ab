"""The job that measures audio: what it adds to entries, what it rejects, and what a run leaves."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from alm_beam.audio.measure import MeasuredAudio, measure_audio
from alm_beam.cli.measure import main
from tests.jobs.audio import (
    RATE,
    bandwidths,
    entries_in,
    job,
    lines_in,
    manifest,
    many,
    noise,
    segments,
    stats,
)
from tests.manifests import rejects

INPUTS = Path(__file__).parents[3] / "shared" / "inputs" / "fetched"


class TestWhatIsMeasured:
    def test_the_header_and_the_bandwidth_of_each_segment(self, tmp_path):
        noise(tmp_path / "audio" / "a.wav", 2, channels=2)
        source = manifest(tmp_path / "m.jsonl", {"audio_filepath": "a.wav", "segments": segments(3)})
        assert job(tmp_path / "out", source, flags=[f"--audio_root={tmp_path}/audio"]) == 0
        [entry] = entries_in(tmp_path / "out")
        assert (entry["audio_sample_rate"], entry["duration"], entry["audio_num_channels"]) == (RATE, 2.0, 2)
        assert entry["audio_filepath"] == "a.wav", "as it was stated"
        assert all(7900 < each <= 8000 for each in bandwidths(entry))

    def test_headers_alone(self, tmp_path):
        audio = noise(tmp_path / "a.flac", 1.25)
        source = manifest(tmp_path / "m.jsonl", {"audio_filepath": str(audio), "segments": segments(2)})
        assert job(tmp_path / "out", source, flags=["--no_bandwidth"]) == 0
        [entry] = entries_in(tmp_path / "out")
        assert entry["duration"] == 1.25
        assert entry["segments"] == segments(2)
        assert stats(tmp_path / "out")["bandwidths"] == 0

    def test_the_header_of_a_file_is_read_once_for_lines_that_stand_together(self, tmp_path, monkeypatch):
        opened = tmp_path / "opened.txt"

        def noted(url: str, *args: Any, **asked: Any) -> MeasuredAudio:
            with opened.open("a") as file:  # in the process of a worker
                file.write(f"{Path(url).name} ")
            return measure_audio(url, *args, **asked)

        monkeypatch.setattr("alm_beam.transforms.measure.measure_audio", noted)
        audio = [noise(tmp_path / name, seconds) for name, seconds in (("a.wav", 2), ("b.wav", 3))]
        parts = [{"audio_filepath": str(each), "offset": part, "duration": 1} for each in audio for part in (0, 1)]
        assert job(tmp_path / "out", manifest(tmp_path / "m.jsonl", *parts), flags=["--no_bandwidth"]) == 0
        assert opened.read_text() == "a.wav b.wav "
        assert [each["audio_sample_rate"] for each in entries_in(tmp_path / "out")] == [RATE] * 4

    def test_levels(self, tmp_path):
        samples = np.concatenate([np.zeros(RATE), np.full(RATE, 0.5), np.tile([1.0, -1.0], RATE // 2)])
        soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
        times = [{"start": second, "end": second + 1} for second in range(4)]
        source = manifest(tmp_path / "m.jsonl", {"audio_filepath": f"{tmp_path}/a.wav", "segments": times})
        assert job(tmp_path / "out", source, flags=["--no_bandwidth", "--levels"]) == 0
        [entry] = entries_in(tmp_path / "out")
        assert [each.get("metrics") for each in entry["segments"]] == [
            {"rms_dbfs": None, "peak_dbfs": None, "clipped_fraction": 0.0},
            {"rms_dbfs": -6.0206, "peak_dbfs": -6.0206, "clipped_fraction": 0.0},
            {"rms_dbfs": 0.0, "peak_dbfs": 0.0, "clipped_fraction": 1.0},
            None,  # behind the audio
        ]
        assert stats(tmp_path / "out")["levels"] == 3
        assert stats(tmp_path / "out")["segments_behind_audio"] == 1

    def test_what_has_a_bandwidth_keeps_it_and_nobodys_segments_get_none(self, tmp_path):
        noise(tmp_path / "a.wav", 6)
        given: list[dict[str, Any]] = [
            {"metrics": {"bandwidth": 4321, "pesq": 2}},
            {"metrics": {"bandwidth": None, "pesq": 3}},
            {"metrics": {"bandwidth": [None, None]}},
            {"metrics": {"bandwidth": [None, 5000]}},
            {"metrics": None},
            {},
            {"speaker": "no-speaker"},
            {"text": "  "},
            {"text": "said"},
        ]
        every = [{**each, **more} for each, more in zip(segments(len(given)), given)]
        source = manifest(tmp_path / "m.jsonl", {"audio_filepath": f"{tmp_path}/a.wav", "diar_segments": every})
        assert job(tmp_path / "out", source) == 0
        [entry] = entries_in(tmp_path / "out")
        found = bandwidths(entry, "diar_segments")
        is_new = [type(each) is int and each > 7900 for each in found]
        assert is_new == [False, True, True, False, True, True, False, False, True]
        assert (found[0], found[3], found[6], found[7]) == (4321, [None, 5000], None, None)
        assert entry["diar_segments"][1]["metrics"]["pesq"] == 3
        assert stats(tmp_path / "out")["bandwidths"] == 5

    def test_empty_texts_count_where_no_segment_has_any(self, tmp_path):
        noise(tmp_path / "a.wav", 2)
        source = manifest(
            tmp_path / "m.jsonl", {"audio_filepath": f"{tmp_path}/a.wav", "segments": segments(3, text="")}
        )
        assert job(tmp_path / "out", source) == 0
        assert None not in bandwidths(entries_in(tmp_path / "out")[0])

    def test_everything_else_stays_to_the_letter(self, tmp_path):
        noise(tmp_path / "ü.wav", 2)
        text = (
            '{"audio_filepath": "ü.wav", "big": 123456789012345678901234567890, "precise": 0.10000000000000000001, '
            '"e": 1E5, "text": "größer \\u00fc 🙂", "deep": '
            + "[" * 300
            + "]" * 300
            + ', "segments": [{"start": 0, "end": '
            '1.50, "words": [ {"word": "a", "start": 0.10, "n": 99999999999999999999} ], "metrics": {"x": 1.0}}]}'
        )
        assert job(tmp_path / "out", manifest(tmp_path / "m.jsonl", text), flags=[f"--audio_root={tmp_path}"]) == 0
        [line] = lines_in(tmp_path / "out")
        for part in ("123456789012345678901234567890", "0.10000000000000000001", "1E5", "größer \\u00fc 🙂", "1.50"):
            assert part.encode() in line
        assert b'[ {"word": "a", "start": 0.10, "n": 99999999999999999999} ]' in line
        assert line.startswith('{"audio_filepath":"ü.wav"'.encode())
        written, given = json.loads(line), json.loads(text)
        assert written["segments"][0]["metrics"].pop("bandwidth") > 7900
        for name in ("audio_sample_rate", "duration", "audio_num_channels"):
            written.pop(name)
        assert written == given

    def test_the_file_wins_and_what_differs_is_counted(self, tmp_path, capsys):
        noise(tmp_path / "a.wav", 2)
        right = {"audio_sample_rate": RATE, "duration": 2.05, "audio_num_channels": 1, "channels": [0]}
        wrong = {"audio_sample_rate": 8000, "duration": 3, "audio_num_channels": 2, "sample_rate": RATE}
        sibling = {"sampling_rate": 48000, "num_channels": 2, "duration": "2"}
        late = {"segments": [{"start": 0, "end": 1}, {"start": 1, "end": 2.05}, {"start": 5, "end": 6}]}
        entries = [
            {"audio_filepath": "a.wav", "id": index, **each} for index, each in enumerate((right, wrong, sibling, late))
        ]
        flags = [f"--audio_root={tmp_path}", "--max_reject_fraction=1"]
        assert job(tmp_path / "out", manifest(tmp_path / "m.jsonl", *entries), flags=flags) == 0
        for entry in entries_in(tmp_path / "out"):
            assert (entry["audio_sample_rate"], entry["duration"], entry["audio_num_channels"]) == (RATE, 2.0, 1)
            stated = entries[entry["id"]]
            stays = stated.keys() - {"audio_sample_rate", "duration", "audio_num_channels", "segments"}
            assert {name: entry[name] for name in stays} == {name: stated[name] for name in stays}
        found = stats(tmp_path / "out")
        names = ("sample_rate", "duration", "channels")
        assert [found[f"different_{name}"] for name in names] == [2, 1, 2]
        assert (found["segments_behind_audio"], found["segments_without_bandwidth"]) == (1, 1)
        printed = capsys.readouterr().out
        assert "note: 2 entries stated another sample rate than the audio file has" in printed
        assert "note: 1 segment ended more than 0.1 s behind the audio" in printed

    def test_a_part_of_a_file_keeps_its_duration(self, tmp_path):
        """As NeMo's manifests have it: a line for each segment."""
        noise(tmp_path / "a.wav", 3)
        parts = [{"offset": 0.0, "duration": 1.5}, {"offset": 1.5, "duration": 1.5}, {"offset": 2, "duration": 9}, {}]
        entries = [{"audio_filepath": "a.wav", "text": "t", **part} for part in parts]
        source = manifest(tmp_path / "m.jsonl", *entries)
        assert job(tmp_path / "out", source, flags=[f"--audio_root={tmp_path}"]) == 0
        found = entries_in(tmp_path / "out")
        assert sorted(entry["duration"] for entry in found) == [1.5, 1.5, 3.0, 9]
        assert {entry["audio_sample_rate"] for entry in found} == {RATE}
        assert stats(tmp_path / "out")["different_duration"] == 0
        assert stats(tmp_path / "out")["segments_behind_audio"] == 1

    def test_where_audio_is_looked_for(self, tmp_path, monkeypatch):
        noise(tmp_path / "here" / "a.wav", 1)
        noise(tmp_path / "b.wav", 2)
        paths = [{"audio_filepath": "a.wav"}, {"audio_filepath": "", "resampled_audio_filepath": f"{tmp_path}/b.wav"}]
        paths.append({"audio_filepath": f"file://{tmp_path}/b.wav", "resampled_audio_filepath": "gone.wav"})
        monkeypatch.chdir(tmp_path / "here")
        assert job(tmp_path / "out", manifest(tmp_path / "m.jsonl", *paths)) == 0
        found = entries_in(tmp_path / "out")
        assert sorted(entry.pop("duration") for entry in found) == [1.0, 2.0, 2.0]
        stated = [{name: entry[name] for name in entry if "filepath" in name} for entry in found]
        assert sorted(stated, key=str) == sorted(paths, key=str)

    def test_the_values_of_curator(self, tmp_path):
        if not INPUTS.exists():
            pytest.skip("the manifests and audio of ../shared/inputs are not here")
        root = tmp_path / "tests" / "fixtures" / "audio" / "tagging"
        root.mkdir(parents=True)
        (root / "audios").symlink_to(INPUTS)
        given = [json.loads(line) for line in (INPUTS / "tagging_base.jsonl").read_text().splitlines()]
        stripped = json.loads(json.dumps(given))
        for segment in (each for entry in stripped for each in entry["segments"]):
            segment.get("metrics", {}).pop("bandwidth", None)
        source = manifest(tmp_path / "m.jsonl", *stripped)
        assert job(tmp_path / "out", source, flags=[f"--audio_root={tmp_path}"]) == 0
        for entry, expected in zip(entries_in(tmp_path / "out"), given, strict=True):
            facts = [entry.pop(name) for name in ("audio_sample_rate", "audio_num_channels", "duration")]
            assert facts[0] == 48000
            assert facts[2] == pytest.approx(expected.pop("duration"), abs=0.01)
            found = bandwidths(entry)
            assert [each is None for each in found] == [each is None for each in bandwidths(expected)]
            if expected["audio_item_id"] == "audio_1":
                assert found == bandwidths(expected)
                for segment in (*entry["segments"], *expected["segments"]):
                    segment.get("metrics", {}).pop("bandwidth", None)
                assert entry == {**expected, "segments": expected["segments"]}
        assert stats(tmp_path / "out")["bandwidths"] == 26


class TestRejects:
    def test_what_cannot_be_measured_is_rejected_and_harms_nothing_else(self, tmp_path, capfd):
        good = noise(tmp_path / "good.wav", 2)
        data = good.read_bytes()
        (tmp_path / "cut.wav").write_bytes(data[: len(data) // 2])
        (tmp_path / "empty.wav").write_bytes(b"")
        (tmp_path / "page.wav").write_bytes(b"<html>not found</html>")
        names = ["good.wav", "cut.wav", "empty.wav", "page.wav", "gone.wav"]
        entries: list[Any] = [{"audio_filepath": name, "segments": segments(2)} for name in names]
        entries += [{"segments": []}, {"audio_filepath": 7}, "{", "[]"]
        entries += [
            {"audio_filepath": "good.wav", **each}
            for each in (
                {"segments": {}},
                {"segments": [{"start": 1}]},
                {"segments": [{"start": 0, "end": 1, "metrics": []}]},
                {"segments": segments(1), "offset": 5},
            )
        ]
        source = manifest(tmp_path / "m.jsonl", *entries)
        out = tmp_path / "out"
        assert job(out, source, flags=[f"--audio_root={tmp_path}", "--max_reject_fraction=0.99"]) == 0
        expected = ["audio_truncated", "audio_empty", "audio_unreadable", "audio_missing", "audio_not_stated"]
        expected += ["audio_not_stated", "cut_off", "not_object", "segments_not_list", "time_missing"]
        expected += ["metrics_not_object", "offset_not_zero"]
        assert [reject["reason"] for reject in rejects(out)] == expected
        content = source.read_bytes()
        for reject in rejects(out):
            assert reject["file"] == str(source)
            assert content[reject["offset"] :].decode().startswith(reject["line"] + "\n")
        assert f"{tmp_path}/gone.wav" in rejects(out)[3]["detail"]
        [entry] = entries_in(out)
        assert entry["audio_filepath"] == "good.wav"
        assert stats(out)["rejected"] == 12
        assert (out / "_SUCCESS").exists()

    def test_too_many_fail_the_run_after_all_is_written(self, tmp_path, capfd):
        good = noise(tmp_path / "a.wav", 1)
        source = manifest(tmp_path / "m.jsonl", {"audio_filepath": str(good)}, {"audio_filepath": "/nowhere/b.wav"})
        assert job(tmp_path / "out", source) == 1
        assert "1 of 2 entries were rejected" in capfd.readouterr().err.splitlines()[-1]
        assert len(entries_in(tmp_path / "out")) == len(rejects(tmp_path / "out")) == 1
        assert not (tmp_path / "out" / "_SUCCESS").exists()

    def test_a_line_that_would_be_too_long_to_write_is_rejected(self, tmp_path):
        good = noise(tmp_path / "a.wav", 1)
        source = manifest(tmp_path / "m.jsonl", {"audio_filepath": str(good), "x": "x" * (990 - len(str(good)) - 30)})
        assert job(tmp_path / "out", source, flags=["--max_line_bytes=1000", "--max_reject_fraction=1"]) == 0
        assert [reject["reason"] for reject in rejects(tmp_path / "out")] == ["entry_too_large"]


class TestRuns:
    def test_what_a_run_leaves(self, tmp_path):
        source, audio = many(tmp_path, 3)
        out = tmp_path / "out"
        assert job(out, source, flags=[f"--audio_root={audio}", "--num_shards=2"]) == 0
        names = {"_SUCCESS", "measure_stats.json", "manifest-00000-of-00002.jsonl", "manifest-00001-of-00002.jsonl"}
        assert {path.name for path in out.iterdir()} == names
        found = stats(out)
        assert found.pop("version")
        parameters = found.pop("parameters")
        assert (parameters["input"], parameters["output"]) == ([str(source)], str(out))
        assert (parameters["audio_root"], parameters["bandwidth"], parameters["levels"]) == (str(audio), True, False)
        assert found == {
            "recordings": 3,
            "rejected": 0,
            "rejected_by_reason": {},
            "taken_over": 0,
            "audio_dur": 3.0,
            "segments": 6,
            "bandwidths": 6,
            "levels": 0,
            "sample_rates": {"16000": 3},
            "channels": {"1": 3},
            "different_sample_rate": 0,
            "different_duration": 0,
            "different_channels": 0,
            "segments_behind_audio": 0,
            "segments_without_bandwidth": 0,
        }

    def test_its_output_is_found_as_manifests_and_gives_the_same_again(self, tmp_path):
        source, audio = many(tmp_path, 3)
        assert job(tmp_path / "out", source, flags=[f"--audio_root={audio}"]) == 0
        assert job(tmp_path / "again", tmp_path / "out", flags=[f"--audio_root={audio}"]) == 0
        assert lines_in(tmp_path / "again") == lines_in(tmp_path / "out")
        assert stats(tmp_path / "again")["bandwidths"] == 0

    def test_a_finished_run_is_refused_and_overwritten_with_nothing_stale(self, tmp_path, capfd):
        source, audio = many(tmp_path, 3)
        flags = [f"--audio_root={audio}"]
        out = tmp_path / "out"
        assert job(out, source, flags=[*flags, "--num_shards=3"]) == 0
        with pytest.raises(SystemExit) as refused:
            job(out, source, flags=flags)
        assert refused.value.code == 2
        assert "holds a finished run" in capfd.readouterr().err
        assert job(out, source, flags=[*flags, "--num_shards=1", "--overwrite"]) == 0
        assert [path.name for path in out.glob("manifest-*")] == ["manifest-00000-of-00001.jsonl"]

    @pytest.mark.parametrize("name", ["m.jsonl.gz", "m.jsonl"])
    def test_several_processes_give_the_same_each_with_a_part_of_one_manifest(self, tmp_path, name):
        source, audio = many(tmp_path, 12)
        if name.endswith(".gz"):
            source = source.with_name(name)
            source.write_bytes(gzip.compress((tmp_path / "in" / "m.jsonl").read_bytes()))
        one, two = (["--direct_num_workers=1"], ["--direct_running_mode=multi_processing", "--direct_num_workers=2"])
        for out, flags in (("one", one), ("two", two)):
            assert job(tmp_path / out, source, flags=[f"--audio_root={audio}", *flags]) == 0
        assert lines_in(tmp_path / "two") == lines_in(tmp_path / "one")
        sizes = [len(shard.read_bytes().splitlines()) for shard in (tmp_path / "two").glob("manifest-*")]
        assert len(sizes) == 2
        assert min(sizes) >= 2, "a bundle for each worker, of about half the recordings"

    def test_rejects_of_a_compressed_manifest_name_it_and_its_uncompressed_bytes(self, tmp_path):
        text = b'{"audio_filepath": "/nowhere/a.wav"}\n\r\n{"audio_filepath": "/nowhere/b.wav"}\r\n'
        (tmp_path / "m.jsonl.gz").write_bytes(gzip.compress(text))
        assert job(tmp_path / "out", tmp_path / "m.jsonl.gz", flags=["--max_reject_fraction=1"]) == 0
        places = [(reject["file"], text[reject["offset"] :][:34]) for reject in rejects(tmp_path / "out")]
        assert places == [(f"{tmp_path}/m.jsonl.gz", text[start:][:34]) for start in (0, 39)]

    def test_a_compressed_manifest_that_is_cut_off_fails_the_run_by_name(self, tmp_path, capfd):
        (tmp_path / "m.jsonl.gz").write_bytes(gzip.compress(b'{"audio_filepath": "a.wav"}\n')[:-9])
        assert job(tmp_path / "out", tmp_path / "m.jsonl.gz") == 1
        assert f"{tmp_path}/m.jsonl.gz: the compressed data is cut off" in capfd.readouterr().err.splitlines()[-1]

    def test_a_wrong_flag_is_refused_before_anything_is_written(self, tmp_path, capfd):
        with pytest.raises(SystemExit) as refused:
            job(tmp_path / "out", manifest(tmp_path / "m.jsonl"), flags=["--audio_rot=x"])
        assert refused.value.code == 2
        assert "did you mean --audio_root?" in capfd.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_manifests_and_audio_in_a_store(self, tmp_path, s3):
        bucket = s3.bucket()
        for index in range(3):
            audio = noise(tmp_path / f"{index}.flac", 1, seed=index)
            s3.write(f"{bucket}/audio/{index}.flac", audio.read_bytes())
        entries = [{"audio_filepath": f"{index}.flac", "segments": segments(2)} for index in range(4)]
        entries[0]["audio_filepath"] = f"{bucket}/audio/0.flac"
        source = manifest(tmp_path / "m.jsonl", *entries)
        s3.write(f"{bucket}/in/m.jsonl", source.read_bytes())
        out = f"{bucket}/out"
        flags = [f"--audio_root={bucket}/audio/", s3.flag(), "--max_reject_fraction=0.5"]
        assert main([f"--input={bucket}/in", f"--output={out}", *flags]) == 0
        local = tmp_path / "local"
        flags = [f"--audio_root={tmp_path}", "--max_reject_fraction=0.5", s3.flag()]
        assert job(local, source, flags=flags) == 0
        shards = [name for name in s3.names(out) if name.startswith("manifest-")]
        written = sorted(line for name in shards for line in s3.read(f"{out}/{name}").splitlines())
        assert written == lines_in(local)
        assert len(written) == 3
        assert not [name for name in s3.names(out) if "measured" in name or "beam-temp" in name]


def test_a_folder_of_audio_that_is_missing_is_told_at_once(tmp_path, capsys):
    source = manifest(tmp_path / "m.jsonl", {"audio_filepath": "a.wav"})
    with pytest.raises(SystemExit, match="2"):
        job(tmp_path / "out", source, flags=[f"--audio_root={tmp_path}/adio"])
    assert f"--audio_root={tmp_path}/adio: there is no such folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
