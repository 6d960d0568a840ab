"""What fairseq2 and Omnilingual ASR gave for some inputs: copies of the goldens beside their specification."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "data" / "batching"
SHARED = Path(__file__).parents[4] / "shared" / "specs" / "batching"


def goldens(name: str) -> list[dict[str, Any]]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
