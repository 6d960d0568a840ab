"""A job server that does not answer, and what is left of its streams when a job has ended."""

import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability.portable_runner import PipelineResult

from alm_beam.cli.windows import main as run
from alm_beam.jobs.launch import launch
from alm_beam.jobs.watch import UNWATCHED
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.staged_run import StagedRun
from tests.manifests import write


class FailedJob(beam_job_api_pb2_grpc.JobServiceServicer):
    """Says that the job has failed, and then nothing more."""

    def __init__(self):
        self.is_over = threading.Event()

    def GetStateStream(self, request, context):
        yield beam_job_api_pb2.JobStateEvent(state=beam_job_api_pb2.JobState.FAILED)
        self.is_over.wait(600)

    def GetMessageStream(self, request, context):
        error = beam_job_api_pb2.JobMessage(
            importance=beam_job_api_pb2.JobMessage.JOB_MESSAGE_ERROR, message_text="the disk is full"
        )
        yield beam_job_api_pb2.JobMessagesResponse(message_response=error)


@pytest.fixture
def job_service() -> Iterator[beam_job_api_pb2_grpc.JobServiceStub]:
    job, server = FailedJob(), grpc.server(ThreadPoolExecutor(4))
    beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(job, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield beam_job_api_pb2_grpc.JobServiceStub(channel)
    job.is_over.set()
    server.stop(None).wait()


class Submitted:
    """A pipeline whose job runs."""

    def __init__(self, service):
        self.service = service
        self.streams = []

    def run(self):
        request = beam_job_api_pb2.JobMessagesRequest(job_id="the-job")
        messages = self.service.GetMessageStream(request)
        states = self.service.GetStateStream(beam_job_api_pb2.GetJobStateRequest(job_id="the-job"))
        self.streams = [weakref.ref(messages), weakref.ref(states)]
        return PipelineResult(self.service, "the-job", messages, states)


def test_no_stream_is_left_for_the_end_of_the_process(job_service):
    """There gRPC would wait for its threads, which have been stopped."""
    pipeline, options = Submitted(job_service), PipelineOptions(["--runner=PortableRunner"])
    with pytest.raises(RuntimeError, match="the disk is full") as failed:
        launch(pipeline, options, StagedRun(RunFolder("out"), "out/temporary"), UNWATCHED)
    assert failed.value.__traceback__ is not None  # which keeps Beam's result, as its cycles do
    assert [stream() for stream in pipeline.streams] == [None, None]


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (
            ("--job_endpoint=127.0.0.1:9", "--job_server_timeout=1"),
            "127.0.0.1:9: no job server answers there within 1 s",
        ),
        ((), "--runner=PortableRunner needs --job_endpoint=HOST:PORT"),
    ],
)
def test_without_a_job_server_the_earlier_run_stays(tmp_path, capfd, flags, why):
    where = [f"--input={write(tmp_path / 'in.jsonl')}", f"--output={tmp_path / 'out'}", "--overwrite"]
    assert run(where) == 0
    with pytest.raises(SystemExit) as stopped:
        run([*where, "--runner=PortableRunner", *flags])
    assert stopped.value.code == 2
    assert why in capfd.readouterr().err
    assert (tmp_path / "out" / "_SUCCESS").exists()
