"""Ctrl-C, SIGTERM and SIGHUP end a command at once, with one line, and leave nothing half done behind."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alm_beam.cli.main import main
from alm_beam.sample import write_sample
from tests.jobs.audio import many
from tests.manifests import write

REPO = Path(__file__).parents[2]
PATIENT = """
import sys
from alm_beam.cli import process
process._LONGEST_END_SECONDS = process._LONGEST_KILL_SECONDS = 50  # on a busy machine, the end may take long
"""
ALM_BEAM = [sys.executable, "-c", f"{PATIENT}sys.argv[0] = 'alm-beam'; process.run_process('alm_beam.cli.main')"]
BUILD_WINDOWS = [sys.executable, "-c", f"{PATIENT}process.run_process('alm_beam.cli.windows')"]
TWO_WORKERS = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM", signal.SIGHUP: "ended by SIGHUP"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is left is looked for in /proc")
both = pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])


@contextmanager
def started(*command: object, folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a group of processes of its own, whose temporary folders come into `folder`."""
    (folder / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [*map(str, command)],
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), **environment},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's `&` ignores it
    )
    try:
        yield process
    finally:
        if left := group(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not left, "a process is left"


def group(leader: int) -> list[str]:
    """The processes of a group that live."""
    return [each for each in known(leader) if not each.endswith(" Z")]


def known(leader: int) -> list[str]:
    """The processes of a group, also those that have ended and are still listed."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, _, its_group = rest.split()[:3]
        if int(its_group) == leader:
            found.append(f"{name} {state}")
    return found


def until(process: subprocess.Popen[str], is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def line_after(process: subprocess.Popen[str], sent: int, *, to_all: bool = True, times: int = 1) -> str:
    """Sends the signal, as a terminal does or to the command alone, and gives the one line that it ends with."""
    for number in range(times):
        time.sleep(0.01 * bool(number))
        os.killpg(process.pid, sent) if to_all else process.send_signal(sent)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + sent, errors
    assert output == ""
    [line] = errors.splitlines()
    name, _, said = line.partition(f": {SAID[signal.Signals(sent)]}; ")
    assert name
    return said


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*") if path.name != "tmp" and path.name.startswith(("beam-temp", "."))]


def temporary(folder: Path) -> list[Path]:
    return [*(folder / "tmp").iterdir()]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    write_sample(str(folder / "in"), recordings=200, seed=5)
    return folder / "in"


@pytest.fixture(scope="module")
def run(source, tmp_path_factory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("run") / "out"
    assert main(["windows", f"--input={source}", f"--output={out}"]) == 0
    return out


@pytest.mark.parametrize(
    ("flags", "sent", "how"),
    [
        (("--direct_num_workers=1",), signal.SIGINT, {}),
        (TWO_WORKERS, signal.SIGINT, {"times": 2}),
        (TWO_WORKERS, signal.SIGTERM, {"to_all": False}),
        (TWO_WORKERS, signal.SIGHUP, {}),
    ],
)
def test_a_run_leaves_nothing(source, tmp_path, flags, sent, how):
    out = tmp_path / "out"
    command = [*ALM_BEAM, "windows", f"--input={source}", f"--output={out}", "--repeat_factor=3000"]
    with started(*command, *flags, folder=tmp_path) as process:
        until(process, lambda: any(out.glob("beam-temp-alm_beam-*/shards-alm_output/*")))
        said = line_after(process, sent, **how)
        if sent != signal.SIGHUP:  # which ends all of them by itself
            assert not known(process.pid)
    assert said == f"{out} holds nothing of this run; the same command starts again"
    assert [*out.iterdir()] == temporary(tmp_path) == []


def test_an_earlier_run_stays(source, run, tmp_path):
    shutil.copytree(run, out := tmp_path / "out")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    command = [*BUILD_WINDOWS, f"--input={source}", f"--output={out}", "--repeat_factor=3000"]
    with started(*command, "--overwrite", "--direct_num_workers=1", folder=tmp_path) as process:
        until(process, lambda: any(out.glob("beam-temp-alm_beam-*/shards-alm_output/*")))
        said = line_after(process, signal.SIGINT)
    assert said == f"the earlier run in {out} stays; the same command starts again"
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert not hidden(out)


@both
def test_a_run_that_waits_for_a_pipe(tmp_path, sent):
    os.mkfifo(tmp_path / "pipe.jsonl")
    command = [*ALM_BEAM, "windows", f"--input={tmp_path}/pipe.jsonl", f"--output={tmp_path}/out"]
    with started(*command, folder=tmp_path) as process, open(tmp_path / "pipe.jsonl", "wb") as pipe:  # it was opened
        pipe.write(b" " * (1 << 20) + b"{}\n")
        pipe.flush()
        until(process, lambda: temporary(tmp_path))
        assert line_after(process, sent) == "nothing was written; the same command starts again"
    assert not (tmp_path / "out").exists()
    assert not temporary(tmp_path)


def test_a_long_line_that_is_parsed(tmp_path):
    """One call into C, in which no handler of Python's would run, lasts as long as that."""
    turn = b'{"start": 1.5, "end": 2.5, "speaker": "a", "more": [[], [], [], [], [], [], [], [], [], [], []]},'
    with open(tmp_path / "m.jsonl", "wb") as file:
        file.write(b'{"audio_filepath": "a.wav", "audio_sample_rate": 16000, "segments": [')
        for _ in range(40):
            file.write(turn * 20_000)
        file.write(turn[:-1] + b"]}\n")
    command = [*ALM_BEAM, "windows", f"--input={tmp_path}/m.jsonl", f"--output={tmp_path}/out"]
    with started(*command, "--direct_num_workers=1", folder=tmp_path) as process:
        until(process, lambda: memory(process.pid) > 300 << 20)
        said = line_after(process, signal.SIGINT)
    assert said == f"{tmp_path}/out holds nothing of this run; the same command starts again"


def memory(leader: int) -> int:
    """What the command's other process holds, in bytes."""
    children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in children) * os.sysconf("SC_PAGE_SIZE")


