"""The report of a run, or of several side by side, as a page of HTML."""

from collections.abc import Iterator, Sequence

from alm_beam.core.histogram import Histogram
from alm_beam.core.text import shortened
from alm_beam.report.distributions import SHOWN, distribution, in_words
from alm_beam.report.html import Child, Markup, Section, element, figure, grid, notice, page, table
from alm_beam.report.loss_rows import OVERLAP, LossRow, flags, loss_rows, shown_value
from alm_beam.report.notes import notes
from alm_beam.report.recordings_shown import lost_most, reject_examples, time_lines
from alm_beam.report.reported_run import ReportedRun
from alm_beam.report.svg import Bar, bars
from alm_beam.report.table import counted, hours, share
from alm_beam.storage.secrets import redacted, shown

_MOST_VALUE_CHARS = 400
_NO_DATA = (
    "This run has no report_stats.json: it was made by an earlier version of alm-beam, or with --no_report. So only "
    "its totals are shown. Run the job again to see distributions, time lines and examples."
)


def render_report(runs: Sequence[ReportedRun]) -> str:
    """The page of a run, or of several side by side. It has less than 1 MB for each run.

    Args:
        runs: at least one.
    """
    sections = [
        Section("funnel", "From hours in to hours kept", [*_funnels(runs), _totals(runs)]),
        Section("losses", "Where audio was lost", [*_losses(runs)]),
        Section("distributions", "Distributions", [*_distributions(runs)]),
    ]
    if len(runs) == 1:
        sections += [
            Section(anchor, title, content)
            for anchor, title, content in (
                ("time-lines", "Time lines of some recordings", time_lines(runs[0].shown)),
                ("lost-most", "Recordings that lost most", lost_most(runs[0].shown)),
                ("rejects", "Entries that were rejected", reject_examples(runs[0].stats, runs[0].shown)),
            )
            if content
        ]
    sections.append(Section("parameters", "Parameters, version and command", [*_parameters(runs)]))
    return page(
        "Training windows" if len(runs) == 1 else f"Training windows of {len(runs)} runs", sections, _lead(runs)
    )


def _names(runs: Sequence[ReportedRun]) -> list[str]:
    """What the runs are called in headings of columns."""
    return [_place(run.output, 60) or f"run {number}" for number, run in enumerate(runs, 1)]


def _place(path: str, most: int = 200) -> str:
    return shortened(shown(path), most)


def _lead(runs: Sequence[ReportedRun]) -> Iterator[Markup]:
    names = _names(runs)
    for run, name in zip(runs, names):
        stats = run.stats
        rejected = stats.rejected.total()
        said = (
            f"{counted('{}|recording', stats.recordings)} of {hours(stats.audio_seconds)} gave "
            f"{counted('{}|window', stats.kept_windows)} with {hours(stats.kept_covered_seconds)} of them "
            f"({share(stats.kept_covered_seconds, stats.audio_seconds)})"
            + (f"; rejected: {counted('{}|entry', rejected)}." if rejected else ".")
        )
        yield element("p", said if len(runs) == 1 else [element("b", name), f": {said}"])
        whose = "" if len(runs) == 1 else f"{name}: "
        yield from (notice(whose, shortened(each, 500)) for each in (notes(stats, run.windows) if run.windows else ()))
        if run.shown is None:
            yield notice(whose, _NO_DATA, kind="bad")


def _funnels(runs: Sequence[ReportedRun]) -> Iterator[Markup]:
    whole = max(run.stats.audio_seconds for run in runs)
    drawn = []
    for run, name in zip(runs, _names(runs)):
        stats = run.stats
        steps = (
            ("hours in", stats.audio_seconds, "c7"),
            ("in any candidate window", stats.candidate_covered_seconds, "candidate"),
            ("in any kept window", stats.kept_covered_seconds, "kept"),
        )
        rows = [
            Bar(text, seconds, f"{hours(seconds)} ({share(seconds, stats.audio_seconds)})", kind)
            for text, seconds, kind in steps
        ]
        title = "Hours" if len(runs) == 1 else name
        caption = [
            element("b", title),
            "What candidates have and kept windows have not was lost to overlaps. To keep more of it, tune ",
            flags(OVERLAP, run.parameters),
        ]
        drawn.append(figure(bars(f"{title}: from hours in to hours kept", rows, whole), caption))
    yield from drawn if len(runs) == 1 else [grid(drawn)]


def _totals(runs: Sequence[ReportedRun]) -> Markup:
    stats = [run.stats for run in runs]
    rows: list[tuple[str, list[str]]] = [
        ("recordings", [f"{each.recordings:,}" for each in stats]),
        ("hours of audio", [hours(each.audio_seconds) for each in stats]),
        ("segments", [f"{each.losses.segments:,}" for each in stats]),
        ("candidate windows", [f"{each.candidate_windows:,}" for each in stats]),
        ("kept windows", [f"{each.kept_windows:,}" for each in stats]),
        ("kept hours, overlaps included", [hours(each.kept_seconds) for each in stats]),
        ("kept hours, each counted once", [hours(each.kept_covered_seconds) for each in stats]),
        ("share of the audio that is kept", [share(each.kept_covered_seconds, each.audio_seconds) for each in stats]),
        ("recordings without a kept window", [f"{run.shown.empty:,}" if run.shown else "-" for run in runs]),
        ("truncated segments", [f"{each.losses.truncations:,}" for each in stats]),
        ("rejected entries", [f"{each.rejected.total():,} ({share(each.reject_fraction, 1)})" for each in stats]),
    ]
    heads = ["", *(_names(runs) if len(runs) > 1 else ["run"])]
    return table("Totals", ["figure", *heads[1:]], [[name, *cells] for name, cells in rows])


