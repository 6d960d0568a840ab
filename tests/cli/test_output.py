"""Whether anybody reads what a command says, or can, does not change what it did or its exit code."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from alm_beam.cli.main import main
from tests.manifests import lines, write

ROOT = Path(__file__).parents[2]
ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
HOSTILE = "\x1b[31mred\u202e\n\x07end"

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full on this system")


def said(*arguments: str | bytes, shell: str = "", **environment: str) -> tuple[int, str, str]:
    """The exit code of a command with redirections as a shell writes them, and what came to stdout and stderr."""
    done = subprocess.run(
        ["bash", "-c", f'"$@" {shell}', "bash", sys.executable, *arguments],
        capture_output=True,
        cwd=ROOT,
        timeout=600,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished run in a folder whose name no ASCII terminal can show."""
    folder = tmp_path_factory.mktemp("mün東")
    source = write(folder / "in" / "m.jsonl")
    assert main(["windows", f"--input={source}", f"--output={folder / 'out'}"]) == 0
    return folder


SINKS = [
    pytest.param({"shell": ">&- 2>&-"}, id="closed"),
    pytest.param({"shell": ">/dev/full 2>/dev/full"}, id="full"),
    pytest.param({"shell": ">&-"}, id="stdout closed"),
    pytest.param({"shell": "| head -c 0; exit ${PIPESTATUS[0]}"}, id="broken pipe"),
    pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
    pytest.param({"PYTHONIOENCODING": "latin-1:strict"}, id="latin-1"),
    pytest.param(ASCII_LOCALE, id="ascii locale"),
]


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["-m", "alm_beam", "--version"], 0, id="version"),
        pytest.param(["-m", "alm_beam", "windows", "--help"], 0, id="help"),
        pytest.param(["-m", "alm_beam", "sweep", "--help"], 0, id="help of several values"),
        pytest.param(["-m", "alm_beam", "sample", "{}/sample", "--recordings=1"], 0, id="sample"),
        pytest.param(["-m", "alm_beam", "index", "{}/out", "--check"], 0, id="index"),
        pytest.param(["-m", "alm_beam", "index", "{}/nothing"], 1, id="index fails"),
        pytest.param(["-m", "alm_beam", "batches", "{}/out", "--batch_size=4"], 0, id="batches"),
        pytest.param(["-m", "alm_beam", "batches", "{}/nothing", "--batch_size=4"], 1, id="batches fail"),
        pytest.param(["-m", "alm_beam", "check-loader", "{}/nothing"], 1, id="check fails"),
        pytest.param(["-m", "alm_beam", "nosuch"], 2, id="no command"),
        pytest.param(["pipelines/build_windows.py", "--input={}/nothing", "--output={}/x"], 2, id="wrong flag"),
    ],
)
def test_a_command_keeps_its_exit_code(finished, sink, arguments, code):
    assert said(*(each.replace("{}", str(finished)) for each in arguments), **sink)[0] == code


@pytest.mark.parametrize("sink", SINKS)
def test_a_complete_run_exits_with_0(tmp_path, sink):
    out = tmp_path / "größe"
    source = write(tmp_path / "m.jsonl")
    assert said("pipelines/build_windows.py", f"--input={source}", f"--output={out}", **sink)[0] == 0
    assert (out / "_SUCCESS").exists()


@pytest.mark.parametrize("sink", SINKS[:2])
def test_a_failed_run_exits_with_1(tmp_path, sink):
    source = write(tmp_path / "m.jsonl", lines() + b"{\n")
    flags = (f"--input={source}", f"--output={tmp_path / 'out'}", "--max_reject_fraction=0")
    assert said("pipelines/build_windows.py", *flags, **sink)[0] == 1
    assert not (tmp_path / "out" / "_SUCCESS").exists()


def test_a_sound_loader_exits_with_0_where_nobody_reads(finished):
    check = ("-m", "alm_beam", "check-loader", str(finished / "out"), "--num_workers=0")
    code, _, errors = said(*check, shell="| head -c 0; exit ${PIPESTATUS[0]}", PYTHONIOENCODING="ascii")
    assert (code, errors) == (0, "")


def test_no_file_of_a_run_becomes_its_stdout_or_stderr(tmp_path):
    source = write(tmp_path / "m.jsonl", lines() + b"{\n")
    flags = ("windows", f"--input={source}", "--max_reject_fraction=1")
    assert said("-m", "alm_beam", *flags, f"--output={tmp_path / 'a'}", shell="<&- >&- 2>&-")[0] == 0
    assert said("-m", "alm_beam", *flags, f"--output={tmp_path / 'b'}")[0] == 0
    first, second = (
        sorted(line for path in (tmp_path / name).glob("*.jsonl") for line in path.open()) for name in "ab"
    )
    assert first == second


