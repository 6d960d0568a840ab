"""The whole job on the local runner: what goes in, what a run leaves, what stops it."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2

from alm_beam.cli.windows import main as run
from alm_beam.core.config import JobConfig, OverlapConfig, WindowConfig
from alm_beam.core.losses import LossReason, LossStats
from alm_beam.core.window_rules import rules_on
from alm_beam.jobs.launch import launch
from alm_beam.jobs.watch import UNWATCHED
from alm_beam.jobs.windows import build
from alm_beam.sample import write_sample
from alm_beam.storage.discovery import find_manifests
from alm_beam.storage.index.open import open_index
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.staged_run import StagedRun
from tests.manifests import ENTRIES, lines, output_entries, rejects, stats, write
from tests.storage.test_compression import COMPRESS

REPO = Path(__file__).parents[2]


def job(out: Path, *inputs: object, flags: tuple[str, ...] = ()) -> int:
    return run([*[f"--input={each}" for each in inputs], f"--output={out}", *flags])


@pytest.fixture
def expected(tmp_path) -> list[dict]:
    """The output for ENTRIES, from a plain run."""
    assert job(tmp_path / "expected", write(tmp_path / "expected.jsonl")) == 0
    return output_entries(tmp_path / "expected")


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def subprocess_job(*flags: str, **kwargs) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "pipelines/build_windows.py", *flags],
        cwd=REPO,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs},
    )


class TestInput:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="crlf"),
            pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="bom"),
            pytest.param(lambda data: data.rstrip(b"\n"), id="no newline at the end"),
            pytest.param(lambda data: b"\n \t\n" + data.replace(b"\n", b"\n\n"), id="blank lines"),
        ],
    )
    def test_line_conventions_change_nothing(self, tmp_path, expected, change):
        assert job(tmp_path / "out", write(tmp_path / "in.jsonl", change(lines()))) == 0
        assert output_entries(tmp_path / "out") == expected
        assert not rejects(tmp_path / "out")

    @pytest.mark.parametrize("suffix", COMPRESS)
    def test_compressed(self, tmp_path, expected, suffix):
        assert job(tmp_path / "out", write(tmp_path / f"in.jsonl{suffix}", COMPRESS[suffix](lines()))) == 0
        assert output_entries(tmp_path / "out") == expected

    def test_several_of_all_kinds_at_once(self, tmp_path, expected):
        one = write(tmp_path / "one.jsonl")
        folder = write(tmp_path / "folder" / "sub" / "two.json").parents[1]
        write(folder / "notes.txt", b"not a manifest")
        write(tmp_path / "g" / "three.jsonl")
        write(tmp_path / "empty.jsonl", b"")
        inputs = [f"{one}, {one}", folder, tmp_path / "g" / "*.jsonl", tmp_path / "empty.jsonl"]
        assert job(tmp_path / "out", *inputs) == 0
        assert output_entries(tmp_path / "out") == sorted(expected * 4, key=lambda e: json.dumps(e, sort_keys=True))

    def test_non_ascii_text_stays_as_it_is(self, tmp_path):
        text = "größer 日本語 🙂 مرحبا"
        entry = {**ENTRIES[0], "title": text}
        entry["segments"] = [{**segment, "text": text} for segment in entry["segments"]]
        assert job(tmp_path / "out", write(tmp_path / "in.jsonl", lines([entry]))) == 0
        [written] = output_entries(tmp_path / "out")
        assert written["title"] == text
        assert written["windows"][0]["segments"][0]["text"] == text
        assert text.encode() in next((tmp_path / "out").glob("alm_output-*")).read_bytes()

    def test_nothing_but_an_empty_file_gives_an_empty_output(self, tmp_path):
        assert job(tmp_path / "out", write(tmp_path / "in.jsonl", b"")) == 0
        assert output_entries(tmp_path / "out") == []
        assert stats(tmp_path / "out")["recordings"] == 0

    def test_repeat_factor_reads_the_input_over_and_over(self, tmp_path, expected):
        assert job(tmp_path / "out", write(tmp_path / "in.jsonl"), flags=("--repeat_factor=3",)) == 0
        assert output_entries(tmp_path / "out") == sorted(expected * 3, key=lambda e: json.dumps(e, sort_keys=True))

    @pytest.mark.parametrize(
        "flags", [("--num_shards=3",), ("--direct_running_mode=multi_processing", "--direct_num_workers=2")]
    )
    def test_shards_and_workers_change_no_entry(self, tmp_path, expected, flags):
        sources = [write(tmp_path / "in" / f"{index}.jsonl") for index in range(3)]
        assert job(tmp_path / "out", *sources, flags=flags) == 0
        assert output_entries(tmp_path / "out") == sorted(expected * 3, key=lambda e: json.dumps(e, sort_keys=True))
        if flags == ("--num_shards=3",):
            assert len(list((tmp_path / "out").glob("alm_output-*-of-00003.jsonl"))) == 3

    def test_a_linked_manifest_is_read(self, tmp_path, expected):
        write(tmp_path / "real" / "m.jsonl")
        link = tmp_path / "in" / "link.jsonl"
        link.parent.mkdir()
        link.symlink_to(tmp_path / "real" / "m.jsonl")
        os.utime(link, (0, 0), follow_symlinks=False)
        assert job(tmp_path / "out", link.parent) == 0
        assert output_entries(tmp_path / "out") == expected

    def test_a_manifest_that_changes_after_it_was_found_fails_the_run_by_name(self, tmp_path, capfd, monkeypatch):
        manifest = write(tmp_path / "m.jsonl")
        prepare = RunFolder.prepare

        def grow(folder: RunFolder, taken_up: str) -> None:
            prepare(folder, taken_up)
            with manifest.open("ab") as file:
                file.write(lines())

        monkeypatch.setattr(RunFolder, "prepare", grow)
        assert job(tmp_path / "out", manifest) == 1
        assert f"{manifest}: cannot be read (it has changed since the run began)" in capfd.readouterr().err
        assert not (tmp_path / "out" / "_SUCCESS").exists()

    def test_a_manifest_that_is_cut_off_in_its_compressed_data_fails_the_run_by_name(self, tmp_path, capfd):
        path = write(tmp_path / "in.jsonl.gz", COMPRESS[".gz"](lines())[:-20])
        assert job(tmp_path / "out", path) == 1
        assert f"{path}: the compressed data is cut off or corrupt" in capfd.readouterr().err.splitlines()[-1]
        assert not (tmp_path / "out" / "_SUCCESS").exists()


class TestRejects:
    GOOD = lines(ENTRIES[:1]).rstrip(b"\n")
    BAD = (b"{", b"[]", b'{"segments": []}', '{"ü": '.encode(), GOOD[: len(GOOD) // 2])

    def manifest(self) -> bytes:
        return b"\n".join([self.GOOD, self.BAD[0], self.GOOD, *self.BAD[1:], self.GOOD])

    def test_bad_lines_are_kept_with_their_place_and_the_others_are_unaffected(self, tmp_path):
        path = write(tmp_path / "in.jsonl", self.manifest())
        out = tmp_path / "out"
        assert job(out, path, flags=("--max_reject_fraction=0.99",)) == 0
        found = rejects(out)
        assert [reject["reason"] for reject in found] == [
            "cut_off", "not_object", "sample_rate_missing", "cut_off", "cut_off",
        ]  # fmt: skip
        content = path.read_bytes()
        for reject, bad in zip(found, self.BAD):
            assert reject["file"] == str(path)
            assert content[reject["offset"] :].startswith(bad + b"\n")
            assert reject["line"] == bad.decode("utf-8", "replace")[:2000]
            assert reject["detail"]
        assert len(output_entries(out)) == 3
        assert stats(out)["rejected"] == 5
        assert stats(out)["rejected_by_reason"] == {"cut_off": 3, "not_object": 1, "sample_rate_missing": 1}

    def test_one_that_only_truncation_finds_is_kept_too(self, tmp_path):
        entry = {**ENTRIES[0], "segments": [{"start": 0, "end": 999, "metrics": {"bandwidth": 9000}, "words": 1}]}
        out = tmp_path / "out"
        assert job(out, write(tmp_path / "in.jsonl", lines([entry])), flags=("--max_reject_fraction=1",)) == 0
        assert [reject["reason"] for reject in rejects(out)] == ["words_malformed"]

    @pytest.mark.parametrize("depth", [255, 600, 1023, 2000])
    def test_one_that_is_nested_too_deep_is_kept_too(self, tmp_path, depth):
        deep = b'{"audio_sample_rate": 16000, "segments": [], "x": ' + b"[" * depth + b"]" * depth + b"}\n"
        out = tmp_path / "out"
        assert job(out, write(tmp_path / "in.jsonl", deep), flags=("--max_reject_fraction=1",)) == 0
        assert [reject["reason"] for reject in rejects(out)] == ["too_deep"]
        assert (stats(out)["recordings"], stats(out)["rejected"]) == (0, 1)

    def test_times_far_beyond_any_recording_are_no_reason_to_fail(self, tmp_path):
        entry = {**ENTRIES[0], "segments": [{"start": 0, "end": end} for end in (2**63 - 1, 1e200)]}
        out = tmp_path / "out"
        assert job(out, write(tmp_path / "in.jsonl", lines([entry]))) == 0
        assert stats(out)["dur_lost_bw"] == pytest.approx(1e200)

    def test_too_many_fail_the_run_after_all_is_written(self, tmp_path, capfd):
        out = tmp_path / "out"
        assert job(out, write(tmp_path / "in.jsonl", self.manifest())) == 1
        message = capfd.readouterr().err.splitlines()[-1]
        assert "5 of 8 entries were rejected (62.50%), more than --max_reject_fraction=0.01 allows" in message
        assert "cut_off: 3" in message
        assert len(rejects(out)) == 5
        assert len(output_entries(out)) == 3
        assert stats(out)["rejected"] == 5
        assert not (out / "_SUCCESS").exists()

    def test_as_many_as_the_limit_are_allowed(self, tmp_path):
        path = write(tmp_path / "in.jsonl", lines() * 24 + b"{\n" + lines()[:-1])
        half = ("--max_reject_fraction=0.5",)
        assert job(tmp_path / "out", write(tmp_path / "half.jsonl", self.GOOD + b"\n{\n"), flags=half) == 0
        assert job(tmp_path / "out2", path) == 0

    def test_no_file_when_there_are_none(self, tmp_path):
        assert job(tmp_path / "out", write(tmp_path / "in.jsonl")) == 0
        assert {path.name for path in (tmp_path / "out").iterdir()} == {
            "alm_output-00000-of-00001.jsonl", "cuts-00000-of-00001.jsonl", "cuts-00000-of-00001.jsonl.idx", "index",
            "loss_stats.json", "report.html", "report_stats.json", "_SUCCESS",
        }  # fmt: skip


def test_a_message_of_a_failed_run_is_one_line_without_what_the_runner_adds(tmp_path, capfd):
    path = write(tmp_path / "in.jsonl.bz2", b"no bz2")
    for mode in ("in_memory", "multi_processing"):
        flags = (f"--direct_running_mode={mode}", "--direct_num_workers=2")
        assert job(tmp_path / "out", path, flags=flags) == 1
        message = capfd.readouterr().err.splitlines()[-1]
        assert message.startswith("build_windows.py: error: the run failed")
        assert str(path) in message
        assert "while running" not in message


def audio_seconds(folder: Path) -> float:
    total = 0.0
    for path in folder.iterdir():
        with fsspec.open(path, compression="infer") as file:
            for segments in (json.loads(line)["segments"] for line in file):
                if segments:
                    total += max(s["end"] for s in segments) - min(s["start"] for s in segments)
    return total


class TestStatistics:
    def run(self, tmp_path: Path, *flags: str) -> Path:
        write_sample(str(tmp_path / "in"), recordings=60, seed=3, hostile=True)
        write_sample(str(tmp_path / "in" / "more.jsonl.gz"), recordings=9, seed=4, hostile=True)
        out = tmp_path / "out"
        assert job(out, tmp_path / "in", flags=("--target_window_duration=40", "--compare_selection", *flags)) == 0
        return out

    @pytest.mark.parametrize(
        "flags", [(), ("--num_shards=4",), ("--direct_running_mode=multi_processing", "--direct_num_workers=2")]
    )
    def test_the_totals_are_the_sum_of_the_entries(self, tmp_path, flags):
        out = self.run(tmp_path, *flags)
        entries, total = output_entries(out), stats(out)
        assert total["recordings"] == len(entries) == 69
        assert total["windows"] == sum(len(entry["windows"]) for entry in entries) > 0
        assert total["filtered_windows"] == sum(len(entry["filtered_windows"]) for entry in entries) > 0
        for name in ("total_dur_window", "filtered_dur", "truncation_events"):
            assert total[name] == pytest.approx(sum(entry[name] for entry in entries), rel=1e-9)
        assert total["candidates"] == total["windows"]
        assert total["covered_dur"] <= total["filtered_dur"] < total["most_audio_dur"]
        assert total["covered_dur"] < total["candidate_dur"] < total["audio_dur"]
        assert total["audio_dur"] == pytest.approx(audio_seconds(tmp_path / "in"))
        own = {"lost_win_full_data", "swift_path", "audio_sample_rate"}
        for name in entries[0]["stats"].keys() - own:
            assert total[name] == pytest.approx(sum(entry["stats"][name] for entry in entries), rel=1e-9), name
        assert total["parameters"]["target_window_duration"] == 40
        assert total["parameters"]["target_duration"] == 40
        assert total["version"]

    @pytest.mark.parametrize(
        "rules",
        [
            WindowConfig(),
            WindowConfig(
                target_window_duration=60,
                max_gap=1.5,
                min_speech=0.95,
                max_speaker_share=0.5,
                max_metrics={"bandwidth": 10000},
                min_metrics={"pesq.squim": 2},
            ),
        ],
        ids=["default", "rules"],
    )
    def test_beams_metrics_show_the_same_under_the_same_names(self, tmp_path, rules):
        write_sample(str(tmp_path / "in.jsonl"), recordings=20, seed=3, hostile=True)
        write(tmp_path / "bad.jsonl", b"[]\n{\n")
        inputs = (str(tmp_path / "in.jsonl"), str(tmp_path / "bad.jsonl"))
        out = str(tmp_path / "out")
        overlap = OverlapConfig(compare_selection=True)
        config = JobConfig(inputs, out, overlap=overlap, max_reject_fraction=1, windows=rules)
        folder, options = RunFolder(out), PipelineOptions([])
        folder.prepare()
        staged = StagedRun.of(folder, "the-run")
        result = launch(build(config, find_manifests(inputs), staged, options), options, staged, UNWATCHED)
        assert (tmp_path / "out" / "_SUCCESS").exists(), "the graph itself writes the marker"
        found = result.metrics().query(MetricsFilter().with_namespace("alm_beam"))
        counters = {metric.key.metric.name: metric.result for metric in found["counters"]}
        sums = {metric.key.metric.name: metric.result.sum for metric in found["distributions"]}
        totals = stats(tmp_path / "out")
        named = LossStats.from_dict(totals).to_dict()
        asked = [name for name in named if name.startswith("lost_")][len(LossReason) :]
        assert asked == [f"lost_{name}" for name in rules_on(rules)]
        assert {f"dur_{name}" for name in asked if totals[name]} <= sums.keys()
        assert not asked or (totals["lost_gap"] and totals["lost_bandwidth"] and not totals["lost_pesq.squim"])
        assert counters == {
            **{name: value for name, value in named.items() if isinstance(value, int)},
            "rejected_cut_off": 1,
            "rejected_not_object": 1,
        }
        durations = {name: value for name, value in named.items() if isinstance(value, float) and value}
        assert sums == {name: pytest.approx(value * 1000, abs=22) for name, value in durations.items()}


def test_nothing_of_an_entry_leaves_the_stage_that_reads_it(tmp_path):
    """A local runner holds all that does, and Flink's workers hand it over line by line. A side input ends a stage."""
    source = write(tmp_path / "in.jsonl")
    config = JobConfig((str(source),), str(tmp_path / "out"))
    staged = StagedRun.of(RunFolder(config.output), "the-run")
    graph = build(config, find_manifests(config.input), staged, PipelineOptions([])).to_runner_api()
    steps = [step for step in graph.components.transforms.values() if not step.subtransforms]
    [read] = [step for step in steps if step.unique_name == "ReadFromText/ReadLines"]
    ends, to_follow = set(), [*read.outputs.values()]
    while to_follow:
        lines = to_follow.pop()
        for step in steps:
            if lines not in step.inputs.values() or step.unique_name.startswith(("CombineLosses/", "CombineReport/")):
                continue
            assert step.spec.urn == "beam:transform:pardo:v1"
            assert not beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload).side_inputs
            if step.unique_name.endswith("/WriteBundles"):
                ends.add(step.unique_name)
            else:
                to_follow += step.outputs.values()
    assert ends == {f"{name}/WriteBundles" for name in ("WriteToText", "WriteCuts", "WriteRejects")}


