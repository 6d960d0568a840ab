"""What a sweep found, as text: a table for a terminal, CSV, and the commands of runs by its combinations."""

import csv
import io
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from alm_beam.core.config import JobConfig, ManifestConfig, OverlapConfig, WindowConfig
from alm_beam.core.losses import GAP, SHARE, SPEECH
from alm_beam.core.parameters import Limits, parameters_of
from alm_beam.core.several import NO_VALUE
from alm_beam.core.sweep_config import DISTINCT_HOURS, Combination, SweepConfig
from alm_beam.core.sweep_stats import Row, SweepStats
from alm_beam.core.text import visible
from alm_beam.report.table import counted, share
from alm_beam.storage.secrets import shown

MOST_ROWS = 40
"""A terminal shows so many combinations; the files show all."""

LOSSES = {
    "lost_bw": "low bandwidth",
    "lost_sr": "low rate",
    "lost_spk": "few speakers",
    "lost_win": "no window",
    f"lost_{SPEECH}": "little speech",
    f"lost_{SHARE}": "one speaker",
}
"""The headings of losses; that of a metric is its name. What explains a part of another one is not among them."""

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


def value_text(value: Any) -> str:
    """A value of a parameter as its flag takes it."""
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(f"{name}={limit}" for name, limit in value) or NO_VALUE
    return str(value)


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


def render_sweep(stats: SweepStats, config: SweepConfig) -> str:
    """Lines that tell what each combination gives, the best first, and the command of the best.

    Args:
        stats: the run's statistics.
        config: what the run was told.
    """
    ranked = stats.ranked()
    rest = len(ranked) - MOST_ROWS
    more = [f"... and {rest:,} more in sweep.csv"] if rest > 0 else []
    output = visible(shown(config.output))
    return "\n".join(
        [
            *_table(heads(stats), [cells(row) for row in ranked[:MOST_ROWS]]),
            *more,
            read_line(stats),
            *(f"note: {each}" for each in sweep_notes(stats)),
            best_line(stats),
            f"  {visible(stats.best.command)}",
            *(["  (with your --storage_options, which are not shown)"] if config.storage_options else []),
            f"output: {output}",
        ]
    )


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table. Headings go over several lines, a word on each."""
    words = [each.replace("_", " ").split() for each in heading]
    tall = max(map(len, words))
    lines = [*zip(*([*[""] * (tall - len(each)), *each] for each in words)), *rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ["  ".join(map(str.rjust, line, widths)).rstrip() for line in lines]


def heads(stats: SweepStats) -> list[str]:
    """The headings of the table of combinations."""
    best = stats.best
    figures = ["candidates", "kept", "kept h", "distinct h", "of audio"]
    return [*map(visible, best.parameters), *figures, *(_loss_head(name) for name in losses_of(best)), "rejected"]


def cells(row: Row) -> list[str]:
    """A line of the table of combinations."""
    stats = row.stats
    return [
        *(visible(value_text(value)) for value in row.parameters.values()),
        f"{stats.candidate_windows:,}",
        f"{stats.kept_windows:,}",
        f"{row.kept_hours:,.2f}",
        f"{row.distinct_hours:,.2f}",
        share(row.share_kept, 1),
        *(share(value, 1) for value in losses_of(row).values()),
        f"{stats.rejected.total():,}",
    ]


def losses_of(row: Row) -> dict[str, float]:
    """The shares of the segments' duration that each reason lost, without those that are a part of another."""
    return {name: value for name, value in row.lost_shares().items() if name not in _PARTS}


def _loss_head(name: str) -> str:
    return LOSSES.get(name, visible(name.removeprefix("lost_")))


def read_line(stats: SweepStats) -> str:
    """How many entries were looked at."""
    rejected = stats.rejected.total()
    read = counted(f"{{}}, {rejected:,} of them rejected|entry", stats.recordings + rejected)
    left = stats.not_sampled
    total = stats.recordings + rejected + left
    return f"{read}; {left:,} of {total:,} were not in the sample" if left else read


def sweep_notes(stats: SweepStats) -> list[str]:
    """What to know of the figures."""
    notes = []
    if stats.left_out:
        reasons = "; ".join(dict.fromkeys(str(each["reason"]) for each in stats.left_out))
        count = len(stats.left_out)
        which = "1 combination was" if count == 1 else f"{count:,} combinations were"
        notes.append(f"{which} left out, as the values do not go together: {visible(reasons)}")
    if stats.partly_rejected:
        notes.append(
            f"{stats.partly_rejected:,} of the rejected entries can be used by some combinations; see the column "
            "`rejected`"
        )
    if not stats.recordings and stats.not_sampled:
        notes.append("the sample holds no recording; a greater --sample would")
    return notes


def best_line(stats: SweepStats) -> str:
    """Which combination is the best, and by what."""
    best = stats.best
    hours = best.distinct_hours if stats.aim == DISTINCT_HOURS else best.kept_hours
    what = "distinct hours" if stats.aim == DISTINCT_HOURS else "kept hours, overlaps included"
    ties = stats.ties
    others = "another combination has" if ties == 1 else f"{ties:,} other combinations have"
    tied = f" ({others} as many; this one has the fewest windows, or came first)" if ties else ""
    return f"most {what}: {hours:,.2f} h{tied}, by"
