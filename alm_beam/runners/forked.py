"""Worker processes that need not import Beam again: forks of this process.

Beam's own way to several workers on one machine starts a Python for each, and importing Beam there takes as long as
reading some 20 MB of manifests. A fork has everything at once. It is made before the runner starts any thread (a fork
has only the thread that forked, and a lock that another one held stays locked for ever), and waits to hear which worker
it is to be.
"""

import gc
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format, text_format

from alm_beam.runners.beam_internals import (
    beam_fn_api_pb2,
    data_plane,
    endpoints_pb2,
    fn_runner,
    sdk_worker,
    sdk_worker_main,
    worker_handlers,
)
from alm_beam.storage.limits import NO_THREAD
from alm_beam.storage.tally import count_as_fork

URN = "alm_beam:env:forked_python:v1"
"""The environment, for Beam: a worker process of this kind."""

_LACKS_MEMORY = 12
"""The exit code of a fork that a limit of memory ended."""

_LOOK_AGAIN_SECONDS = 0.2
_LONGEST_STOP_SECONDS = 2

_waiting: list["_Fork"] = []
_working: list["_ForkedWorkerHandler"] = []


def can_fork() -> bool:
    """Whether a fork of this process can be relied on: on Linux, as long as there is no other thread."""
    return sys.platform == "linux" and threading.active_count() == 1


@contextmanager
def waiting_workers(number: int) -> Iterator[None]:
    """So many worker processes, for the environment to take; none outlives the block, or this process.

    Raises:
        RuntimeError: one of them was killed, which is why the block failed.
    """
    forks: list[_Fork] = []
    try:
        is_ours = gc.get_freeze_count() == 0
        if is_ours:
            gc.freeze()  # what Beam brought is not looked through, and so not copied, again and again in each fork
        try:
            while len(forks) < number:
                forks.append(_Fork(forks))
        finally:
            if is_ours:
                gc.unfreeze()
        _waiting[:] = forks
        with _broken_connections_untold():
            yield
    except Exception as error:
        for fork in forks:
            if fork.is_killed():
                raise RuntimeError(fork.death()) from error
        raise
    finally:
        _waiting.clear()
        _working.clear()
        for fork in forks:
            fork.end()


@contextmanager
def _broken_connections_untold() -> Iterator[None]:
    """Meanwhile, threads and logs of the runner say nothing of a connection that broke: the worker's end is told.

    A thread that ends by anything else would leave the runner waiting for ever, so all workers are answered for.
    """
    before = threading.excepthook

    def fail_all(thread: threading.ExceptHookArgs) -> None:
        if not issubclass(thread.exc_type, grpc.RpcError):
            _fail_all("".join(traceback.format_exception_only(thread.exc_type, thread.exc_value)))

    loggers = [logging.getLogger(name) for name in (data_plane.__name__, worker_handlers.__name__, "grpc._server")]
    threading.excepthook = fail_all
    for logger in loggers:
        logger.addFilter(_is_no_broken_connection)
    try:
        yield
    finally:
        threading.excepthook = before
        for logger in loggers:
            logger.removeFilter(_is_no_broken_connection)


