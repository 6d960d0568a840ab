"""Runs the jobs of alm_beam for each data interval: a day's manifests in, its result out, in a folder of its own.

Four DAGs are in this file: `alm_beam_windows` builds training windows, `alm_beam_measure` measures audio and writes
manifests that hold what it found, `alm_beam_shards` writes the audio of windows in shards that trainers read, and
`alm_beam_sweep` says which parameters of windows keep most.

Copy this file into the folder of DAGs. What is your own stands in the Airflow Variable that has the name of the DAG, as
JSON, an object of any of these:

- `schedule`: a cron expression, in UTC (default: `@daily`); each data interval is one run of the job;
- `start_date`: when the first data interval may start (default: `2026-01-01`);
- `retries`: how many times a task that failed is tried again (default: 2);
- `python`: the interpreter of the environment that has alm_beam (default: `/opt/alm_beam/bin/python`). It needs no
  Airflow, and Airflow needs no alm_beam;
- any param of the DAG: its default.

Params are the flags of `alm-beam windows`, `alm-beam measure`, `alm-beam shards` and `alm-beam sweep`, by the same
names, and what the runners need. `input` and `output` may hold strftime's directives, which stand for the start of the
data interval; `output` must. A percent sign is `%%`.

Another run of an interval replaces the result of the earlier one, which stays until the new one is whole; `_SUCCESS` is
written last. So a reader that looks for it never takes half of a result. A second try of `alm_beam_measure` or
`alm_beam_shards` goes on with what the first has left, unless the folder holds a whole result.
"""

from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import psutil
from airflow.providers.apache.beam.operators.beam import BeamRunPythonPipelineOperator
from airflow.providers.google.cloud.hooks.gcs import GCSHook
from airflow.providers.google.cloud.operators.dataflow import DataflowStartFlexTemplateOperator
from airflow.sdk import DAG, BaseOperatorLink, CronDataIntervalTimetable, Param, Variable, task
from airflow.sdk.exceptions import AirflowException
from google.api_core.exceptions import ClientError
from pendulum import DateTime

MOST = 1_000_000_000
RUNNERS = {"local": "alm_beam.runners.local.LocalRunner", "flink": "FlinkRunner"}
"""What Beam's flag `--runner` says. The local one is that of a plain `alm-beam windows`; Airflow must name one."""


def _number(default: float | None, description: str, **schema: Any) -> Param:
    return Param(default, description, **{"type": "number", "maximum": MOST, **schema})


def _whole(default: int | None, description: str, **schema: Any) -> Param:
    return Param(default, description, **{"type": "integer", "maximum": MOST, **schema})


def _text(default: str | None, description: str, **schema: Any) -> Param:
    return Param(default, description, **{"type": "string", **schema})


OPTIONAL_TEXT = {"type": ["null", "string"], "minLength": 1}


def _places(what: str, input: str, output: str) -> dict[str, Param]:
    """Where a job reads and writes. `what` says what it reads."""
    return {
        "input": _text(
            input,
            f"{what}: file, folder or glob, a path or URL; several by commas. %Y-%m-%d is the interval's start.",
            minLength=1,
        ),
        "output": _text(
            output,
            "Folder of the data interval, a path or URL. What an earlier run left there is replaced.",
            pattern="%",
        ),
        "config": _text(
            None,
            "A file of YAML with parameters, a path or URL. Params that are not at their defaults win over it.",
            **OPTIONAL_TEXT,
        ),
    }


