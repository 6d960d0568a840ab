"""What is read of the folder of a run, and what is refused."""

import orjson
import pytest

from alm_beam.core.losses import LossStats
from alm_beam.core.report_stats import ReportStats
from alm_beam.report.reported_run import read_run, reported_run
from alm_beam.storage.outputs import JOBS, SWEEP, WINDOWS
from tests.manifests import write

TIME_LINE = {"offset": 0, "file": "m.jsonl", "name": "a", "speakers": [], "candidates": [], "kept": []}


@pytest.mark.parametrize("job", [each for each in JOBS if each != WINDOWS], ids=lambda each: each.job)
def test_a_run_of_another_job_is_named(job, tmp_path):
    write(tmp_path / job.statistics, b"{}")
    told = "a sweep, " if job == SWEEP else f"a run of alm-beam {job.job}: "
    with pytest.raises(FileNotFoundError, match=f"holds {told}"):
        read_run(str(tmp_path), {})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sampled": "0"}, "`int`, got `str` - at `$.sampled`"),
        ({"sampled": -1}, ">= 0 - at `$.sampled`"),
        ({"time_lines": [{**TIME_LINE, "begin": 5, "until": 4, "end": 6}]}, "ascend - at `$.time_lines[0]`"),
        ({"time_lines": [{**TIME_LINE, "begin": 5, "until": 7, "end": 6}]}, "ascend - at `$.time_lines[0]`"),
        ({"time_lines": [{**TIME_LINE, "begin": 10**16, "until": 0, "end": 0}]}, "at `$.time_lines[0].begin`"),
    ],
)
def test_what_no_run_writes_is_refused_with_its_place(changes, told):
    held = {**ReportStats().to_dict(), **changes}
    with pytest.raises(ValueError, match=r"^report_stats\.json is not what alm-beam windows writes") as error:
        reported_run(orjson.dumps(LossStats().to_dict()), orjson.dumps(held))
    assert told in str(error.value)
