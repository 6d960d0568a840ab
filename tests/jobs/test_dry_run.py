"""`--dry_run`: what it tells is what the run then does, and nothing is written."""

import bz2
import gzip
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from math import inf
from pathlib import Path

import pytest

from alm_beam.cli.main import main
from alm_beam.core.estimate import Part
from alm_beam.jobs import sample, sampled_audio, sampled_conversion, sampled_lines, sampled_shards
from alm_beam.jobs.sample import CPU, PROCESS_BYTES, RECORDINGS, START_SECONDS, Sample, estimate_of
from alm_beam.sample import SHIPPED, sample_entries
from tests.jobs.audio import manifest, noise, segments
from tests.manifests import lines, write

CONVERSATIONS = Path(SHIPPED, "conversations.jsonl").read_bytes()
RTTM = "".join(f"SPEAKER {name} 1 {n}.0 0.9 <NA> <NA> s{n % 3} <NA> <NA>\n" for name in "ab" for n in range(50))


@pytest.fixture(autouse=True)
def no_temporary_files_are_left(tmp_path_factory, monkeypatch) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert not [*folder.iterdir()]


@pytest.fixture(autouse=True)
def the_sample_is_the_same_on_any_machine(monkeypatch) -> None:
    """No sample ends early because the machine is slow."""
    monkeypatch.setattr(sampled_lines, "_CPU_SECONDS", inf)
    monkeypatch.setattr(sampled_conversion, "_CPU_SECONDS", inf)
    monkeypatch.setattr(sampled_audio, "_AUDIO_SECONDS", inf)
    monkeypatch.setattr(sampled_shards, "_AUDIO_SECONDS", inf)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()} | {
        str(path): b"" for path in folder.rglob("*") if path.is_dir()
    }


