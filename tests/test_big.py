"""200 MB in, windows out, on each store. Not among the ordinary tests: `make test-storage` runs it."""

import json
import subprocess
import sys

import pytest

from alm_beam.sample import write_sample
from tests.manifests import stats
from tests.test_stores import stats_in

MEGABYTES = 200
CODE = "import sys; from alm_beam.cli.windows import main as run; sys.exit(run(sys.argv[1:]))"
FLAGS = ("--no_candidate_windows", "--target_window_duration=60")


def done(*flags: str) -> None:
    subprocess.run([sys.executable, "-c", CODE, *FLAGS, *flags], check=True, timeout=900)


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    """A folder with manifests of 200 MB, `in`, and what a run on disk makes of them, `out`."""
    folder = tmp_path_factory.mktemp("big")
    for part in range(4):
        write_sample(str(folder / "in" / f"{part}.jsonl"), recordings=900, seed=part)
    assert sum(path.stat().st_size for path in (folder / "in").iterdir()) > MEGABYTES * 1_000_000
    done(f"--input={folder / 'in'}", f"--output={folder / 'out'}")
    return folder


@pytest.mark.big
def test_200_mb_from_store_to_store_give_what_they_give_on_disk(store, on_disk):
    bucket = store.bucket()
    for path in (on_disk / "in").iterdir():
        store.fs.put_file(str(path), f"{bucket}/in/{path.name}")
    done(f"--input={bucket}/in", f"--output={bucket}/out", store.flag())
    found = sorted(
        line
        for name in store.names(f"{bucket}/out")
        if name.startswith("alm_output-")
        for line in store.read(f"{bucket}/out/{name}").splitlines()
    )
    expected = sorted(
        line for path in (on_disk / "out").glob("alm_output-*") for line in path.read_bytes().splitlines()
    )
    assert len(found) == stats_in(store, f"{bucket}/out")["recordings"] == 3600
    assert found == expected
    same = {name: value for name, value in stats(on_disk / "out").items() if isinstance(value, int | float)}
    numbers = stats_in(store, f"{bucket}/out")
    assert {name: numbers[name] for name in same} == pytest.approx(same)
    assert json.dumps(numbers["rejected_by_reason"]) == "{}"
