"""The card of a data set of shards: its `README.md`, which also Hugging Face shows."""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alm_beam.core.shards_stats import Notice, ShardsStats
from alm_beam.core.text import visible
from alm_beam.shards.load_example import LIBRARIES, load_example

_SECONDS_PER_HOUR = 3600
_MOST_SOURCES = 20
_PUNCTUATION = re.compile(f"([{re.escape(string.punctuation)}])")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
"""What Hugging Face takes for a language: a code of ISO 639."""

_SIZES = {
    1_000: "n<1K",
    10_000: "1K<n<10K",
    100_000: "10K<n<100K",
    1_000_000: "100K<n<1M",
    10_000_000: "1M<n<10M",
    100_000_000: "10M<n<100M",
    1_000_000_000: "100M<n<1B",
}
"""Hugging Face's names for numbers of windows below a limit."""

_PATHS = {"webdataset": "webdataset/*.tar", "parquet": "parquet/**/*.parquet"}
"""The data of the formats that Hugging Face reads."""

_WORDS = {
    Notice.PADDED: "windows whose audio ended too early, padded with silence",
    Notice.SCALED: "windows above full scale, scaled; `custom` of the cut has the gain",
    Notice.SAMPLE_RATE: "windows of files with another sample rate than stated",
    Notice.CHANNELS: "windows of files with other channels than stated",
    Notice.REPEATED_WINDOW: "windows whose cut is there more than once",
}


def data_card(stats: ShardsStats, facts: Mapping[str, Any]) -> str:
    """The card as Markdown, with the metadata of Hugging Face at its head.

    Args:
        stats: of the run.
        facts: what the file of statistics states beside them: `parameters`, of which URLs have no credentials, and the
            `version` of this package.

    >>> stats = ShardsStats(recordings=30, shards=1, audio_seconds=3600.0)
    >>> parameters = {"format": "webdataset", "audio_format": "flac", "order": "shuffled"}
    >>> card = data_card(stats, {"parameters": parameters, "version": "1.0"})
    >>> "| hours of audio | 1.00 |" in card, 'WebDataset("webdataset/{000000..000000}.tar"' in card
    (True, True)
    """
    parameters = facts["parameters"]
    form, ending = parameters["format"], parameters["audio_format"]
    parts = [
        _metadata(stats, parameters),
        "# Windows of speech",
        f"Written by `alm-beam shards`, version {_escaped(facts['version'])}. Each window is a part of a recording, "
        "with who speaks when in it, and what.",
        _table(("what", "how many"), _totals(stats)),
        "## Windows by speakers",
        _table(("speakers", "windows"), _counts(sorted(stats.speakers.items()))),
        "## Windows by sample rate and channels",
        _table(("sample rate, Hz", "windows"), _counts(sorted(stats.sample_rates.items()))),
        _table(("channels", "windows"), _counts(sorted(stats.channels.items()))),
        "## Windows by source",
        _table(("source", "windows"), _sources(stats)),
        "## What was met",
        _table(("what", "how many"), _met(stats)),
        "## How to load it",
        f"In this folder, with {LIBRARIES[form]}:",
        _code(load_example(form, stats.shards, ending)),
        "The loader of alm_beam reads any window of any format by the index, and goes on where it was:",
        _code(load_example("alm_beam", stats.shards, ending)),
        "## Parameters of the run",
        _table(("parameter", "value"), ((f"`{name}`", _value(value)) for name, value in parameters.items())),
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(stats: ShardsStats, parameters: Mapping[str, Any]) -> str:
    import yaml  # Beam brings it

    language = parameters.get("language")
    size = next((name for limit, name in _SIZES.items() if stats.recordings < limit), "1B<n<10B")
    fields: dict[str, Any] = {
        "task_categories": ["automatic-speech-recognition"],
        "tags": ["audio", "speech", "speaker-diarization", parameters["format"]],
        "size_categories": [size],
    }
    if language and _LANGUAGE.fullmatch(language):
        fields["language"] = [language]
    if path := _PATHS.get(parameters["format"]):
        fields["configs"] = [{"config_name": "default", "data_files": path}]
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---"


def _totals(stats: ShardsStats) -> list[tuple[str, str]]:
    return [
        ("hours of audio", f"{stats.audio_seconds / _SECONDS_PER_HOUR:,.2f}"),
        ("windows", f"{stats.recordings:,}"),
        ("shards", f"{stats.shards:,}"),
        ("bytes of audio", f"{stats.audio_bytes:,}"),
    ]


def _sources(stats: ShardsStats) -> list[tuple[str, str]]:
    """The sources with most windows, and how many the others have."""
    ordered = sorted(stats.sources.items(), key=lambda item: (-item[1], item[0]))
    most, others = ordered[:_MOST_SOURCES], ordered[_MOST_SOURCES:]
    rows = [(_escaped(name) if name else "none stated", f"{count:,}") for name, count in most]
    if others:
        rows.append((f"{len(others):,} others", f"{sum(count for _, count in others):,}"))
    return rows


def _met(stats: ShardsStats) -> list[tuple[str, str]]:
    rows = [(words, f"{stats.findings[notice.value]:,}") for notice, words in _WORDS.items()]
    rows.append(("seconds of silence that were added", f"{stats.padded_seconds:,.3f}"))
    rows.append(("cuts that could not be used, which are in `rejects-*`", f"{stats.rejected.total():,}"))
    return [*rows, *((f"of those, `{reason}`", f"{count:,}") for reason, count in sorted(stats.rejected.items()))]


def _counts(counted: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
    return [(str(number), f"{count:,}") for number, count in counted]


def _value(value: Any) -> str:
    if value is None or value == "":
        return ""
    return _escaped(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def _table(head: Sequence[str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {left} | {right} |" for left, right in [(head[0], head[1]), ("---", "---"), *rows]]
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"```python\n{text.rstrip()}\n```"


def _escaped(text: str) -> str:
    r"""Text of somebody else as Markdown that shows it, on one line.

    >>> print(_escaped("a|b <c>\n"))
    a\|b \<c\>\\n
    """
    return _PUNCTUATION.sub(r"\\\1", visible(text))