@both
def test_imports(tmp_path, sent):
    """Right after the first module of ours, and when Beam is imported."""
    command = ["pipelines/build_windows.py", f"--input={tmp_path}", f"--output={tmp_path}/out"]
    for module in ("alm_beam.core.text", "apache_beam.coders"):
        with started(sys.executable, "-v", *command, folder=tmp_path) as process:
            for line in process.stderr:
                if f"import '{module}'" in line:
                    break
            os.killpg(process.pid, sent)
            errors = process.stderr.read()
            process.wait(timeout=60)
        assert process.returncode == 128 + sent
        said = [each for each in errors.splitlines() if each.startswith("build_windows.py: ")]
        assert len(said) == 1
        assert said[0].endswith("the same command starts again")
        assert "Traceback" not in errors


PUBLISHING = """
import time
from alm_beam.storage import staged_run
move = staged_run.move
def slow(fs, sources, targets):
    move(fs, sources[:1], targets[:1])
    open({note!r}, "w").close()
    time.sleep(600)
staged_run.move = slow
sys.argv[0] = "alm-beam"
process.run_process("alm_beam.cli.main")
"""


def test_a_run_that_publishes_is_not_half_there(run, tmp_path):
    shutil.copytree(run, out := tmp_path / "out")
    small = write(tmp_path / "m.jsonl")
    code = PATIENT + PUBLISHING.format(note=str(tmp_path / "note"))
    command = [sys.executable, "-c", code, "windows", f"--input={small}", f"--output={out}", "--overwrite"]
    with started(*command, folder=tmp_path) as process:
        until(process, (tmp_path / "note").exists)
        said = line_after(process, signal.SIGTERM)
    assert said == f"{out} holds nothing of this run; the same command starts again"
    assert [*out.iterdir()] == []


def test_shards_that_are_made_stay(tmp_path):
    entries = many(tmp_path, 12)[0]
    cuts = tmp_path / "windows"
    flags = ["--target_window_duration=1", "--min_speakers=1", "--tolerance=0.5", "--min_bandwidth=0"]
    assert main(["windows", f"--input={entries}", f"--output={cuts}", "--default_sample_rate=16000", *flags]) == 0
    out = tmp_path / "out"
    slow = (
        f"{PATIENT}import time; from alm_beam.transforms import made_shard as m\n"
        "made = m.ShardMaker._made\n"
        f"def slow(self, *a):\n  while len(__import__('glob').glob({str(out)!r} + '/*/made/*')) >= 2:\n"
        "    time.sleep(0.01)\n  return made(self, *a)\n"
        "m.ShardMaker._made = slow; sys.argv[0] = 'alm-beam'; process.run_process('alm_beam.cli.main')"
    )
    job = ["shards", f"--input={cuts}", f"--output={out}", "--windows_per_shard=1", f"--audio_root={tmp_path}/audio"]
    with started(sys.executable, "-c", slow, *job, folder=tmp_path) as process:
        until(process, lambda: len([*out.glob("*/made/*")]) >= 2)
        said = line_after(process, signal.SIGINT)
    assert said == f"{out} is not complete; the same command goes on with what is made there"
    assert not (out / "_SUCCESS").exists()
    assert main(job) == 0
    assert json.loads((out / "shards_stats.json").read_text())["taken_over"] >= 2