def _losses(runs: Sequence[ReportedRun]) -> Iterator[Markup]:
    yield element(
        "p",
        "A segment is lost if it starts no window. It may be in windows that other segments start, so these hours are "
        "not those that no window has.",
    )
    if len(runs) == 1:
        [run] = runs
        losses = run.stats.losses
        rows: list[list[Child]] = [
            [
                _reason(row),
                f"{row.lost.segments:,}",
                share(row.lost.segments, losses.segments),
                hours(row.lost.seconds),
                share(row.lost.seconds, losses.seconds),
                _tuning(row, run),
            ]
            for row in loss_rows(losses)
        ]
        heads = ["reason", "segments", "of segments", "hours", "of hours", "what to tune, and its value here"]
        yield table("Segments that start no window, by reason", heads, rows, texts=(0, 5))
        return
    by_text = [{(row.text, row.is_part): row for row in loss_rows(run.stats.losses)} for run in runs]
    rows = []
    for reason in dict.fromkeys(reason for each in by_text for reason in each):
        found = [each.get(reason) for each in by_text]
        some = next(row for row in found if row)
        cells: list[Child] = [
            [
                f"{row.lost.segments:,} ({share(row.lost.segments, run.stats.losses.segments)})",
                element("br"),
                f"{hours(row.lost.seconds)} ({share(row.lost.seconds, run.stats.losses.seconds)})",
                element("br"),
                flags(row.parameters, run.parameters),
            ]
            if row
            else "-"
            for row, run in zip(found, runs)
        ]
        rows.append([_reason(some), *cells])
    caption = "Segments that start no window, by reason: how many, their hours, and what to tune with its value"
    yield table(caption, ["reason", *_names(runs)], rows, texts=range(len(runs) + 1))


def _reason(row: LossRow) -> str:
    return f"of those, {shortened(row.text)}" if row.is_part else shortened(row.text)


def _tuning(row: LossRow, run: ReportedRun) -> Child:
    return [flags(row.parameters, run.parameters), element("br"), row.advice]


def _distributions(runs: Sequence[ReportedRun]) -> Iterator[Markup]:
    with_data = [(run.shown, name) for run, name in zip(runs, _names(runs)) if run.shown]
    if not with_data:
        yield element("p", "They are not known of this run.")
        return
    for shown_of_run, name in with_data:
        whose = f"{name}: " if len(runs) > 1 else ""
        if shown_of_run.sampled < shown_of_run.recordings:
            yield element(
                "p",
                f"{whose}speakers, balance, speech and pauses are those of the windows of "
                f"{counted('{}|recording', shown_of_run.sampled)}, chosen by a hash of their entries from the "
                f"{shown_of_run.recordings:,}; durations and yields are of all.",
            )
    drawn = []
    for name, how in SHOWN.items():
        figures = [
            _distribution(name, each.histograms[name], run if len(runs) > 1 else "")
            for each, run in with_data
            if name in each.histograms
        ]
        if len(runs) > 1:
            yield element("h3", how.title)
            yield grid(figures)
        drawn += figures
    if len(runs) == 1:
        yield grid(drawn)


def _distribution(name: str, values: Histogram, run: str) -> Markup:
    title = run or SHOWN[name].title
    drawing = distribution(name, values, f"{SHOWN[name].title}{', ' if run else ''}{run}")
    return figure(drawing, [element("b", title), element("span", in_words(name, values), class_="muted")])


def _parameters(runs: Sequence[ReportedRun]) -> Iterator[Markup]:
    for run, name in zip(runs, _names(runs)):
        if run.command:
            yield element("p", "Command" if len(runs) == 1 else f"Command of {name}:")
            yield element("pre", shortened(redacted(run.command), 4000))
    listed = dict.fromkeys(name for run in runs for name in run.parameters)

    def texts(name: str) -> list[str]:
        return [_value(name, run) for run in runs]

    rows = [["version", *(run.version or "-" for run in runs)], *([f"--{name}", *texts(name)] for name in listed)]
    if len(runs) > 1:
        rows.sort(key=lambda row: len({*row[1:]}) == 1)  # those that differ come first
    yield table(
        "Parameters" if len(runs) == 1 else "Parameters; those that differ come first",
        ["parameter", *(_names(runs) if len(runs) > 1 else ["value"])],
        [[element("code", shortened(name)), *cells] for name, *cells in rows],
        texts=range(len(runs) + 1),
    )


def _value(name: str, run: ReportedRun) -> str:
    if name not in run.parameters:
        return "-"
    value = run.parameters[name]
    if name in ("input", "output"):
        value = [*map(shown, map(str, value))] if isinstance(value, list) else shown(str(value))
    return shortened(shown_value(value), _MOST_VALUE_CHARS)