WINDOWS_FLAGS = {
    **_places("Manifests", "/data/manifests/%Y-%m-%d", "/data/windows/%Y-%m-%d"),
    # Made by templates/generate.py from alm_beam/core/config.py; change them there.
    "num_shards": _whole(
        0,
        "Number of output shards; if it is not 0, a local runner holds the whole output in memory. A whole "
        "number from 0 (the runner decides) to 1000000000.",
        minimum=0,
    ),
    "max_reject_fraction": _number(
        0.01,
        "Fail the run if more than this share of the entries cannot be used. A fraction from 0 to 1.",
        minimum=0,
        maximum=1,
    ),
    "storage_options": _text(
        None,
        'fsspec\'s options for the URLs: `{"<option>": value}`, or `{"<protocol>": {"<option>": value}}`; '
        "never shown. Airflow shows it: keep secrets in the environment of its workers.",
        **OPTIONAL_TEXT,
    ),
    "default_sample_rate": _number(
        None,
        "Sample rate of the entries that state none. A number of Hz above 0, at most 1000000000. Without a "
        "value: they are rejected.",
        type=["null", "number"],
        exclusiveMinimum=0,
    ),
    "default_bandwidth": _number(
        0,
        "Bandwidth of the segments that state none. A number of Hz from 0 to 1000000000.",
        minimum=0,
    ),
    "skip_no_speaker": Param(
        False,
        "Leave out the segments labelled `no-speaker`, before windows are built; otherwise they end windows.",
        type="boolean",
    ),
    "speaker_separator": _text(
        None,
        "What stands between the speakers in a label that names several of them, a comma for example; each "
        "of them then speaks in the segment, and `no-speaker` among them does not count. Without a value: "
        "a label names one speaker.",
        **OPTIONAL_TEXT,
    ),
    "target_window_duration": _number(
        120.0,
        "How long a window should last. A number of seconds above 0, at most 1000000000.",
        exclusiveMinimum=0,
    ),
    "tolerance": _number(
        0.1,
        "A window may be shorter or longer than the target duration by up to this share of it, both ends "
        "included. A fraction, 0 <= tolerance < 1.",
        minimum=0,
        exclusiveMaximum=1,
    ),
    "min_sample_rate": _number(
        16000,
        "Recordings with a lower sample rate give no windows. A number of Hz from 0 to 1000000000.",
        minimum=0,
    ),
    "min_bandwidth": _number(
        8000,
        "Segments with a lower bandwidth are in no window. A number of Hz from 0 to 1000000000.",
        minimum=0,
    ),
    "min_speakers": _whole(
        2,
        "Smallest number of distinct speakers in a window. A whole number from 1 to 1000000000.",
        minimum=1,
    ),
    "max_speakers": _whole(
        5,
        "Largest number of distinct speakers in a window; it may not be below `min_speakers`. A whole "
        "number from 1 to 1000000000.",
        minimum=1,
    ),
    "truncation": Param(
        True,
        "Shorten a segment that would make its window longer than the maximum, so that it ends with a word.",
        type="boolean",
    ),
    "drop_empty_truncations": Param(
        False,
        "End a window before a segment of which truncation would leave no word, instead of with it.",
        type="boolean",
    ),
    "max_gap": _number(
        None,
        "A window does not grow over a pause that is longer than this; a pause is the time from the latest "
        "end of its segments so far to the next start. A number of seconds from 0 to 1000000000. Without a "
        "value: no limit.",
        type=["null", "number"],
        minimum=0,
    ),
    "min_speech": _number(
        0,
        "Smallest share of a window that at least one of its segments covers. A fraction from 0 to 1.",
        minimum=0,
        maximum=1,
    ),
    "max_speaker_share": _number(
        1,
        "Largest share of a window's speech that the speaker who speaks longest may have. A fraction above "
        "0, at most 1.",
        exclusiveMinimum=0,
        maximum=1,
    ),
    "min_metrics": _text(
        None,
        "Segments with a lower value of one of these metrics are in no window; a name is a path in a "
        "segment's `metrics`, with dots, and of a list the smallest number counts. Without a value: no "
        "metric counts.",
        **OPTIONAL_TEXT,
    ),
    "max_metrics": _text(
        None,
        "Segments with a higher value of one of these metrics are in no window; of a list the largest "
        "number counts. Without a value: no metric counts.",
        **OPTIONAL_TEXT,
    ),
    "require_metrics": Param(
        False,
        "Segments that lack a metric of `min_metrics` or `max_metrics` are in no window, either.",
        type="boolean",
    ),
    "candidates": _text(
        "longest",
        "Which of the windows that start at one segment are candidates: `longest`, the longest one; `all`, "
        "every one that obeys the rules.",
        enum=["longest", "all"],
    ),
    "overlap_percentage": _number(
        50,
        "One of two windows is dropped if they overlap by this percentage of the shorter one, or more. A "
        "number from 0 to 100.",
        minimum=0,
        maximum=100,
    ),
    "target_duration": _number(
        None,
        "If two windows overlap too much, the one whose duration is nearer to this is kept. A number of "
        "seconds above 0, at most 1000000000. Without a value: target_window_duration.",
        type=["null", "number"],
        exclusiveMinimum=0,
    ),
    "selection": _text(
        "greedy",
        "How the kept windows are chosen: `greedy` decides one overlapping pair after the other; "
        "`most_audio` keeps the windows that have the most seconds in total.",
        enum=["greedy", "most_audio"],
    ),
    "compare_selection": Param(
        None,
        "State in the statistics of a `greedy` run what `most_audio` would have kept; the run then takes "
        "longer. Without a value: on for up to 8 MB of input, as stored.",
        type=["null", "boolean"],
    ),
    "drop_fields": _text("words", "Segment fields to leave out of the output, separated by commas."),
    "drop_fields_top_level": _text("words,segments", "Entry fields to leave out of the output, separated by commas."),
    "entries": Param(
        True,
        "Write an entry for each recording (`alm_output-*`); who only trains needs the cuts alone, with --no_entries.",
        type="boolean",
    ),
    "candidate_windows": Param(
        True,
        "Write the candidate windows, too (`windows`, and `lost_win_full_data` in `stats`); they are most "
        "of the bytes.",
        type="boolean",
    ),
    "cuts": Param(
        True,
        "Write the kept windows as Lhotse cuts, too, one per line, with an index for training.",
        type="boolean",
    ),
    "report": Param(
        True,
        "Write a report, too, as a page of HTML: what was kept and lost, distributions, time lines, rejects.",
        type="boolean",
    ),
    "max_line_bytes": _whole(
        1073741824,
        "Longest line that is read or written, in bytes (uncompressed); what is longer is rejected. A "
        "whole number from 1000 to 1000000000000.",
        minimum=1000,
        maximum=1000000000000,
    ),
    "entries_file": _text(
        None,
        "Write the entries as one file of this name in the output folder, as NeMo Curator does, instead of "
        "shards. Without a value: they are written in shards.",
        **OPTIONAL_TEXT,
    ),
    # End of what templates/generate.py makes.
}
"""Flags of `alm-beam windows`, on every runner."""

