"""What the sweep would make of a sample of its input, in this process and without Beam."""

from collections.abc import Callable, Mapping, Sequence

from alm_beam.core.config import EntryConfig
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine, parse_recording
from alm_beam.core.sweep import SweepPlan, is_in_sample, sweep_recording
from alm_beam.core.sweep_config import SweepConfig
from alm_beam.core.sweep_stats import SweepStats
from alm_beam.jobs.sample import LINE_FACTOR, RECORDINGS, REJECTED, Sample, reject_bytes
from alm_beam.jobs.sampled_lines import look_at_lines
from alm_beam.report.table import counted
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.outputs import REJECTS
from alm_beam.storage.sampling import is_read_whole, lines_drawn

_NOT_SAMPLED = "recordings_not_sampled"


def sampled_sweep(
    config: SweepConfig,
    manifests: Sequence[Manifest],
    options: StorageOptions,
    files_of: Callable[[SweepStats], Mapping[str, int]],
) -> Sample:
    """A sample of what the job would make of these manifests.

    Args:
        config: what the run is told.
        manifests: the files.
        options: fsspec's, by protocol.
        files_of: the bytes of the files that show the statistics of a run, by name.

    Raises:
        ManifestReadError: a file cannot be read.
    """
    stored = sum(each.size for each in manifests)
    sample = Sample(stored, is_read_whole(manifests), [REJECTS.name], config.repeat_factor)
    sample.notes.append(counted("{}|combination", len(config.combinations)))
    max_line_bytes = config.sweep.max_line_bytes
    plan = SweepPlan.of(config.combinations, EntryConfig(max_line_bytes=max_line_bytes))
    stats = SweepStats()
    look_at_lines(
        sample,
        lines_drawn(manifests, options, max_line_bytes),
        manifests,
        lambda line: _made(line, config, plan, sample, stats),
    )
    sample.files |= files_of(stats)
    return sample


def _made(
    line: ManifestLine, config: SweepConfig, plan: SweepPlan, sample: Sample, stats: SweepStats
) -> dict[str, float]:
    """The amounts of one line, whose statistics are added."""
    if not is_in_sample(line, config.sweep.sample):
        stats.not_sampled += 1
        return {_NOT_SAMPLED: 1}
    sample.longest = max(sample.longest, LINE_FACTOR * len(line.text))
    try:
        outcomes = sweep_recording(parse_recording(line, config.manifest), plan)
        fault = next((each for each in outcomes if isinstance(each, BadEntry)), None)
        stats += SweepStats.of_outcomes(outcomes)
    except BadEntry as bad:
        stats += SweepStats.of_reject(bad.reason.value)
        fault = bad
    if fault is None:
        return {RECORDINGS: 1}
    sample.rejected[fault.reason.value] += 1
    return {REJECTED: 1, REJECTS.name: reject_bytes(line, fault)}