def test_cuts_are_the_windows_that_stay_and_their_order_is_that_of_any_other_run(tmp_path):
    path = write_sample(str(tmp_path / "in.jsonl"), recordings=30, seed=8)[0]
    runs = {"one": (), "five": ("--num_shards=5",), "twice": ("--repeat_factor=2",)}
    for name, flags in runs.items():
        assert job(tmp_path / name, Path(path), flags=flags) == 0
    kept = [window for entry in output_entries(tmp_path / "one") for window in entry["filtered_windows"]]
    indices = {name: open_index(str(tmp_path / name)) for name in runs}
    assert len(indices["one"]) == len(kept) == stats(tmp_path / "one")["filtered_windows"] > 20
    assert (len(indices["one"].shards), len(indices["five"].shards)) == (1, 5)
    assert indices["one"].fingerprint == indices["five"].fingerprint
    assert indices["one"].rows["key"].tobytes() == indices["five"].rows["key"].tobytes()
    assert indices["one"].duration == pytest.approx(stats(tmp_path / "one")["filtered_dur"])
    assert len(set(indices["twice"].rows["key"].tolist())) == len(kept) == len(indices["twice"]) / 2
    cuts = [json.loads(line) for shard in (tmp_path / "five").glob("cuts-*.jsonl") for line in shard.open("rb")]
    texts = sorted([each["text"] for each in window["segments"] if each["end"] > each["start"]] for window in kept)
    assert sorted([each["text"] for each in cut["supervisions"]] for cut in cuts) == texts


