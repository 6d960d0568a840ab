"""How far a run is: a bar on a terminal, lines elsewhere, and nothing where nobody wants to see it."""

import fcntl
import gzip
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alm_beam.cli import progress
from alm_beam.cli.main import main
from alm_beam.core.config import JobConfig
from alm_beam.core.convert_config import ConvertConfig
from alm_beam.core.measure_config import MeasureConfig
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.jobs import convert, measure, shards, windows
from alm_beam.jobs.watch import ToDo, Watch
from alm_beam.sample import write_sample
from alm_beam.storage.tally import Counts, Tally
from tests.cli.held import show_for_sure
from tests.jobs.audio import many
from tests.manifests import stats

REPO = Path(__file__).parents[2]
SHORT_WINDOWS = {"target_window_duration": 1, "min_speakers": 1, "tolerance": 0.5, "min_bandwidth": 0}


class Seen(Watch):
    """Sees what there is to do, and what is done at the end."""

    wants_progress = True

    @contextmanager
    def shown(self, tally: Tally, to_do: ToDo) -> Iterator[None]:
        try:
            yield
        finally:
            counts = tally.counts()
            self.done, self.total = to_do.done(counts), to_do.total(counts)
            self.counts: Counts = counts
            self.at_end = to_do.at_end


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    write_sample(str(folder), recordings=40, seed=5)
    return folder


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_bytes_of_windows_are_counted_however_often_they_are_read(source, tmp_path, ending):
    (tmp_path / "in").mkdir()
    for path in source.iterdir():
        data = path.read_bytes() + b"{\n" + b"\n" * 5000 + b" " * 5000
        (tmp_path / "in" / f"{path.name}{ending}").write_bytes(gzip.compress(data) if ending else data)
    seen = Seen()
    places = {"input": str(tmp_path / "in"), "output": str(tmp_path / "out")}
    made = windows.run(JobConfig.of({**places, "repeat_factor": 2, "max_reject_fraction": 1}), watch=seen)
    assert seen.done == seen.total == 2 * bytes_in(tmp_path / "in")
    assert seen.counts[4:] == (made.recordings, made.kept_windows, made.rejected.total())
    assert made.rejected.total() > 0


def test_recordings_are_counted_where_their_audio_takes_the_time(tmp_path):
    entries, audio = many(tmp_path, 5)
    (audio / "002.wav").write_bytes(b"no audio")
    places = {"input": str(entries), "output": str(tmp_path / "out"), "audio_root": str(audio)}
    seen = Seen()
    measure.measure(MeasureConfig.of({**places, "max_reject_fraction": 1}), watch=seen)
    assert (seen.done, seen.total, seen.counts.rejects) == (5, 5, 1)


def test_windows_of_shards_are_counted_also_those_that_are_taken_over(tmp_path):
    entries, audio = many(tmp_path, 6)
    made = {"input": str(entries), "output": str(tmp_path / "cuts"), "default_sample_rate": 16000, **SHORT_WINDOWS}
    count = windows.run(JobConfig.of(made)).kept_windows
    assert count > 1
    broken = audio / "003.wav"
    data = broken.read_bytes()
    broken.write_bytes(b"no audio")
    config = ShardsConfig.of(
        {"input": made["output"], "output": str(tmp_path / "out"), "audio_root": str(audio), "windows_per_shard": 1}
    )
    seen, again = Seen(), Seen()
    with pytest.raises(RuntimeError, match="were rejected"):
        shards.build_shards(config, watch=seen)
    assert seen.counts.rejects > 0
    broken.write_bytes(data)
    assert shards.build_shards(config, watch=again).taken_over > 0
    for each in (seen, again):
        assert (each.done, each.total) == (count, count)


