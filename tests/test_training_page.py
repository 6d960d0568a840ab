"""docs/training.md, done as a new user does it."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alm_beam.cli.windows import main as run
from alm_beam.loader import WindowLoader
from alm_beam.sample import write_sample

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What the page's first commands leave."""
    folder = tmp_path_factory.mktemp("user")
    write_sample(str(folder / "trial.jsonl"), recordings=10, seed=0)
    assert run([f"--input={folder / 'trial.jsonl'}", f"--output={folder / 'windows'}"]) == 0
    return folder


def test_the_training_loop_is_killed_and_goes_on(folder):
    (folder / "train.py").write_text(BLOCKS[0])
    whole = WindowLoader(str(folder / "windows"), seed=1)
    expected = [(str(epoch), window["id"]) for epoch in range(3) for window in whole]
    seen, kills = [], 0
    for enough in (5, 40, len(expected) - 3, len(expected) + 1):
        process = subprocess.Popen(
            [sys.executable, "train.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        lines = []
        for line in process.stdout:
            lines.append(tuple(line.split()[:2]))
            if len(seen) + len(lines) >= enough and kills < 3:
                time.sleep(0.004)
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
        lines += [tuple(line.split()[:2]) for line in process.stdout if line.endswith("\n")]
        process.wait()
        if seen and lines and lines[0] == seen[-1]:
            del lines[0]  # killed between the line and its state
        seen += lines
    assert kills == 3
    assert seen == expected
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