def _is_no_broken_connection(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    told = (grpc.RpcError, MemoryError, RuntimeError)  # RuntimeError: no thread can be started
    return kind is None or not issubclass(kind, told)


class _Fork:
    """A fork of this process that waits for its environment, and then is a worker.

    Attributes:
        pid: of the process.
    """

    def __init__(self, others: Sequence["_Fork"]):
        receiver, self._sender = os.pipe()
        self._exit_code: int | None = None
        self._lock = threading.Lock()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()  # or the fork would write once more what waits there
        self.pid = os.fork()
        if self.pid == 0:
            for fork in (*others, self):
                os.close(fork._sender)  # or this process would keep the others' pipes open when the parent has gone
            count_as_fork(len(others) + 1)
            _serve(receiver)
        os.close(receiver)

    def start(self, environment: dict[str, str]) -> None:
        """Makes it a worker."""
        os.write(self._sender, json.dumps(environment).encode() + b"\n")

    def is_killed(self) -> bool:
        """Whether a signal ended it, which nothing here does."""
        return (self._exit_code_after(os.WNOHANG) or 0) < 0

    def death(self) -> str | None:
        """How it died; None while it lives, or if its work was done."""
        code = self._exit_code_after(os.WNOHANG)
        if not code:
            return None
        if code == _LACKS_MEMORY:
            return "MemoryError: a worker process ended for lack of it"
        if code > 0:
            return f"a worker process failed with exit code {code}"
        lacked_memory = -code in (signal.SIGKILL, signal.SIGABRT)
        hint = "; if it lacked memory, give fewer workers (--direct_num_workers=1)" if lacked_memory else ""
        return f"a worker process was ended by signal {-code}{hint}"

    def end(self) -> None:
        """Ends it, if it has not ended by itself."""
        if self._sender >= 0:
            os.close(self._sender)
            self._sender = -1
        self._exit_code_after(0)

    def _exit_code_after(self, how_to_wait: int) -> int | None:
        """Its exit code, negative for a signal; None while it lives."""
        with self._lock:
            if self._exit_code is None:
                try:
                    pid, status = os.waitpid(self.pid, how_to_wait)
                except (
                    ChildProcessError
                ):  # it has ended, and this process ignores SIGCHLD or waits for all its children
                    pid, status = self.pid, 0
                self._exit_code = os.waitstatus_to_exitcode(status) if pid else None
            return self._exit_code


def _serve(receiver: int) -> NoReturn:
    """The life of a fork. It ends when its work does, or when the other end of the pipe is closed."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the parent, who then closes the pipe
        with open(receiver, "rb", buffering=0) as pipe:
            message = b""
            while not message.endswith(b"\n"):
                read = pipe.read(1 << 16)
                if not read:
                    os._exit(0)
                message += read
            threading.Thread(target=lambda: (pipe.read(1), os._exit(0)), daemon=True).start()
            os.environ.update(json.loads(message))
            _quieten()
            threading.excepthook = _tell_unless_broken
            sdk_worker_main.main([])
            code = 0
    except grpc.RpcError:
        pass  # the parent has closed the connection
    except BaseException as error:
        if _is_lack_of_threads(error):
            code = _LACKS_MEMORY  # the parent tells what helps
        else:
            print(*traceback.format_exception_only(error), sep="", end="", file=sys.stderr)
    finally:
        logging.shutdown()
        os._exit(code)


def _quieten() -> None:
    """Logs what the parent logs: a worker sets the level of the root logger anew, and warns of what is normal here."""
    level = logging.getLogger().level
    for handler in logging.getLogger().handlers:
        handler.setLevel(max(level, handler.level))
    logging.getLogger("apache_beam.options.pipeline_options").setLevel(logging.ERROR)
    for module in (sdk_worker_main, sdk_worker, data_plane):
        logging.getLogger(module.__name__).setLevel(logging.CRITICAL + 1)
    vars(sdk_worker)["print"] = _drop


def _tell_unless_broken(thread: threading.ExceptHookArgs) -> None:
    """Tells what ended a thread, unless that is a broken connection: the parent tells why."""
    if not issubclass(thread.exc_type, grpc.RpcError):
        threading.__excepthook__(thread)


def _drop(*_: object, **__: object) -> None:
    """For the traceback of a failed step, which Beam's worker logs, prints, and then sends to the runner."""


class _Requests:
    """A worker's control connection, which knows the requests that are under way."""

    def __init__(self, connection: worker_handlers.ControlConnection):
        self._connection = connection
        self._under_way: list[worker_handlers.ControlFuture] = []

    def push(self, request: Any) -> worker_handlers.ControlFuture | None:
        future = self._connection.push(request)
        if future is not None:
            self._under_way.append(future)
        return future

    def close(self) -> None:
        self._connection.close()

    def close_in_time(self) -> None:
        """Closes it, and waits for the thread that reads it, but not for ever."""
        self._connection.push(worker_handlers.BeamFnControlServicer._DONE_MARKER)
        if self._connection._read_thread.ident is not None:
            self._connection._read_thread.join(_LONGEST_STOP_SECONDS)

    def error(self) -> str | None:
        """What an answer since the last call complains of."""
        answered = [future for future in self._under_way if future.is_done()]
        for future in answered:
            self._under_way.remove(future)
        return next((future.get().error for future in answered if future.get().error), None)

    def fail(self, error: str) -> None:
        """Answers those that are under way."""
        for future in list(self._under_way):
            if not future.is_done():
                future.set(beam_fn_api_pb2.InstructionResponse(error=error))


@worker_handlers.WorkerHandler.register_environment(URN, bytes)
class _ForkedWorkerHandler(worker_handlers.GrpcWorkerHandler):
    """Hands a waiting fork to the runner.

    The runner waits for all the workers before it looks whether one has failed, and would wait for a dead one for ever.
    So when one has failed or died, all are answered for.
    """

    def __init__(
        self,
        payload: bytes,
        state: worker_handlers.StateServicer,
        provision_info: fn_runner.ExtendedProvisionInfo,
        grpc_server: worker_handlers.GrpcServer,
    ):
        super().__init__(state, provision_info, grpc_server)
        self.control_conn: _Requests = _Requests(self.control_conn)
        self._fork = _waiting.pop()
        self._is_stopping = threading.Event()
        self._watch = threading.Thread(target=self._fail_all_when_it_fails, daemon=True)

    def start_worker(self) -> None:
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        options = self.provision_info.provision_info.pipeline_options
        self._fork.start(
            {
                "WORKER_ID": self.worker_id,
                "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
                "PIPELINE_OPTIONS": json_format.MessageToJson(options),
            }
        )
        _working.append(self)
        self._watch.start()

    def close(self) -> None:
        if _is_lack_of_threads(sys.exc_info()[1]):
            self.stop_worker()
            self.control_conn.close_in_time()
            self._grpc_server.close = lambda: _stop_in_time(self._grpc_server)
            return
        try:
            super().close()
        except Exception:
            if self._fork.death() is None:
                raise
        finally:
            self.stop_worker()  # which closing the connections of a dead worker does not come to

    def stop_worker(self) -> None:
        self._is_stopping.set()
        if self._watch.ident is not None:
            self._watch.join()
        self._fork.end()

    def _fail_all_when_it_fails(self) -> None:
        error = None
        while not self._is_stopping.wait(_LOOK_AGAIN_SECONDS):
            error = error or self._fork.death() or self.control_conn.error()
            if error is not None:
                _fail_all(error)


def _is_lack_of_threads(error: BaseException | None) -> bool:
    return isinstance(error, MemoryError) or NO_THREAD in str(error)


def _stop_in_time(server: worker_handlers.GrpcServer) -> None:
    """Stops it as its own `close` does, which waits for ever for calls that no thread could be started to answer."""
    server.control_handler.done()
    servers = (server.control_server, server.data_server, server.state_server, server.logging_server)
    for stopped in [each.stop(0) for each in servers]:
        stopped.wait(_LONGEST_STOP_SECONDS)


def _fail_all(error: str) -> None:
    for worker in list(_working):
        worker.control_conn.fail(error)