MEASURE_FLAGS = {
    **_places("Manifests", "/data/manifests/%Y-%m-%d", "/data/measured/%Y-%m-%d"),
    # Made by templates/generate.py from alm_beam/core/measure_config.py; change them there.
    "num_shards": _whole(
        0,
        "Number of output shards; if it is not 0, a local runner holds the whole output in memory. A whole "
        "number from 0 (the runner decides) to 1000000000.",
        minimum=0,
    ),
    "max_reject_fraction": _number(
        0.01,
        "Fail the run if more than this share of the entries cannot be used. A fraction from 0 to 1.",
        minimum=0,
        maximum=1,
    ),
    "storage_options": _text(
        None,
        'fsspec\'s options for the URLs: `{"<option>": value}`, or `{"<protocol>": {"<option>": value}}`; '
        "never shown. Airflow shows it: keep secrets in the environment of its workers.",
        **OPTIONAL_TEXT,
    ),
    "audio_root": _text(
        None,
        "Folder that relative paths of audio files are below, a path or any fsspec URL. Without a value: "
        "the working directory.",
        **OPTIONAL_TEXT,
    ),
    "bandwidth": Param(
        True,
        "Measure the bandwidth of the segments that state none; without this, only the headers of audio "
        "files are read.",
        type="boolean",
    ),
    "levels": Param(
        False,
        "Measure how loud each segment is (RMS and peak, in dBFS), and the share of its samples that are clipped.",
        type="boolean",
    ),
    "max_line_bytes": _whole(
        1073741824,
        "Longest line that is read or written, in bytes (uncompressed); what is longer is rejected. A "
        "whole number from 1000 to 1000000000000.",
        minimum=1000,
        maximum=1000000000000,
    ),
    # End of what templates/generate.py makes.
}
"""Flags of `alm-beam measure`, on every runner."""

