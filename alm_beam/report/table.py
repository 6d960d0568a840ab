"""What the summaries of all jobs are made of: rows of a table, and notes that count things."""


def row(name: str, count: str, *cells: str) -> str:
    """A line of a table: a name, a count and what else there is.

    >>> row("recordings", "5", "0.50 h")
    'recordings                                         5            0.50 h'
    """
    return f"{name:<38}{count:>14}" + "".join(f"  {cell:>16}" for cell in cells)


def hours(seconds: float) -> str:
    """The text of a duration, hours."""
    return f"{seconds / 3600:,.2f} h"


def share(part: float, whole: float) -> str:
    """The text of a share, percent."""
    return f"{part / whole:.1%}" if whole else "-"


def counted(text: str, count: int) -> str:
    """A note with its count.

    Args:
        text: the note, with `{}` for what is counted, and behind `|` the word for one of that.
        count: how many there are.

    >>> counted("{} could not be read|entry", 2)
    '2 entries could not be read'
    """
    note, _, noun = text.partition("|")
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return note.format(f"{count:,} {noun if count == 1 else plural}")
