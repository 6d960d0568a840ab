"""What is told of a run that failed: the cause in one line, and what helps."""

import copy
from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    TypeOptions,
)

from alm_beam.core.errors import RejectLimitError, RunError
from alm_beam.jobs.launch import OptionsError, _goes_on, _told, launch, own_options, pipeline_of, place_elsewhere
from alm_beam.jobs.watch import UNWATCHED
from alm_beam.storage.lines import ManifestReadError
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.staged_run import ReplacedError, StagedRun

FRAMES = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    raise\n    ^^^^^\n'
STEP = " [while running 'WriteToText/WriteBundles']"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (OSError(f"out/a.jsonl: is full{STEP}"), RunError, "out/a.jsonl: is full"),
        (RuntimeError(f"{FRAMES}OSError: out/a.jsonl: is full{STEP}\n\n"), RunError, "out/a.jsonl: is full"),
        (RuntimeError(f"{FRAMES}KeyError: 'words'{STEP}"), RunError, "KeyError: 'words'"),
        (
            RuntimeError(
                f"{FRAMES}OSError: first\n\nDuring handling of it:\n\n{FRAMES}a.ManifestReadError: last{STEP}"
            ),
            ManifestReadError,
            "last",
        ),
        (RuntimeError(f"{FRAMES}alm_beam.core.errors.RejectLimitError: too many"), RejectLimitError, "too many"),
        (
            RuntimeError(f"{FRAMES}ValueError: of two\nlines\x0band more"),
            RunError,
            r"ValueError: of two\nlines\x0band more",
        ),
        (ValueError("of two\n lines"), RunError, r"of two\n lines"),
        (RuntimeError(f"{FRAMES}MemoryError{STEP}"), RunError, "out of memory; give fewer workers"),
        (MemoryError(), RunError, "out of memory; give fewer workers"),
        (
            RuntimeError("can't start new thread"),
            RunError,
            "out of memory (can't start new thread); give fewer workers",
        ),
    ],
)
def test_the_cause_is_told_in_one_line(error, kind, text):
    told = _told(error)
    assert type(told) is kind
    assert str(told).startswith(text)
    assert str(told).isprintable()


@pytest.mark.parametrize("workers", ["-1", "-3"])
def test_a_negative_number_of_workers_is_refused(workers):
    with pytest.raises(OptionsError, match=f"--direct_num_workers={workers}: must be a whole number, at least 0"):
        own_options(PipelineOptions([f"--direct_num_workers={workers}"]))


def test_a_graph_does_not_parse_the_options_at_every_step(monkeypatch):
    parsed = Counter()
    add_arguments = TypeOptions._add_argparse_args

    def counted(parser):
        parsed[TypeOptions] += 1
        add_arguments(parser)

    monkeypatch.setattr(TypeOptions, "_add_argparse_args", counted)
    pipeline = pipeline_of(own_options(None))
    before = parsed.total()
    numbers = pipeline | beam.Create([1])
    for step in range(20):
        numbers = numbers | f"Add {step}" >> beam.Map(lambda number: number + 1).with_output_types(int)
    assert parsed.total() - before <= 1


def test_what_is_set_in_one_view_of_a_runs_options_is_in_all_and_in_no_copy():
    given = PipelineOptions(["--job_name=a", "--experiments=x"])
    own = own_options(given)
    before, earlier = own.view_as(StandardOptions), copy.deepcopy(own)
    own.view_as(StandardOptions).no_wait_until_finish = True
    own.view_as(DebugOptions).experiments.append("y")
    assert before.no_wait_until_finish
    assert own.get_all_options()["experiments"] == ["x", "y"]
    for other in (given, earlier):
        assert not other.view_as(StandardOptions).no_wait_until_finish
        assert other.view_as(DebugOptions).experiments == ["x"]


