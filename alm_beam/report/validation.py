"""What `alm-beam validate` tells of a manifest: as text for a terminal, and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from alm_beam import __version__
from alm_beam.core.config import JobConfig
from alm_beam.core.repeats import MOST_RECORDINGS
from alm_beam.core.text import visible
from alm_beam.core.validation import Example, Measured, Missing, Problem, Validation
from alm_beam.report.advice import Advice
from alm_beam.report.notes import notes
from alm_beam.report.table import counted, hours, row, share
from alm_beam.storage.audio_check import AudioCheck
from alm_beam.storage.secrets import shown

_MISSING = {
    Missing.SAMPLE_RATE: "sample rate",
    Missing.AUDIO: "audio file",
    Missing.DURATION: "duration",
    Missing.SPEAKER: "speaker",
    Missing.BANDWIDTH: "bandwidth",
    Missing.WORDS: "words",
    Missing.WORD_TIMES: "times of the words",
}

_PROBLEMS = {
    Problem.MILLISECONDS: "{}: times look like milliseconds; they have to be seconds|entry",
    Problem.UNORDERED: "{}: segments are not in the order of time; sort those of each entry by start|entry",
    Problem.NEGATIVE_TIMES: "{}: start before 0; times count from the start of the audio|segment",
    Problem.SHORT_DURATION: "{}: the stated duration ends before the last segment does; cuts end with it|entry",
    Problem.REPEATED_AUDIO: "{}: an earlier entry has the same audio; its windows would be made twice|entry",
    Problem.SHARED_ID: "{}: an earlier entry has the same id and other audio; ids of supervisions may collide|entry",
    Problem.NO_SPEAKER: "{}: labelled no-speaker, which ends windows; --skip_no_speaker leaves them out|segment",
    Problem.JOINT_LABELS: "{}: labels that name several speakers; --speaker_separator tells them apart|segment",
    Problem.RELATIVE_WORDS: "{}: words that all end before it starts; add the segment's start to their times|segment",
    Problem.WORDS_OUTSIDE: "{}: words that end before it starts, or after it ends|segment",
    Problem.MALFORMED_WORDS: "{}: words that cannot be read; the entry is rejected if it has to be truncated "
    "there|segment",
    Problem.LOW_SAMPLE_RATE: "{}: a sample rate below --min_sample_rate, which gives no windows|entry",
    Problem.OUT_OF_REACH: "{}: audio that cannot reach --min_bandwidth at its sample rate; lower the flag|entry",
    Problem.NO_LENGTH: "{}: the end is the start|segment",
    Problem.LONG_PAUSE: "{}: nobody speaks for more than 10 minutes|pause",
    Problem.CROSSTALK: "{}: segments that overlap are out of order, by a second at most; sort them by start|entry",
}
"""What is wrong or to be done, and the word for one of what is counted."""

_MEASURED = {
    Measured.SEGMENT_SECONDS: "segment, s",
    Measured.PAUSE_SECONDS: "pause, s",
    Measured.RECORDING_SECONDS: "recording, s",
    Measured.SPEAKERS: "speakers",
    Measured.BANDWIDTH: "bandwidth, Hz",
    Measured.SAMPLE_RATE: "sample rate, Hz",
}


@dataclass(frozen=True)
class Verdict:
    """What is told of a manifest.

    Attributes:
        validation: what is known of its entries.
        config: what `windows` would be told.
        advice: the flags that follow.
        commands: what to run next.
        audio: what was found of the audio files; None if nobody looked.
        is_compared: whether each entry was compared to all before it.
    """

    validation: Validation
    config: JobConfig
    advice: Sequence[Advice]
    commands: Sequence[str]
    audio: AudioCheck | None
    is_compared: bool

    @property
    def is_fit(self) -> bool:
        """Whether the manifest is fit, and the audio, if anybody looked, is there."""
        has_audio = self.audio is None or not self.audio.absent + self.audio.unknown
        return self.validation.is_fit and has_audio

    @property
    def notes(self) -> list[str]:
        """Why there are no windows, and what was not looked at."""
        stats = self.validation.stats
        no_windows = [] if stats.kept_windows else notes(stats, self.config.windows)[:1]
        if self.is_compared:
            return no_windows
        return [
            *no_windows,
            f"no entry was compared to more than the first {MOST_RECORDINGS:,}, so some may be repeated",
        ]

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON; its schema is `alm-beam schema validation`."""
        audio = self.audio
        return {
            "version": __version__,
            "input": [shown(each) for each in self.config.input],
            "fit": self.is_fit,
            **self.validation.to_dict(),
            "audio": audio
            and {
                "present": audio.present,
                "absent": audio.absent,
                "unknown": audio.unknown,
                "named": [{"audio": path, "detail": why} for path, why in audio.named],
            },
            "notes": self.notes,
            "flags": [each._asdict() for each in self.advice],
            "commands": list(self.commands),
            "parameters": _parameters(self.config),
        }


