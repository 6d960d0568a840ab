"""What a run of few recordings does not wait for: modules that it has no use of, and the garbage of Beam's import."""

import ast
import subprocess
import sys

import pytest

from tests.manifests import write

WHOLE_PROCESS = """
import atexit, gc, sys
from alm_beam.cli.process import run_process
atexit.register(lambda: print({said}))
run_process("alm_beam.cli.windows")
"""
"""Prints at the end of the process that does the work, as of `alm-beam windows` and pipelines/build_windows.py."""

CALLED = """
import gc, sys
from alm_beam.cli.main import main
assert main(["windows", *sys.argv[1:]]) == 0
print({said})
"""
"""The same within a process of somebody else's."""

MODULES = "[*sys.modules]"
GARBAGE = "[gc.isenabled(), gc.get_freeze_count() > 0]"


@pytest.fixture
def windows(tmp_path):
    """Runs the command, and gives what is said in the end."""

    def run(code: str, said: str, *flags: str) -> list[object]:
        places = (f"--input={write(tmp_path / 'in.jsonl')}", f"--output={tmp_path / 'out'}", "--overwrite")
        done = subprocess.run(
            [sys.executable, "-c", code.format(said=said), *places, "--no_report", "--quiet", *flags],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return list(ast.literal_eval(done.stdout))

    return run


def test_a_run_without_a_report_imports_what_it_needs_alone(windows):
    modules = windows(WHOLE_PROCESS, MODULES)
    parts = {".".join(name.split(".")[1:3]) for name in modules if name.startswith("alm_beam.")}
    floors = {part.partition(".")[0] for part in parts}
    assert floors == {"cli", "core", "jobs", "report", "runners", "storage", "transforms"}
    assert {part for part in parts if part.startswith("jobs.")} == {
        "jobs.launch",
        "jobs.places",
        "jobs.run",
        "jobs.watch",
        "jobs.windows",
    }
    assert {part for part in parts if part.startswith("report.")} == {"report.notes", "report.summary", "report.table"}
    other_commands = {"cli.configuration", "cli.dry_run", "cli.progress", "cli.report", "cli.sweep", "core.estimate"}
    assert not parts & other_commands
    assert not {*modules} & {"aiohttp", "gcsfs", "hydra", "lhotse", "omegaconf", "rich", "s3fs", "soundfile", "torch"}


@pytest.mark.parametrize(("code", "level"), [(WHOLE_PROCESS, "NONE"), (CALLED, None)])
def test_grpc_says_nothing_by_itself_in_a_process_of_ours(windows, monkeypatch, code, level):
    monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
    assert windows(code, "[__import__('os').environ.get('GRPC_VERBOSITY')]") == [level]


def test_a_process_of_ours_never_looks_through_what_beam_has_brought(windows):
    assert windows(WHOLE_PROCESS, GARBAGE) == [True, True]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_garbage_of_somebody_elses_process_is_left_to_them(windows, workers):
    several = ["--direct_running_mode=multi_processing"] if workers > 1 else []
    assert windows(CALLED, GARBAGE, *several, f"--direct_num_workers={workers}") == [True, False]