SHARDS_FLAGS = {
    **_places("Cuts, such as alm-beam windows writes", "/data/windows/%Y-%m-%d", "/data/shards/%Y-%m-%d"),
    # Made by templates/generate.py from alm_beam/core/shards_config.py; change them there.
    "max_reject_fraction": _number(
        0.01,
        "Fail the run if more than this share of the entries cannot be used. A fraction from 0 to 1.",
        minimum=0,
        maximum=1,
    ),
    "storage_options": _text(
        None,
        'fsspec\'s options for the URLs: `{"<option>": value}`, or `{"<protocol>": {"<option>": value}}`; '
        "never shown. Airflow shows it: keep secrets in the environment of its workers.",
        **OPTIONAL_TEXT,
    ),
    "format": _text(
        "shar",
        "Format of the shards: Lhotse Shar, NeMo's tarred data sets, WebDataset, or the parquet of Omnilingual.",
        enum=["shar", "nemo", "webdataset", "parquet"],
    ),
    "windows_per_shard": _whole(
        0,
        "Windows of a shard at most; shards of a run have about as many windows each. A whole number from "
        "0 (100, or as many as --shard_bytes allows) to 1000000000.",
        minimum=0,
    ),
    "shard_bytes": _whole(
        0,
        "Bytes of audio of a shard at most, as if it were written in 16-bit WAV; FLAC takes about half of "
        "that. A whole number from 0 (only the number of windows counts) to 1000000000000.",
        minimum=0,
        maximum=1000000000000,
    ),
    "order": _text(
        "recording",
        "Order of the windows: each recording's together, for which its audio is decoded once, or "
        "shuffled, for trainers that read shards from front to back.",
        enum=["recording", "shuffled"],
    ),
    "seed": _whole(0, "Of the shuffled order. A whole number from 0 to 1000000000.", minimum=0),
    "corpus": _text(
        None,
        "Name of the corpus, by which parquet is partitioned. Without a value: what each cut states as "
        "corpus or source, or else unknown.",
        **OPTIONAL_TEXT,
    ),
    "split": _text(
        None,
        "Name of the split, by which parquet is partitioned. Without a value: what each cut states as "
        "split, or else train.",
        **OPTIONAL_TEXT,
    ),
    "language": _text(
        None,
        "Language of the speech, by which parquet is partitioned, and which NeMo's manifests state. "
        "Without a value: what each cut or its supervisions state as language or lang, or else unknown.",
        **OPTIONAL_TEXT,
    ),
    "audio_root": _text(
        None,
        "Folder that relative paths of audio files are below, a path or any fsspec URL. Without a value: "
        "the folder of the cuts, or else the working directory.",
        **OPTIONAL_TEXT,
    ),
    "audio_format": _text("flac", "Format of the audio in the shards.", enum=["flac", "wav", "opus"]),
    "sample_rate": _whole(
        0,
        "Sample rate of the audio in the shards, Hz; opus takes 8000, 12000, 16000, 24000 and 48000. A "
        "whole number from 0 (that of each file; with opus the next that it takes) to 768000.",
        minimum=0,
        maximum=768000,
    ),
    "channels": _text(
        "mono",
        "Channels of the audio in the shards: mono, the mean of a cut's channels, or keep, each channel of a cut.",
        enum=["mono", "keep"],
    ),
    "pad": _number(
        0.1,
        "A window whose audio ends too early by less than this is padded with silence, and rejected "
        "otherwise. A number of seconds from 0 to 1000000000.",
        minimum=0,
    ),
    # End of what templates/generate.py makes.
}
"""Flags of `alm-beam shards`, on every runner."""

