"""The end of a run: everything that it staged is published together, and `_SUCCESS` comes last."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import apache_beam as beam
import orjson
from apache_beam import PCollection
from apache_beam.pvalue import AsIter

from alm_beam.core.errors import RejectLimitError
from alm_beam.core.faults import RejectReason
from alm_beam.core.losses import Finding
from alm_beam.core.report_stats import ReportStats
from alm_beam.core.run_stats import RunStats
from alm_beam.storage.index.format import FOLDER, META, ROWS
from alm_beam.storage.outputs import CUTS, REJECTS, Sharded
from alm_beam.storage.run_folder import FAILED_RUN
from alm_beam.storage.staged_run import FILES, StagedRun
from alm_beam.transforms.index import offsets_moves
from alm_beam.transforms.one_file import one_file_move
from alm_beam.transforms.write import numbered_shards, staged_moves

_Stats = TypeVar("_Stats", bound=RunStats)

ReportFiles: TypeAlias = Callable[[Mapping[str, Any], ReportStats], Mapping[str, bytes]]
"""Makes the files of a report, by name, of what the file of statistics holds and of what the report shows besides."""


class _FinishRun(beam.DoFn):
    def __init__(
        self,
        run: StagedRun,
        outputs: dict[Sharded, int],
        facts: dict[str, Any],
        max_reject_fraction: float,
        report: ReportFiles | None = None,
        one_file: Mapping[Sharded, str] | None = None,
    ):
        self._report = report
        self._run = run
        self._outputs = outputs
        self._facts = facts
        self._max_reject_fraction = max_reject_fraction
        self._one_file = one_file or {}

    def process(
        self,
        stats: _Stats,
        repeated: Iterable[int],
        files: Iterable[str],
        *names: Iterable[str],
        reported: Iterable[ReportStats] = (),
    ) -> Iterator[_Stats]:
        indexes = [*repeated]  # one, or none
        stats = stats + type(stats)()  # a sum of its own: what was given stays as it is
        if any(indexes):
            stats.findings[Finding.REPEATED_WINDOW.value] += sum(indexes)
        if not self._run.was_completed():
            self._publish(stats, bool(indexes), files, dict(zip(self._outputs, names)), reported)
            self._run.mark_complete()
        self._run.folder.remove_kept()
        yield stats

    def _publish(
        self,
        stats: RunStats,
        has_index: bool,
        files: Iterable[str],
        names: dict[Sharded, Iterable[str]],
        reported: Iterable[ReportStats],
    ) -> None:
        run = self._run
        totals = {**stats.to_dict(), **self._facts}
        written = {run.folder.outputs.statistics: orjson.dumps(totals, option=orjson.OPT_INDENT_2) + b"\n"}
        if self._report is not None:
            for each in reported:  # one, or none
                written |= self._report(totals, each)
        for name, content in written.items():
            run.write(name, name, content)
        statistics = {name: name for name in written}
        numbered = {
            output: numbered_shards(run, output, written, self._outputs[output]) for output, written in names.items()
        }
        shards = {
            output: one_file_move(run, output, each, self._one_file[output])
            if output in self._one_file
            else staged_moves(output, each)
            for output, each in numbered.items()
        }
        is_refused = stats.reject_fraction > self._max_reject_fraction
        if is_refused and run.folder.finished_at() is not None:  # also of a run that ended since this one began
            failed = {path: f"{FAILED_RUN}/{name}" for path, name in {**shards[REJECTS], **statistics}.items()}
            run.publish(failed, beside=True)
            raise self._limit_error(stats, f"{run.folder.url}/{FAILED_RUN}")
        if is_refused and run.outlives_failure:  # what else is staged waits for the next run
            run.publish({**shards[REJECTS], **statistics})
            raise self._limit_error(stats, run.folder.url)
        every_shard = {path: name for moves in shards.values() for path, name in moves.items()}
        every_shard |= offsets_moves(numbered.get(CUTS, {})) if has_index else {}
        every_shard |= {f"{FILES}/{path}": path for path in files}
        # One after the other, as index.json has to be newer than all that it lists.
        index = [{f"{FOLDER}/{name}": f"{FOLDER}/{name}"} for name in (ROWS, META) if has_index]
        run.publish(every_shard, *index, statistics)
        if is_refused:
            raise self._limit_error(stats, run.folder.url)

    def _limit_error(self, stats: RunStats, folder: str) -> RejectLimitError:
        rejects = stats.rejected.total()
        is_rate = 2 * stats.rejected[RejectReason.SAMPLE_RATE_MISSING.value] >= rejects
        advice = "; --default_sample_rate states the rate of entries without one" if is_rate else ""
        reasons = ", ".join(f"{reason}: {count}" for reason, count in stats.rejected.most_common(3))
        return RejectLimitError(
            f"{rejects} of {rejects + stats.recordings} entries were rejected ({stats.reject_fraction:.2%}), more than "
            f"--max_reject_fraction={self._max_reject_fraction} allows. Mostly {reasons}{advice}. See "
            f"{folder}/{REJECTS.name}-*"
        )


class FinishRun(beam.PTransform):
    """Publishes a run when all of it is staged, and then, if few enough entries were rejected, writes `_SUCCESS`.

    It gives the statistics, and in them how many windows the run has made twice. As a part of the graph it holds also
    where the process that launched the run does not wait for it.
    """

    def __init__(
        self,
        run: StagedRun,
        shards: Mapping[Sharded, tuple[PCollection[str], int]],
        index: PCollection[int] | None,
        facts: dict[str, Any],
        max_reject_fraction: float,
        files: PCollection[str] | None = None,
        report: tuple[PCollection[ReportStats], ReportFiles] | None = None,
        one_file: Mapping[Sharded, str] | None = None,
    ):
        """
        Args:
            run: the run.
            shards: for each output the names that `StageShards` gave, and the least number of shards.
            index: how many windows are repeated, as `IndexCuts` gave it; None where no index is made.
            files: paths, in the run's folder, of files that are staged by these paths below FILES.
            one_file: the outputs that are published as one file, each with its name.
            facts: what the file of statistics states beside them.
            max_reject_fraction: the run fails above it.
            report: what the report shows besides the statistics, and what makes its files, which are published with
                them; None for no report.
        """
        super().__init__()
        counts = {output: count for output, (_, count) in shards.items()}
        self._do_fn = _FinishRun(run, counts, facts, max_reject_fraction, report[1] if report else None, one_file)
        self._reported = AsIter(report[0]) if report else ()
        self._index = () if index is None else AsIter(index)
        self._files = () if files is None else AsIter(files)
        self._names = [AsIter(names) for names, _ in shards.values()]

    def expand(self, stats: PCollection[_Stats]) -> PCollection[_Stats]:
        return stats | beam.ParDo(self._do_fn, self._index, self._files, *self._names, reported=self._reported)
