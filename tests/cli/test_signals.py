"""Ctrl-C, SIGTERM and SIGHUP end a command at once, with one line, and leave nothing half done behind."""

import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from alm_beam.cli import process as process_of_command
from alm_beam.cli.main import main
from alm_beam.sample import write_sample
from tests.jobs.audio import many
from tests.manifests import write
from tests.storage.cuts import LINES, write_shards

REPO = Path(__file__).parents[2]
PATIENT = """
import sys
from alm_beam.cli import process
process._LONGEST_END_SECONDS = process._LONGEST_KILL_SECONDS = 50  # on a busy machine, the end may take long
"""
ALM_BEAM = [sys.executable, "-c", f"{PATIENT}sys.argv[0] = 'alm-beam'; process.run_process('alm_beam.cli.main')"]
HELD = [sys.executable, "-c", f"{PATIENT}sys.argv[0] = 'alm-beam'; process.run_process('tests.cli.held')"]
"""See `tests.cli.held`."""

SECOND_LINE = {"HELD_IN": "alm_beam.transforms.write._ShardFile.write"}
"""A run waits when a worker has written a line of a shard."""

TWO_WORKERS = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM", signal.SIGHUP: "ended by SIGHUP"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is left is looked for in /proc")


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
        pipesize=1 << 12,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), "NOTE": str(note(folder)), **environment},
        preexec_fn=ignore_no_signal,
    )
    try:
        yield process
        deadline = time.monotonic() + 60  # what has been sent a signal dies when it has its turn
        while group(process.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        if left := group(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not left, "a process is left"


def ignore_no_signal() -> None:
    """For `preexec_fn`: a shell's `&` has SIGINT ignored, `nohup` SIGHUP, and so the command that they run."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def note(folder: Path) -> Path:
    """The file that is there when a held command waits."""
    return folder / "note"


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
    write_sample(str(folder / "in"), recordings=20, seed=5)
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
        (TWO_WORKERS, signal.SIGINT, {"times": 2}),
        (TWO_WORKERS, signal.SIGTERM, {"to_all": False}),
        (TWO_WORKERS, signal.SIGHUP, {}),
    ],
)
def test_a_run_leaves_nothing(source, tmp_path, flags, sent, how):
    out = tmp_path / "out"
    command = [*HELD, "windows", f"--input={source}", f"--output={out}"]
    with started(*command, *flags, folder=tmp_path, **SECOND_LINE) as process:
        until(process, note(tmp_path).exists)
        assert any(out.glob("beam-temp-alm_beam-*/shards-*/*"))
        said = line_after(process, sent, **how)
        if sent != signal.SIGHUP:  # which ends all of them by itself
            assert not known(process.pid)
    assert said == f"{out} holds nothing of this run; the same command starts again"
    assert [*out.iterdir()] == temporary(tmp_path) == []


def test_an_earlier_run_stays(source, run, tmp_path):
    shutil.copytree(run, out := tmp_path / "out")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    command = [*HELD, "windows", f"--input={source}", f"--output={out}", "--overwrite", "--direct_num_workers=1"]
    with started(*command, folder=tmp_path, **SECOND_LINE) as process:
        until(process, note(tmp_path).exists)
        assert any(out.glob("beam-temp-alm_beam-*/shards-*/*"))
        said = line_after(process, signal.SIGINT)
    assert said == f"the earlier run in {out} stays; the same command starts again"
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert not hidden(out)


def test_a_run_that_waits_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    command = [*ALM_BEAM, "windows", f"--input={tmp_path}/pipe.jsonl", f"--output={tmp_path}/out"]
    with started(*command, folder=tmp_path) as process, open(tmp_path / "pipe.jsonl", "wb") as pipe:  # it was opened
        pipe.write(b" " * (1 << 20) + b"{}\n")
        pipe.flush()
        until(process, lambda: any(path.stat().st_size for path in (tmp_path / "tmp").glob("*/*")))
        assert line_after(process, signal.SIGINT) == "nothing was written; the same command starts again"
    assert not (tmp_path / "out").exists()
    assert not temporary(tmp_path)


def test_a_long_line_that_is_parsed(source, tmp_path):
    """To parse a line is one call into C, in which no handler of Python's runs."""
    command = [*HELD, "windows", f"--input={source}", f"--output={tmp_path}/out", "--direct_num_workers=1"]
    with started(*command, folder=tmp_path, HELD_IN="alm_beam.core.manifest.lift_words", IN_C="1") as process:
        until(process, note(tmp_path).exists)
        said = line_after(process, signal.SIGINT)
    assert said == f"{tmp_path}/out holds nothing of this run; the same command starts again"


@pytest.mark.parametrize(
    ("module", "sent"), [("alm_beam.core.text", signal.SIGTERM), ("apache_beam.coders", signal.SIGINT)]
)
def test_imports(tmp_path, module, sent):
    """Right after the first module of ours, and when Beam is imported; it waits where nobody reads what -v prints."""
    command = ["pipelines/build_windows.py", f"--input={tmp_path}", f"--output={tmp_path}/out"]
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


def test_a_run_that_publishes_is_not_half_there(run, tmp_path):
    shutil.copytree(run, out := tmp_path / "out")
    command = [*HELD, "windows", f"--input={write(tmp_path / 'm.jsonl')}", f"--output={out}", "--overwrite"]
    with started(*command, folder=tmp_path, HELD_IN="alm_beam.storage.staged_run.move") as process:
        until(process, note(tmp_path).exists)
        assert any(out.glob("*.jsonl"))
        said = line_after(process, signal.SIGTERM)
    assert said == f"{out} holds nothing of this run; the same command starts again"
    assert not [path for path in out.rglob("*") if path.is_file()]


def test_shards_that_are_made_stay(tmp_path):
    entries = many(tmp_path, 3)[0]
    cuts = tmp_path / "windows"
    flags = ["--target_window_duration=1", "--min_speakers=1", "--tolerance=0.5", "--min_bandwidth=0"]
    assert main(["windows", f"--input={entries}", f"--output={cuts}", "--default_sample_rate=16000", *flags]) == 0
    out = tmp_path / "out"
    job = ["shards", f"--input={cuts}", f"--output={out}", "--windows_per_shard=1", f"--audio_root={tmp_path}/audio"]
    command, held = [*HELD, *job, "--direct_num_workers=1"], "alm_beam.transforms.made_shard.ShardMaker._made"
    with started(*command, folder=tmp_path, HELD_IN=held) as process:
        until(process, note(tmp_path).exists)
        said = line_after(process, signal.SIGINT)
    assert said == f"{out} is not complete; the same command goes on with what is made there"
    assert not (out / "_SUCCESS").exists()
    assert main(job) == 0
    assert json.loads((out / "shards_stats.json").read_text())["taken_over"] == 1


def test_a_command_that_is_killed_ends_all_of_it(source, tmp_path):
    out = tmp_path / "out"
    command = [*HELD, "windows", f"--input={source}", f"--output={out}", *TWO_WORKERS]
    with started(*command, folder=tmp_path, **SECOND_LINE) as process:
        until(process, note(tmp_path).exists)
        assert len(group(process.pid)) >= 4
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL


def test_what_ends_the_work_is_how_the_command_ends(source, tmp_path):
    out = tmp_path / "out"
    command = [*HELD, "windows", f"--input={source}", f"--output={out}", "--direct_num_workers=1"]
    with started(*command, folder=tmp_path, **SECOND_LINE) as process:
        until(process, note(tmp_path).exists)
        [work] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(work), signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    said = f"its work was ended by SIGKILL, as where memory is short; {out} holds nothing of this run"
    assert errors == f"alm-beam windows: {said}; the same command starts again\n"
    assert [*out.iterdir()] == temporary(tmp_path) == []


def test_notes_of_many_writers_do_not_mix(monkeypatch):
    """A note is as long as the storage options that are in it."""
    reader, writer = os.pipe()
    monkeypatch.setattr(process_of_command, "_notes", [writer])
    texts = [str(number) * 300_000 for number in range(4)]
    threads = [Thread(target=process_of_command._note, args=("folder", text.encode())) for text in texts]
    for thread in threads:
        thread.start()
    waiting = process_of_command._Waiting(0, reader)
    while any(thread.is_alive() for thread in threads) or select.select([reader], [], [], 0)[0]:
        if select.select([reader], [], [], 0.1)[0]:
            waiting._take_notes()
    for end in (reader, writer):
        os.close(end)
    assert sorted(waiting._folders) == texts


def test_what_is_ignored_from_the_beginning_stays_so(tmp_path):
    """As behind `nohup`, or `&` in a script."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    command = shlex.join([sys.executable, "-m", "alm_beam", "validate", f"{tmp_path}/pipe.jsonl", "--json"])
    with (
        started("sh", "-c", f"trap '' INT; exec {command}", folder=tmp_path) as process,
        open(tmp_path / "pipe.jsonl", "wb") as pipe,
    ):
        os.killpg(process.pid, signal.SIGINT)
        pipe.write(b"{}\n")
        pipe.close()
        output, errors = process.communicate(timeout=60)
    assert json.loads(output)
    assert (process.returncode, errors) == (1, "")


def test_an_index_that_is_made(tmp_path):
    folder = write_shards(tmp_path / "cuts", LINES[:8], 3)
    with started(*HELD, "index", folder, folder=tmp_path, HELD_IN="alm_beam.storage.index.build.scan_shard") as process:
        until(process, note(tmp_path).exists)
        assert any(folder.glob("beam-temp-index-parts-*/*"))
        said = line_after(process, signal.SIGINT)
    assert said == f"{folder} has no index; the same command starts again"
    assert not hidden(folder)


def test_a_loader_that_is_checked(run, tmp_path):
    with started(*ALM_BEAM, "check-loader", run, "--loader=tests.cli.held:loader", folder=tmp_path) as process:
        until(process, note(tmp_path).exists)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "alm-beam check-loader: interrupted; the same command starts again\n"
    assert not temporary(tmp_path)


@pytest.mark.parametrize("name", ["m.jsonl.gz", "manifests"])
def test_a_sample_that_is_written(tmp_path, name):
    out = tmp_path / name
    with started(*HELD, "sample", out, folder=tmp_path, HELD_IN="alm_beam.sample._entry") as process:
        until(process, note(tmp_path).exists)
        assert [*tmp_path.rglob("*.part")]
        said = line_after(process, signal.SIGTERM)
    assert said == f"nothing of {out} is half written; the same command starts again"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [note(tmp_path)]


def test_a_conversion(tmp_path):
    lines = [f"SPEAKER rec{number} 1 0.1 0.2 <NA> <NA> ann <NA> <NA>\n" for number in range(3)]
    (tmp_path / "a.rttm").write_text("".join(lines))
    out = tmp_path / "out"
    command = [*HELD, "convert", "--from=rttm", f"--input={tmp_path}/a.rttm", f"--output={out}"]
    with started(*command, folder=tmp_path, HELD_IN="alm_beam.storage.line_shards.LineShards.write") as process:
        until(process, note(tmp_path).exists)
        assert any(out.glob("beam-temp-*/shards-*/*"))
        assert line_after(process, signal.SIGINT).startswith(f"{out} holds nothing of this run")
    assert [*out.iterdir()] == temporary(tmp_path) == []
