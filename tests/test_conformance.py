"""Every conformance case agrees, through the pure functions and through the whole job."""

import json

import pytest

from alm_beam.cli.flags import job_config, job_parser
from alm_beam.cli.windows import main as run
from alm_beam.core.config import JobConfig
from alm_beam.core.entries import serialise_entry
from alm_beam.core.manifest import ManifestLine, parse_recording
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.windows import build_windows
from tests.conformance import SHARED, all_cases, entries_by_path, flags_of, read_lines


@pytest.mark.parametrize(("folder", "case"), all_cases())
def test_pure_functions(folder, case):
    parser = job_parser("test", "", JobConfig)
    config = job_config(parser, parser.parse_args(["--input=x", "--output=y", *flags_of(case["params"])]), JobConfig)
    written = []
    for line in read_lines(folder / case["input"]):
        candidates = build_windows(parse_recording(ManifestLine("m", 0, line)), config.windows)
        written.append(serialise_entry(filter_overlaps(candidates, config.overlap), config.entry))
    assert list(map(json.loads, written)) == list(map(json.loads, read_lines(folder / case["expected"])))


@pytest.mark.parametrize(("folder", "case"), all_cases())
def test_whole_job(folder, case, tmp_path):
    out = tmp_path / "out"
    io = [f"--input={folder / case['input']}", f"--output={out}", "--runner=DirectRunner"]
    assert run([*io, *flags_of(case["params"])]) == 0
    written = [line for shard in out.glob("alm_output-*.jsonl") for line in shard.read_bytes().splitlines()]
    assert entries_by_path(written) == entries_by_path(read_lines(folder / case["expected"]))
    stats = json.loads((out / "loss_stats.json").read_text())
    assert [stats[name] for name in ("recordings", "windows", "filtered_windows")] == [
        case[name] for name in ("entries", "windows", "filtered_windows")
    ]
    assert stats["filtered_dur"] == pytest.approx(case["filtered_dur"], rel=1e-9)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the reference's sample is not at {SHARED}")
def test_nested_folders_of_the_reference(tmp_path, capsys):
    sample = (SHARED / "fetched" / "sample_input.jsonl").read_bytes()
    for name in ("a/1.jsonl", "a/2.jsonl", "b/3.json", "b/c/4.jsonl", "b/notes.txt"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample if path.suffix != ".txt" else b"not a manifest")
    assert run([f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}"]) == 0
    stats = json.loads((tmp_path / "out" / "loss_stats.json").read_text())
    assert (stats["recordings"], stats["windows"], stats["filtered_windows"]) == (20, 724, 100)
    assert stats["filtered_dur"] == pytest.approx(12142.0)
    assert "12,142.0 s kept" in capsys.readouterr().out
