"""What a user should know of a run besides its figures: why there is no window, and what was met in the input."""

from collections.abc import Iterator

from alm_beam.core.config import ALL, GREEDY, LONGEST, MOST_AUDIO, OverlapConfig, WindowConfig
from alm_beam.core.faults import RejectReason
from alm_beam.core.losses import GAP, SHARE, SPEECH, Finding, LossReason, LossStats
from alm_beam.core.run_stats import RunStats
from alm_beam.core.text import visible
from alm_beam.report.table import counted

_MET = {
    Finding.UNORDERED_RECORDING: "{} had segments out of the order of time; windows follow the order of the manifest, "
    "so sort the segments by start|recording",
    Finding.EMPTY_TRUNCATION: "{} of which truncation left no word in time ended windows, as segments of no length; "
    "--drop_empty_truncations ends such windows before them|segment",
    Finding.RELATIVE_WORD_TIMES: "{} had words that all end before the segment starts; word times have to "
    "count from the start of the recording, so add the segment's start to them|segment",
    Finding.WINDOW_BEHIND_AUDIO: "{} gave no cut: they begin behind the duration that the entry states|window",
    Finding.LARGE_FIELDS: "{} had fields that are too large to be repeated in each cut; they are in entries "
    "(alm_output) alone|entry",
    Finding.REPEATED_WINDOW: "{} came more than once; does an input hold the same recordings twice?|window",
}
"""The note for each finding, and what it counts."""

REACHED = 7 / 16
"""The share of the sample rate that audio of full bandwidth reaches, less what filters take: 7000 of 16000 Hz."""


_GREEDY_WITH_ALL = (
    f"--selection={GREEDY} with --candidates={ALL} can keep less than with --candidates={LONGEST}; "
    f"with --selection={MOST_AUDIO} it never does"
)


def notes(stats: LossStats, windows: WindowConfig, overlap: OverlapConfig = OverlapConfig()) -> list[str]:
    """A line for each thing that a user should know.

    Args:
        stats: the run's statistics.
        windows: the rules of the run.
        overlap: how the kept windows were chosen.

    >>> from collections import Counter
    >>> notes(LossStats(recordings=2, kept_windows=5, findings=Counter(repeated_windows=1)), WindowConfig())
    ['1 window came more than once; does an input hold the same recordings twice?']
    """
    found = [] if stats.kept_windows else [_why_no_window(stats, windows)]
    is_chosen_worse = windows.candidates == ALL and overlap.selection == GREEDY
    return [*found, *([_GREEDY_WITH_ALL] if is_chosen_worse else []), *unread(stats), *_met(stats)]


def unread(stats: RunStats) -> Iterator[str]:
    """Whole files that were rejected, each of which counts as one entry, however many may be in it."""
    count = stats.rejected[RejectReason.NOT_A_MANIFEST.value]
    if count:
        what = "file is no manifest, and nothing of it" if count == 1 else "files are no manifests, and nothing of them"
        yield f"{count:,} {what} was read; see rejects-*"


def _met(stats: LossStats) -> Iterator[str]:
    for finding, text in _MET.items():
        count = stats.findings[finding.value]
        if count:
            yield counted(text, count)


