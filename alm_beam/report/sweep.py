"""What a sweep found, as text: a table for a terminal, CSV, and the commands of runs by its combinations."""

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from alm_beam.core.config import JobConfig, ManifestConfig, OverlapConfig, WindowConfig
from alm_beam.core.losses import GAP, SHARE, SPEECH
from alm_beam.core.parameters import Limits, parameters_of
from alm_beam.core.several import value_text
from alm_beam.core.sweep_config import DISTINCT_HOURS, Combination, SweepConfig
from alm_beam.core.sweep_stats import Row, SweepStats
from alm_beam.core.text import shortened, visible
from alm_beam.report.table import counted, share
from alm_beam.storage.outputs import SWEEP_CSV
from alm_beam.storage.secrets import shown

MOST_ROWS = 40
"""A terminal shows so many combinations; the files show all."""

MOST_LOSSES = 12
"""A table has columns of so many reasons; the files have all."""

MOST_CHARS = 24
"""A table shows so many characters of a value or of a metric's name."""

_MOST_REASONS = 3

LOSSES = {
    "lost_bw": "low bandwidth",
    "lost_sr": "low rate",
    "lost_spk": "few speakers",
    "lost_win": "no window",
    f"lost_{SPEECH}": "little speech",
    f"lost_{SHARE}": "one speaker",
}
"""The headings of losses; that of a metric is its name. What explains a part of another one is not among them."""

_GAP = "  "

_PARTS = frozenset({"lost_no_spkr", "lost_next_seg_bm", f"lost_{GAP}"})


def commands_of(config: SweepConfig) -> list[str]:
    """The command of a run by each combination, as a shell takes it. It states what is not the default.

    Values of `storage_options` are not shown, nor passwords in URLs.

    >>> told = {"input": "my files/", "output": "sweep", "target_window_duration": [30, 120], "min_speakers": 1}
    >>> print(*commands_of(SweepConfig.of(told)), sep="\\n")
    alm-beam windows '--input=my files/' --output=sweep/windows --target_window_duration=30 --min_speakers=1
    alm-beam windows '--input=my files/' --output=sweep/windows --min_speakers=1
    """
    return [shlex.join(["alm-beam", "windows", *_flags(config, each)]) for each in config.combinations]


def _flags(config: SweepConfig, combination: Combination) -> list[str]:
    flags = [f"--input={shown(path)}" for path in config.input]
    flags.append(f"--output={shown(config.output.rstrip('/'))}/windows")
    given: list[tuple[type, object]] = [
        (ManifestConfig, config.manifest),
        (WindowConfig, combination.windows),
        (OverlapConfig, combination.overlap),
    ]
    stated = {name: (each, getattr(part, name)) for kind, part in given for name, each in parameters_of(kind).items()}
    others = {"max_line_bytes": config.sweep.max_line_bytes, "max_reject_fraction": config.max_reject_fraction}
    known = JobConfig.every_parameter()
    stated |= {name: (known[name], value) for name, value in {**others, "repeat_factor": config.repeat_factor}.items()}
    defaults = {"target_duration": combination.windows.target_window_duration}
    for name, (parameter, value) in stated.items():
        default = () if isinstance(parameter, Limits) else defaults.get(name, parameter.default)
        if value != default:
            flags.append(f"--{name}={value_text(value)}")
    return flags


def sweep_csv(stats: SweepStats) -> str:
    """The combinations as CSV, in the order in which they were given: what `sweep.json` has of each, in columns.

    A value of a parameter that begins as a formula does is safe in a spreadsheet: parameters are numbers and words.
    """
    rows = [_columns(row) for row in stats.rows]
    names = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _columns(row: Row) -> dict[str, Any]:
    named = row.to_dict()
    figures = {name: value for name, value in named.pop("stats").items() if not isinstance(value, Mapping)}
    shares = {f"share_{name}": value for name, value in named.pop("lost_shares").items()}
    parameters = {name: value_text(value) for name, value in named.pop("parameters").items()}
    command = named.pop("command")
    return {**parameters, **named, **shares, **figures, "command": command}


