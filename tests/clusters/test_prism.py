"""On Prism, Beam's own runner in Go, which Beam's DirectRunner takes where it finds one."""

from tests import manifests
from tests.clusters import install, runs
from tests.clusters.conftest import had
from tests.conformance import all_cases, entries_by_path, read_lines
from tests.test_conformance import flags


def test_all_conformance_cases_agree(tmp_path):
    prism = ["--runner=PrismRunner", f"--prism_location={had(install.prism)}", "--environment_type=LOOPBACK"]
    for folder, case in [case.values for case in all_cases() if not case.marks]:
        out = tmp_path / case["name"]
        source = folder / case["input"]
        code, printed = runs.ended(runs.started(f"--input={source}", f"--output={out}", *flags(case["params"]), *prism))
        assert code == 0, printed
        assert entries_by_path(runs.output_lines(out)) == entries_by_path(read_lines(folder / case["expected"]))
        assert manifests.stats(out)["filtered_windows"] == case["filtered_windows"]
