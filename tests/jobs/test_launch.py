"""What `launch` tells of a run that failed."""

import apache_beam as beam
import pytest

from alm_beam.core.errors import RunError
from alm_beam.jobs.launch import launch, own_options, pipeline_of
from alm_beam.storage.run_folder import ReplacedError, RunFolder


def failing_run(folder, run_id, before):
    """Launches a run that fails, after `before` was called in it."""

    def fail(_):
        before()
        raise OSError("no such part")

    options = own_options(None)
    staged = RunFolder(str(folder)).stage(run_id)
    staged.begin()
    pipeline = pipeline_of(options)
    _ = pipeline | beam.Create([1]) | beam.Map(fail)
    launch(pipeline, options, staged)


def test_a_failed_run_says_that_another_one_has_taken_its_folder(tmp_path):
    with pytest.raises(ReplacedError, match=rf"another run has begun to write to {tmp_path}, .*no such part"):
        failing_run(tmp_path, "a", RunFolder(str(tmp_path)).prepare)


def test_a_failed_run_says_that_another_one_goes_on_with_what_it_has_staged(tmp_path):
    with pytest.raises(ReplacedError, match="another run has begun to write to"):
        failing_run(tmp_path, "a", RunFolder(str(tmp_path)).stage("a").begin)


def test_a_run_that_fails_by_itself_tells_its_own_cause_alone(tmp_path):
    with pytest.raises(RunError, match=r"^no such part$"):
        failing_run(tmp_path, "a", lambda: None)
    assert not list(tmp_path.iterdir())
