"""The notebooks run from top to bottom."""

import pytest

from tests.docs.blocks import REPOSITORY, environment

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is missing: it is in the extra `test`")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is missing: it is in the extra `test`")
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()


def test_both_notebooks_are_there():
    assert [path.name for path in NOTEBOOKS] == ["training.ipynb", "windows.ipynb"]
