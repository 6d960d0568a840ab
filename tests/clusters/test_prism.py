"""On Prism, Beam's own runner in Go, which Beam's DirectRunner takes where it finds one."""

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
