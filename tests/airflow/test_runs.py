"""The DAG in a real Airflow runs the real job: the right result, again, after a crash, and no result when it fails."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
import wave
from pathlib import Path

import psutil
import pytest

from tests.airflow.conftest import REPOSITORY
from tests.airflow.runs import FOLDER, command, dags_test, job, lines, lost_once, settings, stats

SAMPLE = REPOSITORY / "alm_beam" / "sample_data" / "conversations.jsonl"


def out_of(folder: Path) -> Path:
    return folder / "out" / FOLDER


def fill(folder: Path, content: bytes | None = None) -> None:
    """Gives the data interval its manifest: the sample that ships, unless told otherwise."""
    (folder / "in" / FOLDER).mkdir(parents=True)
    (folder / "in" / FOLDER / "m.jsonl").write_bytes(SAMPLE.read_bytes() if content is None else content)


def fill_with(folder: Path, recordings: int) -> None:
    job("sample", str(folder / "in" / FOLDER / "m.jsonl"), f"--recordings={recordings}")


def test_the_sample_gives_its_windows_and_a_rerun_replaces_them(tmp_path):
    fill(tmp_path)
    other_day = tmp_path / "out" / "2026-02-01"
    other_day.mkdir(parents=True)
    (other_day / "_SUCCESS").touch()
    first = dags_test(tmp_path)
    assert first.returncode == 0, first.stdout
    out = out_of(tmp_path)
    found = stats(out)
    assert (found["recordings"], found["windows"], found["filtered_windows"]) == (5, 200, 12)
    assert found["filtered_dur"] == pytest.approx(1483.2, abs=0.01)
    assert re.search(r"windows after overlap +12 .* 1,483.2 s kept", first.stdout)
    written, finished = lines(out), (out / "_SUCCESS").stat().st_mtime_ns
    assert len(written) == 5

    (out / "alm_output-00007-of-00009.jsonl").write_bytes(b"of a larger run\n")
    again = dags_test(tmp_path)
    assert again.returncode == 0, again.stdout
    assert lines(out) == written
    assert (out / "_SUCCESS").stat().st_mtime_ns > finished

    shutil.copy(SAMPLE, tmp_path / "in" / FOLDER / "late.jsonl")
    assert dags_test(tmp_path, target_window_duration=60, truncation=False).returncode == 0
    found = stats(out)
    assert found["recordings"] == 10
    assert (found["parameters"]["target_window_duration"], found["parameters"]["truncation"]) == (60, False)
    assert {path.name for path in other_day.iterdir()} == {"_SUCCESS"}


def test_bad_entries_fail_the_task_and_its_log_says_why(tmp_path):
    fill(tmp_path, b"{}\n" * 3)
    run = dags_test(tmp_path)
    assert run.returncode != 0
    assert re.search(r"alm-beam windows: error: the run failed; .* is not complete: .*3 of 3 entries were", run.stdout)
    assert "Apache Beam process failed with return code 1" in run.stdout
    left = {path.name for path in out_of(tmp_path).iterdir()}
    assert "rejects-00000-of-00001.jsonl" in left
    assert "_SUCCESS" not in left


def test_an_interval_without_manifests_fails_the_task_and_its_log_says_why(tmp_path):
    run = dags_test(tmp_path)
    assert run.returncode != 0
    assert f"--input={tmp_path}/in/{FOLDER}: " in run.stdout
    assert not out_of(tmp_path).exists()


def test_a_retry_after_a_kill_gives_the_whole_result(tmp_path):
    fill_with(tmp_path, recordings=300)
    job("windows", f"--input={tmp_path}/in", f"--output={tmp_path}/expected")
    out = out_of(tmp_path)
    python = lost_once(tmp_path, f"ls {out}/beam-temp-alm_beam-*/shards-alm_output/* >/dev/null 2>&1")
    run = dags_test(tmp_path, {"python": python, "retries": 1})
    assert "beam-temp-" in (tmp_path / "left").read_text()
    assert "_SUCCESS" not in (tmp_path / "left").read_text()
    assert "return code 137" in run.stdout
    assert run.returncode == 0, run.stdout
    assert lines(out) == lines(tmp_path / "expected")
    assert not list(out.glob("beam-temp-*"))
    assert (out / "_SUCCESS").exists()


def test_a_task_that_is_stopped_stops_its_job(tmp_path):
    fill_with(tmp_path, recordings=400)
    out = out_of(tmp_path)
    conf = {"beam_options": {"repeat_factor": 3000, "direct_running_mode": "multi_processing", "direct_num_workers": 2}}
    environment = os.environ | settings(tmp_path)
    with subprocess.Popen(command(**conf), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as task:
        deadline = time.monotonic() + 600
        while len(list(out.glob("beam-temp-alm_beam-*/shards-alm_output/*"))) < 2:
            assert task.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        processes = psutil.Process(task.pid).children(recursive=True)
        assert len(processes) == 4  # the job, the one that waits for it, and its two workers
        task.send_signal(signal.SIGTERM)
        output, _ = task.communicate(timeout=600)
    assert task.returncode != 0
    assert b"Apache Beam process failed with return code 143" in output
    assert not [process for process in processes if process.is_running()]
    assert not (out / "_SUCCESS").exists()


def test_audio_is_measured_again_too(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(4 * 8000))
    fill(tmp_path, b'{"audio_filepath": "a.wav", "segments": []}\n')
    for _ in range(2):
        done = dags_test(tmp_path, job="measure", audio_root=str(tmp_path))
        assert done.returncode == 0, done.stdout
        [entry] = map(json.loads, (out_of(tmp_path) / "manifest-00000-of-00001.jsonl").read_text().splitlines())
        assert (entry["audio_sample_rate"], entry["duration"], entry["audio_num_channels"]) == (8000, 1.0, 2)


def fill_with_audio(folder: Path, job: str, recordings: int, seconds: int) -> None:
    """Gives the data interval recordings whose audio is in `folder`: a manifest of them, or two cuts of each."""
    lines = []
    for number in range(recordings):
        name = f"{number}.wav"
        with wave.open(str(folder / name), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(random.Random(number).randbytes(2 * RATE * seconds))
        if job == "measure":
            lines.append({"audio_filepath": name, "segments": [{"start": 0, "end": seconds, "speaker": "a"}]})
            continue
        facts = {"sampling_rate": RATE, "num_samples": RATE * seconds, "duration": seconds}
        source = {"type": "file", "channels": [0], "source": name}
        recording = {"id": f"r{number}", "sources": [source], **facts}
        for start in (0, seconds / 2):
            about = {"start": start, "duration": seconds / 2, "channel": 0, "recording": recording}
            lines.append({"id": f"{number}-{start}", "type": "MonoCut", **about})
    (folder / "in" / FOLDER).mkdir(parents=True)
    (folder / "in" / FOLDER / "cuts.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


RATE = 16000
KEPT = {
    "measure": (".measured", "measure_stats.json", {}),
    "shards": ("beam-temp-alm_beam-*/made", "shards_stats.json", {"windows_per_shard": 2}),
}
"""Of each job that goes on: the folder in which a run keeps what is done, its statistics, and params for the test."""


@pytest.mark.parametrize("job", [*KEPT])
def test_a_retry_goes_on_where_the_killed_job_was(tmp_path, job):
    kept, name, params = KEPT[job]
    fill_with_audio(tmp_path, job, recordings=40, seconds=20)
    out = out_of(tmp_path)
    python = lost_once(tmp_path, f"[ $(ls {out}/{kept} 2>/dev/null | wc -l) -ge 4 ]")
    run = dags_test(tmp_path, {"python": python, "retries": 1}, job, audio_root=str(tmp_path), **params)
    assert run.returncode == 0, run.stdout
    assert "_SUCCESS" not in (tmp_path / "left").read_text()
    found = stats(out, name)
    assert 4 <= found["taken_over"] < 40
    assert found["audio_dur"] == 40 * 20
    assert not list(out.glob(kept))
    assert (out / "_SUCCESS").exists()


@pytest.mark.parametrize("job", [*KEPT])
def test_a_retry_replaces_what_a_job_has_finished_whose_task_was_lost(tmp_path, job):
    _, name, params = KEPT[job]
    fill_with_audio(tmp_path, job, recordings=3, seconds=2)
    own = {"python": lost_once(tmp_path, "false"), "retries": 1}
    run = dags_test(tmp_path, own, job, audio_root=str(tmp_path), **params)
    assert run.returncode == 0, run.stdout
    assert "_SUCCESS" in (tmp_path / "left").read_text()
    assert "holds a finished run; name another folder, or give --overwrite" in run.stdout
    assert "The job did not start: once more, with --overwrite" in run.stdout
    found = stats(out_of(tmp_path), name)
    assert (found["taken_over"], found["audio_dur"]) == (0, 6)
    assert (out_of(tmp_path) / "_SUCCESS").exists()