def test_a_command_that_is_killed_ends_all_of_it(source, tmp_path):
    out = tmp_path / "out"
    command = [*ALM_BEAM, "windows", f"--input={source}", f"--output={out}", "--repeat_factor=3000", *TWO_WORKERS]
    with started(*command, folder=tmp_path) as process:
        until(process, lambda: any(out.glob("beam-temp-alm_beam-*/shards-alm_output/*")))
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        deadline = time.monotonic() + 60
        while group(process.pid) and time.monotonic() < deadline:
            time.sleep(0.01)


def test_what_ends_the_work_is_how_the_command_ends(source, tmp_path):
    out = tmp_path / "out"
    command = [*ALM_BEAM, "windows", f"--input={source}", f"--output={out}", "--repeat_factor=3000"]
    with started(*command, "--direct_num_workers=1", folder=tmp_path) as process:
        until(process, lambda: any(out.glob("beam-temp-alm_beam-*/shards-alm_output/*")))
        [work] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(work), signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    said = f"its work was ended by SIGKILL, as where memory is short; {out} holds nothing of this run"
    assert errors == f"alm-beam windows: {said}; the same command starts again\n"
    assert [*out.iterdir()] == temporary(tmp_path) == []


def test_what_is_ignored_from_the_beginning_stays_so(tmp_path):
    """As behind `nohup`, or `&` in a script."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    code = f"trap '' INT; exec {sys.executable} -m alm_beam validate {tmp_path}/pipe.jsonl --json"
    with started("bash", "-c", code, folder=tmp_path) as process, open(tmp_path / "pipe.jsonl", "wb") as pipe:
        os.killpg(process.pid, signal.SIGINT)
        pipe.write(b"{}\n")
        pipe.close()
        output, errors = process.communicate(timeout=60)
    assert json.loads(output)
    assert (process.returncode, errors) == (1, "")


def test_an_index_that_is_made(run, tmp_path):
    folder = tmp_path / "cuts"
    folder.mkdir()
    [shard, *_] = run.glob("cuts-*.jsonl")
    lines = shard.read_bytes()
    for number in range(40):
        (folder / f"cuts-{number}.jsonl").write_bytes(lines)
    with started(*ALM_BEAM, "index", folder, folder=tmp_path) as process:
        until(process, lambda: any(folder.glob("beam-temp-index-parts-*/*")))
        said = line_after(process, signal.SIGINT)
    assert said == f"{folder} has no index; the same command starts again"
    assert not hidden(folder)


def test_a_loader_that_is_checked(run, tmp_path):
    with started(*ALM_BEAM, "check-loader", run, folder=tmp_path) as process:
        until(process, lambda: len(group(process.pid)) > 3)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "alm-beam check-loader: interrupted; the same command starts again\n"
    assert not temporary(tmp_path)


@pytest.mark.parametrize("name", ["m.jsonl.gz", "manifests"])
def test_a_sample_that_is_written(tmp_path, name):
    out = tmp_path / name
    with started(*ALM_BEAM, "sample", out, "--recordings=100000", folder=tmp_path) as process:
        until(process, lambda: [*tmp_path.rglob("*.part")])
        said = line_after(process, signal.SIGTERM)
    assert said == f"nothing of {out} is half written; the same command starts again"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_conversion(tmp_path):
    with gzip.open(tmp_path / "a.rttm.gz", "wt") as file:
        for number in range(400_000):
            file.write(f"SPEAKER rec{number} 1 0.1 0.2 <NA> <NA> ann <NA> <NA>\n")
    out = tmp_path / "out"
    command = [*ALM_BEAM, "convert", "--from=rttm", f"--input={tmp_path}/a.rttm.gz", f"--output={out}"]
    with started(*command, folder=tmp_path) as process:
        until(process, out.exists)
        assert line_after(process, signal.SIGINT).startswith(f"{out} holds nothing of this run")
    assert [*out.iterdir()] == []
