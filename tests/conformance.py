"""The conformance cases: those in the repo, and those on data that may not be copied, where it is at hand."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

OWN = Path(__file__).parent / "data" / "conformance"
SHARED = Path(__file__).parents[2] / "shared" / "conformance"


def cases(folder: Path) -> list[dict[str, Any]]:
    path = folder / "cases.json"
    return json.loads(path.read_text()) if path.is_file() else []


def read_lines(path: Path) -> list[bytes]:
    data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    return data.splitlines()


def entries_by_path(lines: list[bytes]) -> dict[str, list[Any]]:
    """Entries by recording; of one recording in the order of their JSON."""
    grouped: dict[str, list[Any]] = {}
    for entry in map(json.loads, lines):
        grouped.setdefault(entry["audio_filepath"], []).append(entry)
    for group in grouped.values():
        group.sort(key=lambda entry: json.dumps(entry, sort_keys=True))
    return grouped


def all_cases() -> list[Any]:
    """A parameter for each case: (folder, case). Where the shared ones are absent, one that is skipped says so."""
    own = {case["name"]: pytest.param(OWN, case, id=case["name"]) for case in cases(OWN)}
    shared = [pytest.param(SHARED, case, id=case["name"]) for case in cases(SHARED) if case["name"] not in own]
    absent = pytest.mark.skipif(not shared, reason=f"the fetched conformance data is not at {SHARED}")
    return [*own.values(), *(shared or [pytest.param(SHARED, {}, id="fetched", marks=absent)])]
