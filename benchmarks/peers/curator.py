"""NeMo Curator's pipeline of the ALM stages on Ray Data, as its tutorial's `pipeline.yaml` puts it together.

`benchmarks.peers.windows` runs this file, with a manifest and the file to write, in an environment that has Curator. It
imports nothing of this project.
"""

import os
import sys
import tempfile

# Ray reads these when it is imported. The second keeps a Ray of one machine on the loopback interface.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

import ray
from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.audio import ManifestReader, ManifestWriterStage
from nemo_curator.stages.audio.alm import ALMDataBuilderStage, ALMDataOverlapStage


def main(manifest: str, entries: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        _pipeline(manifest, entries).run(RayDataExecutor())  # which shuts Ray down


def _pipeline(manifest: str, entries: str) -> Pipeline:
    """With the parameters of `pipeline.yaml`, which are the defaults of the stages and of `alm-beam windows`."""
    pipeline = Pipeline(name="alm")
    pipeline.add_stage(ManifestReader(manifest_path=manifest, files_per_partition=1))
    pipeline.add_stage(ALMDataBuilderStage())
    pipeline.add_stage(ALMDataOverlapStage(overlap_percentage=50, target_duration=120.0))
    pipeline.add_stage(ManifestWriterStage(output_path=entries))
    return pipeline


if __name__ == "__main__":
    main(*sys.argv[1:])