def test_without_cuts_nothing_of_them_is_left(tmp_path):
    path = write(tmp_path / "in.jsonl")
    assert job(tmp_path / "out", path) == 0
    (tmp_path / "out" / "beam-temp-alm_beam-1").mkdir()
    assert job(tmp_path / "out", path, flags=("--overwrite", "--no_cuts")) == 0
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {
        "alm_output-00000-of-00001.jsonl", "loss_stats.json", "report.html", "report_stats.json", "_SUCCESS",
    }  # fmt: skip


def test_without_entries_all_else_is_as_with_them(tmp_path):
    path = write_sample(str(tmp_path / "in.jsonl"), recordings=30, seed=8)[0]
    manifest = tmp_path / "in.jsonl"
    manifest.write_bytes(manifest.read_bytes() + b"{\n")
    flags = ("--max_reject_fraction=0.5", "--num_shards=2")
    assert job(tmp_path / "with", Path(path), flags=flags) == 0
    assert job(tmp_path / "out", Path(path), flags=flags) == 0
    assert job(tmp_path / "out", Path(path), flags=(*flags, "--overwrite", "--no_entries")) == 0
    names = [{str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()} for out in
             (tmp_path / "with", tmp_path / "out")]  # fmt: skip
    assert names[0] - names[1] == {"alm_output-00000-of-00002.jsonl", "alm_output-00001-of-00002.jsonl"}
    assert names[1] < names[0]
    assert "rejects-00000-of-00001.jsonl" in names[1]
    found = stats(tmp_path / "with"), stats(tmp_path / "out")
    assert [each["parameters"].pop("entries") for each in found] == [True, False]
    for each in found:
        del each["parameters"]["output"], each["parameters"]["overwrite"]
    assert found[0] == found[1]
    one, other = (open_index(str(tmp_path / name)) for name in ("with", "out"))
    assert len(one) > 20
    assert one.fingerprint == other.fingerprint


