import json

import pytest

from tests.loader.batching.goldens import FOLDER, SHARED, goldens

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_goldens_are_those_of_the_specification(name):
    original = SHARED / f"{name}.json"
    if not original.exists():
        pytest.skip(f"the specification is not at {SHARED}")
    assert goldens(name) == json.loads(original.read_text(encoding="utf-8"))