def render_sweep(stats: SweepStats, config: SweepConfig, width: int | None = None) -> str:
    """Lines that tell what each combination gives, the best first, and the command of the best.

    Args:
        stats: the run's statistics.
        config: what the run was told.
        width: the columns of the terminal that the table is to fit; None where there is none.
    """
    ranked, best, losses = stats.ranked(), stats.best, shown_losses(stats)
    rest = len(ranked) - MOST_ROWS
    more = [f"... and {rest:,} more in {SWEEP_CSV}"] if rest > 0 else []
    output = visible(shown(config.output))
    command = [f"  {visible(best.command)}"] if stats.keeps_any else []
    unshown = ["  (with your --storage_options, which are not shown)"] if command and config.storage_options else []
    rows = [cells(row, losses) for row in ranked[:MOST_ROWS]]
    return "\n".join(
        [
            *_table(heads(stats, losses), rows, len(best.parameters), width),
            *more,
            read_line(stats),
            *(f"note: {each}" for each in sweep_notes(stats)),
            best_line(stats) + (", by" if command else ""),
            *command,
            *unshown,
            f"output: {output}",
        ]
    )


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]], varied: int, width: int | None) -> list[str]:
    """The lines of a table. Headings go over several lines, a word on each.

    Of columns that have no room, those of the varied parameters and of hours stay the longest.
    """
    from rich.cells import cell_len

    words = [each.replace("_", " ").split() or [""] for each in heading]
    tall = max(map(len, words))
    lines = [*zip(*([*[""] * (tall - len(each)), *each] for each in words)), *rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines)]
    order = [
        *range(varied + 2, varied + 4),
        *range(varied),
        varied + 1,
        varied + 4,
        varied,
        *range(varied + 5, len(widths)),
    ]
    room = sum(widths) + len(widths) * len(_GAP) if width is None else width + len(_GAP)
    taken: list[int] = []
    for column in order:
        room -= widths[column] + len(_GAP)
        if room < 0:
            break
        taken.append(column)
    kept = sorted(taken)
    texts = (_GAP.join(" " * (widths[each] - cell_len(line[each])) + line[each] for each in kept) for line in lines)
    without = [heading[each] for each in sorted({*order} - {*kept})]
    said = [f"no room here, but columns of {SWEEP_CSV}: {', '.join(without)}"] if without else []
    return [*map(str.rstrip, texts), *said]


def heads(stats: SweepStats, losses: Sequence[str]) -> list[str]:
    """The headings of the table of combinations.

    Args:
        stats: of all.
        losses: see `shown_losses`.
        most: so many characters of a value are shown.
    """
    figures = ["candidates", "kept", "kept h", "distinct h", "of audio"]
    return [*stats.best.parameters, *figures, *map(_loss_head, losses), "rejected"]


def cells(row: Row, losses: Sequence[str], most: int = MOST_CHARS) -> list[str]:
    """A line of the table of combinations.

    Args:
        row: the combination.
        losses: see `shown_losses`.
        most: so many characters of a value are shown.
    """
    figures, lost = row.stats, row.lost_shares()
    return [
        *(shortened(value_text(value), most) for value in row.parameters.values()),
        f"{figures.candidate_windows:,}",
        f"{figures.kept_windows:,}",
        f"{row.kept_hours:,.2f}",
        f"{row.distinct_hours:,.2f}",
        share(row.share_kept, 1),
        *(share(lost[name], 1) if name in lost else "-" for name in losses),
        f"{figures.rejected.total():,}",
    ]


def shown_losses(stats: SweepStats) -> list[str]:
    """The reasons that have columns: why segments start no window by any combination, without parts of another."""
    return _losses(stats)[:MOST_LOSSES]


def _losses(stats: SweepStats) -> list[str]:
    return [*dict.fromkeys(name for row in stats.rows for name in row.lost_shares() if name not in _PARTS)]


def _loss_head(name: str) -> str:
    return LOSSES.get(name) or shortened(name.removeprefix("lost_"), MOST_CHARS)


def read_line(stats: SweepStats) -> str:
    """How many entries were looked at."""
    rejected = stats.rejected.total()
    read = counted(f"{{}}, {rejected:,} rejected|entry", stats.recordings + rejected)
    left = stats.not_sampled
    total = stats.recordings + rejected + left
    return f"{read}; not in the sample: {left:,} of {total:,}" if left else read


def sweep_notes(stats: SweepStats) -> list[str]:
    """What to know of the figures."""
    notes = []
    if stats.left_out:
        reasons = [*dict.fromkeys(str(each["reason"]) for each in stats.left_out)]
        told = "; ".join(shortened(each) for each in reasons[:_MOST_REASONS])
        more = len(reasons) - _MOST_REASONS
        count = len(stats.left_out)
        which = "1 combination was" if count == 1 else f"{count:,} combinations were"
        notes.append(
            f"{which} left out, as the values do not go together: {told}{f'; and {more:,} more' if more > 0 else ''}"
        )
    if stats.partly_rejected:
        notes.append(
            f"of the rejected entries, {stats.partly_rejected:,} can be used by some combinations; see the column "
            "`rejected`"
        )
    if (more := len(_losses(stats)) - MOST_LOSSES) > 0:
        notes.append(f"columns of {SWEEP_CSV} alone: {counted('{}|more reason', more)} of losses")
    if not stats.recordings and stats.not_sampled:
        notes.append("the sample holds no recording; a greater --sample would")
    return notes


def best_line(stats: SweepStats) -> str:
    """Which combination is the best, and by what; or that none is."""
    if not any(row.stats.recordings for row in stats.rows):
        return "no recording was looked at, so no combination is the best"
    if not stats.keeps_any:
        return "no combination keeps any window, so none is the best"
    best = stats.best
    hours = best.distinct_hours if stats.aim == DISTINCT_HOURS else best.kept_hours
    what = "distinct hours" if stats.aim == DISTINCT_HOURS else "kept hours, overlaps included"
    ties = stats.ties
    others = "another combination has" if ties == 1 else f"{ties:,} other combinations have"
    tied = f" ({others} as many; this one has the fewest windows, or came first)" if ties else ""
    return f"most {what}: {hours:,.2f} h{tied}"
