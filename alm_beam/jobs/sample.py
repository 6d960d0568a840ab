"""A sample of what a run would read, and what it lets expect of the run. No Beam."""

import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alm_beam.core.estimate import About, Estimate, Part, totals
from alm_beam.storage.compression import is_compressed
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.source_names import ending_of

START_SECONDS = 2.0
"""What a run of any size takes: Beam is imported and the graph is made."""

PROCESS_BYTES = 170e6
"""Of memory, that a process of a run takes, whatever it reads."""

_TIME_IS_WITHIN = 0.8, 1.6
"""From so much to so much of the estimate: what else the machine does, and its disk, are not known."""

_KINDS = 8
"""Of so many endings files are counted; those of others together."""

RECORDINGS, REJECTED, CPU = "recordings", "rejected_entries", "cpu_seconds"


@dataclass
class Sample:
    """What was found in a part of what a run would read.

    Attributes:
        size: of all, in the measure of the parts.
        is_all: whether the parts are all there is.
        parts: what was looked at. Their amounts are counts, seconds of CPU, and bytes of outputs, whose names are those
            of `outputs`.
        outputs: names of outputs.
        looked_at: how many of what is counted were looked at.
        rejected: what could not be used, by the code of the reason.
        line_bytes: of the longest line.
        longest: the most bytes that one element takes beside what each process takes.
        what: what is counted, a word for several.
        notes: what else to know.
    """

    size: float
    is_all: bool
    outputs: Sequence[str]
    parts: list[Part] = field(default_factory=list)
    looked_at: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    what: str = RECORDINGS
    notes: list[str] = field(default_factory=list)


def estimate_of(
    found: Sample,
    files: Sequence[Manifest],
    workers: int,
    start_seconds: float = START_SECONDS,
    process_bytes: float = PROCESS_BYTES,
) -> Estimate:
    """What a sample lets expect of a run with so many processes.

    Args:
        found: the sample.
        files: all that the run would read.
        workers: how many processes there are.
        start_seconds: what a run takes before it does anything.
        process_bytes: of memory, what a process takes before that.
    """
    amounts = totals(found.parts, found.size, is_all=found.is_all)
    outputs = {name: amounts.pop(name) for name in found.outputs if name in amounts}
    cpu = amounts.pop(CPU, About(0.0, 0.0, 0.0))
    seconds = About(*(start_seconds + each * off / workers for each, off in zip(cpu, (1, *_TIME_IS_WITHIN))))
    seen = sum(part.size for part in found.parts)
    return Estimate(
        files=len(files),
        size=sum(each.size for each in files),
        kinds=_kinds(files),
        sampled=found.looked_at,
        sampled_share=1.0 if found.is_all else min(seen / found.size, 1.0) if found.size else 0.0,
        sampled_what=found.what,
        amounts=amounts,
        outputs=outputs,
        seconds=seconds,
        workers=workers,
        worker_bytes=process_bytes + found.longest,
        rejected=found.rejected,
        notes=found.notes,
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
