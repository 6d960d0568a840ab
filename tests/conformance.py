"""The conformance cases: those in the repo, and those on data that may not be copied, where it is at hand."""

import json
import lzma
from pathlib import Path
from typing import Any, NamedTuple

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


def flags_of(params: dict[str, Any]) -> list[str]:
    """A case's parameters as flags of the job."""
    return [
        f"--{name}={str(value).lower() if value is True or value is False else value}" for name, value in params.items()
    ]


class JoinedCase(NamedTuple):
    """Cases of the same parameters as one, for runners where a job takes seconds to start.

    Attributes:
        name: of the first case.
        params: of all.
        inputs: the manifests of all.
        expected: entries by recording.
        totals: recordings, windows and filtered windows.
    """

    name: str
    params: dict[str, Any]
    inputs: list[Path]
    expected: dict[str, list[Any]]
    totals: list[int]


def joined_cases() -> list[JoinedCase]:
    """All cases whose data is at hand."""
    at_hand = [case.values for case in all_cases() if not case.marks]
    groups: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
    for folder, case in at_hand:
        groups.setdefault(json.dumps(case["params"], sort_keys=True), []).append((folder, case))
    joined = []
    for group in groups.values():
        lines = [line for folder, case in group for line in read_lines(folder / case["expected"])]
        totals = [sum(case[name] for _, case in group) for name in ("entries", "windows", "filtered_windows")]
        inputs = [folder / case["input"] for folder, case in group]
        first = group[0][1]
        joined.append(JoinedCase(first["name"], first["params"], inputs, entries_by_path(lines), totals))
    return joined


def all_cases() -> list[Any]:
    """A parameter for each case: (folder, case). Where the shared ones are absent, one that is skipped says so."""
    own = {case["name"]: pytest.param(OWN, case, id=case["name"]) for case in cases(OWN)}
    shared = [pytest.param(SHARED, case, id=case["name"]) for case in cases(SHARED) if case["name"] not in own]
    absent = pytest.mark.skipif(not shared, reason=f"the fetched conformance data is not at {SHARED}")
    return [*own.values(), *(shared or [pytest.param(SHARED, {}, id="fetched", marks=absent)])]
