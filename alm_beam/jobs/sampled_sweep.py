"""What the sweep would make of a sample of its input, in this process and without Beam."""

from collections.abc import Sequence

from alm_beam.core.config import EntryConfig
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine, Reject, parse_recording, serialise_reject
from alm_beam.core.sweep import SweepPlan, is_in_sample, sweep_recording
from alm_beam.core.sweep_config import SweepConfig
from alm_beam.jobs.sample import RECORDINGS, REJECTED, Sample
from alm_beam.jobs.sampled_lines import look_at_lines
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.outputs import REJECTS
from alm_beam.storage.sampling import is_read_whole, lines_drawn

_NOT_SAMPLED = "recordings_not_sampled"

_LINE_FACTOR = 8
"""The memory that a recording takes while it is worked on, in multiples of its line."""


def sampled_sweep(config: SweepConfig, manifests: Sequence[Manifest], options: StorageOptions) -> Sample:
    """A sample of what the job would make of these manifests. It writes a few files whatever the input, and rejects.

    Raises:
        ManifestReadError: a file cannot be read.
    """
    stored = sum(each.size for each in manifests)
    sample = Sample(stored * config.repeat_factor, is_read_whole(manifests), [REJECTS.name])
    sample.notes.append(f"{len(config.combinations):,} combinations")
    max_line_bytes = config.sweep.max_line_bytes
    plan = SweepPlan.of(config.combinations, EntryConfig(max_line_bytes=max_line_bytes))
    look_at_lines(
        sample,
        lines_drawn(manifests, options, max_line_bytes),
        manifests,
        config.repeat_factor,
        lambda line: _made(line, config, plan, sample),
    )
    return sample


def _made(line: ManifestLine, config: SweepConfig, plan: SweepPlan, sample: Sample) -> dict[str, float]:
    """The amounts of one line."""
    if not is_in_sample(line, config.sweep.sample):
        return {_NOT_SAMPLED: 1}
    sample.longest = max(sample.longest, _LINE_FACTOR * len(line.text))
    try:
        outcomes = sweep_recording(parse_recording(line, config.manifest), plan)
        fault = next((each for each in outcomes if isinstance(each, BadEntry)), None)
    except BadEntry as bad:
        fault = bad
    if fault is None:
        return {RECORDINGS: 1}
    sample.rejected[fault.reason.value] += 1
    return {REJECTED: 1, REJECTS.name: len(serialise_reject(Reject(line, fault))) + 1}
