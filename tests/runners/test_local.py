"""Several workers on one machine: all the cores, the same result, and an end to all of them whatever happens."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions

from alm_beam.cli.measure import main as measure
from alm_beam.runners import forked, local
from alm_beam.sample import write_sample
from tests.manifests import output_entries, stats

TWO_WORKERS = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
LONG = "--repeat_factor=3000"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forks on Linux only")


def started(*flags: str) -> subprocess.Popen:
    """A run in a process of its own, which prints how many forks it used."""
    code = (
        "import signal, sys; from alm_beam.cli.windows import main as run; from alm_beam.runners.forked import _Fork\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell starts what is behind `&` without
        "used, start = [], _Fork.start\n"
        "_Fork.start = lambda fork, environment: (used.append(fork), start(fork, environment))\n"
        "code = run(sys.argv[1:]); print(len(used)); sys.exit(code)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextmanager
def long_run(folder: Path, *flags: str) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """A run that would take minutes, once both its workers write; and the workers' pids."""
    write_sample(str(folder / "in"), recordings=200, seed=5)
    process = started(f"--input={folder / 'in'}", f"--output={folder / 'out'}", LONG, *TWO_WORKERS, *flags)
    try:
        while (
            process.poll() is None and len(list((folder / "out").glob("beam-temp-alm_beam-*/shards-alm_output/*"))) < 2
        ):
            time.sleep(0.01)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        workers = [int(pid) for pid in children.split()]
        assert len(workers) == 2
        yield process, workers
    finally:
        process.kill()
        process.communicate()


def all_gone(pids: list[int]) -> bool:
    for _ in range(500):
        if not any(os.path.exists(f"/proc/{pid}") for pid in pids):
            return True
        time.sleep(0.01)
    return False


def test_forks_give_what_one_process_gives(tmp_path):
    write_sample(str(tmp_path / "in"), recordings=60, seed=5)
    outputs = []
    for name, flags, forks in (("one", (), "0"), ("two", TWO_WORKERS, "2")):
        process = started(f"--input={tmp_path / 'in'}", f"--output={tmp_path / name}", "--repeat_factor=3", *flags)
        printed, errors = process.communicate(timeout=600)
        assert (process.returncode, printed.splitlines()[-1]) == (0, forks), errors
        assert "semi_persistent" not in errors, "workers log what the parent would"
        numbers = {key: value for key, value in stats(tmp_path / name).items() if isinstance(value, int | float)}
        outputs.append((sorted(map(json.dumps, output_entries(tmp_path / name))), numbers))
    assert outputs[0][0] == outputs[1][0]
    assert outputs[0][1] == pytest.approx(outputs[1][1])


def test_a_killed_worker_fails_the_run_at_once(tmp_path):
    with long_run(tmp_path) as (process, workers):
        os.kill(workers[1], signal.SIGKILL)
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 1
        line = errors.splitlines()[-1]
        assert errors.count("\n") <= 2, errors  # the other is a warning of Beam's when it is imported
        assert "is not complete: a worker process was ended by signal 9; if it lacked memory, give fewer" in line
        assert all_gone(workers)
    assert not (tmp_path / "out" / "_SUCCESS").exists()


def test_what_fails_in_one_worker_fails_the_run_at_once(tmp_path):
    (tmp_path / "in").mkdir()
    bad = tmp_path / "in" / "bad.jsonl.gz"
    bad.write_bytes(b"not compressed" * 200_000)
    write_sample(str(tmp_path / "in"), recordings=200, seed=5)
    process = started(f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}", LONG, *TWO_WORKERS)
    try:
        _, errors = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 1
    line = errors.splitlines()[-1]
    assert errors.count("\n") <= 2, errors
    assert f"is not complete: {bad}: " in line


@pytest.mark.parametrize(
    ("flags", "limit", "allowed", "why"),
    [
        ((), resource.RLIMIT_FSIZE, 100_000, "File too large; raise the limit"),
        (TWO_WORKERS, resource.RLIMIT_FSIZE, 100_000, "File too large; raise the limit"),
        (TWO_WORKERS, resource.RLIMIT_AS, 800 << 20, "out of memory"),
    ],
)
def test_a_limit_of_the_machine_is_told_in_one_line_and_the_earlier_run_stays(tmp_path, flags, limit, allowed, why):
    write_sample(str(tmp_path / "in"), recordings=60, seed=5)
    run = [sys.executable, "-m", "alm_beam", "windows", f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}"]
    subprocess.run(run, check=True, timeout=600)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    process = subprocess.run(
        [*run, "--overwrite", *flags],
        capture_output=True,
        text=True,
        timeout=600,
        preexec_fn=lambda: resource.setrlimit(limit, (allowed, allowed)),
    )
    assert process.stderr.count("\n") == 1, process.stderr
    line = process.stderr.splitlines()[-1]
    assert process.returncode == 1
    assert f"the earlier run in {tmp_path / 'out'} stays: " in line
    assert why in line
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("threads", [0, 4, 9, 13])
def test_a_run_ends_where_a_limit_of_memory_lets_no_thread_start(tmp_path, threads):
    write_sample(str(tmp_path / "in"), recordings=60, seed=5)
    code = f"""
import sys, threading
from alm_beam.cli.main import main
from alm_beam.cli.output import exit_with
from alm_beam.runners import forked
start, left, pid = threading.Thread.start, [{threads}], forked.os.getpid()
def start_if_any_is_left(thread):
    if forked._working and forked.os.getpid() == pid:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = start_if_any_is_left
exit_with(main)
"""
    flags = [f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}", *TWO_WORKERS]
    process = subprocess.run(
        [sys.executable, "-c", code, "windows", *flags], capture_output=True, text=True, timeout=600
    )
    assert process.returncode == 1
    assert process.stderr.count("\n") <= 2, process.stderr  # the other is a warning of Beam's when it is imported
    assert "is not complete: out of memory (can't start new thread); give fewer" in process.stderr.splitlines()[-1]


