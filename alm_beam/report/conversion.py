"""The summary of a conversion, as text for a terminal."""

from collections.abc import Iterator
from itertools import starmap

from alm_beam.core.convert_config import ConvertConfig
from alm_beam.core.convert_stats import ConvertStats, Named
from alm_beam.core.text import visible
from alm_beam.report.table import counted, hours, row, share
from alm_beam.storage.secrets import shown

_NOTED = {
    "repeated_segments": "{} came more than once; equal ones count as one; do several files hold the same?|segment",
    "words_without_segment": "left out {} outside of all segments, by more than 0.25 s|word",
}


def render_conversion(stats: ConvertStats, config: ConvertConfig) -> str:
    """Lines that tell what a conversion read, wrote and did not find, and what comes next.

    Args:
        stats: its statistics.
        config: what it was told.
    """
    rejects = stats.rejected.total()
    rows = [
        *(_rows_of_cuts(stats) if config.to_format else _rows_of_entries(stats)),
        ("rejected lines or files", f"{rejects:,}", share(stats.reject_fraction, 1)),
        *((f"  {reason}", f"{count:,}") for reason, count in stats.rejected.most_common()),
    ]
    output = visible(shown(config.output))
    following = [] if config.to_format else [f"next: alm-beam measure --input {output} --output measured/"]
    notes = [f"note: {note}" for note in _notes(stats, config)]
    return "\n".join([*starmap(row, rows), *notes, f"output: {output}", *following])


def _rows_of_cuts(stats: ConvertStats) -> list[tuple[str, ...]]:
    return [
        ("cuts", f"{stats.lines:,}"),
        ("recordings", f"{stats.recordings:,}"),
        ("lines written", f"{stats.segments:,}"),
    ]


def _rows_of_entries(stats: ConvertStats) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("recordings", f"{stats.recordings:,}"),
        ("segments", f"{stats.segments:,}", hours(stats.seconds), f"{stats.seconds:,.1f} s"),
        ("words", f"{stats.words:,}"),
        ("speakers, summed over recordings", f"{stats.speakers:,}"),
        ("audio found", f"{stats.audio_found:,}", share(stats.audio_found, stats.recordings)),
    ]
    others = (
        ("audio stated by the input", stats.audio_stated),
        ("audio not found", stats.audio_not_found.count),
        ("audio ambiguous", stats.audio_ambiguous.count),
    )
    rows += [(text, f"{count:,}", share(count, stats.recordings)) for text, count in others if count]
    passed_over = stats.passed_over.total()
    if passed_over:
        rows.append(("lines passed over", f"{passed_over:,}"))
        rows += [(f"  {kind}", f"{count:,}") for kind, count in stats.passed_over.most_common()]
    return rows


def _notes(stats: ConvertStats, config: ConvertConfig) -> Iterator[str]:
    if not stats.recordings:
        yield "nothing was written: the input holds no recording"
    for name, text in _NOTED.items():
        if stats.noted[name]:
            yield counted(text, stats.noted[name])
    missing, several = stats.audio_not_found, stats.audio_ambiguous
    if missing.count and config.audio_root is None:
        yield f"{_recordings(missing)} got no audio_filepath; --audio_root DIR looks for their audio by their names"
    elif missing.count:
        yield f"no audio below --audio_root has the name of {_recordings(missing)}"
    if several.count:
        yield f"more than one audio file has the name of {_recordings(several)}; none was taken"


def _recordings(named: Named) -> str:
    first = ", ".join(map(visible, named.first[:3]))
    more = ", ..." if named.count > len(named.first[:3]) else ""
    return f"{counted('{}|recording', named.count)} ({first}{more})"
