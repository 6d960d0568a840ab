"""What is told of a run that failed: the cause in one line, and what helps."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from alm_beam.core.errors import RejectLimitError, RunError
from alm_beam.jobs.launch import OptionsError, _told, launch, own_options, pipeline_of
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
