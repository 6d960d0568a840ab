"""Sums of times as they are written: 0.1 and 0.2 are 0.3, where floats give 0.30000000000000004."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

_CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN, traps=[])
"""Of our own: that of the process may be any, and may raise."""


def end_of(start: float, duration: float) -> float:
    """Where something ends that begins at `start` and lasts `duration`: the float nearest to the sum of the decimals.

    It serves for any sum of times, such as one from the start of a part and the start of that part.

    Args:
        start: seconds.
        duration: seconds.

    Returns:
        Seconds. Infinity where the sum is too large for a float; NaN if one of the two is.

    >>> end_of(0.1, 0.2), end_of(12, 0.5), end_of(1.1, -1.1)
    (0.3, 12.5, 0.0)
    """
    return float(_CONTEXT.add(Decimal(repr(start)), Decimal(repr(duration))))


def seconds_of(milliseconds: float) -> float:
    """Milliseconds as seconds: the float nearest to the decimal.

    >>> seconds_of(1234), seconds_of(0.1)
    (1.234, 0.0001)
    """
    return float(Decimal(repr(milliseconds)).scaleb(-3, _CONTEXT))
