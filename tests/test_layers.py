"""Imports go one way, and only where Beam is needed is Beam imported."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "alm_beam"
FLOORS = {
    "core": {"core"},
    "formats": {"formats", "core"},
    "shards": {"shards", "core"},
    "storage": {"storage", "core"},
    "audio": {"audio", "core", "storage"},
    "runners": {"runners", "storage"},
    "loader": {"loader", "audio", "storage", "core"},
    "transforms": {"transforms", "core", "audio", "shards", "storage", "runners"},
    "report": {"report", "core", "storage"},
    "sample": {"storage"},
    "jobs": {"jobs", "core", "formats", "audio", "shards", "storage", "runners", "transforms", "report", "cli"},
    "__main__": {"cli"},
    "cli": {"cli", "sample", "jobs", "core", "formats", "audio", "storage", "report", "loader"},
}
BEAM = {"transforms", "runners", "jobs"}
MODULES = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def floor(module: Path) -> str:
    return module.parts[1].removesuffix(".py")


def imported(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse((PACKAGE.parent / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_downwards(module):
    used = {name.split(".")[1] for name in imported(module) if name.startswith("alm_beam.")} - {"__version__"}
    assert used <= FLOORS[floor(module)]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_beam_is_imported_where_it_belongs(module):
    assert floor(module) in BEAM or not any(name.startswith("apache_beam") for name in imported(module))


def test_importing_what_needs_no_beam_imports_none():
    names = [
        ".".join(module.with_suffix("").parts).removesuffix(".__init__")
        for module in MODULES
        if floor(module) not in BEAM
    ]
    code = f"import sys, {', '.join(['alm_beam', *names])}; print('apache_beam' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
