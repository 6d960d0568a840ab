"""The runner of a plain `alm-beam windows`: Beam's own local one, in this process or in one for each core."""

import math
import os

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.pipeline import Pipeline
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.runner import PipelineResult

from alm_beam.runners import forked
from alm_beam.runners.beam_internals import JobServiceHandle, beam_provision_api_pb2, fn_runner
from alm_beam.storage.connections import close_connections
from alm_beam.storage.tally import showing

BYTES_PER_WORKER = 8 << 20
"""Of manifests that are only read: with less for each, starting another worker takes longer than it saves."""

_ADDRESSES_FOR_WORKERS = 4 << 30
"""Of a process, in bytes: the threads that serve workers reserve more than 1 GiB, of which they use little."""


def use_all_cores(options: PipelineOptions, worth: float, *, at_least: int = 2) -> None:
    """Sets the options to as many worker processes as there are cores, if the work is large enough for several.

    Where a limit (ulimit -v) leaves too few addresses for that, all is done in this process.

    Args:
        options: Beam's.
        worth: how many workers the work is worth.
        at_least: with fewer, all is done in this process.
    """
    close_connections()
    can_serve_workers = forked.can_fork() and _addresses() >= _ADDRESSES_FOR_WORKERS
    workers = min(_cores(), int(worth)) if can_serve_workers else 0
    if workers >= at_least:
        direct = options.view_as(DirectOptions)
        direct.direct_running_mode, direct.direct_num_workers = "multi_processing", workers


def _addresses() -> float:
    """The bytes of addresses that this process may use."""
    import resource  # which not every system has

    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if allowed == resource.RLIM_INFINITY else allowed


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalRunner(fn_runner.FnApiRunner):
    """Beam's FnApiRunner, with the pipeline's options handed to worker processes too, which it is quick to start.

    Beam's DirectRunner is not used because it looks for the Prism runner first, on the network: who has one would get
    other memory and timing than who has not.
    """

    def run_pipeline(self, pipeline: Pipeline, options: PipelineOptions) -> PipelineResult:
        encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
        self._provision_info = fn_runner.ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
        )
        return super().run_pipeline(pipeline, options)

    def run_via_runner_api(
        self, pipeline_proto: beam_runner_api_pb2.Pipeline, options: PipelineOptions
    ) -> PipelineResult:
        close_connections()
        environments = pipeline_proto.components.environments.values()
        if forked.can_fork() and any(environment.urn == python_urns.SUBPROCESS_SDK for environment in environments):
            for environment in environments:
                environment.urn = forked.URN
            with forked.waiting_workers(self._num_workers), showing():
                return super().run_via_runner_api(pipeline_proto, options)
        with showing():
            return super().run_via_runner_api(pipeline_proto, options)
