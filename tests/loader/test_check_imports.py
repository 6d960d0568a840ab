"""`alm-beam check-loader` imports this package, here and in its processes, whatever the current folder holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = ["--world_size=1", "--num_workers=0", "--limit=3"]
COMMAND = "import sys\nfrom alm_beam.cli.main import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
EDITABLE = f"""
import importlib.machinery, importlib.util, sys

class _EditableFinder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "alm_beam":
            return importlib.util.spec_from_file_location(name, {str(ROOT / "alm_beam" / "__init__.py")!r})

sys.meta_path[:] = [each for each in sys.meta_path if getattr(each, "__name__", "") != "_EditableFinder"]
sys.meta_path.append(_EditableFinder)
"""
"""As pip installs a clone with --editable: found after everything on the path."""


@pytest.fixture
def bin_folder(tmp_path) -> Path:
    """A folder with the command, as pip installs it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "alm-beam").write_text(COMMAND)
    return folder


@pytest.fixture
def here(tmp_path) -> Path:
    """A working folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def check_loader(cwd: Path, python: list[str], path: list[Path], *arguments: str) -> tuple[int, str]:
    """Exit code and output of the command in a folder, with these folders on Python's path."""
    others = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each and Path(each) != ROOT]
    done = subprocess.run(
        [sys.executable, *python, "check-loader", *SMALL, *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), *others])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout


def test_a_folder_of_the_same_name_is_no_package(cuts, here):
    (here / "alm_beam" / "docs").mkdir(parents=True)
    code, out = check_loader(here, ["-m", "alm_beam"], [ROOT], cuts)
    assert (code, ", 0 failed" in out) == (0, True), out


def test_a_clone_in_the_working_folder_does_not_hide_an_editable_install(cuts, here, bin_folder):
    (here / "alm_beam" / "alm_beam").mkdir(parents=True)
    (bin_folder / "sitecustomize.py").write_text(EDITABLE)
    code, out = check_loader(here, [str(bin_folder / "alm-beam")], [bin_folder], cuts)
    assert (code, ", 0 failed" in out) == (0, True), out


@pytest.mark.parametrize("install", ["on the path", "editable"])
def test_another_version_in_the_working_folder_is_not_imported(cuts, here, bin_folder, install):
    (here / "alm_beam").mkdir()
    (here / "alm_beam" / "__init__.py").write_text("raise RuntimeError('the wrong one')\n")
    if install == "editable":
        (bin_folder / "sitecustomize.py").write_text(EDITABLE)
    path = [ROOT] if install == "on the path" else [bin_folder]
    code, out = check_loader(here, [str(bin_folder / "alm-beam")], path, cuts)
    assert (code, ", 0 failed" in out) == (0, True), out


def test_the_loader_may_be_made_by_a_module_of_the_working_folder(cuts, here, bin_folder):
    (here / "mine.py").write_text(
        "from alm_beam.loader import WindowLoader\n\n\n"
        "def make(sources, **options):\n    import chosen\n\n    return chosen.Loader(sources, **options)\n"
    )
    (here / "chosen.py").write_text(
        "from alm_beam.loader import WindowLoader\n\n\n"
        "class Loader(WindowLoader):\n"
        "    def __iter__(self):\n"
        "        import later\n\n        print('read by', later.NAME, flush=True)\n        return super().__iter__()\n"
    )
    (here / "later.py").write_text("NAME = 'mine'\n")
    code, out = check_loader(here, [str(bin_folder / "alm-beam")], [ROOT], cuts, "--loader=mine:make")
    assert (code, "read by mine" in out, ", 0 failed" in out) == (0, True, True), out


@pytest.mark.parametrize(
    ("loader", "why"),
    [
        ("mine", "mine has no function ''"),
        ("mine:made", "mine has no function 'made'"),
        ("none:make", "No module named"),
    ],
)
def test_a_loader_that_is_not_there_is_named(cuts, here, bin_folder, loader, why):
    (here / "mine.py").write_text("")
    code, out = check_loader(here, [str(bin_folder / "alm-beam")], [ROOT], cuts, f"--loader={loader}")
    assert code == 2
    assert out.startswith("alm-beam check-loader: error: ")
    assert why in out