def test_what_is_set_in_a_copy_of_a_runs_options_is_in_all_of_its_views():
    own = own_options(None)
    own.view_as(GoogleCloudOptions).impersonate_service_account = "a"  # which Beam leaves out of copies
    copied = copy.deepcopy(own)
    copied.view_as(GoogleCloudOptions).project = "b"
    assert copied.get_all_options()["project"] == "b"
    assert copied.view_as(GoogleCloudOptions).impersonate_service_account is None


def failing_run(folder, before):
    """Launches a run that fails, after `before` was called in it."""

    def fail(_):
        before()
        raise OSError("no such part")

    options = own_options(None)
    staged = StagedRun.of(RunFolder(str(folder)), "a")
    staged.begin()
    pipeline = pipeline_of(options)
    _ = pipeline | beam.Create([1]) | beam.Map(fail)
    launch(pipeline, options, staged, UNWATCHED)


def test_a_failed_run_says_that_another_one_has_taken_its_folder(tmp_path):
    with pytest.raises(ReplacedError, match=rf"another run has begun to write to {tmp_path}, .*no such part"):
        failing_run(tmp_path, RunFolder(str(tmp_path)).prepare)


def test_a_failed_run_says_that_another_one_goes_on_with_what_it_has_staged(tmp_path):
    with pytest.raises(ReplacedError, match="another run has begun to write to"):
        failing_run(tmp_path, StagedRun.of(RunFolder(str(tmp_path)), "a").begin)


def test_a_run_that_fails_by_itself_tells_its_own_cause_alone(tmp_path):
    with pytest.raises(RunError, match=r"^no such part$"):
        failing_run(tmp_path, lambda: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "place"),
    [
        ([], ""),
        (["--runner=alm_beam.runners.local.LocalRunner"], ""),
        (["--runner=DataflowRunner"], "Dataflow"),
        (["--runner=PortableRunner", "--job_endpoint=host:8099"], "the job server host:8099"),
        (["--runner=PortableRunner", "--job_endpoint=host:8099", "--environment_type=LOOPBACK"], ""),
        (["--runner=PortableRunner", "--job_endpoint=embed"], ""),
        (["--runner=FlinkRunner"], ""),
        (["--runner=FlinkRunner", "--flink_master=[local]"], ""),
        (["--runner=FlinkRunner", "--flink_master=[auto]"], ""),
        (["--runner=FlinkRunner", "--flink_master=host:8081"], "host:8081"),
        (["--runner=SparkRunner"], ""),
        (["--runner=SparkRunner", "--spark_master_url=local[4]"], ""),
        (["--runner=SparkRunner", "--spark_master_url=spark://host:7077"], "spark://host:7077"),
    ],
)
def test_where_a_job_goes_on_when_the_command_is_ended(flags, place):
    assert place_elsewhere(PipelineOptions(flags)) == place


class Submitted:
    """What a runner gives of a job that it took: Dataflow's has a method, that of a job server an attribute."""

    _job_id = "job-1"

    def job_id(self):
        return self._job_id


DATAFLOW = ["--runner=DataflowRunner", "--project=p", "--region=r"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            DATAFLOW,
            "the job job-1 keeps running on X; to cancel it: gcloud dataflow jobs cancel job-1 --project=p --region=r",
        ),
        ([*DATAFLOW, "--template_location=gs://b/t"], "the template is written to gs://b/t"),
        (
            ["--runner=FlinkRunner", "--flink_master=host:8081"],
            "the job keeps running on X as job-1; to cancel it: `flink list`, and then `flink cancel JOBID`",
        ),
        (
            ["--runner=PortableRunner", "--job_endpoint=host:1"],
            "the job keeps running on X as job-1; it is to be cancelled there",
        ),
        (
            ["--runner=SparkRunner", "--spark_master_url=spark://host:7077"],
            "the job keeps running on X as job-1; it is to be cancelled there",
        ),
    ],
)
def test_how_a_job_that_goes_on_is_cancelled(flags, said):
    assert _goes_on("X", PipelineOptions(flags), Submitted()) == said
