"""A row of the table: what a peer takes and what we take, in turns on the same inputs."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

SECONDS, CPU_SECONDS, RATE = "s", "CPU s", "windows/s"
"""Units: of the last more is better, of the others less."""


class Measured(NamedTuple):
    """The median, the least and the greatest of the rounds."""

    median: float
    least: float
    most: float


class Row(NamedTuple):
    """A measurement of both.

    Attributes:
        name: of the inputs.
        peer: what is compared with us.
        unit: of what was measured.
        theirs: of the peer.
        ours: of us.
        speed: our speed in multiples of theirs, of neighbours in a round.
        compared: what comparing the results said.
    """

    name: str
    peer: str
    unit: str
    theirs: Measured
    ours: Measured
    speed: Measured
    compared: str


def row_of(name: str, peer: str, unit: str, theirs: Sequence[float], ours: Sequence[float], compared: str) -> Row:
    """The row of the rounds' figures."""
    speeds = [own / other if unit == RATE else other / own for other, own in zip(theirs, ours)]
    return Row(name, peer, unit, measured(theirs), measured(ours), measured(speeds), compared)


def measured(found: Sequence[float]) -> Measured:
    return Measured(statistics.median(found), min(found), max(found))


def as_json(row: Row) -> dict[str, Any]:
    """The row with names, those of its figures too."""
    found = row._asdict()
    return {name: value._asdict() if isinstance(value, Measured) else value for name, value in found.items()}


def print_rows(found: Iterable[Row]) -> Iterator[Row]:
    """Prints the rows as a table of Markdown, and gives them again."""
    print(
        "\n| inputs | peer | unit | peer's | ours | our speed, peer's = 1 | compared |\n|---|---|---|---|---|---|---|"
    )
    for row in found:
        figures = " | ".join(map(_shown, (row.theirs, row.ours, row.speed)))
        print(f"| {row.name} | {row.peer} | {row.unit} | {figures} | {row.compared} |", flush=True)
        yield row


def _shown(found: Measured) -> str:
    """The median, and from where to where the rounds go; three digits, or all before the point."""
    median, least, most = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in found)
    return f"{median} ({least} to {most})"
