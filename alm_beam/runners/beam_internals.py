"""The parts of Beam that no release promises to keep, in one place, and why each is needed.

Everything else here uses what Beam documents. The range of releases in setup.py is the one that the tests pass on.
"""

import sys
from typing import Any, TypeVar

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_fn_api_pb2, beam_provision_api_pb2, endpoints_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner, worker_handlers
from apache_beam.runners.portability.job_server import ExternalJobServer
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineResult
from apache_beam.runners.worker import data_plane, sdk_worker, sdk_worker_main

__all__ = [
    "ExternalJobServer",  # looks whether a job server answers, as the runner does
    "JobServiceHandle",  # encodes options for worker processes, as the portable runner does
    "RunOptions",  # spares Beam's parser of options the work that it does at every step of a graph
    "beam_fn_api_pb2",
    "beam_provision_api_pb2",
    "data_plane",  # what logs a connection that a dead worker breaks
    "drop_streams",
    "endpoints_pb2",
    "fn_runner",  # the local runner, which hands worker processes no options by itself
    "given_flags",
    "parser_of",
    "sdk_worker",  # what a worker process says of a step that failed
    "sdk_worker_main",  # the life of a worker process, for forks
    "worker_handlers",  # how the local runner starts and ends worker processes
]

_Options = TypeVar("_Options", bound=PipelineOptions)


class RunOptions(PipelineOptions):
    """The options of one run, which make each view of them once.

    Beam asks for a view at every step of a graph and for every two types that it compares, some 300 times in the graph
    of windows, and makes an argparse parser each time, which takes half the time of the graph. All views of the same
    options share their values, so one of each kind is enough.
    """

    def view_as(self, cls: type[_Options]) -> _Options:
        views: dict[type[PipelineOptions], Any] = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        view: _Options = views[cls]
        return view

    def __getstate__(self) -> dict[str, Any]:
        """Without the views: a copy may have other values than these share."""
        return {name: value for name, value in super().__getstate__().items() if name != "_views"}


def given_flags(options: PipelineOptions) -> set[str]:
    """The names of the options that somebody stated, even with their default values: Beam's options do not tell."""
    flags = sys.argv[1:] if options._flags is None else options._flags
    stated = {str(flag).partition("=")[0].lstrip("-") for flag in flags if str(flag).startswith("--")}
    return {*stated, *options.get_all_options(drop_default=True)}


def drop_streams(result: PipelineResult) -> None:
    """Drops what listens to a job server, while gRPC's threads for it are alive.

    Beam's result keeps it until the process ends. By then a thread may have been stopped while it held a lock that gRPC
    waits for when a stream is dropped: a failed run on Flink was seen to hang there.
    """
    for stream in ("_state_stream", "_message_stream"):
        vars(result).pop(stream, None)


def parser_of(options: PipelineOptions) -> Any:
    """The argparse parser of all of Beam's options, to tell which flags Beam knows."""
    found: list[Any] = []
    options.get_all_options(add_extra_args_fn=found.append)
    return found[0]
