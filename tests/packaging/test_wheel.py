"""The wheel and the sdist: what is in them, and the demo where only the wheel is installed."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import alm_beam

pytestmark = pytest.mark.wheel
ROOT = Path(__file__).parents[2]
SAMPLE = "import importlib.resources; print(importlib.resources.files('alm_beam') / 'sample_data')"


def run(*command: str | Path, folder: Path = ROOT) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def uv(*arguments: str | Path) -> None:
    run(sys.executable, "-m", "uv", *arguments)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist of this checkout and the wheel made from that sdist."""
    folder = tmp_path_factory.mktemp("built")
    uv("build", "--quiet", "--python", sys.executable, "--out-dir", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    return built / f"alm_beam-{alm_beam.__version__}-py3-none-any.whl"


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "alm_beam").rglob("*")
        if path.suffix in (".py", ".jsonl", ".json") or path.name == "py.typed"
    }
    assert {"alm_beam/py.typed", "alm_beam/sample_data/conversations.jsonl"} < package
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == package


def test_the_sdist_has_what_a_build_needs(built):
    with tarfile.open(built / f"alm_beam-{alm_beam.__version__}.tar.gz") as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "pyproject.toml", "README.md", "LICENSE", "alm_beam/py.typed"} < found


def test_the_wheel_runs_the_demo_from_an_empty_folder(wheel, tmp_path):
    environment, folder = tmp_path / "environment", tmp_path / "empty"
    folder.mkdir()
    uv("venv", "--quiet", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "requirements.txt", wheel)
    sample = run(python, "-c", SAMPLE, folder=folder).strip()
    assert Path(sample).is_relative_to(environment)
    printed = run(environment / "bin" / "alm-beam", "windows", f"--input={sample}", "--output=windows", folder=folder)
    assert "output: windows" in printed
    assert any((folder / "windows").glob("*.jsonl"))
