"""On a real Flink: the same results as everywhere, made by all of its TaskManagers."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from alm_beam.storage.discovery import Manifest
from alm_beam.storage.index.open import open_index
from alm_beam.storage.lines import ranges_of
from tests import manifests
from tests.clusters import flink, install, runs
from tests.clusters.conftest import had
from tests.conformance import joined_cases
from tests.jobs import cuts
from tests.jobs.audio import lines_in, many

COPY = """
import sys
import apache_beam as beam
import alm_beam.runners.filesystem
with beam.Pipeline(argv=sys.argv[3:]) as pipeline:
    pipeline | beam.io.ReadFromText(sys.argv[1]) | beam.io.WriteToText(sys.argv[2])
"""


def test_all_conformance_cases_agree(cluster, tmp_path):
    cases = joined_cases()
    outputs = [tmp_path / case.name for case in cases]

    def result(case, out):
        return runs.of_case(case, out, *cluster.flags(1))

    results = [result(cases[0], outputs[0])]  # alone, as the cluster loads Beam's classes for it
    with ThreadPoolExecutor(2) as pool:  # each job takes one of the two slots
        results += pool.map(result, cases[1:], outputs[1:])
    for case, out, (code, printed) in zip(cases, outputs, results):
        assert code == 0, printed + cluster.state()
        runs.assert_agrees(case, out)


def test_2000_recordings_of_one_file_are_shared_by_both_task_managers(cluster, large, tmp_path):
    out = tmp_path / "out"
    assert runs.ended(runs.started(f"--input={large.source}", f"--output={out}", *cluster.flags()))[0] == 0
    assert runs.output_lines(out) == large.lines
    assert runs.statistics(out) == large.statistics
    assert open_index(str(out)).fingerprint == large.fingerprint
    ranges = cluster.records_read("ParseRecording")
    assert sum(ranges.values()) == len(list(ranges_of([Manifest(str(large.source), large.source.stat().st_size)])))
    assert len(ranges) == 2
    assert min(ranges.values()) >= 3
    assert not runs.temporary(out)


def test_audio_of_one_manifest_is_measured_by_both_task_managers(cluster, tmp_path):
    source, audio = many(tmp_path, 40)
    code, printed = runs.measure(source, audio, tmp_path / "out", *cluster.flags())
    assert code == 0, printed
    assert runs.measure(source, audio, tmp_path / "local")[0] == 0
    assert lines_in(tmp_path / "out") == lines_in(tmp_path / "local")
    assert {path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")} == set()
    lines = cluster.records_read("MeasureAudio")
    assert sum(lines.values()) == 40
    assert len(lines) == 2


def test_shards_are_made_by_both_task_managers_and_are_those_of_the_local_runner(cluster, tmp_path):
    source = cuts.many(tmp_path, 24)
    code, printed = runs.ended(runs.shards(source, tmp_path / "out", "--windows_per_shard=4", *cluster.flags()))
    assert code == 0, printed
    assert runs.ended(runs.shards(source, tmp_path / "local", "--windows_per_shard=4"))[0] == 0
    found, expected = cuts.files_in(tmp_path / "out"), cuts.files_in(tmp_path / "local")
    assert {**found, "input_cfg.yaml": b""} == {**expected, "input_cfg.yaml": b""}  # which names the folder
    shards = cluster.records_read("NameCuts")
    assert sum(shards.values()) == 24
    assert len(shards) == 2


def test_storage_options_reach_the_workers(cluster, s3):
    bucket = s3.bucket()
    s3.write(f"{bucket}/in/m.jsonl", manifests.lines())
    where = [f"--input={bucket}/in", f"--output={bucket}/out", s3.flag()]
    code, printed = runs.ended(runs.started(*where, *cluster.flags()))
    assert code == 0, printed
    assert {"out/_SUCCESS", "out/loss_stats.json"} < s3.names(bucket)
    assert b'"recordings": 4,' in s3.read(f"{bucket}/out/loss_stats.json")


@pytest.mark.usefixtures("flink_parts")
def test_options_and_plugins_reach_the_workers_of_any_beam_job(s3, tmp_path, monkeypatch):
    """By the program that Beam's images start workers with: it asks the runner for the options."""
    had(install.boot)
    bucket = s3.bucket()
    s3.write(f"{bucket}/in.txt", b"one\ntwo\n")
    for name, value in s3.options.items():
        monkeypatch.setenv(f"FSSPEC_S3_{name.upper()}", value)
    with flink.running(tmp_path / "cluster", with_boot=True) as running:
        plugin = "--beam_plugin=alm_beam.runners.filesystem"
        copy = [sys.executable, "-c", COPY, f"{bucket}/in.txt", f"{bucket}/out", plugin, *running.flags()]
        done = subprocess.run(copy, cwd=install.ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    copied = [s3.read(f"{bucket}/{name}") for name in s3.names(bucket) if name.startswith("out-")]
    assert sorted(b"".join(copied).splitlines()) == [b"one", b"two"]
    assert not (install.ROOT / "pipeline_options.json").exists(), "which that program writes where it is"


def test_a_line_of_100_mb_does_not_leave_its_worker(cluster, tmp_path):
    """It is larger than the buffers between Flink's tasks, and several of it than the heap of a TaskManager."""
    segment = {"start": 0, "end": 120, "metrics": {"bandwidth": 9000}}
    long = [{**segment, "speaker": f"speaker {number % 3}"} for number in range(1500)]
    entry = {"audio_filepath": "long.wav", "audio_sample_rate": 16000, "segments": long}
    source = manifests.write(tmp_path / "m.jsonl", manifests.lines([*manifests.ENTRIES, *[entry] * 3]))
    code, printed = runs.ended(runs.started(f"--input={source}", f"--output={tmp_path / 'out'}", *cluster.flags()))
    assert code == 0, printed
    sizes = [len(line) for line in runs.output_lines(tmp_path / "out")]
    assert len(sizes) == 7
    assert sum(size > 100_000_000 for size in sizes) == 3


@pytest.mark.usefixtures("flink_parts")
def test_the_quick_form_starts_a_flink_of_its_own(tmp_path):
    source = manifests.write(tmp_path / "m.jsonl")
    version = ".".join(install.FLINK_VERSION.split(".")[:2])
    jar = f"--flink_job_server_jar={install.job_server_jar()}"
    quick = ["--runner=FlinkRunner", f"--flink_version={version}", jar, "--flink_master=[local]", "--parallelism=2"]
    code, printed = runs.ended(runs.started(f"--input={source}", f"--output={tmp_path / 'out'}", *quick))
    assert code == 0, printed
    assert runs.ended(runs.started(f"--input={source}", f"--output={tmp_path / 'local'}"))[0] == 0
    assert runs.output_lines(tmp_path / "out") == runs.output_lines(tmp_path / "local")
