"""What a sweep found, as a page of HTML: the best combination, maps and lines of the aim, and the table of all."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

from alm_beam.core.several import value_text
from alm_beam.core.sweep_config import DISTINCT_HOURS
from alm_beam.core.sweep_stats import Row, SweepStats
from alm_beam.core.text import shortened
from alm_beam.report.html import Markup, Section, element, figure, grid, notice, page, table
from alm_beam.report.svg import heat_map, lines
from alm_beam.report.sweep import MOST_CHARS, best_line, cells, heads, read_line, shown_losses, sweep_notes
from alm_beam.report.table import counted

MOST_FIGURES = 12
"""A page shows the maps of so many pairs of parameters; more would hide each other."""

_MOST_COMMAND_CHARS, _MOST_VALUE_CHARS = 8000, 1000

_MANY = 200
"""Of more combinations the values are shown in half the characters: a page stays below a megabyte."""

_VALUES: TypeAlias = dict[str, list[str]]


def sweep_page(stats: SweepStats, facts: Mapping[str, Any]) -> str:
    """The page of a sweep.

    Args:
        stats: the run's statistics, with its combinations.
        facts: what `sweep.json` states beside them.
    """
    values = _values(stats)
    sections = [
        Section("best", "The best combination" if stats.keeps_any else "No best combination", list(_best(stats)))
    ]
    if any(len(each) > 1 for each in values.values()):
        sections += [
            Section("lines", "One parameter at a time", [_lines_lead(stats), grid(_lines(stats, values))]),
            Section("maps", "Two parameters at a time", [_maps_lead(stats), *_maps(stats, values)]),
        ]
    sections += [
        Section("combinations", "All combinations", [_table(stats)]),
        Section("run", "The run", list(_run(facts))),
    ]
    return page("Sweep of windows", [each for each in sections if each.content], element("p", read_line(stats)))


def _values(stats: SweepStats) -> _VALUES:
    """The texts of the values of each parameter that has several, in their order."""
    found: _VALUES = {}
    for row in stats.rows:
        for name, text in _texts(row).items():
            known = found.setdefault(name, [])
            if text not in known:
                known.append(text)
    return found


def _texts(row: Row) -> dict[str, str]:
    return {name: value_text(value) for name, value in row.parameters.items()}


def _chars(stats: SweepStats) -> int:
    """How many characters of a value are shown."""
    return MOST_CHARS if len(stats.rows) <= _MANY else MOST_CHARS // 2


def _labels(texts: Sequence[str], stats: SweepStats) -> list[str]:
    return [shortened(text, _chars(stats)) for text in texts]


def _what(stats: SweepStats) -> str:
    return "distinct hours" if stats.aim == DISTINCT_HOURS else "kept hours"


def _hours(stats: SweepStats, row: Row) -> float:
    return row.distinct_hours if stats.aim == DISTINCT_HOURS else row.kept_hours


def _best(stats: SweepStats) -> Iterator[Markup]:
    line = best_line(stats)
    yield element("p", line[0].upper() + line[1:], ", by this command:" if stats.keeps_any else ".")
    if stats.keeps_any:
        command = shortened(stats.best.command, _MOST_COMMAND_CHARS)
        yield element("pre", element("code", command))
        if len(command) < len(stats.best.command):
            yield notice("The command is shown without its middle; sweep.json has all of it.")
    yield from (notice(each) for each in sweep_notes(stats))


def _lines_lead(stats: SweepStats) -> Markup:
    return element(
        "p",
        f"The {_what(stats)} if one parameter of the best combination has another value, and the others stay. A value "
        "that does not go together with them has no point.",
    )


def _lines(stats: SweepStats, values: _VALUES) -> Iterator[Markup]:
    best = _texts(stats.best)
    hours = {tuple(_texts(row).items()): (row.kept_hours, row.distinct_hours) for row in stats.rows}
    for name, texts in values.items():
        if len(texts) > 1:
            found = [hours.get(tuple({**best, name: text}.items())) for text in texts]
            series = {
                "kept hours": [each and each[0] for each in found],
                "distinct hours": [each and each[1] for each in found],
            }
            yield figure(lines(f"Hours by {name}", _labels(texts, stats), series, " h"), element("b", name))


def _maps_lead(stats: SweepStats) -> Markup:
    return element(
        "p",
        f"The most {_what(stats)} that any combination with the two values gives, whatever the other parameters are.",
    )


def _maps(stats: SweepStats, values: _VALUES) -> list[Markup]:
    pairs = list(combinations([name for name, texts in values.items() if len(texts) > 1], 2))
    found = [_map(stats, values, *pair) for pair in pairs[:MOST_FIGURES]]
    if not pairs:
        return [element("p", "Only one parameter has several values.")]
    if len(pairs) > MOST_FIGURES:
        more = counted("{}|more pair", len(pairs) - MOST_FIGURES)
        return [grid(found), notice(f"Without a map here: {more} of parameters.")]
    return [grid(found)]


def _map(stats: SweepStats, values: _VALUES, down: str, across: str) -> Markup:
    most: dict[tuple[str, str], float] = {}
    for row in stats.rows:
        texts = _texts(row)
        place = texts[down], texts[across]
        most[place] = max(_hours(stats, row), most.get(place, 0.0))
    grid_of = [[most.get((one, other)) for other in values[across]] for one in values[down]]
    words = [["-" if hours is None else f"{hours:,.4g}" for hours in row] for row in grid_of]
    title = f"Most {_what(stats)} by {down} and {across}"
    columns, rows = _labels(values[across], stats), _labels(values[down], stats)
    drawing = heat_map(title, columns, rows, grid_of, words, (f"{down} ↓", f"{across} →"))
    return figure(drawing, element("b", f"{down} and {across}"))


def _table(stats: SweepStats) -> Markup:
    losses = shown_losses(stats)
    rows: list[Sequence[str]] = [
        [str(rank), *cells(row, losses, _chars(stats))] for rank, row in enumerate(stats.ranked(), 1)
    ]
    caption = f"{counted('{}|combination', len(rows))}, by {_what(stats)}; losses are shares of the segments' duration"
    return table(caption, ["rank", *heads(stats, losses)], rows)


def _run(facts: Mapping[str, Any]) -> Iterator[Markup]:
    parameters: Mapping[str, Any] = facts["parameters"]
    rows = [(name, _listed(value)) for name, value in parameters.items()]
    yield table(f"Parameters, alm_beam {facts['version']}", ["parameter", "values"], rows, texts=(0, 1))


def _listed(value: Any) -> str:
    several = value if isinstance(value, (list, tuple)) else [value]
    text = ", ".join(each if isinstance(each, str) else value_text(each) for each in several)
    return shortened(text, _MOST_VALUE_CHARS)
