"""The plugin that lets fsspec serve Beam's own transforms. It changes the process that asks for it."""

import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).with_name("filesystem_cases.py")


def test_beams_transforms_on_every_kind_of_filesystem():
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-o", "addopts=", str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CASES.parents[2])
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout


def test_the_plugin_alone_serves_any_beam_job(tmp_path):
    """As `--beam_plugin` imports it in the workers of a job that is not ours."""
    Path(tmp_path / "x.txt").write_text("one\ntwo\n")
    code = (
        "import sys, importlib; importlib.import_module('alm_beam.runners.filesystem')\n"
        "import apache_beam as beam\n"
        "from apache_beam.runners.portability.fn_api_runner import FnApiRunner\n"
        "with beam.Pipeline(runner=FnApiRunner()) as pipeline:\n"
        f"    pipeline | beam.io.ReadFromText('file://{tmp_path}/x.txt') | beam.Map(print)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["one", "two"]
