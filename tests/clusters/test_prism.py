"""On Prism, Beam's own runner in Go, which Beam's DirectRunner takes where it finds one."""

import json
from pathlib import Path
from typing import Any

from alm_beam.sample import SHIPPED
from tests.clusters import install, runs
from tests.clusters.conftest import had
from tests.conformance import joined_cases
from tests.jobs.audio import lines_in, many, stats


def flags() -> list[str]:
    return ["--runner=PrismRunner", f"--prism_location={had(install.prism)}", "--environment_type=LOOPBACK"]


def test_audio_is_measured_as_elsewhere(tmp_path):
    source, audio = many(tmp_path, 8)
    code, printed = runs.measure(source, audio, tmp_path / "out", *flags())
    assert code == 0, printed
    assert runs.measure(source, audio, tmp_path / "local")[0] == 0
    assert lines_in(tmp_path / "out") == lines_in(tmp_path / "local")
    assert stats(tmp_path / "out")["bandwidths"] == 16


def test_all_conformance_cases_agree(tmp_path):
    for case in joined_cases():
        code, printed = runs.of_case(case, tmp_path / case.name, *flags())
        assert code == 0, printed
        runs.assert_agrees(case, tmp_path / case.name)


def test_the_report_and_a_sweep_say_the_same_as_elsewhere(tmp_path):
    on_prism, local = (found_by(tmp_path / name, where) for name, where in (("prism", flags()), ("local", [])))
    assert on_prism == local
    assert len(local["sweep"]) == 4


def found_by(out: Path, where: list[str]) -> dict[str, Any]:
    """What a run has collected for its report, and the rows of a sweep."""
    swept = ["--target_window_duration=30,60", "--selection=greedy,most_audio"]
    for name, pipeline, more in (("windows", "build_windows.py", []), ("sweep", "sweep_windows.py", swept)):
        run = runs.started(f"--input={SHIPPED}", f"--output={out / name}", *more, *where, pipeline=pipeline)
        code, printed = runs.ended(run)
        assert code == 0, printed
    report = json.loads((out / "windows" / "report_stats.json").read_bytes())
    rows = json.loads((out / "sweep" / "sweep.json").read_bytes())["combinations"]
    return {"report": {**report, "command": ""}, "sweep": [{**row, "command": ""} for row in rows]}
