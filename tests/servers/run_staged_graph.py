"""A worker of Dataflow's: runs a graph from where it was staged. Of the project it imports nothing by itself."""

import sys

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

with FileSystems.open(sys.argv[1]) as file:
    graph = beam_runner_api_pb2.Pipeline.FromString(file.read())
for environment in graph.components.environments.values():
    environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b""
FnApiRunner().run_via_runner_api(graph, PipelineOptions([])).wait_until_finish()
