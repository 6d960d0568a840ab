"""A training machine: the packages of templates/training/requirements.txt and this package, no Beam."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alm_beam.storage.index.build import build_index
from tests.loader.cuts import cut, write_cuts

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "templates" / "training" / "requirements.txt"
SECONDS = 1800  # for pip, on a slow network


def test_bounds_are_those_of_setup():
    """NumPy has none there: Beam brings it."""
    given = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    stated = re.findall(r'^        "([^"]+)",', (ROOT / "setup.py").read_text(), re.MULTILINE)
    assert set(given) - set(stated) == {"numpy"}


class Environment:
    """A new environment, which knows nothing of this clone."""

    def __init__(self, folder: Path):
        subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True, timeout=SECONDS)
        self.folder, self.bin = folder, folder / "env" / "bin"

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the environment in its folder."""
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        return subprocess.run(
            [str(self.bin / command), *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )


@pytest.fixture(scope="module")
def machine(tmp_path_factory) -> Environment:
    """Installed as the file's first lines say, from a copy of the sources."""
    folder = tmp_path_factory.mktemp("machine")
    sources = folder / "sources"
    sources.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    shutil.copytree(ROOT / "alm_beam", sources / "alm_beam", ignore=shutil.ignore_patterns("__pycache__"))
    environment = Environment(folder)
    for arguments in (["-r", str(REQUIREMENTS)], ["--no-deps", str(sources)]):
        done = environment.run("pip", "install", "--quiet", "--disable-pip-version-check", *arguments)
        assert done.returncode == 0, done.stdout
    shutil.rmtree(sources)
    return environment


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """20 windows, indexed by this package."""
    folder = tmp_path_factory.mktemp("cuts")
    write_cuts(folder, [cut(number) for number in range(20)], shards=2)
    build_index(str(folder), overwrite=True)
    return str(folder)


@pytest.mark.install
def test_it_reads_windows_without_beam(machine, folder):
    done = machine.run(
        "python",
        "-c",
        "import importlib.util, sys, alm_beam, alm_beam.loader\n"
        "assert importlib.util.find_spec('apache_beam') is None\n"
        "loader = alm_beam.loader.WindowLoader(sys.argv[1], seed=1)\n"
        "print(len({window['id'] for window in loader}), alm_beam.__file__)\n",
        folder,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"20 {machine.folder}")


@pytest.mark.install
def test_it_makes_and_checks_an_index(machine, folder):
    checked = machine.run("alm-beam", "index", folder, "--check")
    assert (checked.returncode, "sound: " in checked.stdout) == (0, True), checked.stdout
    made = machine.run("alm-beam", "index", folder, "--overwrite")
    assert (made.returncode, made.stdout.split()[:2]) == (0, ["windows", "20"]), made.stdout


@pytest.mark.install
def test_it_plans_batches(machine, folder):
    done = machine.run("alm-beam", "batches", folder, "--batch_size=4")
    assert (done.returncode, "padding" in done.stdout) == (0, True), done.stdout


@pytest.mark.install
def test_it_checks_a_loader(machine, folder):
    done = machine.run("alm-beam", "check-loader", folder, "--num_workers=0")
    assert (done.returncode, ", 0 failed" in done.stdout) == (0, True), done.stdout
