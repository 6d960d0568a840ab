"""The job that measures audio: manifests in, the same manifests out with what their audio files say."""

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from alm_beam.core.estimate import Estimate
from alm_beam.core.measure_config import MeasureConfig
from alm_beam.core.measure_stats import MeasureStats
from alm_beam.jobs.dry_run import dry_run
from alm_beam.jobs.launch import pipeline_of
from alm_beam.jobs.places import absolute_root, check_audio_root
from alm_beam.jobs.run import CheckedRun, Job, bytes_of, facts_of, manifests_of, run_job
from alm_beam.jobs.sample import Sample
from alm_beam.jobs.sampled_audio import sampled_audio
from alm_beam.jobs.watch import UNWATCHED, ToDo, Watch
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.outputs import MEASURE, MEASURED, REJECTS
from alm_beam.storage.staged_run import StagedRun
from alm_beam.transforms.finish import FinishRun
from alm_beam.transforms.measure import MeasureAudio
from alm_beam.transforms.spread import SpreadManifests
from alm_beam.transforms.statistics import CombineStatistics
from alm_beam.transforms.write import StageShards

_HEADERS_BYTES = 1 << 16
"""Of manifests: their entries go to one worker together where only headers are read, a millisecond for each."""

_ENTRY_BYTES = 256
"""What the line of an entry takes at least, in most manifests."""


def measure(
    config: MeasureConfig, options: PipelineOptions | None = None, watch: Watch = UNWATCHED
) -> MeasureStats | None:
    """Measures the audio of manifests: manifests in, the same manifests out with what the files say. It prints nothing.

    A run that was cut short goes on when it is started again: what was measured stands in a hidden folder of the output
    until the run is complete.

    Args:
        config: the job's parameters.
        options: Beam's, for another runner than the local one; they are not changed.
        watch: is told how the run goes on; for the commands alone.

    Returns:
        The statistics of the run; None where the job goes on without this process, as with `run`.

    Raises:
        ConfigError, InputError, OptionsError: as `run` does. Nothing was read or written.
        RunError, ManifestReadError: as `run` does.

    >>> import json, pathlib, tempfile, wave
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with wave.open(f"{folder}/a.wav", "wb") as file:
    ...     file.setparams((1, 2, 16000, 0, "NONE", ""))
    ...     file.writeframes(bytes(2 * 16000))
    >>> _ = (folder / "m.jsonl").write_text('{"audio_filepath": "a.wav", "segments": []}')
    >>> config = {"input": f"{folder}/m.jsonl", "output": f"{folder}/out", "audio_root": str(folder)}
    >>> measure(MeasureConfig.of(config)).audio_seconds
    1.0
    >>> print((folder / "out" / "manifest-00000-of-00001.jsonl").read_text(), end="")
    {"audio_filepath":"a.wav","segments":[],"audio_sample_rate":16000,"audio_num_channels":1,"duration":1.0}
    """
    check_audio_root(config.audio.audio_root)
    return run_job(_JOB, config, options, watch)


def estimate(config: MeasureConfig, options: PipelineOptions | None = None) -> Estimate:
    """What a run would come to, from a sample of its input. Everything is checked that `measure` checks first.

    Raises:
        ConfigError, InputError, OptionsError, ManifestReadError: as `measure` does. Nothing is written in any case.
    """
    check_audio_root(config.audio.audio_root)

    def sample(manifests: Sequence[Manifest], checked: CheckedRun) -> Sample:
        root = absolute_root(config.audio.audio_root)
        return sampled_audio(config.audio, manifests, root, checked.folder.options, facts_of(config))

    return dry_run(_JOB, config, options, lambda manifests: manifests, sample)


def build(
    config: MeasureConfig, manifests: Sequence[Manifest], staged: StagedRun, options: PipelineOptions
) -> beam.Pipeline:
    """The graph, for the runner that the options name, or else for the local one. Nothing is read or written yet.

    Raises:
        OptionsError: Beam does not know the runner, or the runner refuses its options.
    """
    pipeline = pipeline_of(options)
    audio, num_shards = config.audio, config.num_shards
    span_bytes = 0 if _decodes(config) else _HEADERS_BYTES
    read = SpreadManifests(manifests, staged, span_bytes=span_bytes, max_line_bytes=audio.max_line_bytes)
    lines = pipeline | "ReadFromText" >> read
    made = lines | MeasureAudio(staged, absolute_root(audio.audio_root), audio)
    stats = made.stats | CombineStatistics(MeasureStats)
    entries = made.manifests | "WriteToText" >> StageShards(staged, MEASURED, num_shards=num_shards)
    rejects = made.rejects | "WriteRejects" >> StageShards(staged, REJECTS)
    shards = {MEASURED: (entries, max(num_shards, 1)), REJECTS: (rejects, 0)}
    stats | FinishRun(staged, shards, None, facts_of(config), config.max_reject_fraction)
    return pipeline


def _decodes(config: MeasureConfig) -> bool:
    """Whether audio is decoded, rather than its headers read."""
    return config.audio.bandwidth or config.audio.levels


def _worth(config: MeasureConfig, manifests: Sequence[Manifest]) -> float:
    # Decoding one recording is worth a worker, or so many headers.
    return bytes_of(manifests) / (_ENTRY_BYTES if _decodes(config) else 1000 * _ENTRY_BYTES)


def _work(_: MeasureConfig, __: Sequence[Manifest]) -> ToDo:
    return ToDo(
        "recordings", lambda counts: counts.recordings + counts.rejects, lambda counts: counts.listed, ("rejects",)
    )


_JOB = Job(MEASURE, manifests_of, build, MeasureStats.from_dict, _work, _worth)
