"""On Prism, Beam's own runner in Go, which Beam's DirectRunner takes where it finds one."""

from tests.clusters import install, runs
from tests.clusters.conftest import had
from tests.conformance import joined_cases


def test_all_conformance_cases_agree(tmp_path):
    prism = ["--runner=PrismRunner", f"--prism_location={had(install.prism)}", "--environment_type=LOOPBACK"]
    for case in joined_cases():
        code, printed = runs.of_case(case, tmp_path / case.name, *prism)
        assert code == 0, printed
        runs.assert_agrees(case, tmp_path / case.name)
