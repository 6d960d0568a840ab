"""Which flags of `alm-beam windows` a manifest calls for."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from alm_beam.core.config import JobConfig
from alm_beam.core.distribution import Distribution
from alm_beam.core.text import visible
from alm_beam.core.validation import Measured, Missing, Problem, Validation
from alm_beam.report.notes import REACHED
from alm_beam.storage.secrets import shown

_MEASURED = "measured"
"""The folder that the suggested command measures into."""

_SECONDS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300)
"""Target durations to choose from."""

_MANY = 0.1
"""So large a share of segments without bandwidth is worth a measurement."""

_STEP_HZ = 500


class Advice(NamedTuple):
    """A flag that follows from a manifest.

    Attributes:
        name: the flag, without its dashes.
        value: its value, as text; `true` of a switch.
        why: what it follows from, in words that begin with a small letter.
    """

    name: str
    value: str
    why: str

    @property
    def argument(self) -> str:
        """The flag as it is typed."""
        return f"--{self.name}" if self.value == "true" else f"--{self.name}={shlex.quote(self.value)}"


def needs_measuring(validation: Validation, config: JobConfig) -> bool:
    """Whether `alm-beam measure` would find out what entries lack: they name audio, and state too little of it.

    Args:
        validation: what is known of the manifest.
        config: what was given. It may say what stands in for what is not stated.
    """
    has_audio = 2 * validation.missing[Missing.AUDIO.value] < validation.examined
    return has_audio and bool(_entries_without_rate(validation, config) or _lacks_bandwidth(validation, config))


def advice(validation: Validation, config: JobConfig) -> list[Advice]:
    """The flags that follow, beside those that are given, in the order in which help lists them.

    They follow from what is in the manifest, one by one. Whether there are windows with them is not known before they
    are tried.

    Args:
        validation: what is known of the manifest.
        config: what was given.

    >>> found = Validation(examined=2, segments=40, speech_segments=30)
    >>> found.problems["no_speaker_segments"] = 10
    >>> [each.argument for each in advice(found, JobConfig(("m.jsonl",), "windows"))]
    ['--skip_no_speaker']
    """
    return [*_of_entries(validation, config), *_of_windows(validation, config)]


def commands(validation: Validation, config: JobConfig, given: Mapping[str, str], inputs: Sequence[str]) -> list[str]:
    """The commands to run next, as they are typed in a shell.

    Args:
        validation: what is known of the manifest.
        config: what was given, as values.
        given: the same, as texts by the names of the flags; without what may be secret.
        inputs: as they were given.
    """
    flags = {name: Advice(name, text, "").argument for name, text in given.items()}
    flags.update((each.name, each.argument) for each in advice(validation, config))
    sources = [f"--input {shlex.quote(visible(shown(each)))}" for each in inputs]
    first = []
    if needs_measuring(validation, config):
        first = [" ".join(["alm-beam measure", *sources, f"--output {_MEASURED}"])]
        sources = [f"--input {_MEASURED}"]
    return [*first, " ".join(["alm-beam windows", *sources, "--output windows", *flags.values()])]


def _of_entries(validation: Validation, config: JobConfig) -> Iterator[Advice]:
    problems, entry = validation.problems, config.manifest
    without_rate = _entries_without_rate(validation, config)
    if without_rate and not needs_measuring(validation, config):
        why = f"{without_rate:,} entries state no sample rate and no audio; state the rate that the audio has"
        yield Advice("default_sample_rate", "16000", why)
    if problems[Problem.NO_SPEAKER.value]:
        yield Advice("skip_no_speaker", "true", "segments labelled no-speaker end windows; most are pauses")
    if validation.separators and entry.speaker_separator is None:
        separator, count = validation.separators.most_common(1)[0]
        yield Advice("speaker_separator", separator, f"{count:,} labels seem to name several speakers")


def _of_windows(validation: Validation, config: JobConfig) -> Iterator[Advice]:
    rules = config.windows
    lengths, speakers = (
        validation.distributions[each.value] for each in (Measured.RECORDING_SECONDS, Measured.SPEAKERS)
    )
    if lengths.count and lengths.percentile(50) < rules.min_duration:
        half = lengths.percentile(50) / 2
        target = max((each for each in _SECONDS if each <= half), default=_SECONDS[0])
        why = f"half of the recordings last less than {rules.min_duration:g} s, the shortest window"
        yield Advice("target_window_duration", str(target), why)
    rates = validation.distributions[Measured.SAMPLE_RATE.value]
    if rates.count and rates.percentile(50) < rules.min_sample_rate:
        rate = rates.percentile(5)
        yield Advice("min_sample_rate", f"{rate:g}", "the sample rate of most entries is below --min_sample_rate")
    yield from _of_bandwidth(validation, config)
    few = int(speakers.percentile(50))
    if 1 <= few < rules.min_speakers:
        yield Advice("min_speakers", str(few), f"half of the recordings have no more speakers than {few}")


def _of_bandwidth(validation: Validation, config: JobConfig) -> Iterator[Advice]:
    wanted, measured = config.windows.min_bandwidth, validation.distributions[Measured.BANDWIDTH.value]
    rates = validation.distributions[Measured.SAMPLE_RATE.value]
    if not wanted:
        return
    if validation.problems[Problem.OUT_OF_REACH.value]:
        rate = _median_up_to(rates, 2 * wanted)
        why = f"audio of {rate:g} Hz cannot reach --min_bandwidth={wanted:g}"
        yield Advice("min_bandwidth", f"{rate * REACHED // 100 * 100:g}", why)
    elif measured.count and measured.percentile(50) < wanted:
        least = measured.percentile(25) // _STEP_HZ * _STEP_HZ
        yield Advice("min_bandwidth", f"{least:g}", f"half of the segments have less than --min_bandwidth={wanted:g}")
    elif _lacks_bandwidth(validation, config) and not needs_measuring(validation, config):
        yield Advice("min_bandwidth", "0", "segments state no bandwidth, which counts as too low")


def _entries_without_rate(validation: Validation, config: JobConfig) -> int:
    return validation.missing[Missing.SAMPLE_RATE.value] if config.manifest.default_sample_rate is None else 0


def _lacks_bandwidth(validation: Validation, config: JobConfig) -> bool:
    """Whether many segments state no bandwidth, and are in no window for that."""
    is_needed = config.manifest.default_bandwidth < config.windows.min_bandwidth
    return is_needed and validation.missing[Missing.BANDWIDTH.value] > _MANY * validation.speech_segments


def _median_up_to(rates: Distribution, most: float) -> float:
    """The median of the rates that are not above so many Hz."""
    low = {rate: count for rate, count in rates.counts.items() if rate <= most}
    return Distribution(sum(low.values()), 0.0, most, Counter(low)).percentile(50)
