"""What follows from the parameters is up to date: docs/parameters.md, Dataflow's metadata, the Airflow DAG's params."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from alm_beam.core.config import PARAMETERS, WindowConfig
from alm_beam.core.measure_config import AudioConfig, MeasureConfig
from alm_beam.core.parameters import parameters_of
from alm_beam.core.run_config import RunConfig
from alm_beam.core.shards_config import LayoutConfig, ShardsConfig, SliceConfig
from alm_beam.core.sweep_config import SweepSettings

SCRIPT = Path(__file__).parents[2] / "templates" / "generate.py"


@pytest.fixture
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tolerance():
    return WindowConfig.__dataclass_fields__["tolerance"].metadata["parameter"]


@pytest.fixture
def change(monkeypatch):
    """Changes what is stated of the parameter `tolerance`, which is frozen, until the test ends."""

    def changed(attribute: str, value: object) -> None:
        monkeypatch.setitem(vars(tolerance()), attribute, value)

    return changed


def test_nothing_is_stale(generate):
    stale = [str(path.relative_to(generate.ROOT)) for path in generate.stale_files()]
    assert not stale, f"not up to date: {', '.join(stale)}; run `make generated` and commit what it writes"


@pytest.mark.parametrize(("attribute", "value"), [("help", "another text"), ("default", 0.25)])
def test_a_change_to_a_parameter_makes_every_file_stale(generate, change, attribute, value):
    change(attribute, value)
    assert generate.stale_files().keys() == {generate.PAGE, generate.METADATA, generate.DAG}


@pytest.mark.parametrize(
    ("config", "name", "metadata"),
    [
        (AudioConfig, "levels", "MEASURE_METADATA"),
        (LayoutConfig, "order", "SHARDS_METADATA"),
        (SliceConfig, "pad", "SHARDS_METADATA"),
        (ShardsConfig, "input", "SHARDS_METADATA"),
    ],
)
def test_a_change_to_a_parameter_of_another_job_makes_its_files_stale(generate, monkeypatch, config, name, metadata):
    parameter = config.__dataclass_fields__[name].metadata["parameter"]
    monkeypatch.setitem(vars(parameter), "help", "another text")
    in_dag = {generate.DAG} if name != "input" else set()  # of which the DAG says what it reads itself
    assert generate.stale_files().keys() == {generate.PAGE, getattr(generate, metadata), *in_dag}


def test_a_range_that_dataflows_expressions_do_not_know_is_named(generate, change):
    change("below", 0.5)
    assert "A fraction, 0 <= tolerance < 0.5." in generate.page()
    assert "exclusiveMaximum=0.5," in generate.dag(generate.DAG.read_text(encoding="utf-8"))
    with pytest.raises(KeyError, match=r"from 0 to less than 0\.5"):
        generate.metadata()


def test_a_label_is_dataflows_alone(generate, change):
    change("label", "Another label")
    assert generate.stale_files().keys() == {generate.METADATA}


def test_check_names_the_stale_files_and_how_to_renew_them(generate, change, monkeypatch, capsys):
    before = generate.PAGE.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert (generate.main(), capsys.readouterr().out) == (0, "")
    change("help", "another text")
    assert generate.main() == 1
    assert "docs/parameters.md is not up to date: run `make generated`" in capsys.readouterr().out
    assert generate.PAGE.read_text(encoding="utf-8") == before


def test_what_is_written_is_no_longer_stale(generate, change, monkeypatch, tmp_path):
    for name in ("PAGE", "METADATA", "DAG"):
        path = tmp_path / name
        path.write_bytes(getattr(generate, name).read_bytes())
        monkeypatch.setattr(generate, name, path)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    change("help", "another text")
    assert len(generate.stale_files()) == 3
    assert generate.main() == 0
    assert not generate.stale_files()


@pytest.mark.parametrize("length", [1, 30, 80, *range(95, 130), 500])
def test_the_dag_is_as_ruff_formats_it(generate, change, length, tmp_path):
    pytest.importorskip("ruff")
    change("help", ('it\'s a few words and a "quoted" one, ' * 20)[:length].strip())
    made = tmp_path / "dag.py"
    made.write_text(generate.dag(generate.DAG.read_text(encoding="utf-8")), encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--diff", "--line-length=120", "--isolated", str(made)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert max(map(len, made.read_text(encoding="utf-8").splitlines())) <= 120


def test_the_dag_imports_nothing_of_this_package(generate):
    for node in ast.walk(ast.parse(generate.DAG.read_text(encoding="utf-8"))):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        assert not any(name.split(".")[0] == "alm_beam" for name in names)


def test_the_page_has_a_row_for_each_parameter(generate):
    rows = [line for line in generate.page().splitlines() if line.startswith("| `--")]
    of_measure, of_shards = parameters_of(AudioConfig), {**parameters_of(LayoutConfig), **parameters_of(SliceConfig)}
    of_all = {*parameters_of(RunConfig)}
    assert MeasureConfig.every_parameter().keys() == of_all | of_measure.keys()
    assert ShardsConfig.every_parameter().keys() == of_all - {"num_shards"} | of_shards.keys()
    names = [*PARAMETERS, *of_measure, "input", *of_shards, *parameters_of(SweepSettings)]
    assert [row.split("`")[1].removeprefix("--") for row in rows] == names
    assert {row.count("|") for row in rows} == {4}
    [tolerance] = [row for row in rows if "`--tolerance`" in row]
    assert "| `--tolerance` | `0.1` | A window may be shorter or longer than the target" in tolerance
    assert tolerance.endswith("A fraction, 0 <= tolerance < 1. |")