@pytest.mark.parametrize(("gigabytes", "workers"), [(1.5, 1), (64, 2)])
def test_where_addresses_are_limited_there_is_one_process(monkeypatch, gigabytes, workers):
    monkeypatch.setattr(forked, "can_fork", lambda: True)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(resource, "getrlimit", lambda _: (int(gigabytes * (1 << 30)), resource.RLIM_INFINITY))
    options = PipelineOptions([])
    local.use_all_cores(options, 1000)
    assert options.view_as(DirectOptions).direct_num_workers == workers


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_run(tmp_path, sent):
    with long_run(tmp_path) as (process, workers):
        if sent == signal.SIGINT:
            os.killpg(process.pid, sent)  # as a terminal does
        else:
            process.send_signal(sent)
        process.communicate(timeout=600)
        assert process.returncode == -sent
        assert all_gone(workers)
    assert not (tmp_path / "out" / "_SUCCESS").exists()


@pytest.mark.parametrize(
    ("megabytes", "cores", "workers"), [(0, 8, None), (15, 8, None), (17, 8, 2), (1000, 8, 8), (1000, 1, None)]
)
def test_as_many_workers_as_the_input_is_worth(monkeypatch, megabytes, cores, workers):
    monkeypatch.setattr(forked, "can_fork", lambda: True)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    options = PipelineOptions([])
    local.use_all_cores(options, (megabytes << 20) / local.BYTES_PER_WORKER)
    direct = options.view_as(DirectOptions)
    expected = ("in_memory", 1) if workers is None else ("multi_processing", workers)
    assert (direct.direct_running_mode, direct.direct_num_workers) == expected


@pytest.mark.parametrize(("flags", "size", "workers"), [([], 600, 2), ([], 200, 1), (["--no_bandwidth"], 600, 1)])
def test_a_few_recordings_are_worth_all_cores_where_their_audio_is_decoded(monkeypatch, tmp_path, flags, size, workers):
    """The manifest's bytes say nothing of that; headers alone are read faster than a worker starts."""
    monkeypatch.setattr(forked, "can_fork", lambda: True)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    found: list[int] = []

    def ended(_: beam.Pipeline, options: PipelineOptions, *__: object) -> None:
        found.append(options.view_as(DirectOptions).direct_num_workers)

    monkeypatch.setattr("alm_beam.jobs.run.launch", ended)
    (tmp_path / "m.jsonl").write_bytes(b" " * size)
    assert measure([f"--input={tmp_path}/m.jsonl", f"--output={tmp_path}/out", *flags]) == 0
    assert found == [workers]


def test_beside_another_thread_there_are_no_forks():
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        options = PipelineOptions([])
        local.use_all_cores(options, 1000)
        assert options.view_as(DirectOptions).direct_num_workers == 1
    finally:
        done.set()
        other.join()


@pytest.mark.parametrize(
    ("flags", "forks"),
    [((), "2"), (("--runner=alm_beam.runners.local.LocalRunner",), "2"), (("--direct_num_workers=1",), "0")],
)
def test_a_plain_command_uses_all_cores_and_flags_overrule_that(tmp_path, flags, forks):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one core")
    write_sample(str(tmp_path / "in"), recordings=200, seed=5)
    size = sum(path.stat().st_size for path in (tmp_path / "in").iterdir())
    repeat = f"--repeat_factor={(17 << 20) // size + 1}"
    process = started(f"--input={tmp_path / 'in'}", f"--output={tmp_path / 'out'}", repeat, *flags)
    printed, errors = process.communicate(timeout=600)
    assert (process.returncode, printed.splitlines()[-1]) == (0, forks), errors


def run_python(code: str, *arguments: str) -> list[str]:
    """The lines that the code prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_a_caller_may_leave_no_children_to_wait_for(tmp_path):
    write_sample(str(tmp_path / "in"), recordings=20, seed=5)
    code = """
        import signal, sys
        import alm_beam
        from apache_beam.options.pipeline_options import PipelineOptions
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        config = alm_beam.JobConfig.of({"input": sys.argv[1], "output": sys.argv[2]})
        flags = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
        print(alm_beam.run(config, PipelineOptions(flags)).recordings)
    """
    assert run_python(code, str(tmp_path / "in"), str(tmp_path / "out")) == ["20"]


def test_a_fork_does_not_print_again_what_waits_in_the_callers_buffer():
    code = """
        import logging, sys
        from alm_beam.runners import forked
        forked.sdk_worker_main.main = lambda _: logging.root.error("the work")
        logging.root.addHandler(logging.StreamHandler(sys.stdout))
        print("once")
        fork = forked._Fork([])
        fork.start({})
        while fork.death() is None and fork._exit_code is None:
            pass
        fork.end()
    """
    assert run_python(code) == ["once", "the work"]