def test_an_entry_whose_line_would_be_too_large_is_no_reject_where_none_is_written(tmp_path):
    path = write_sample(str(tmp_path / "in.jsonl"), recordings=2, seed=8)[0]
    longest = max(map(len, Path(path).read_bytes().splitlines()))
    flags = (f"--max_line_bytes={longest}", "--max_reject_fraction=1")
    for name, more, expected in (("with", (), 2), ("without", ("--no_entries",), 0)):
        assert job(tmp_path / name, Path(path), flags=(*flags, *more)) == 0
        assert stats(tmp_path / name)["rejected"] == expected


class TestRerun:
    def test_a_finished_run_is_refused_without_overwrite(self, tmp_path, capfd):
        path = write(tmp_path / "in.jsonl")
        assert job(tmp_path / "out", path) == 0
        before = contents(tmp_path / "out")
        with pytest.raises(SystemExit) as stopped:
            job(tmp_path / "out", path)
        assert stopped.value.code == 2
        assert f"--output={tmp_path / 'out'}: holds a finished run" in capfd.readouterr().err
        assert contents(tmp_path / "out") == before

    @pytest.mark.parametrize("flag", ["--runner=BogusRunner", "--direct_num_workers=x"])
    def test_a_flag_that_beam_refuses_costs_no_finished_run(self, tmp_path, capfd, flag):
        path = write(tmp_path / "in.jsonl")
        assert job(tmp_path / "out", path) == 0
        with pytest.raises(SystemExit) as stopped:
            job(tmp_path / "out", path, flags=("--overwrite", flag))
        assert stopped.value.code == 2
        assert "error: " in capfd.readouterr().err
        assert (tmp_path / "out" / "_SUCCESS").exists()

    def test_overwriting_leaves_nothing_of_the_old_run(self, tmp_path, expected):
        out = tmp_path / "out"
        path = write(tmp_path / "in.jsonl", lines() * 3 + b"{\n")
        assert job(out, path, flags=("--num_shards=5", "--max_reject_fraction=1")) == 0
        assert list(out.glob("rejects-*"))
        assert job(out, write(tmp_path / "two.jsonl"), flags=("--overwrite",)) == 0
        assert {path.name for path in out.iterdir()} == {
            "alm_output-00000-of-00001.jsonl", "cuts-00000-of-00001.jsonl", "cuts-00000-of-00001.jsonl.idx", "index",
            "loss_stats.json", "report.html", "report_stats.json", "_SUCCESS",
        }  # fmt: skip
        assert output_entries(out) == expected

    @pytest.mark.parametrize("seen", ["*", "beam-temp-*/*", "alm_output-*.jsonl", "loss_stats.json"])
    def test_a_run_killed_once_something_is_seen_is_not_complete_and_the_same_command_completes_it(
        self, tmp_path, seen
    ):
        write_sample(str(tmp_path / "in"), recordings=100, seed=5)
        out = tmp_path / "out"
        out.mkdir()
        flags = (f"--input={tmp_path / 'in'}", f"--output={out}", "--repeat_factor=2")
        process = subprocess_job(*flags)
        while process.poll() is None and not list(out.glob(seen)):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        complete = (out / "_SUCCESS").exists()
        if complete:  # the signal may come late where little is left to do
            assert seen in ("alm_output-*.jsonl", "loss_stats.json")
            assert len(output_entries(out)) == stats(out)["recordings"] == 200
        assert run([*flags, "--overwrite"] if complete else [*flags]) == 0
        assert (out / "_SUCCESS").exists()
        assert not list(out.glob("beam-temp-*"))
        assert len(output_entries(out)) == stats(out)["recordings"] == 200

    def test_a_failed_overwrite_leaves_the_earlier_run_whole(self, tmp_path, capfd):
        out = tmp_path / "out"
        assert job(out, write(tmp_path / "in.jsonl")) == 0
        before = contents(out)
        assert job(out, write(tmp_path / "bad.jsonl.gz", b"no gzip"), flags=("--overwrite",)) == 1
        assert f"the earlier run in {out} stays" in capfd.readouterr().err
        assert contents(out) == before

    def test_too_many_rejects_of_an_overwrite_stand_beside_the_earlier_run(self, tmp_path, capfd):
        out = tmp_path / "out"
        assert job(out, write(tmp_path / "in.jsonl")) == 0
        before = contents(out)
        for _ in range(2):
            assert job(out, write(tmp_path / "bad.jsonl", b"{\n"), flags=("--overwrite",)) == 1
            assert f"See {out}/failed_run/rejects-*" in capfd.readouterr().err
            assert len(rejects(out / "failed_run")) == stats(out / "failed_run")["rejected"] == 1
            assert {path: data for path, data in contents(out).items() if path.parent != out / "failed_run"} == before
        assert job(out, write(tmp_path / "in.jsonl"), flags=("--overwrite",)) == 0
        assert contents(out).keys() == before.keys()

    def test_the_earlier_run_is_whole_until_its_replacement_is(self, tmp_path):
        """A reader that looks for the marker finds all that it says, at any time; and space is taken twice."""
        out = tmp_path / "out"
        write_sample(str(tmp_path / "in"), recordings=100, seed=5)
        flags = (f"--input={tmp_path / 'in'}", f"--output={out}")
        assert run([*flags]) == 0
        before = contents(out)
        marker, looks = out / "_SUCCESS", 0
        written = marker.stat().st_mtime_ns
        process = subprocess_job(*flags, "--repeat_factor=3", "--overwrite")
        with contextlib.suppress(FileNotFoundError):  # until the earlier run goes
            while process.poll() is None and marker.stat().st_mtime_ns == written:
                found = {path: path.read_bytes() for path in before}
                if marker.stat().st_mtime_ns == written:
                    assert found == before
                    looks += 1
        assert process.wait() == 0
        assert looks > 3
        assert len(output_entries(out)) == stats(out)["recordings"] == 300


