"""A sample of what a run would read, and what it lets expect of the run. No Beam."""

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alm_beam.core.estimate import About, Estimate, Part, totals
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine, Reject, serialise_reject
from alm_beam.storage.compression import is_compressed
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.source_names import ending_of

START_SECONDS = 2.0
"""What a run of any size takes: Beam is imported and the graph is made."""

PROCESS_BYTES = 170e6
"""Of memory, that a process of a run takes, whatever it reads."""

LINE_FACTOR = 8
"""The memory that a line takes while it is worked on, in multiples of its bytes."""

_TIME_IS_WITHIN = 0.8, 1.6
"""From so much to so much of the estimate: what else the machine does, and its disk, are not known."""

_FILES_ARE_WITHIN = 0.8, 1.25
"""The same of the size of a file of statistics: it states the command, the version and what else was not known."""

_ALMOST_ALL = 1 - 1e-6

_KINDS = 8
"""Of so many endings files are counted; those of others together."""

RECORDINGS, REJECTED, CPU = "recordings", "rejected_entries", "cpu_seconds"


@dataclass
class Sample:
    """What was found in a part of what a run would read.

    Attributes:
        size: of all, in the measure of the parts.
        is_all: whether the parts are all there is.
        outputs: names of outputs.
        repeats: how many times over a run would read all.
        parts: what was looked at. Their amounts are counts, seconds of CPU, and bytes of outputs, whose names are those
            of `outputs`.
        counted: the amounts that were counted, not estimated: a run comes to so much at least.
        files: the bytes of each file that a run writes once, as they are if the rest is as the sample.
        looked_at: how many of what is counted were looked at.
        rejected: what could not be used, by the code of the reason.
        longest: the most bytes that one element takes beside what each process takes.
        what: what is counted, a word for several.
        used: the amount that stands for what can be used, where others are rejected.
        notes: what else to know.
    """

    size: float
    is_all: bool
    outputs: Sequence[str]
    repeats: int = 1
    parts: list[Part] = field(default_factory=list)
    counted: dict[str, float] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    looked_at: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    what: str = RECORDINGS
    used: str = RECORDINGS
    notes: list[str] = field(default_factory=list)


def reject_bytes(line: ManifestLine, fault: BadEntry) -> int:
    """What a reject takes in the file of rejects."""
    return len(serialise_reject(Reject(line, fault))) + 1


def estimate_of(
    found: Sample,
    files: Sequence[Manifest],
    workers: int,
    max_reject_fraction: float,
    start_seconds: float = START_SECONDS,
    process_bytes: float = PROCESS_BYTES,
) -> Estimate:
    """What a sample lets expect of a run with so many processes.

    Args:
        found: the sample.
        files: all that the run would read.
        workers: how many processes there are.
        max_reject_fraction: the run would fail above it.
        start_seconds: what a run takes before it does anything.
        process_bytes: of memory, what a process takes before that.
    """
    once = totals(found.parts, found.size, is_all=found.is_all)
    amounts = {name: each.at_least(found.counted.get(name, 0)).times(found.repeats) for name, each in once.items()}
    outputs = {name: amounts.pop(name) for name in found.outputs if name in amounts}
    outputs |= {name: About(size, *(size * each for each in _FILES_ARE_WITHIN)) for name, size in found.files.items()}
    cpu = amounts.pop(CPU, About(0.0, 0.0, 0.0))
    seconds = About(*(start_seconds + each * off / workers for each, off in zip(cpu, (1, *_TIME_IS_WITHIN))))
    refused = _refused(found, amounts, max_reject_fraction)
    return Estimate(
        files=len(files),
        size=sum(each.size for each in files),
        kinds=_kinds(files),
        sampled=found.looked_at,
        sampled_share=1.0 if found.is_all else _share(sum(part.size for part in found.parts), found.size),
        sampled_what=found.what,
        amounts=amounts,
        outputs=outputs,
        seconds=seconds,
        workers=workers,
        worker_bytes=process_bytes + found.longest,
        rejected=found.rejected,
        notes=[*([refused] if refused else []), *found.notes],
    )


def _share(part: float, whole: float) -> float:
    """The share of a part that is not the whole."""
    return min(part / whole, _ALMOST_ALL) if whole else 0.0


def _refused(found: Sample, amounts: Mapping[str, About], max_reject_fraction: float) -> str:
    """That the run would fail, as too much is rejected; empty if it would not."""
    rejected, used = (amounts[name].value if name in amounts else 0.0 for name in (REJECTED, found.used))
    if not rejected or rejected / (rejected + used) <= max_reject_fraction:
        return ""
    begin = "the run would fail: " if found.is_all else "the run would fail, if the rest is as the sample: about "
    return (
        f"{begin}{rejected:,.0f} of {rejected + used:,.0f} would be rejected, more than "
        f"--max_reject_fraction={max_reject_fraction} allows"
    )


def _kind(path: str) -> str:
    """The ending of a file's name, with the one that says how it is compressed."""
    packed = posixpath.splitext(path)[1] if is_compressed(path) else ""
    return (ending_of(path) + packed) or "(none)"


def _kinds(files: Sequence[Manifest]) -> Mapping[str, int]:
    counts = Counter(_kind(each.name or each.path) for each in files)
    most = counts.most_common(_KINDS)
    others = counts.total() - sum(count for _, count in most)
    return dict(most) | ({"others": others} if others else {})