def estimated(capsys, *arguments: object) -> dict:
    capsys.readouterr()
    assert main([*map(str, arguments), "--dry_run", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def written(out: Path) -> int:
    """The bytes of all that a run left."""
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def holds(told: dict, out: Path) -> bool:
    """Whether what a run left is as large as was told."""
    return told["output_bytes"]["low"] <= written(out) <= told["output_bytes"]["high"]


@pytest.mark.parametrize("flags", [(), ("--no_entries",)])
def test_of_a_small_input_everything_is_known_and_nothing_is_written(tmp_path, capsys, flags):
    source = write(tmp_path / "in" / "m.jsonl", CONVERSATIONS + b"{\n")
    before = tree(tmp_path)
    told = estimated(capsys, "windows", f"--input={source}", f"--output={tmp_path}/out/deep", *flags)
    assert tree(tmp_path) == before
    assert told["input"] == {"files": 1, "bytes": len(CONVERSATIONS) + 2, "kinds": {".jsonl": 1}}
    assert told["sample"] == {
        "recordings": 6,
        "share_of_bytes": 1.0,
        "rejected": 1,
        "rejected_by_reason": {"cut_off": 1},
    }
    assert told["kept_windows"] == {"about": 12, "low": 12, "high": 12}
    out = tmp_path / "out" / "deep"
    assert main(["windows", f"--input={source}", f"--output={out}", "--max_reject_fraction=1", *flags]) == 0
    sizes = {str(path.relative_to(out)): path.stat().st_size for path in out.rglob("*") if path.is_file()}
    named = {name.replace("-00000-of-00001", "").removesuffix(".jsonl"): size for name, size in sizes.items() if size}
    named["index"] = named.pop("index/rows.bin")
    assert set(told["output_bytes_by_name"]) == set(named)
    for name in named.keys() & {"alm_output", "cuts", "cuts.jsonl.idx", "index", "rejects"}:
        assert told["output_bytes_by_name"][name] == dict.fromkeys(("about", "low", "high"), named[name])
    for name in ("loss_stats.json", "report_stats.json", "report.html", "index/index.json"):
        assert told["output_bytes_by_name"][name]["about"] == pytest.approx(named[name], rel=0.1)
    assert holds(told, out)


@pytest.mark.parametrize(
    ("name", "pack"),
    [("m.jsonl", bytes), ("m.jsonl.gz", lambda data: gzip.compress(data, 1)), ("m.jsonl.bz2", bz2.compress)],
)
def test_a_sample_of_a_large_input_tells_what_the_run_writes_within_a_tenth(tmp_path, capsys, name, pack):
    entries = [*sample_entries(recordings=120, seed=4)]
    source = tmp_path / name
    source.write_bytes(pack(lines(entries)))
    flags = [f"--input={source}", "--repeat_factor=2", f"--output={tmp_path / 'out'}"]
    told = estimated(capsys, "windows", *flags)
    assert main(["windows", *flags, "--direct_num_workers=1"]) == 0
    stats = json.loads((tmp_path / "out" / "loss_stats.json").read_text())
    assert told["sample"]["share_of_bytes"] < 0.9
    assert told["output_bytes"]["about"] == pytest.approx(written(tmp_path / "out"), rel=0.1)
    assert told["recordings"]["about"] == pytest.approx(240, rel=0.1)
    assert told["kept_windows"]["about"] == pytest.approx(stats["filtered_windows"], rel=0.1)
    assert told["kept_hours"]["about"] == pytest.approx(stats["filtered_dur"] / 3600, rel=0.1)


def test_many_files_of_very_different_sizes_are_told_by_a_few_of_them(tmp_path, capsys):
    entries = [*sample_entries(recordings=200, seed=4)]
    for number, entry in enumerate(entries):
        write(tmp_path / "in" / f"{number}.jsonl", lines([entry] * (30 if number % 10 == 0 else 1)))
    told = estimated(capsys, "windows", f"--input={tmp_path}/in", f"--output={tmp_path}/out")
    assert told["input"]["files"] == 200
    assert told["sample"]["recordings"] < 700
    assert told["recordings"]["low"] <= 780 <= told["recordings"]["high"]
    assert told["recordings"]["about"] == pytest.approx(780, rel=0.25)


def test_where_lines_are_of_very_different_lengths_no_more_is_told_than_what_was_seen_and_no_less(tmp_path, capsys):
    turns = [{"start": 2.0 * n, "end": 2.0 * n + 1.9, "speaker": "ab"[n % 2]} for n in range(20_000)]
    entry = {"audio_sample_rate": 16000}
    short = lines([{**entry, "id": n, "segments": turns[:2]} for n in range(3000)])
    source = write(tmp_path / "m.jsonl", short + lines([{**entry, "id": -n, "segments": turns} for n in range(5)]))
    told = estimated(capsys, "windows", f"--input={source}", f"--output={tmp_path}/out")
    seen = told["sample"]["recordings"]
    assert 1000 < seen < 3005
    assert 0.9 < told["sample"]["share_of_bytes"] < 1
    assert seen <= told["recordings"]["low"] <= 3005 <= told["recordings"]["high"]
    assert told["recordings"]["about"] == pytest.approx(3005, rel=0.1)


def test_blank_lines_are_bytes_without_recordings(tmp_path, capsys):
    entry = lines([{"audio_sample_rate": 16000, "segments": [], "text": "a" * 440}])
    write(tmp_path / "in" / "blank.jsonl", b"\n" * 5_000_000)
    write(tmp_path / "in" / "m.jsonl", (entry + b"\n" * 400) * 9000)
    told = estimated(capsys, "windows", f"--input={tmp_path}/in", f"--output={tmp_path}/out")
    assert told["recordings"]["low"] <= 9000 <= told["recordings"]["high"]
    assert told["recordings"]["low"] < told["recordings"]["high"]
    assert told["recordings"]["about"] == pytest.approx(9000, rel=0.06)


def test_a_file_that_is_no_manifest_is_a_reject_however_large_it_is(tmp_path, capsys):
    pretty = json.dumps([*sample_entries(recordings=60, seed=4)], indent=2).encode()
    source = write(tmp_path / "m.json", pretty)
    assert len(pretty) > 5_000_000
    told = estimated(capsys, "windows", f"--input={source}", f"--output={tmp_path}/out")
    assert told["sample"]["rejected_by_reason"] == {"not_a_manifest": 1}
    assert told["rejected_entries"]["about"] == pytest.approx(1)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """Recordings of noise, of which one is missing, their manifest, and cuts of it."""
    folder = tmp_path_factory.mktemp("audio")
    entries = []
    for number in range(6):
        if number != 3:
            noise(folder / f"{number}.wav", 20, seed=number)
        entries.append(
            {"audio_filepath": f"{folder}/{number}.wav", "audio_sample_rate": 16000, "segments": segments(40)}
        )
    manifest(folder / "m.jsonl", *entries)
    some = manifest(folder / "some.jsonl", *(each for number, each in enumerate(entries) if number != 3))
    flags = ["--target_window_duration=5", "--min_bandwidth=0", f"--output={folder / 'windows'}"]
    assert main(["windows", f"--input={some}", *flags]) == 0
    return folder


def test_measuring_is_told_with_the_rejects_of_the_audio(recorded, tmp_path, capsys):
    flags = [f"--input={recorded}/m.jsonl", f"--output={tmp_path}/out", "--max_reject_fraction=1"]
    told = estimated(capsys, "measure", *flags)
    assert not any(tmp_path.iterdir())
    assert told["sample"]["rejected_by_reason"] == {"audio_missing": 1}
    assert told["recordings"]["about"] == pytest.approx(5)
    assert main(["measure", *flags]) == 0
    assert told["output_bytes"]["about"] == pytest.approx(written(tmp_path / "out"), rel=0.1)


@pytest.mark.parametrize(("layout", "audio_format"), [("shar", "flac"), ("nemo", "wav")])
def test_shards_are_told_with_the_bytes_of_their_audio(recorded, tmp_path, capsys, layout, audio_format):
    flags = [f"--input={recorded}/windows", f"--output={tmp_path}/out", f"--audio_format={audio_format}"]
    flags.append(f"--format={layout}")
    told = estimated(capsys, "shards", *flags)
    assert not any(tmp_path.iterdir())
    assert main(["shards", *flags]) == 0
    stats = json.loads((tmp_path / "out" / "shards_stats.json").read_text())
    assert told["windows"]["about"] == stats["windows"]
    assert holds(told, tmp_path / "out")
    files = {path.relative_to(tmp_path / "out").parts[0] for path in (tmp_path / "out").rglob("*") if path.is_file()}
    named = {name.partition("/")[0].partition(".jsonl")[0] for name in told["output_bytes_by_name"]} - {"rejects"}
    assert {name.partition("-0")[0] for name in files} - {"_SUCCESS", "shar_index"} == named


def test_a_sweep_is_told_with_the_rejects_of_any_combination(tmp_path, capsys):
    source = write(tmp_path / "in" / "m.jsonl", CONVERSATIONS + b"{\n")
    before = tree(tmp_path)
    flags = [f"--input={source}", f"--output={tmp_path}/out", "--target_window_duration=30,60"]
    told = estimated(capsys, "sweep", *flags)
    assert tree(tmp_path) == before
    assert told["recordings"]["about"] == 5
    assert told["sample"]["rejected_by_reason"] == {"cut_off": 1}
    assert told["notes"][-1] == "2 combinations"
    few = estimated(capsys, "sweep", *flags, "--sample=0.5")
    assert few["recordings_not_sampled"]["about"] + few["recordings"]["about"] + few["sample"]["rejected"] == 6
    assert main(["sweep", *flags, "--sample=0.5", "--max_reject_fraction=1"]) == 0
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["recordings"] == few["recordings"]["about"]
    assert {path.name for path in (tmp_path / "out").iterdir()} - {"_SUCCESS"} <= {
        "rejects-00000-of-00001.jsonl",
        *few["output_bytes_by_name"],
    }
    assert holds(few, tmp_path / "out")


def test_a_conversion_is_told(tmp_path, capsys):
    write(tmp_path / "in" / "a.rttm", RTTM.encode() + b"SPEAKER c 1 x 0.9 <NA> <NA> s <NA> <NA>\n")
    before = tree(tmp_path)
    flags = [f"--input={tmp_path}/in", f"--output={tmp_path}/out"]
    told = estimated(capsys, "convert", *flags)
    assert tree(tmp_path) == before
    assert told["recordings"]["about"] == 2
    assert told["sample"]["rejected"] == 1
    assert main(["convert", *flags, "--max_reject_fraction=1"]) == 0
    assert told["output_bytes"]["about"] == pytest.approx(written(tmp_path / "out"), rel=0.02)


@pytest.mark.parametrize("command", ["windows", "sweep", "measure", "shards", "convert"])
def test_what_the_run_would_refuse_the_dry_run_refuses_with_the_same_words(recorded, tmp_path, capsys, command):
    source = {"shards": recorded / "windows", "convert": write(tmp_path / "a.rttm", RTTM.encode())}
    done = tmp_path / "done"
    write(done / "_SUCCESS", b"")
    before = tree(tmp_path)
    for flags in (
        [f"--input={source.get(command, recorded / 'some.jsonl')}", f"--output={done}"],
        [f"--input={tmp_path}/nosuch", f"--output={tmp_path}/out"],
    ):
        said = []
        for more in (["--dry_run"], []):
            with pytest.raises(SystemExit) as stopped:
                main([command, *flags, *more])
            assert stopped.value.code == 2
            said.append(capsys.readouterr())
        assert said[0] == said[1]
        assert said[0].err.count("\n") == 1
    assert tree(tmp_path) == before


def test_an_input_that_cannot_be_read_exits_with_2(tmp_path, capsys):
    source = tmp_path / "m.jsonl.gz"
    source.write_bytes(gzip.compress(lines())[:-5])
    with pytest.raises(SystemExit) as stopped:
        main(["windows", f"--input={source}", f"--output={tmp_path}/out", "--dry_run"])
    assert stopped.value.code == 2
    assert "m.jsonl.gz: the compressed data is cut off or corrupt" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [source]


def test_a_pipe_is_left_to_the_run(tmp_path, capsys):
    reader, writer = os.pipe()
    os.write(writer, lines()[:1000])
    os.close(writer)
    with pytest.raises(SystemExit) as stopped:
        main(["windows", f"--input=/dev/fd/{reader}", f"--output={tmp_path}/out", "--dry_run"])
    assert stopped.value.code == 2
    assert "can be read only once, so a dry run would leave the run nothing of it" in capsys.readouterr().err
    assert os.read(reader, 2000) == lines()[:1000]
    os.close(reader)


@pytest.mark.parametrize("command", ["windows", "sweep", "measure", "shards", "convert"])
def test_a_run_that_would_fail_as_too_much_is_rejected_is_told_of(tmp_path, capsys, command):
    source = write(tmp_path / ("cuts.jsonl" if command == "shards" else "m.jsonl"), b"{}\n" * 20)
    flags = [f"--input={source}", f"--output={tmp_path}/out"] + ["--from=nemo"] * (command == "convert")
    told = estimated(capsys, command, *flags)
    said = "the run would fail: 20 of 20 would be rejected, more than --max_reject_fraction=0.01 allows"
    assert said in told["notes"]
    assert said not in estimated(capsys, command, *flags, "--max_reject_fraction=1")["notes"]
    assert main([command, *flags]) == 1


def test_a_sample_with_many_rejects_lets_expect_that_the_run_fails(tmp_path, capsys):
    source = write(tmp_path / "m.jsonl", (lines([*sample_entries(recordings=1, seed=4)]) + b"{\n") * 200)
    told = estimated(capsys, "windows", f"--input={source}", f"--output={tmp_path}/out")
    assert told["sample"]["share_of_bytes"] < 1
    assert told["notes"][0].startswith("the run would fail, if the rest is as the sample: about ")


def test_what_a_run_is_to_take_follows_from_what_was_looked_at():
    parts = [Part(0, 10, {RECORDINGS: 4, CPU: 3, "out": 100}), Part(1, 10, {RECORDINGS: 6, CPU: 5, "out": 300})]
    found = Sample(40, False, ["out"], 3, parts, {RECORDINGS: 15, "out": 400}, {"stats.json": 1000}, longest=5e6)
    told = estimate_of(found, [], 2, 0.01, start_seconds=1.0, process_bytes=1e8)
    assert told.amounts == {RECORDINGS: pytest.approx((60, 45, 84))}
    assert told.outputs == {"out": pytest.approx((2400, 1200, 4800)), "stats.json": (1000, 800, 1250)}
    assert told.output_bytes == pytest.approx((3400, 2000, 6050))
    assert told.seconds == pytest.approx((1 + 48 / 2, 1 + 24 / 2 * 0.8, 1 + 72 / 2 * 1.6))
    assert (told.worker_bytes, told.workers, told.sampled_share) == (1e8 + 5e6, 2, 0.5)
    found.is_all, found.parts = True, [part._replace(size=20) for part in parts]
    told = estimate_of(found, [], 1, 0.01)
    assert told.amounts == {RECORDINGS: (45, 45, 45)}
    assert told.seconds == pytest.approx((START_SECONDS + 24, START_SECONDS + 24 * 0.8, START_SECONDS + 24 * 1.6))
    assert told.worker_bytes == PROCESS_BYTES + 5e6


@pytest.mark.parametrize("command", ["windows", "sweep", "measure", "shards", "convert"])
def test_the_time_and_the_memory_of_the_work_come_to_those_of_every_run(
    recorded, tmp_path, capsys, monkeypatch, command
):
    source = {"shards": recorded / "windows", "convert": write(tmp_path / "a.rttm", RTTM.encode())}
    clock = map(float, count())  # each look at it is a second later
    for name in ("process_time", "perf_counter"):
        monkeypatch.setattr(time, name, lambda: next(clock))
    told = estimated(
        capsys, command, f"--input={source.get(command, recorded / 'some.jsonl')}", f"--output={tmp_path}/out"
    )
    longest = max(len(line) for line in (recorded / "some.jsonl").read_bytes().splitlines())
    idle = sampled_conversion if command == "convert" else sample
    work = {"convert": len(RTTM.splitlines()[0]), "shards": 2 * 5 * 16000}.get(command, longest)
    assert told["bytes_per_worker"] > idle.PROCESS_BYTES + work
    assert (told["seconds"]["about"] - idle.START_SECONDS) * told["workers"] > 1


def test_quiet_leaves_what_a_dry_run_tells(tmp_path, capsys):
    assert main(["windows", f"--input={SHIPPED}", f"--output={tmp_path}/out", "--dry_run", "--quiet"]) == 0
    assert capsys.readouterr().out.endswith("dry run: nothing was written\n")


def test_a_dry_run_is_told_as_text_too(tmp_path, capsys):
    assert main(["windows", f"--input={SHIPPED}", f"--output={tmp_path}/out", "--dry_run"]) == 0
    text = capsys.readouterr().out
    assert "kept windows                                                        12\n" in text
    assert re.search(r"^time on this machine +about \d+ s .*with 1 process$", text, re.MULTILINE)
    assert text.endswith("dry run: nothing was written\n")
    assert not any(tmp_path.iterdir())
