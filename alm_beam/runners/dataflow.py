"""What Dataflow needs to be told, and what it would only say minutes later, or not clearly."""

import logging
import os

from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, WorkerOptions
from apache_beam.pipeline import Pipeline

IMAGE_VARIABLE = "ALM_BEAM_IMAGE"
"""The variable by which the template's image knows its own name."""

MAX_GRAPH_BYTES = 10_000_000
"""Dataflow takes no larger graph, its documentation says."""

_MESSAGES = "apache_beam.runners.dataflow"
_REPEATS_ALL_OPTIONS = ("sdk_pipeline_options", "Create job")


def prepare(options: PipelineOptions) -> None:
    """Lets the workers run in this process's own image, where that is a template's.

    Raises:
        ValueError: the workers would not have this package.
    """
    worker, setup = options.view_as(WorkerOptions), options.view_as(SetupOptions)
    worker.sdk_container_image = worker.sdk_container_image or os.environ.get(IMAGE_VARIABLE) or None
    if not (worker.sdk_container_image or setup.setup_file or setup.extra_packages or setup.requirements_file):
        raise ValueError(
            "Dataflow's workers would not have alm_beam; name an image that has it by --sdk_container_image, or give "
            "--setup_file=./setup.py"
        )


def show_messages() -> None:
    """Logs the messages of jobs on Dataflow in this process, for a command that waits for one."""
    logging.basicConfig()
    logging.getLogger(_MESSAGES).setLevel(logging.INFO)
    logging.getLogger(f"{_MESSAGES}.internal.apiclient").addFilter(_repeats_no_options)


def graph_bytes(pipeline: Pipeline) -> int:
    """How large the graph is; most of it, when there are many manifests, is their list."""
    return int(pipeline.to_runner_api().ByteSize())


def _repeats_no_options(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_REPEATS_ALL_OPTIONS)