def test_a_conversion_is_counted(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        (tmp_path / "in" / f"{name}.rttm").write_text(
            f"SPEAKER {name} 1 0.1 0.2 <NA> <NA> ann <NA> <NA>\n" * 3 + "\n" * 9
        )
    seen = Seen()
    convert.run(ConvertConfig((str(tmp_path / "in"),), str(tmp_path / "out")), seen)
    assert seen.done == seen.total == bytes_in(tmp_path / "in")
    assert seen.counts.recordings == 2


def on_a_terminal(*arguments: object, columns: int = 140, kind: str = "xterm") -> str:
    """What a command shows on a terminal."""
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    shown = bytearray()
    code = (
        "import sys; from alm_beam.cli import process; from tests.cli.held import show_for_sure\n"
        "show_for_sure(); sys.argv[0] = 'alm-beam'; process.run_process('alm_beam.cli.main')"
    )
    told = ("TTY_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")  # which rich looks at
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=REPO,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env={**environment, "TERM": kind},
    ) as process:
        os.close(terminal)
        while True:
            try:
                shown += os.read(reader, 1 << 16)
            except OSError:  # nobody has it any more
                break
    os.close(reader)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


def test_a_bar_on_a_terminal_counts_what_all_workers_do(source, tmp_path):
    out = tmp_path / "out"
    workers = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    shown = on_a_terminal("windows", f"--input={source}", f"--output={out}", "--repeat_factor=3", *workers)
    plain = re.sub(r"\x1b\[[\d;?]*\w", "", shown)
    megabytes = f"{3 * bytes_in(source) / 1e6:,.1f}"
    made = stats(out)
    counted = r"100%, writing, [\d.]+ of [\d.]+ MB, [\d,]+ recordings, [\d,]+ windows, \d+ rejects"
    [*_, last] = re.findall(counted, " ".join(plain.split()))
    assert f" {megabytes} of {megabytes} MB, " in last
    assert last.endswith(f" {made['recordings']:,} recordings, {made['filtered_windows']:,} windows, 0 rejects")
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is back"


@pytest.mark.parametrize("columns", [12, 40, 80])
def test_a_narrow_terminal_shows_one_line(source, tmp_path, columns):
    shown = on_a_terminal("convert", "--from=curator", f"--input={source}", f"--output={tmp_path}/out", columns=columns)
    assert "%" in shown
    assert shown.count("\x1b[1A") == 1, "the line is left once, at the end"


def test_lines_on_a_terminal_that_knows_no_bar(source, tmp_path):
    convert = ("convert", "--from=curator", f"--input={source}", f"--output={tmp_path}/out")
    shown = on_a_terminal(*convert, kind="dumb")
    assert all(line.startswith("alm-beam convert: ") for line in shown.splitlines())
    assert "% " in shown.replace(",", " ")
    assert "\x1b" not in shown


def test_nothing_on_a_terminal_where_it_is_not_wanted(source, tmp_path):
    convert = ("convert", "--from=curator", f"--input={source}")
    assert "recordings" in on_a_terminal(*convert, f"--output={tmp_path}/shown")
    for number, flag in enumerate(("--quiet", "--progress=false")):
        assert on_a_terminal(*convert, f"--output={tmp_path}/{number}", flag) == ""


@pytest.mark.parametrize("job", ["windows", "convert"])
def test_lines_where_there_is_no_terminal(source, tmp_path, monkeypatch, capfd, job):
    show_for_sure(monkeypatch.setattr)
    flags = ["--from=curator"] if job == "convert" else []
    assert main([job, f"--input={source}", f"--output={tmp_path}/out", *flags]) == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines
    reading = r"\d+%, (\d:\d\d:\d\d left, )?[\d.]+ of [\d.]+ MB, [\d.]+ MB/s, \d+ recordings?, "
    writing = r"100%, writing, [\d.]+ of [\d.]+ MB, \d+ recordings?, "
    for line in lines:
        assert re.match(rf"alm-beam {job}: ({reading}|{writing})", line)
    assert re.match(f"alm-beam {job}: {writing}", lines[-1])
    assert not any("0:00:00" in line for line in lines if "100%" in line)


