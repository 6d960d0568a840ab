"""Dataflow on loopback: its HTTP interface for jobs, and a metadata server, where Google's clients find credentials.

A job is the real one: its graph, as it was staged, runs on Beam's FnApiRunner in a process of its own.
"""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PROJECT, REGION = "the-project", "europe-west4"

_RUN = Path(__file__).with_name("run_staged_graph.py")
_JOBS = f"/v1b3/projects/{PROJECT}/locations/{REGION}/jobs"
_METADATA: dict[str, Any] = {
    "project/project-id": PROJECT,
    "instance/service-accounts/default/": {"aliases": ["default"], "email": "worker@localhost", "scopes": ["all"]},
    "instance/service-accounts/default/token": {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"},
}


class Dataflow:
    """A running server.

    Attributes:
        jobs: the requests by which jobs were created.
        python: the interpreter of the workers, with its environment.
    """

    def __init__(self, port: int):
        self.port = port
        self.jobs: list[dict[str, Any]] = []
        self.python: tuple[str, dict[str, str]] = (sys.executable, {})
        self._workers: list[subprocess.Popen[str]] = []

    @property
    def flags(self) -> list[str]:
        """Beam's, to reach it; the launcher of a template gives the same."""
        return [
            "--runner=DataflowRunner", f"--project={PROJECT}", f"--region={REGION}",
            f"--dataflow_endpoint=http://localhost:{self.port}",
        ]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        """By which Google's clients find credentials here."""
        return {"GCE_METADATA_HOST": f"127.0.0.1:{self.port}", "GCE_METADATA_IP": f"127.0.0.1:{self.port}"}

    def start(self, job: dict[str, Any]) -> dict[str, Any]:
        """Creates the job, as a request or a template's file describes it."""
        self.jobs.append(job)
        python, environment = self.python
        graph = job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
        self._workers.append(
            subprocess.Popen([python, str(_RUN), graph], env=environment, stderr=subprocess.PIPE, text=True)
        )
        return {**job, "id": f"job-{len(self.jobs)}", "currentState": "JOB_STATE_RUNNING"}

    def wait(self) -> str:
        """What the workers of the last job said, once it has ended."""
        return self._workers[-1].communicate(timeout=600)[1]

    def answer(self, path: str) -> Any:
        """To a GET; None where there is nothing."""
        if path.startswith("/computeMetadata/v1/"):
            return _METADATA.get(path.removeprefix("/computeMetadata/v1/"))
        if path.startswith(_JOBS) and path.endswith("/messages"):
            failed = self._state() == "JOB_STATE_FAILED"
            message = {
                "messageImportance": "JOB_MESSAGE_ERROR",
                "messageText": self.wait(),
                "time": "2026-01-01T00:00:00Z",
            }
            return {"jobMessages": [message] if failed else []}
        if path.startswith(_JOBS):
            return {"id": path.rpartition("/")[2], "currentState": self._state()}
        return {} if path == "/" else None

    def _state(self) -> str:
        code = self._workers[-1].poll()
        return "JOB_STATE_RUNNING" if code is None else "JOB_STATE_FAILED" if code else "JOB_STATE_DONE"

    def stop(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.communicate()


@contextlib.contextmanager
def serving_dataflow() -> Iterator[Dataflow]:
    """The server, on a free port, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(dataflow.answer(self.path.partition("?")[0]))

        def do_POST(self) -> None:
            job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(dataflow.start(job) if self.path.partition("?")[0] == _JOBS else None)

        def _send(self, answer: Any) -> None:
            body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "application/text" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Metadata-Flavor", "Google")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    dataflow = Dataflow(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield dataflow
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        dataflow.stop()
