"""What one recording may cost, so that a small entry can neither fill the memory nor hold up a run.

Windows that start close together contain the same segments. If all segments of a recording overlap, both the output and
some steps towards it grow with the square of their number. No real recording comes near these limits.
"""

from alm_beam.core.faults import BadEntry, RejectReason

MANY_SEGMENTS = 1000
"""How long the speakers of a window speak is computed when it is written if the window has more segments than this."""

MAX_STEPS = 20_000_000
"""So many steps a recording may take beyond those that are linear in its segments: a few seconds."""

MAX_CANDIDATES = 2_000_000
"""So many candidate windows a recording may have: about 1 GB of memory."""

MAX_COMPARISONS = 100_000_000
"""So many pairs of windows the greedy selection may compare: about ten seconds."""


def too_large(detail: str) -> BadEntry:
    """The fault of an entry that would take too much time, memory or space.

    >>> too_large("it has more than 2,000,000 candidate windows").reason.value
    'entry_too_large'
    """
    return BadEntry(RejectReason.ENTRY_TOO_LARGE, detail)
