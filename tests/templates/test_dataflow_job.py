"""What reaches Dataflow from the template's image: Beam's own DataflowRunner, over HTTP, and a server here.

The server runs the graph as it was staged, in the image's environment; Beam's own filesystem serves gs://.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.worker import bundle_processor

from alm_beam.cli.windows import main as run
from alm_beam.runners.dataflow import MAX_GRAPH_BYTES
from tests.manifests import lines, output_entries
from tests.servers.dataflow import Dataflow, serving_dataflow
from tests.servers.stores import SECRET, Store
from tests.templates.conftest import IMAGE_NAME
from tests.templates.image import Image
from tests.test_stores import COMPLETE

pytestmark = pytest.mark.dataflow

WORKERS = ["--max_num_workers=7", "--machine_type=n2-highmem-4", "--disk_size_gb=30", "--labels=team=speech"]


@dataclass
class Launcher:
    """The image, with a store and Dataflow within its reach.

    Attributes:
        bucket: URL.
    """

    image: Image
    store: Store
    dataflow: Dataflow
    bucket: str

    def launch(self, *flags: str, out: str = "out") -> subprocess.CompletedProcess[str]:
        """Starts the job as the launcher of a template does."""
        common = [f"--input={self.bucket}/in", f"--output={self.bucket}/{out}", f"--temp_location={self.bucket}/tmp"]
        return self.image.run([*self.image.main(), *common, *self.dataflow.flags, *flags], self.environment)

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.store.port}"
        found = {"STORAGE_EMULATOR_HOST": url, "FSSPEC_GS_ENDPOINT_URL": url, "FSSPEC_GS_TOKEN": "anon"}
        return {**self.dataflow.environment, **found}

    def entries(self, tmp_path, out: str = "out") -> list[dict[str, Any]]:
        for name in self.store.names(f"{self.bucket}/{out}"):
            with contextlib.suppress(IsADirectoryError):
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes(self.store.read(f"{self.bucket}/{out}/{name}"))
        return output_entries(tmp_path)


@pytest.fixture(scope="module")
def launcher(image, gcs) -> Iterator[Launcher]:
    with serving_dataflow() as dataflow:
        launcher = Launcher(image, gcs, dataflow, gcs.bucket())
        gcs.write(f"{launcher.bucket}/in/m.jsonl", lines() * 3)
        dataflow.python = (
            str(image.root / "venv" / "bin" / "python"), {**image.environment, **launcher.environment}
        )  # fmt: skip
        yield launcher


@pytest.fixture(scope="module")
def launched(launcher) -> subprocess.CompletedProcess[str]:
    return launcher.launch(*WORKERS)


@pytest.fixture(scope="module")
def job(launcher, launched) -> dict[str, Any]:
    assert launched.returncode == 0, launched.stderr
    return launcher.dataflow.jobs[0]


@pytest.fixture(scope="module")
def graph(launcher, job) -> beam_runner_api_pb2.Pipeline:
    staged = launcher.store.read(job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"])
    return beam_runner_api_pb2.Pipeline.FromString(staged)


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("expected")
    (folder / "m.jsonl").write_bytes(lines() * 3)
    assert run([f"--input={folder / 'm.jsonl'}", f"--output={folder / 'out'}"]) == 0
    return output_entries(folder / "out")


def test_the_job_ends_with_the_right_result_and_its_summary(launcher, launched, tmp_path, expected):
    assert launched.returncode == 0, launched.stderr
    assert launcher.entries(tmp_path) == expected
    assert launcher.store.names(f"{launcher.bucket}/out") == COMPLETE
    assert "windows after overlap" in launched.stdout


def test_its_id_is_shown_and_where_to_watch_it_but_not_all_options(launched):
    assert "Created job with id: [job-1]" in launched.stderr  # by which Airflow finds it
    assert "/dataflow/jobs/" in launched.stderr
    assert "sdk_pipeline_options" not in launched.stderr


def test_the_workers_are_as_the_flags_say_and_run_in_the_image(job):
    (pool,) = job["environment"]["workerPools"]
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 7
    assert pool["machineType"] == "n2-highmem-4"
    assert pool["diskSizeGb"] == 30
    assert [each["containerImage"] for each in pool["sdkHarnessContainerImages"]] == [IMAGE_NAME]
    assert job["labels"] == {"team": "speech"}


def test_it_is_a_batch_job_of_runner_v2(job):
    assert job["type"] in (1, "JOB_TYPE_BATCH")
    assert {"use_runner_v2", "use_portable_job_submission"} <= {*job["environment"]["experiments"]}
    assert job["environment"]["version"]["job_type"] == "FNAPI_BATCH"


def test_all_that_touches_a_window_is_one_stage_and_no_window_leaves_it(graph):
    (stage,) = (each for each in _stages(graph) if "ParseRecording/ParDo(_ParseRecording)" in each)
    parts = {name.partition("/")[0] for name in stage}
    assert {"ReadFromText", "ParseRecording", "BuildWindows", "FilterOverlaps", "SerialiseWindows"} <= parts
    leaving = {source for name, source in stage.items() if source}
    assert leaving == {
        "WriteToText/WriteBundles",  # the shard's name
        "WriteCuts/WriteBundles",
        "WriteRejects/WriteBundles",
        "CombineLosses/CombineGlobally(LossStatsFn)/CombinePerKey/Precombine",
        "CombineReport/CombinePerKey/Precombine",
    }


def test_no_step_shuffles_but_ranges_to_read_names_of_shards_and_statistics(graph):
    steps = {step.unique_name: step.spec.urn for step in graph.components.transforms.values()}
    shuffles = (common_urns.primitives.GROUP_BY_KEY.urn, common_urns.composites.RESHUFFLE.urn)
    assert {name for name, urn in steps.items() if urn in shuffles} == {
        "ReadFromText/Reshuffle",
        "ReadFromText/Reshuffle/ReshufflePerKey/GroupByKey",
        "CombineLosses/CombineGlobally(LossStatsFn)/CombinePerKey/GroupByKey",
        "CombineReport/CombinePerKey/GroupByKey",
    }


def test_the_request_holds_no_graph(job):
    assert "steps" not in job
    assert len(json.dumps(job)) < 100_000 < MAX_GRAPH_BYTES


def test_a_templates_launcher_does_not_wait_and_the_job_can_start_later(launcher, tmp_path, expected):
    template = f"{launcher.bucket}/templates/job_object"
    before = len(launcher.dataflow.jobs)
    done = launcher.launch(f"--template_location={template}", out="later")
    assert done.returncode == 0, done.stderr
    assert len(launcher.dataflow.jobs) == before
    assert done.stdout == (
        f"The job is written to {template}, for Dataflow to start it. "
        f"It is complete when {launcher.bucket}/later holds _SUCCESS.\n"
    )
    assert launcher.store.names(f"{launcher.bucket}/later") == set()
    launcher.dataflow.start(json.loads(launcher.store.read(template)))
    launcher.dataflow.wait()
    assert launcher.entries(tmp_path, "later") == expected
    assert "_SUCCESS" in launcher.store.names(f"{launcher.bucket}/later")


def test_it_does_not_wait_when_told_so(launcher):
    done = launcher.launch("--no_wait_until_finish", out="unwatched")
    assert done.returncode == 0, done.stderr
    assert "The job goes on by itself." in done.stdout
    assert "windows after overlap" not in done.stdout
    launcher.dataflow.wait()
    assert "_SUCCESS" in launcher.store.names(f"{launcher.bucket}/unwatched")


def test_a_job_that_fails_fails_the_launch_with_its_reason(launcher):
    launcher.store.write(f"{launcher.bucket}/bad/m.jsonl", b"{\n")
    done = launcher.launch(f"--input={launcher.bucket}/bad", out="failed")
    assert done.returncode == 1
    assert "1 of 13 entries were rejected" in done.stderr.splitlines()[-1]
    assert "_SUCCESS" not in launcher.store.names(f"{launcher.bucket}/failed")


def test_storage_options_are_in_no_request_and_no_log(launcher):
    before = len(launcher.dataflow.jobs)
    options = f'--storage_options={{"gs": {{"token": "anon", "secret_access_key": "{SECRET}"}}}}'
    done = launcher.launch(options, "--no_wait_until_finish", out="options")
    launcher.dataflow.wait()
    assert len(launcher.dataflow.jobs) == before + 1, done.stderr
    assert SECRET not in json.dumps(launcher.dataflow.jobs[-1]) + done.stdout + done.stderr


def _stages(graph: beam_runner_api_pb2.Pipeline) -> list[dict[str, str]]:
    """Of each stage that the graph fuses to: its steps, and for each by which data leaves, the step that gives them."""
    _, stages = FnApiRunner().create_stages(graph)
    return [dict(_steps(stage)) for stage in stages]


def _steps(stage: Any) -> Iterator[tuple[str, str]]:
    producers = {output: step for step in stage.transforms for output in step.outputs.values()}
    for step in stage.transforms:
        leaves = step.spec.urn == bundle_processor.DATA_OUTPUT_URN
        yield step.unique_name, producers[next(iter(step.inputs.values()))].unique_name if leaves else ""