def _why_no_window(stats: LossStats, windows: WindowConfig) -> str:
    """The cause that comes first in the making of windows, of those that concern at least half of the input."""
    losses, met, rules = stats.losses, stats.findings, windows
    of_nobody = met[Finding.NO_SPEAKER.value]
    speech = losses.segments - of_nobody
    starts = losses.segments - losses.lost[LossReason.BANDWIDTH]

    def is_most(segments: int) -> bool:
        return 2 * segments >= losses.segments

    def is_most_speech(segments: int) -> bool:
        return 2 * (segments - of_nobody) >= speech  # the bandwidth of no-speaker is not measured

    def is_of_most(finding: Finding) -> bool:
        return 2 * met[finding.value] >= stats.recordings

    if not stats.recordings:
        cause = _why_no_recording(stats)
    elif not losses.segments:
        cause = "the recordings have no segments"
    elif is_most(losses.lost[LossReason.SAMPLE_RATE]):
        cause = f"the sample rate is below --min_sample_rate={rules.min_sample_rate:g}; it has to be in Hz"
    elif is_of_most(Finding.MILLISECONDS):
        cause = "times look like milliseconds; start and end have to be in seconds"
    elif not speech:
        cause = "all segments are labelled no-speaker"
    elif of_nobody and starts and 2 * losses.lost[LossReason.NO_SPEAKER] >= starts:
        cause = "candidates stop at segments labelled no-speaker; --skip_no_speaker leaves those out"
    elif rules.min_bandwidth > 0 and is_most_speech(met[Finding.NO_BANDWIDTH.value]):
        cause = (
            "segments have no metrics.bandwidth, which counts as 0 Hz; `alm-beam measure` measures it from the audio, "
            "--default_bandwidth states it, or try --min_bandwidth=0"
        )
    elif is_of_most(Finding.LIMITED_BANDWIDTH):
        cause = _out_of_reach(rules)
    elif is_most_speech(losses.lost[LossReason.BANDWIDTH]):
        cause = (
            f"segments have less than --min_bandwidth={rules.min_bandwidth:g}; lower it, and see whether "
            "metrics.bandwidth is in Hz"
        )
    elif is_of_most(Finding.UNORDERED_RECORDING):
        cause = "segments are not in the order of time; sort those of each recording by start"
    elif is_of_most(Finding.SHORT_RECORDING):
        cause = (
            f"recordings are shorter than the shortest window ({rules.min_duration:g} s); try a lower "
            "--target_window_duration"
        )
    elif is_most(losses.lost[LossReason.SPEAKERS]):
        cause = f"windows have fewer speakers than --min_speakers={rules.min_speakers}; try --min_speakers=1"
    elif is_most(losses.lost[LossReason.NEXT_BANDWIDTH]):
        cause = f"candidates stop at segments of less than --min_bandwidth={rules.min_bandwidth:g}; lower it"
    elif broken := next((name for name, lost in losses.by_rule.items() if is_most(lost.segments)), None):
        cause = _why_rule_broken(broken, rules)
    else:
        cause = (
            f"no run of segments lasts {rules.min_duration:g} to {rules.max_duration:g} s; try a higher --tolerance or "
            "another --target_window_duration"
        )
    return f"no windows: {cause}"


def _why_no_recording(stats: LossStats) -> str:
    if not stats.rejected:
        return "the input has no entry"
    if 2 * stats.rejected[RejectReason.SAMPLE_RATE_MISSING.value] >= stats.rejected.total():
        return (
            "every entry was rejected, as they state no sample rate; --default_sample_rate states it for them, and "
            "`alm-beam measure` reads it from the audio"
        )
    return "every entry was rejected"


def _out_of_reach(rules: WindowConfig) -> str:
    """The cause where no audio of the rate has as much bandwidth as is asked for.

    The rate is not below the minimum, and at most twice the bandwidth: both are the same with the defaults.
    """
    most, least = 2 * rules.min_bandwidth, rules.min_sample_rate
    asked = f"cannot reach --min_bandwidth={rules.min_bandwidth:g}, since what is measured stays below half its rate"
    if least == most:
        return f"audio of {most:g} Hz {asked}; try --min_bandwidth={REACHED * least:g}"
    return f"audio of {most:g} Hz or less {asked}; try less than that, as {REACHED * 16000:g} for 16000 Hz"


def _why_rule_broken(name: str, rules: WindowConfig) -> str:
    """The cause, where an optional rule lost most of the input."""
    if name == GAP:
        return f"candidates stop at pauses of more than --max_gap={rules.max_gap:g} s; raise it"
    if name == SPEECH:
        return f"segments cover less than --min_speech={rules.min_speech:g} of the windows; lower it"
    if name == SHARE:
        return f"one speaker has more than --max_speaker_share={rules.max_speaker_share:g} of the speech; raise it"
    lack = ", or lack it (--require_metrics)" if rules.require_metrics else ""
    return f"segments have {visible(name)} outside its limit in --min_metrics or --max_metrics{lack}; change the limit"