def test_what_a_terminal_cannot_show_is_written_as_escapes(finished):
    code, text, errors = said("-m", "alm_beam", "sample", f"{finished}/s.jsonl", PYTHONIOENCODING="ascii")
    assert (code, errors) == (0, "")
    assert f"m\\xfcn\\u6771{finished.name[4:]}/s.jsonl\n" in text


def test_a_traceback_goes_the_same_way_and_the_exit_code_is_1():
    code = f"from alm_beam.cli.output import exit_with; exit_with(lambda: {{}}[{HOSTILE!r}.join('ab')])"
    hidden = f"from alm_beam.cli.output import exit_with\ndef f(): raise ValueError({HOSTILE!r})\nexit_with(f)"
    assert said("-c", code, shell="2>/dev/full")[0] == 1
    status, _, errors = said("-c", hidden)
    assert status == 1
    assert "ValueError: \\x1b[31mred\\u202e\n\\x07end" in errors


def test_a_path_that_is_not_utf8_is_written_to_and_shown(tmp_path):
    source, out = write(tmp_path / "m.jsonl"), os.fsencode(tmp_path) + b"/caf\xe9"
    flags = (f"--input={source}", b"--output=" + out, "--progress=false")
    code, text, errors = said("-m", "alm_beam", "windows", *flags)
    assert (code, errors) == (0, "")
    assert text.endswith("/caf\\udce9\n")
    assert os.path.exists(out + b"/_SUCCESS")


@pytest.mark.parametrize(
    "arguments",
    [
        ["windows", "--input={}", "--output={}/out"],
        ["windows", "--input={}", "--output={}*"],
        ["windows", "--input=nosuch", "--output=x", "--tolerance={}"],
        ["windows", "--input=nosuch", "--output=x", "--runner={}"],
        ["windows", "--input=nosuch", "--output=x", "--{}=1"],
        ["sample", "{}/file/m.jsonl"],
        ["sample", "x.jsonl", "--recordings={}"],
        ["index", "{}"],
        ["batches", "{}", "--batch_size=1"],
        ["batches", "x", "--batch_size=1", "--bucket_edges={}"],
        ["check-loader", "{}"],
        ["check-loader", "x", "--weights={}"],
        ["check-loader", "x", "--state={}"],
        ["{}"],
    ],
    ids=lambda arguments: " ".join(arguments[:4]),
)
def test_nothing_in_a_message_controls_the_terminal(tmp_path, capfd, arguments):
    named = tmp_path / HOSTILE
    named.mkdir()
    (named / "file").write_bytes(b"")
    try:
        code = main([each.replace("{}", str(named)) for each in arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    printed, errors = capfd.readouterr()
    assert code in (1, 2)
    assert errors.count("\n") == 1
    assert printed == ""
    assert errors.rstrip("\n").isprintable()


def test_nothing_in_a_run_or_an_index_controls_the_terminal(tmp_path, capfd):
    named = tmp_path / HOSTILE
    source = write(named / "m.jsonl", lines() + b'{"audio_filepath": "\\u001b[2J"}\n' + b"{\x1b\n")
    assert main(["windows", f"--input={source}", f"--output={tmp_path / 'out'}", "--max_reject_fraction=1"]) == 0
    assert main(["sample", str(named / "s.jsonl"), "--recordings=1"]) == 0
    cut = '{"id": "a", "duration": 1.0, "custom": {"source": "\\u001b[2J\\nsound: all"}}\n'
    write(named / "cuts.jsonl", cut.encode())
    assert main(["index", str(named)]) == 0
    assert main(["windows", f"--input={source}", f"--output={tmp_path / 'none'}", "--max_reject_fraction=0"]) == 1
    text = "".join(capfd.readouterr())
    assert "\\x1b[2J\\nsound: all" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_loader_may_be_checked_in_colour_on_a_terminal(finished):
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "alm_beam", "check-loader", str(finished / "out"), "--num_workers=0", "--limit=1"]
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(command, cwd=ROOT, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        seen = b""
        while b"failed" not in seen:
            seen += os.read(parent, 1 << 16)
        process.wait(timeout=600)
    os.close(parent)
    assert b"\x1b[32mok" in seen
