"""A standalone Flink cluster on loopback: each part a process of its own, beside each TaskManager a worker pool."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.clusters import install
from tests.servers.processes import end_with_parent

_START_SECONDS = 600
_OPENED = [
    *("java.lang", "java.net", "java.io", "java.nio", "sun.nio.ch", "java.lang.reflect", "java.text", "java.time"),
    *("java.util", "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks"),
]
"""Packages that Flink 1.19 looks into, which Java 17 keeps closed."""

_JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
"""Short runs: to compile well takes longer than it saves."""

_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""

_POOL_NAME = "worker-pool"


class Cluster:
    """A running cluster.

    Attributes:
        rest: the JobManager's address.
        job_server: the job server's address.
        slots: for each TaskManager.
        parts: the running processes by name: `jobmanager`, `jobserver`, `taskmanager-1`, `pool-1`, ...
    """

    def __init__(self, folder: Path, slots: int, restarts: int, with_boot: bool):
        self.folder = folder
        self.slots = slots
        self.rest = f"127.0.0.1:{free_port()}"
        self.job_server = f"127.0.0.1:{free_port()}"
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self._restarts = restarts
        self._rpc_port = free_port()
        self._pool_port = free_port()
        self._jars = install.flink_jars()
        self._boot = install.boot() if with_boot else None
        for name in ("conf", "log", "tmp"):
            (folder / name).mkdir(parents=True)
        (folder / "conf" / "log4j.properties").write_text(_LOGGING)
        (folder / "conf" / "config.yaml").write_text("".join(f"{k}: {v}\n" for k, v in self._settings().items()))

    def start(self, task_managers: int) -> None:
        """Starts all parts, and returns when they are ready."""
        self._java("jobmanager", "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint")
        for number in range(1, task_managers + 1):
            self.start_pool(number)
            self.start_task_manager(number)
        jar = install.job_server_jar()
        addresses = ["--job-host=127.0.0.1", f"--job-port={self.job_server.partition(':')[2]}", "--artifact-port=0"]
        places = ["--expansion-port=0", f"--artifacts-dir={self.folder / 'artifacts'}", f"--flink-master={self.rest}"]
        self._start("jobserver", ["java", *_JVM, "-jar", str(jar), *addresses, *places])
        self.wait("the job server", lambda: _answers(self.job_server))
        self.wait("the cluster", lambda: self.get("overview")["slots-available"] == task_managers * self.slots)

    def start_task_manager(self, number: int) -> None:
        # Each TaskManager knows the name of the pools by another address: that of the pool beside it.
        hosts = self.folder / f"hosts-{number}"
        hosts.write_text(f"127.0.0.1 localhost {socket.gethostname()}\n{_pool_host(number)} {_POOL_NAME}\n")
        name, main = f"taskmanager-{number}", "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
        options = ["-XX:MaxDirectMemorySize=448m", f"-Djdk.net.hosts.file={hosts}"]
        self._java(name, main, options, f"-Dtaskmanager.resource-id={name}")

    def start_pool(self, number: int) -> None:
        address = f"{_pool_host(number)}:{self._pool_port}"
        command = [sys.executable, "-m", "tests.clusters.pool", address, *([str(self._boot)] if self._boot else [])]
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # the workers' python
            "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "true",
        }
        self._start(f"pool-{number}", command, environment)
        self.wait(f"pool {number}", lambda: _answers(address))

    def kill(self, name: str) -> None:
        """Ends a part by SIGKILL."""
        self.parts[name].kill()
        self.parts.pop(name).wait()

    def stop(self) -> None:
        """Ends all parts, and the workers of the pools."""
        for process in self.parts.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.parts.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def get(self, path: str) -> Any:
        """What Flink's REST interface answers."""
        with urllib.request.urlopen(f"http://{self.rest}/{path}", timeout=600) as answer:
            return json.load(answer)

    def records_read(self, step: str) -> dict[str, int]:
        """By TaskManager, what the stage with that step has read in the latest job, as far as it ran there."""
        job = max(self.get("jobs/overview")["jobs"], key=lambda each: each["start-time"])["jid"]
        [stage] = [each["id"] for each in self.get(f"jobs/{job}")["vertices"] if step in each["name"]]
        managers = self.get(f"jobs/{job}/vertices/{stage}/taskmanagers")["taskmanagers"]
        return {each["taskmanager-id"]: each["metrics"]["read-records"] for each in managers}

    def flags(self, parallelism: int = 2) -> list[str]:
        """What a job is given to run here."""
        pools = ["--environment_type=EXTERNAL", f"--environment_config={_POOL_NAME}:{self._pool_port}"]
        return ["--runner=PortableRunner", f"--job_endpoint={self.job_server}", f"--parallelism={parallelism}", *pools]

    def log(self, name: str) -> str:
        return (self.folder / "log" / name).read_text(errors="replace")

    def state(self) -> str:
        """Its jobs, the ends of its logs, and where the threads of its Java processes are: why a job does not end."""
        ends = {name: len(self.log(name)) for name in self.parts}
        for name, process in self.parts.items():
            if not name.startswith("pool"):
                process.send_signal(signal.SIGQUIT)  # Java then writes its threads to its log
        time.sleep(5)
        jobs = [(job["name"], job["state"], job["tasks"]) for job in self.get("jobs/overview")["jobs"]]
        logs = (f"{name}: {self.log(name)[max(end - 1500, 0) :]}" for name, end in ends.items())
        return "\n".join([*map(str, jobs), *logs])

    def wait(self, what: str, is_ready: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
        """Returns when it is; fails when a part ends, or it takes too long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, KeyError, ValueError):
                if is_ready():
                    return
            ended = [name for name, process in self.parts.items() if process.poll() is not None]
            if ended:
                break
            time.sleep(0.2)
        logs = "\n".join(f"{name}: {self.log(name)[-600:]}" for name in self.parts)
        raise RuntimeError(f"{what} is not ready; ended: {ended}\n{logs}")

    def _settings(self) -> dict[str, object]:
        return {
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.rpc.port": self._rpc_port,
            "jobmanager.bind-host": "127.0.0.1",
            "jobmanager.memory.process.size": "1g",
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "rest.port": self.rest.partition(":")[2],
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "taskmanager.numberOfTaskSlots": self.slots,
            "taskmanager.cpu.cores": 1,
            "taskmanager.memory.task.heap.size": "384m",
            "taskmanager.memory.task.off-heap.size": 0,
            "taskmanager.memory.framework.heap.size": "128m",
            "taskmanager.memory.framework.off-heap.size": "128m",
            "taskmanager.memory.network.min": "192m",
            "taskmanager.memory.network.max": "192m",
            "taskmanager.memory.managed.size": "128m",
            "taskmanager.memory.jvm-metaspace.size": "256m",
            "taskmanager.memory.jvm-overhead.min": "192m",
            "taskmanager.memory.jvm-overhead.max": "192m",
            "heartbeat.interval": 1000,
            "heartbeat.timeout": 10000,
            "slot.request.timeout": 15000,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": self._restarts,
            "restart-strategy.fixed-delay.delay": "1 s",
            "io.tmp.dirs": self.folder / "tmp",
            "blob.service.cleanup.interval": 5,  # each job brings Beam's jar of 150 MB
            "classloader.resolve-order": "parent-first",  # Beam's classes are loaded once, and not by each job
        }

    def _java(self, name: str, main: str, options: Sequence[str] = (), *settings: str) -> None:
        conf = self.folder / "conf"
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
        logging = f"-Dlog4j.configurationFile={conf / 'log4j.properties'}"
        classes = ["-cp", f"{self._jars}/*:{install.job_server_jar()}", main, "--configDir", str(conf), *settings]
        self._start(name, ["java", *_JVM, *opened, *options, logging, *classes])

    def _start(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        with (self.folder / "log" / name).open("ab") as log:
            self.parts[name] = subprocess.Popen(
                command,
                cwd=self.folder,  # where the program that starts a worker leaves its options
                env=os.environ | {"PYTHONPATH": str(install.ROOT)} | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )


@contextlib.contextmanager
def running(
    folder: Path, *, task_managers: int = 2, slots: int = 1, restarts: int = 10, with_boot: bool = False
) -> Iterator[Cluster]:
    """A cluster for as long as the block lasts."""
    shutil.rmtree(folder, ignore_errors=True)
    cluster = Cluster(folder, slots, restarts, with_boot)
    try:
        cluster.start(task_managers)
        yield cluster
    finally:
        cluster.stop()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _pool_host(number: int) -> str:
    return f"127.0.1.{number}"


def _answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=1):
        return True
