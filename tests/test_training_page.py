"""docs/training.md, done as a new user does it."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alm_beam.cli.windows import main as run
from alm_beam.loader import WindowLoader
from alm_beam.sample import write_sample
from tests.killed import killed_at_save

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What the page's first commands leave."""
    folder = tmp_path_factory.mktemp("user")
    write_sample(str(folder / "trial.jsonl"), recordings=10, seed=0)
    assert run([f"--input={folder / 'trial.jsonl'}", f"--output={folder / 'windows'}"]) == 0
    return folder


def printed(command: list[str], folder: Path, code: int) -> list[tuple[str, ...]]:
    """The epoch and the window of each line that a process prints, which ends with the code."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return [tuple(line.split()[:2]) for line in done.stdout.splitlines()]


def test_the_training_loop_is_killed_and_goes_on(folder):
    (folder / "train.py").write_text(BLOCKS[0])
    whole = WindowLoader(str(folder / "windows"), seed=1)
    expected = [(str(epoch), window["id"]) for epoch in range(3) for window in whole]
    begin = 0
    for end, moment in ((5, "after"), (40, "before"), (len(expected) - 3, "after")):
        command = killed_at_save("train.py", "state.json", end - begin, moment=moment)
        assert printed(command, folder, -signal.SIGKILL) == expected[begin:end]
        begin = end - (moment == "before")
    assert printed([sys.executable, "train.py"], folder, 0) == expected[begin:]
    assert json.loads((folder / "state.json").read_text())["epoch"] == 2


def test_names_of_the_page_exist():
    for block in BLOCKS:
        imports = "\n".join(line for line in block.splitlines() if line.startswith(("from alm_beam", "import json")))
        exec(imports if "dataset" not in imports else "import alm_beam.loader.dataset", {})


def test_the_windows_are_cuts_to_lhotse(folder):
    lhotse = pytest.importorskip("lhotse.serialization")
    windows = list(WindowLoader(str(folder / "windows"), shuffle=False))
    for window in windows:
        made = lhotse.deserialize_item(dict(window))
        assert (made.id, made.duration) == (window["id"], window["duration"])
        assert [each.text for each in made.supervisions] == [each.get("text") for each in window["supervisions"]]