def render_verdict(verdict: Verdict) -> str:
    """Lines that tell what is in a manifest, what is wrong with it, and what to run next."""
    return "\n".join(
        [
            *_entries(verdict.validation),
            *_missing(verdict.validation),
            *_problems(verdict.validation),
            *_audio(verdict.audio),
            *_distributions(verdict.validation),
            *_windows(verdict),
            *_next(verdict),
            "fit for these flags" if verdict.is_fit else "not fit for these flags",
        ]
    )


def _entries(validation: Validation) -> Iterator[str]:
    yield row("entries", f"{validation.entries:,}")
    yield row("segments", f"{validation.segments:,}", hours(validation.segment_seconds))
    rejected = validation.rejects.total()
    yield row("rejected entries", f"{rejected:,}", share(rejected, validation.entries))
    for reason, count in validation.rejects.most_common():
        yield row(f"  {reason}", f"{count:,}", share(count, validation.entries))
        yield from map(_example, validation.reject_examples[reason])


def _missing(validation: Validation) -> Iterator[str]:
    yield "missing"
    for missing, text in _MISSING.items():
        count, whole = validation.missing[missing.value], validation.whole_of(missing)
        yield row(f"  {text}", f"{count:,}", share(count, whole), f"of {whole:,}")


def _problems(validation: Validation) -> Iterator[str]:
    met = [problem for problem in Problem if validation.problems[problem.value]]
    yield "what looks wrong" if met else "nothing looks wrong"
    for problem in met:
        yield f"  {counted(_PROBLEMS[problem], validation.problems[problem.value])}"
        yield from map(_example, validation.problem_examples[problem.value])


def _audio(audio: AudioCheck | None) -> Iterator[str]:
    if audio is None:
        return
    yield row("audio files that are there", f"{audio.present:,}")
    yield row("audio files that are not there", f"{audio.absent:,}")
    if audio.unknown:
        yield row("audio files that cannot be looked up", f"{audio.unknown:,}")
    yield from (f"      {path}: {why}" for path, why in audio.named)


def _distributions(validation: Validation) -> Iterator[str]:
    names = ("count", "min", "p5", "p25", "p50", "p75", "p95", "max")
    yield f"{'distributions':<18}" + "".join(f"{name:>10}" for name in names)
    for measured, text in _MEASURED.items():
        values = validation.distributions[measured.value].to_dict()
        cells = [_figure(values[name]) for name in names]
        if values["count"]:
            yield f"  {text:<16}" + "".join(f"{cell:>10}" for cell in cells)


def _windows(verdict: Verdict) -> Iterator[str]:
    stats = verdict.validation.stats
    yield row("candidate windows with these flags", f"{stats.candidate_windows:,}")
    kept = f"{stats.kept_seconds:,.1f} s kept"
    yield row(
        "windows after overlap",
        f"{stats.kept_windows:,}",
        kept,
        f"{share(stats.kept_covered_seconds, stats.audio_seconds)} of audio",
    )
    yield from (f"note: {note}" for note in verdict.notes)


def _next(verdict: Verdict) -> Iterator[str]:
    if verdict.advice:
        yield "flags that follow"
        yield from (f"  {each.argument}: {each.why}" for each in verdict.advice)
    yield "next"
    yield from (f"  {command}" for command in verdict.commands)


def _parameters(config: JobConfig) -> dict[str, Any]:
    parameters = config.parameters()
    for name in ("input", "output"):
        parameters.pop(name)
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in parameters.items()}


def _example(example: Example) -> str:
    file, offset, detail = example
    return f"      {visible(file)}, byte {offset:,}: {visible(detail)}"


def _figure(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
