"""What `alm-beam check-loader` checks, and what a check finds."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import islice

PASSED, FAILED, SKIPPED = "ok", "FAILED", "-"

_MAX_EXAMPLES = 5


class Check(Enum):
    """All checks by their printed names, in the order in which they are made."""

    INDEX_COMPLETE = "the index has every line"
    ROWS_READABLE = "single rows can be read"
    NONE_REPEATED = "no window is in the index twice"
    SOURCES_LARGE_ENOUGH = "each process gets windows of each source"
    TEXTS = "windows have texts"
    SAVED_STATE_FITS = "the saved state fits"
    AUDIO = "windows have their audio, whole"
    PROCESSES_READ = "each process reads without an error"
    NOT_TOO_OFTEN = "no window comes too often"
    WINDOWS_EXIST = "each window exists"
    NONE_MISSING = "no window is missing"
    RANKS_DISJOINT = "no two ranks read the same window"
    TOKENS_RIGHT = "each window is the one that its token names"
    RESUMES = "a resumed pass reads exactly the rest"
    STATE_SURVIVES_JSON = "a state survives JSON"
    REPRODUCIBLE = "two runs with one seed are equal"
    EPOCHS_DIFFER = "each epoch has its own order"
    ELASTIC = "other numbers of ranks and workers continue"
    OTHER_STATES_REFUSED = "a state that does not fit is refused"
    PARTITION_REQUIRED = "two ranks without a partition are an error"
    RANKS_EVEN = "ranks read as many windows, or one less"


class BatchCheck(Enum):
    """The checks of batches by their printed names, in the order in which they are made."""

    MADE = "each process makes its batches"
    EVEN = "ranks have as many batches"
    IN_STEP = "ranks have one bucket at each step"
    BUDGET = "no batch is larger than allowed"
    EXACT = "batches have each window as often as due"
    RESUMES = "resumed batches are exactly the rest"
    STATE_SURVIVES_JSON = "a state of batches survives JSON"
    REPRODUCIBLE = "two runs with one seed make equal batches"
    EPOCHS_DIFFER = "each epoch has its own batches"
    ELASTIC = "other numbers of ranks make the rest"
    OTHER_STATES_REFUSED = "a state of other batches is refused"


class FlagFault(ValueError):
    """A flag of `alm-beam check-loader` has a wrong value. The message begins with the flag."""


@dataclass(frozen=True)
class Finding:
    """The outcome of a check.

    Attributes:
        check: which.
        result: PASSED, FAILED or SKIPPED.
        evidence: what was counted, or why the check does not apply.
        examples: the first few faults.
    """

    check: Check | BatchCheck
    result: str
    evidence: str
    examples: tuple[str, ...] = ()


def finding_of(check: Check | BatchCheck, evidence: str, faults: Iterable[str]) -> Finding:
    """A finding that is FAILED if there is a fault, else PASSED."""
    found = iter(faults)
    examples = tuple(islice(found, _MAX_EXAMPLES))
    if not examples:
        return Finding(check, PASSED, evidence)
    rest = sum(1 for _ in found)
    more = [f"and {rest:,} more"] if rest else []
    return Finding(check, FAILED, f"{evidence}; faults: {len(examples) + rest:,}", (*examples, *more))