class TestDisk:
    def test_a_full_disk_ends_with_a_message(self, tmp_path):
        write_sample(str(tmp_path / "in.jsonl"), recordings=50, seed=5)

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

        process = subprocess_job(f"--input={tmp_path / 'in.jsonl'}", f"--output={tmp_path / 'out'}", preexec_fn=limit)
        _, err = process.communicate(timeout=600)
        assert process.returncode == 1
        assert "File too large" in err.splitlines()[-1]
        assert f"{tmp_path / 'out'} is not complete" in err.splitlines()[-1]
        assert not (tmp_path / "out" / "_SUCCESS").exists()

    def test_a_folder_that_cannot_be_made_ends_with_a_message(self, tmp_path, capfd):
        path = write(tmp_path / "in.jsonl")
        assert job(path / "out", path) == 1
        assert str(path) in capfd.readouterr().err.splitlines()[-1]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_may_not_be_written_ends_with_a_message(self, tmp_path, capfd):
        (tmp_path / "out").mkdir(mode=0o500)
        assert job(tmp_path / "out", write(tmp_path / "in.jsonl")) == 1
        assert "Permission denied" in capfd.readouterr().err.splitlines()[-1]


def test_a_run_is_complete_even_if_nobody_reads_its_summary(tmp_path):
    flags = (f"--input={write(tmp_path / 'in.jsonl')}", f"--output={tmp_path / 'out'}")
    with open("/dev/full", "w") as full:
        process = subprocess_job(*flags, stdout=full)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_the_summary_tells_what_was_read_kept_and_lost(tmp_path, capsys):
    out = tmp_path / "out"
    assert job(out, write(tmp_path / "in.jsonl", lines() + b"{\n"), flags=("--max_reject_fraction=0.2",)) == 0
    total = stats(out)
    kept = f"{total['filtered_dur']:,.1f} s"
    summary = " ".join(capsys.readouterr().out.split())
    for expected in (
        f"recordings {total['recordings']}",
        f"candidate windows {total['windows']}",
        f"windows after overlap {total['filtered_windows']} {total['filtered_dur'] / 3600:.2f} h {kept} kept",
        f"low bandwidth {total['lost_bw']} {total['lost_bw'] / total['total_segments']:.1%} "
        f"{total['dur_lost_bw'] / total['total_dur']:.1%}",
        "rejected entries 1 20.0%",
        "cut_off 1",
        f"output: {out}",
    ):
        assert expected in summary