SWEEP_FLAGS = {
    **_places("Manifests", "/data/manifests/%Y-%m-%d", "/data/sweeps/%Y-%m-%d"),
    # Made by templates/generate.py from alm_beam/core/sweep_config.py; change them there.
    "max_reject_fraction": _number(
        0.01,
        "Fail the run if more than this share of the entries cannot be used. A fraction from 0 to 1.",
        minimum=0,
        maximum=1,
    ),
    "storage_options": _text(
        None,
        'fsspec\'s options for the URLs: `{"<option>": value}`, or `{"<protocol>": {"<option>": value}}`; '
        "never shown. Airflow shows it: keep secrets in the environment of its workers.",
        **OPTIONAL_TEXT,
    ),
    "aim": _text(
        "distinct_hours",
        "What the best combination has most of: `distinct_hours`, hours of recordings that are in any kept "
        "window; `kept_hours`, hours of kept windows, overlaps included.",
        enum=["distinct_hours", "kept_hours"],
    ),
    "sample": _number(
        1,
        "Share of the entries that is looked at, chosen by a hash of the entry's line: the same ones in "
        "every run. A fraction above 0, at most 1.",
        exclusiveMinimum=0,
        maximum=1,
    ),
    "max_line_bytes": _whole(
        1073741824,
        "Longest line that is read or written, in bytes (uncompressed); what is longer is rejected. A "
        "whole number from 1000 to 1000000000000.",
        minimum=1000,
        maximum=1000000000000,
    ),
    "default_sample_rate": _number(
        None,
        "Sample rate of the entries that state none. A number of Hz above 0, at most 1000000000. Without a "
        "value: they are rejected.",
        type=["null", "number"],
        exclusiveMinimum=0,
    ),
    "default_bandwidth": _number(
        0,
        "Bandwidth of the segments that state none. A number of Hz from 0 to 1000000000.",
        minimum=0,
    ),
    "skip_no_speaker": Param(
        False,
        "Leave out the segments labelled `no-speaker`, before windows are built; otherwise they end windows.",
        type="boolean",
    ),
    "speaker_separator": _text(
        None,
        "What stands between the speakers in a label that names several of them, a comma for example; each "
        "of them then speaks in the segment, and `no-speaker` among them does not count. Without a value: "
        "a label names one speaker.",
        **OPTIONAL_TEXT,
    ),
    "target_window_duration": _number(
        120.0,
        "How long a window should last. A number of seconds above 0, at most 1000000000. Several are "
        "separated by commas.",
        exclusiveMinimum=0,
        type=["string", "number"],
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "tolerance": _number(
        0.1,
        "A window may be shorter or longer than the target duration by up to this share of it, both ends "
        "included. A fraction, 0 <= tolerance < 1. Several are separated by commas.",
        minimum=0,
        exclusiveMaximum=1,
        type=["string", "number"],
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "min_sample_rate": _number(
        16000,
        "Recordings with a lower sample rate give no windows. A number of Hz from 0 to 1000000000. Several "
        "are separated by commas.",
        minimum=0,
        type=["string", "number"],
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "min_bandwidth": _number(
        8000,
        "Segments with a lower bandwidth are in no window. A number of Hz from 0 to 1000000000. Several "
        "are separated by commas.",
        minimum=0,
        type=["string", "number"],
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "min_speakers": _whole(
        2,
        "Smallest number of distinct speakers in a window. A whole number from 1 to 1000000000. Several "
        "are separated by commas.",
        minimum=1,
        type=["string", "integer"],
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "max_speakers": _whole(
        5,
        "Largest number of distinct speakers in a window; it may not be below `min_speakers`. A whole "
        "number from 1 to 1000000000. Several are separated by commas.",
        minimum=1,
        type=["string", "integer"],
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "truncation": Param(
        True,
        "Shorten a segment that would make its window longer than the maximum, so that it ends with a "
        "word. Several are separated by commas.",
        type=["string", "boolean"],
        pattern="^(true|false)(,(true|false))*$",
    ),
    "drop_empty_truncations": Param(
        False,
        "End a window before a segment of which truncation would leave no word, instead of with it. "
        "Several are separated by commas.",
        type=["string", "boolean"],
        pattern="^(true|false)(,(true|false))*$",
    ),
    "max_gap": _number(
        None,
        "A window does not grow over a pause that is longer than this; a pause is the time from the latest "
        "end of its segments so far to the next start. A number of seconds from 0 to 1000000000. Without a "
        "value: no limit. Several are separated by commas.",
        type=["null", "string", "number"],
        minimum=0,
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "min_speech": _number(
        0,
        "Smallest share of a window that at least one of its segments covers. A fraction from 0 to 1. "
        "Several are separated by commas.",
        minimum=0,
        maximum=1,
        type=["string", "number"],
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "max_speaker_share": _number(
        1,
        "Largest share of a window's speech that the speaker who speaks longest may have. A fraction above "
        "0, at most 1. Several are separated by commas.",
        exclusiveMinimum=0,
        maximum=1,
        type=["string", "number"],
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "min_metrics": _text(
        None,
        "Segments with a lower value of one of these metrics are in no window; a name is a path in a "
        "segment's `metrics`, with dots, and of a list the smallest number counts. Without a value: no "
        "metric counts. Several are separated by semicolons.",
        **OPTIONAL_TEXT,
    ),
    "max_metrics": _text(
        None,
        "Segments with a higher value of one of these metrics are in no window; of a list the largest "
        "number counts. Without a value: no metric counts. Several are separated by semicolons.",
        **OPTIONAL_TEXT,
    ),
    "require_metrics": Param(
        False,
        "Segments that lack a metric of `min_metrics` or `max_metrics` are in no window, either. Several "
        "are separated by commas.",
        type=["string", "boolean"],
        pattern="^(true|false)(,(true|false))*$",
    ),
    "candidates": _text(
        "longest",
        "Which of the windows that start at one segment are candidates: `longest`, the longest one; `all`, "
        "every one that obeys the rules. Several are separated by commas.",
        pattern="^(longest|all)(,(longest|all))*$",
    ),
    "overlap_percentage": _number(
        50,
        "One of two windows is dropped if they overlap by this percentage of the shorter one, or more. A "
        "number from 0 to 100. Several are separated by commas.",
        minimum=0,
        maximum=100,
        type=["string", "number"],
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "target_duration": _number(
        None,
        "If two windows overlap too much, the one whose duration is nearer to this is kept. A number of "
        "seconds above 0, at most 1000000000. Without a value: target_window_duration. Several are "
        "separated by commas.",
        type=["null", "string", "number"],
        exclusiveMinimum=0,
        pattern="^([^,]+)(,([^,]+))*$",
    ),
    "selection": _text(
        "greedy",
        "How the kept windows are chosen: `greedy` decides one overlapping pair after the other; "
        "`most_audio` keeps the windows that have the most seconds in total. Several are separated by "
        "commas.",
        pattern="^(greedy|most_audio)(,(greedy|most_audio))*$",
    ),
    # End of what templates/generate.py makes.
}
"""Flags of `alm-beam sweep`, on every runner."""

FLINK = {
    "flink_master": _text("localhost:8081", "Flink's REST address, host:port.", minLength=1),
    "environment_type": _text(
        None, "Where Python workers run: EXTERNAL, DOCKER, PROCESS or LOOPBACK. None: Beam decides.", **OPTIONAL_TEXT
    ),
    "environment_config": _text(
        None, "Of EXTERNAL: host:port of a worker pool; of DOCKER: the image.", **OPTIONAL_TEXT
    ),
    "parallelism": _whole(
        None, "Slots of Flink that the job takes. None: Flink decides.", type=["null", "integer"], minimum=1
    ),
}
"""Beam's flags for Flink."""

RUN = {
    "runner": _text("local", "Where the job runs.", enum=[*RUNNERS, "dataflow"]),
    **FLINK,
    "beam_options": Param(
        {},
        'Further flags of Beam, local and on Flink, e.g. {"direct_num_workers": 1}.',
        type="object",
        additionalProperties={"type": ["boolean", "integer", "number", "string", "array"]},
    ),
    "dataflow_template": _text(
        None, "gs:// URL of the job's flex template.", type=["null", "string"], pattern="^gs://."
    ),
    "dataflow_project": _text(None, "None: that of the connection google_cloud_default.", **OPTIONAL_TEXT),
    "dataflow_location": _text("us-central1", "Region of the Dataflow job.", minLength=1),
    "dataflow_environment": Param(
        {},
        'Of the Dataflow job (FlexTemplateRuntimeEnvironment), e.g. {"maxWorkers": 20, "tempLocation": "gs://..."}.',
        type="object",
    ),
}
"""How a job runs."""


@dataclass(frozen=True)
class Job:
    """A job of alm_beam.

    Attributes:
        command: that of `alm-beam`.
        description: what its DAG says it does.
        params: its flags.
        goes_on: whether it goes on with what a run of it has left that was cut short, unless `--overwrite` is given.
        page: the name of the report that it leaves in its folder; empty for none.
    """

    command: str
    description: str
    params: dict[str, Param]
    goes_on: bool = False
    page: str = ""


def job_flags(job: Job, params: dict[str, Any], start: DateTime, end: DateTime, try_number: int) -> dict[str, str]:
    """The job's flags for the data interval from `start` to `end`, all as text; None is left out.

    Where a file of parameters is given, so are params that are at the defaults of this file: they would win over it.

    The first try gives `--overwrite`. Of a job that goes on, later ones do not: the task may have to give it yet.

    Raises:
        ValueError: another data interval would write to the same folder.
    """
    output = start.strftime(params["output"])
    others = (end, start - (end - start), start.add(months=1), start.add(years=1))
    if output in {other.strftime(params["output"]) for other in others}:
        raise ValueError(f"output={params['output']}: several data intervals would share it; add what tells them apart")
    flags = {
        name: _as_text(params[name])
        for name, param in job.params.items()
        if params[name] is not None and (params["config"] is None or params[name] != param.value)
    }
    overwrite = _as_text(not (job.goes_on and try_number > 1))
    return {**flags, "input": start.strftime(params["input"]), "output": output, "overwrite": overwrite}


def beam_options(job: Job, params: dict[str, Any], start: DateTime, end: DateTime, try_number: int) -> dict[str, Any]:
    """All flags for a job that this Airflow launches: the job's own, and Beam's."""
    some = FLINK if params["runner"] == "flink" else ()
    flink = {name: _as_text(params[name]) for name in some if params[name] is not None}
    return {**params["beam_options"], **flink, **job_flags(job, params, start, end, try_number)}


def _as_text(value: object) -> str:
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")  # the template's parameters take no exponents
    return str(value).lower() if isinstance(value, bool) else str(value)


class ReportLink(BaseOperatorLink):
    """The link to the report of the job that a task has run. There is none before the job has ended well."""

    name = "Report"

    def __init__(self, page: str):
        self._page = page

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The report's URL; of GCS, the one by which a browser opens it."""
        flags = operator.flags
        url = f"{flags['output'].rstrip('/')}/{self._page}"
        return "" if flags.get("report") == "false" else url.replace("gs://", "https://storage.cloud.google.com/", 1)


class RunJob(BeamRunPythonPipelineOperator):
    """The operator of the Beam provider. When the task is stopped, the job stops too."""

    def __init__(self, *, report: tuple[ReportLink, ...], **others: Any):
        super().__init__(**others)
        self.report = self.operator_extra_links = report

    @property
    def flags(self) -> dict[str, str]:
        """All flags that the job is given."""
        flags: dict[str, str] = self.pipeline_options
        return flags

    def execute(self, context: Any) -> None:
        """Runs the job, and links its report."""
        self._run(context)
        self.operator_extra_links = self.report  # the provider's operator has none while it runs a job elsewhere

    def _run(self, context: Any) -> None:
        """Runs the job. One that would go on, and is refused as the folder holds a whole result, replaces that."""
        try:
            super().execute(context)
        except AirflowException as error:
            was_refused = str(error).endswith("return code 2")  # nothing was written then
            if not was_refused or self.flags["overwrite"] == "true":
                raise
            self.log.info("The job did not start: once more, with --overwrite, in case the folder holds a whole result")
            self.flags["overwrite"] = "true"
            super().execute(context)

    def on_kill(self) -> None:
        """Ends the job, which would otherwise go on beside the next attempt and write to the same folder."""
        for process in psutil.Process().children(recursive=True):  # not waited for: the hook needs the exit code itself
            with suppress(psutil.NoSuchProcess):
                process.terminate()


class RunTemplate(DataflowStartFlexTemplateOperator):
    """The operator of the Google provider. When the job fails, its errors stand in the task's log."""

    def __init__(self, *, report: tuple[ReportLink, ...], **others: Any):
        super().__init__(**others)
        self.operator_extra_links = (*DataflowStartFlexTemplateOperator.operator_extra_links, *report)

    @property
    def flags(self) -> dict[str, str]:
        """All flags that the job is given."""
        flags: dict[str, str] = self.body["launchParameter"]["parameters"]
        return flags

    def execute(self, context: Any) -> dict[str, str]:
        """Starts the job and waits for its end. One that would go on replaces a whole result, if there is one."""
        flags = self.flags
        if flags["overwrite"] == "false" and self._may_be_whole(flags["output"]):
            self.log.info("%s holds a whole result, or cannot be looked into: --overwrite is given", flags["output"])
            flags["overwrite"] = "true"
        try:
            job: dict[str, str] = super().execute(context)
        except AirflowException:
            self.operator_extra_links = DataflowStartFlexTemplateOperator.operator_extra_links
            for message in self._messages():
                if message.get("messageImportance") == "JOB_MESSAGE_ERROR":
                    self.log.error("Dataflow: %s", message.get("messageText"))
            raise
        return job

    def _may_be_whole(self, output: str) -> bool:
        """Whether the folder holds a whole result, also where that cannot be seen."""
        scheme, _, path = output.partition("://")
        bucket, _, folder = path.strip("/").partition("/")
        if scheme != "gs":
            return True
        hook = GCSHook(gcp_conn_id=self.gcp_conn_id, impersonation_chain=self.impersonation_chain)
        try:
            return bool(hook.exists(bucket, f"{folder}/_SUCCESS"))
        except ClientError as error:
            self.log.warning("Airflow cannot look into %s: %s", output, error)
            return True

    def _messages(self) -> list[dict[str, Any]]:
        if self.job is None:
            return []
        messages: list[dict[str, Any]] = self.hook.fetch_job_messages_by_id(
            job_id=self.job["id"], project_id=self.project_id, location=self.location
        )
        return messages


SETTINGS: dict[str, Any] = {
    "schedule": "@daily",
    "start_date": "2026-01-01",
    "python": "/opt/alm_beam/bin/python",
    "retries": 2,
}


def job_dag(job: Job) -> DAG:
    """The DAG `alm_beam_<command>` of the job.

    Raises:
        ValueError: the Airflow Variable of its name holds what is neither a setting nor a param.
    """
    dag_id = f"alm_beam_{job.command}"
    settings, params = dict(SETTINGS), deepcopy({"runner": RUN["runner"], **job.params, **RUN})
    own = Variable.get(dag_id, default={}, deserialize_json=True)
    if unknown := own.keys() - settings.keys() - params.keys():
        raise ValueError(f"Airflow Variable {dag_id}: unknown {', '.join(sorted(unknown))}")
    for name, value in own.items():
        if name in params:
            params[name].value = value
        else:
            settings[name] = value
    with DAG(
        dag_id,
        description=job.description,
        doc_md=__doc__,
        schedule=CronDataIntervalTimetable(settings["schedule"], timezone="UTC"),
        start_date=datetime.fromisoformat(settings["start_date"]),
        catchup=False,
        max_active_runs=1,  # two runs must not write to one folder at the same time
        default_args={"retries": settings["retries"]},
        params=params,
        render_template_as_native_obj=True,
        user_defined_macros={
            "RUNNERS": RUNNERS,
            "job_flags": partial(job_flags, job),
            "beam_options": partial(beam_options, job),
        },
        tags=["alm_beam"],
    ) as dag:

        @task.branch
        def choose_runner(params: dict[str, Any]) -> str:
            """The task that runs the job."""
            if params["runner"] != "dataflow":
                return "run_beam"
            if params["dataflow_template"] is None:
                raise ValueError("runner=dataflow needs dataflow_template, the gs:// URL of the flex template")
            return "run_on_dataflow"

        report = (ReportLink(job.page),) if job.page else ()
        # The command is: python -m alm_beam windows --runner=... --input=... and so on.
        run_beam = RunJob(
            task_id="run_beam",
            report=report,
            py_interpreter=settings["python"],
            py_options=["-m", "alm_beam"],
            py_file=job.command,
            runner="{{ RUNNERS[params.runner] }}",
            pipeline_options="{{ beam_options(params, data_interval_start, data_interval_end, ti.try_number) }}",
            deferrable=False,  # the job would run in the triggerer
        )
        # Dataflow refuses a second job of the name while the first is active: an attempt whose task was lost, say.
        run_on_dataflow = RunTemplate(
            task_id="run_on_dataflow",
            report=report,
            project_id="{{ params.dataflow_project }}",
            location="{{ params.dataflow_location }}",
            append_job_name=False,
            body={
                "launchParameter": {
                    "jobName": f"alm-beam-{job.command}-{{{{ data_interval_start.strftime('%Y%m%d-%H%M') }}}}",
                    "containerSpecGcsPath": "{{ params.dataflow_template }}",
                    "parameters": "{{ job_flags(params, data_interval_start, data_interval_end, ti.try_number) }}",
                    "environment": "{{ params.dataflow_environment }}",
                }
            },
            deferrable=False,  # a deferred task neither cancels the job when it is stopped nor logs its errors
        )
        choose_runner() >> [run_beam, run_on_dataflow]
    return dag


WINDOWS = Job("windows", "Training windows from the manifests of each data interval", WINDOWS_FLAGS, page="report.html")
MEASURE = Job("measure", "The manifests of each data interval, with what their audio says", MEASURE_FLAGS, goes_on=True)
SHARDS = Job("shards", "The audio of the windows of each data interval, in shards", SHARDS_FLAGS, goes_on=True)
SWEEP = Job(
    "sweep", "What the manifests of each data interval would keep by other parameters", SWEEP_FLAGS, page="report.html"
)

windows, measure, shards, sweep = map(job_dag, (WINDOWS, MEASURE, SHARDS, SWEEP))
