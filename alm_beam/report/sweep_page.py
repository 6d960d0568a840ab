"""What a sweep found, as a page of HTML: the best combination, maps and lines of the aim, and the table of all."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

from alm_beam.core.sweep_config import DISTINCT_HOURS
from alm_beam.core.sweep_stats import Row, SweepStats
from alm_beam.core.text import visible
from alm_beam.report.html import Markup, Section, element, figure, grid, notice, page, table
from alm_beam.report.svg import heat_map, lines
from alm_beam.report.sweep import best_line, cells, heads, read_line, sweep_notes, value_text

MOST_FIGURES = 12
"""A page shows the maps of so many pairs of parameters; more would hide each other."""

_VALUES: TypeAlias = dict[str, list[str]]


def sweep_page(stats: SweepStats, facts: Mapping[str, Any]) -> str:
    """The page of a sweep.

    Args:
        stats: the run's statistics, with its combinations.
        facts: what `sweep.json` states beside them.
    """
    values = _values(stats)
    sections = [Section("best", "The best combination", list(_best(stats)))]
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


def _what(stats: SweepStats) -> str:
    return "distinct hours" if stats.aim == DISTINCT_HOURS else "kept hours"


def _hours(stats: SweepStats, row: Row) -> float:
    return row.distinct_hours if stats.aim == DISTINCT_HOURS else row.kept_hours


def _best(stats: SweepStats) -> Iterator[Markup]:
    line = best_line(stats)
    yield element("p", line[0].upper() + line[1:], " this command:")
    yield element("pre", element("code", stats.best.command))
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
            yield figure(lines(f"Hours by {name}", texts, series, " h"), element("b", name))


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
        return [grid(found), notice(f"{len(pairs) - MOST_FIGURES:,} more pairs of parameters have no map here.")]
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
    drawing = heat_map(title, values[across], values[down], grid_of, words, (f"{down} ↓", f"{across} →"))
    return figure(drawing, element("b", f"{down} and {across}"))


def _table(stats: SweepStats) -> Markup:
    rows: list[Sequence[str]] = [[str(rank), *cells(row)] for rank, row in enumerate(stats.ranked(), 1)]
    caption = f"{len(rows):,} combinations, by {_what(stats)}; losses are shares of the segments' duration"
    return table(caption, ["rank", *heads(stats)], rows)


def _run(facts: Mapping[str, Any]) -> Iterator[Markup]:
    parameters: Mapping[str, Any] = facts["parameters"]
    rows = [(name, _listed(value)) for name, value in parameters.items()]
    yield table(f"Parameters, alm_beam {facts['version']}", ["parameter", "values"], rows, texts=(0, 1))


def _listed(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return visible(", ".join(each if isinstance(each, str) else value_text(each) for each in value))
    return visible(value_text(value))
