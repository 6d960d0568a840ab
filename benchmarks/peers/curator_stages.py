"""NeMo Curator's two ALM stages without Ray: one line in and one line out, in one process.

`benchmarks.peers.stages` runs this file, with a manifest and the file to write, in an environment that has Curator. It
prints the CPU seconds, without those of the imports. Lines are read and written as Curator's own stages do it. It
imports nothing of this project.
"""

import json
import sys
import time

from nemo_curator.stages.audio.alm import ALMDataBuilderStage, ALMDataOverlapStage
from nemo_curator.tasks import AudioTask


def main(manifest: str, entries: str) -> None:
    begin = time.process_time()
    build, filter_overlaps = ALMDataBuilderStage(), ALMDataOverlapStage(overlap_percentage=50, target_duration=120.0)
    with open(manifest, encoding="utf-8") as lines, open(entries, "w", encoding="utf-8") as out:
        for line in lines:
            task = filter_overlaps.process(build.process(AudioTask(dataset_name="", data=json.loads(line))))
            out.write(json.dumps(task.data, ensure_ascii=False) + "\n")
    print(json.dumps(time.process_time() - begin))


if __name__ == "__main__":
    main(*sys.argv[1:])
