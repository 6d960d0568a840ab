"""Validators of the schemas in the package."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parents[1] / "alm_beam" / "schemas"
SCHEMAS: dict[str, Any] = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(SCHEMAS[name])


def check(name: str, instances: Iterable[Any]) -> int:
    """Fails if one of them is not what the schema describes; gives their number."""
    by_schema, count = validator(name), 0
    for instance in instances:
        for error in by_schema.iter_errors(instance):
            raise AssertionError(f"{name}: {error.json_path}: {error.message[:300]}")
        count += 1
    return count


def check_run(folder: Path) -> dict[str, int]:
    """Checks all that a run of the main job left; gives how many lines of each kind there were."""
    counts = {
        name: check(name, _lines(folder, pattern))
        for name, pattern in {"entry": "alm_output-*", "cut": "cuts-*.jsonl", "reject": "rejects-*"}.items()
    }
    check("statistics", [json.loads((folder / "loss_stats.json").read_bytes())])
    if (folder / "report_stats.json").exists():
        check("report_stats", [json.loads((folder / "report_stats.json").read_bytes())])
    if (folder / "index").is_dir():
        check("index", [json.loads((folder / "index" / "index.json").read_bytes())])
    return counts


def _lines(folder: Path, pattern: str) -> Iterable[Any]:
    for path in sorted(folder.glob(pattern)):
        yield from map(json.loads, path.read_bytes().splitlines())
