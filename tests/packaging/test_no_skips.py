"""A run with --no-skips fails when something was skipped, whether a test or a whole file."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASSES = "def test_that_passes(): pass\n"
SKIPS = "import pytest\ndef test_that_is_skipped(): pytest.importorskip('no_such_package')\n" + PASSES
SKIPS_AT_ONCE = "import pytest\npytest.importorskip('no_such_package')\n" + PASSES


@pytest.mark.parametrize("processes", ["0", "2"])
@pytest.mark.parametrize(
    ("tests", "flags", "code"),
    [
        (PASSES, ["--no-skips"], 0),
        (SKIPS, ["--no-skips"], 1),
        (SKIPS_AT_ONCE, ["--no-skips"], 1),
        (SKIPS, [], 0),
    ],
)
def test_what_a_run_ends_with(tmp_path, tests, flags, code, processes):
    (tmp_path / "test_it.py").write_text(tests)
    (tmp_path / "test_other.py").write_text(PASSES)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-n", processes, f"--rootdir={tmp_path}"]
    done = subprocess.run([*command, *flags, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == code, done.stdout + done.stderr