@pytest.mark.parametrize(
    ("arguments", "at_end"),
    [(("validate",), "adding up"), (("index",), "sorting"), (("index", "--check"), "comparing")],
)
def test_what_reads_all_shows_it_too(source, tmp_path, monkeypatch, arguments, at_end):
    folder, patterns = source, "*"
    if arguments != ("validate",):
        folder, patterns = tmp_path / "out", "cuts-*.jsonl"
        assert main(["windows", f"--input={source}", f"--output={folder}", "--no_report"]) == 0
        if arguments == ("index",):
            shutil.rmtree(folder / "index")
    seen = Seen()
    monkeypatch.setattr(progress, "progress", lambda _, tally, to_do: seen.shown(tally, to_do))
    main([arguments[0], str(folder), *arguments[1:]])
    assert seen.done == seen.total == sum(path.stat().st_size for path in folder.glob(patterns))
    assert seen.at_end == at_end


def test_one_is_told_as_one():
    to_do = ToDo("windows", lambda counts: counts.recordings, lambda _: 1, ("rejects",))
    assert progress._text(Counts(rejects=1), to_do, 1) == "0%, 0 of 1 window, 0.0/s, 1 reject"
    assert progress._text(Counts(recordings=1), to_do, 1) == "100%, writing, 1 of 1 window, 0 rejects"


def test_the_time_left_follows_from_what_is_done():
    counts = Counts(stored=2_000_000, recordings=1)
    text = progress._text(counts, ToDo.of_bytes(8_000_000, "recordings"), 2000)
    assert text == "25%, 1:40:00 left, 2.0 of 8.0 MB, 0.0 MB/s, 1 recording"
    assert progress._text(Counts(stored=3), ToDo.of_bytes(4, "recordings"), 9).startswith("75%, 0:00:03 left, ")


@pytest.mark.parametrize("job", [["windows", "--no_report"], ["convert", "--from=curator"]])
def test_a_quiet_command_does_not_warn(source, tmp_path, caplog, job):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "m.jsonl").write_bytes(next(source.iterdir()).read_bytes())
    os.mkfifo(tmp_path / "in" / "pipe.jsonl")
    for name, flags in (("loud", []), ("quiet", ["--quiet"])):
        assert main([*job, f"--input={tmp_path}/in", f"--output={tmp_path}/{name}", *flags]) == 0
        assert ("passes over" in caplog.text) == (name == "loud")
        caplog.clear()


@pytest.mark.parametrize("job", ["windows", "convert"])
def test_a_quiet_command_says_nothing_but_errors(source, tmp_path, monkeypatch, capfd, job):
    show_for_sure(monkeypatch.setattr)
    flags = ["--from=curator"] if job == "convert" else []
    command = [job, f"--input={source}", f"--output={tmp_path}/out", "--quiet", *flags]
    assert main(command) == 0
    assert capfd.readouterr() == ("", "")
    (tmp_path / "bad.jsonl").write_text("{\n")
    assert main([job, f"--input={tmp_path}/bad.jsonl", f"--output={tmp_path}/bad", "--quiet", *flags]) == 1
    output, errors = capfd.readouterr()
    assert output == ""
    assert "1 of 1" in errors


def test_nothing_is_imported_before_it_is_shown(source, tmp_path):
    code = (
        "import sys; from alm_beam.cli import progress; progress._FIRST_SECONDS = 600\n"
        "from alm_beam.cli.main import main\n"
        "progress.sys.stderr.isatty = lambda: True\n"
        "assert main(['windows', *sys.argv[1:]]) == 0\n"
        "print([name for name in sys.modules if name.startswith('rich.progress')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"--input={source}", f"--output={tmp_path}/out"], capture_output=True, text=True
    )
    assert (done.stderr, done.stdout.splitlines()[-1]) == ("", "[]")
