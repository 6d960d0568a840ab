"""The parts of a report that show single recordings and entries: time lines, the greatest losses, rejects."""

from alm_beam.core.losses import LossStats
from alm_beam.core.report_stats import MOST_SPANS, Place, ReportStats, Spans, TimeLine
from alm_beam.core.text import shortened
from alm_beam.report.html import Child, Markup, element, figure, table
from alm_beam.report.svg import COLOURS, Lane, duration, key, swatch, time_line
from alm_beam.report.table import counted, share
from alm_beam.storage.secrets import redacted, shown

_CANDIDATE_OPACITY = 0.15


def time_lines(stats: ReportStats | None) -> list[Markup]:
    """The recordings that are drawn, with what the colours mean; nothing where there are none."""
    if stats is None or not stats.time_lines:
        return []
    said = (
        "These recordings were chosen by a hash of their entries. Each lane has the segments of a speaker; below them "
        "are the candidate windows, stronger where several overlap, and the kept windows, which are also drawn as "
        f"boxes over all lanes. Of each kind the first {MOST_SPANS} are drawn."
    )
    keys = key(
        [
            ("segments, a colour for each speaker", swatch("f-c0")),
            ("candidate windows", swatch("f-candidate", 0.5)),
            ("kept windows", swatch("box")),
        ]
    )
    return [element("p", said), keys, *map(_drawn, stats.time_lines)]


def _drawn(line: TimeLine) -> Markup:
    lanes = [
        Lane(label or "(no label)", _seconds(spans), f"c{number % COLOURS}")
        for number, (label, spans) in enumerate(line.speakers)
    ]
    kept = _seconds(line.kept)
    lanes += [
        Lane("candidate windows", _seconds(line.candidates), "candidate", _CANDIDATE_OPACITY),
        Lane("kept windows", kept, "kept"),
    ]
    length = duration((line.end - line.begin) / 1000)
    part = "" if line.until == line.end else f"; the first {duration((line.until - line.begin) / 1000)} are drawn"
    drawn = (
        f"{counted('{}|segment', sum(len(spans) for _, spans in line.speakers))} of "
        f"{counted('{}|speaker', len(line.speakers))}, {counted('{}|candidate window', len(line.candidates))}, "
        f"{counted('{}|kept window', len(line.kept))}"
    )
    caption: list[str] = [
        element("b", element("bdi", line.name or "(no name)")),
        f"{length}{part}. {drawn}. ",
        element("span", _where(line.place), class_="muted"),
    ]
    title = f"Time line of {line.name}"
    return figure(time_line(title, line.begin / 1000, line.until / 1000, lanes, kept, drawn), caption)


def _seconds(spans: Spans) -> list[tuple[float, float]]:
    return [(start / 1000, end / 1000) for start, end in spans]


def lost_most(stats: ReportStats | None) -> list[Markup]:
    """The recordings of which most is in no kept window; nothing where there are none."""
    if stats is None or not any(each.minus_lost for each in stats.lost_most):
        return []
    rows: list[list[Child]] = [
        [
            element("bdi", each.name or "(no name)"),
            duration(-each.minus_lost / 1000),
            share(-each.minus_lost, each.audio),
            duration(each.audio / 1000),
            f"{each.windows:,}",
            element("span", _where(each.place), class_="muted"),
        ]
        for each in stats.lost_most
        if each.minus_lost
    ]
    heads = ["recording", "in no kept window", "of its audio", "audio", "kept windows", "entry"]
    caption = "The recordings with most audio in no kept window; entries that are the same count once"
    return [table(caption, heads, rows, texts=(0, 5))]


def reject_examples(totals: LossStats, stats: ReportStats | None) -> list[Markup]:
    """The rejects by reason, with the first of each; nothing where there are none."""
    if not totals.rejected:
        return []
    rows: list[list[Child]] = []
    for reason, count in sorted(totals.rejected.items(), key=lambda each: (-each[1], each[0])):
        examples = stats.rejects.get(reason, []) if stats else []
        shown_ones = [
            element(
                "div",
                element("div", redacted(each.detail)),
                element("div", _where(each.place), class_="muted"),
                element("code", redacted(each.line)),
            )
            for each in examples
        ]
        rows.append([shortened(reason), f"{count:,}", share(count, totals.rejected.total()), shown_ones or "-"])
    heads = ["reason", "entries", "of rejects", "the first of them"]
    said = element("p", "All of them are in ", element("code", "rejects-*.jsonl"), ".")
    return [said, table("Rejected entries by reason", heads, rows, texts=(0, 3))]


def _where(place: Place) -> str:
    return f"{shown(place.file)}, byte {place.offset:,}"
