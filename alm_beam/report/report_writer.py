"""The files of a run's report, which the run itself writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from alm_beam.core.report_stats import ReportStats
from alm_beam.report.reported_run import reported_run
from alm_beam.report.run_page import render_report
from alm_beam.storage.outputs import REPORT, REPORT_STATS


@dataclass(frozen=True)
class ReportWriter:
    """Makes the files of a run's report.

    Attributes:
        command: the command that made the run; empty for none.
    """

    command: str = ""

    def __call__(self, statistics: Mapping[str, Any], shown: ReportStats) -> dict[str, bytes]:
        """The files, by name.

        Args:
            statistics: what `loss_stats.json` holds.
            shown: what else the report shows.
        """
        named = {"version": statistics.get("version", ""), "command": self.command, **shown.to_dict()}
        data = orjson.dumps(named) + b"\n"
        run = reported_run(orjson.dumps(statistics), data)  # as it is read when the page is made again
        return {REPORT_STATS: data, REPORT: render_report([run]).encode()}
