"""STATIC and LENGTH of the real fairseq2, as Omnilingual ASR's pipeline puts them together.

`benchmarks.batching` runs this file in an environment that has fairseq2. It imports nothing of this project. JSON comes
on stdin and goes to stdout, as `benchmarks.batching_peers` says.
"""

import json
import statistics
import sys
import time
from typing import Any

from fairseq2.data.data_pipeline import DataPipeline, create_bucket_sizes, read_sequence

BATCH_SHUFFLE_WINDOW = 1000
"""The default of Omnilingual's recipes."""


def main() -> None:
    request = json.load(sys.stdin)
    items = [{"number": number, "length": length} for number, length in enumerate(request["lengths"])]
    json.dump([_run(request, options, items) for options in request["runs"]], sys.stdout)


def _run(request: dict[str, Any], options: dict[str, Any], items: list[dict[str, int]]) -> dict[str, Any]:
    batches, seconds = [], []
    for rank in request["ranks"]:
        begin = time.perf_counter()
        found = list(_pipeline(request, options, items, rank))
        seconds.append(time.perf_counter() - begin)
        batches.append([[item["number"] for item in batch] for batch in found])
    return {"batches": batches, "seconds": statistics.median(seconds)}


def _pipeline(request: dict[str, Any], options: dict[str, Any], items: list[dict[str, int]], rank: int) -> DataPipeline:
    """The items are shuffled wholly, dealt to the ranks, put into batches, and the batches shuffled."""
    dealt = read_sequence(items).shuffle(0, request["seed"]).shard(rank, request["world_size"], allow_uneven=True)
    if options["strategy"] == "STATIC":
        batched = dealt.bucket(request["budget"] // max(request["lengths"]))
    else:
        sizes = create_bucket_sizes(
            max_num_elements=request["budget"],
            max_seq_len=request["longest"],
            min_seq_len=min(request["lengths"]),
            num_seqs_multiple_of=options["num_seqs_multiple_of"],
        )
        batched = dealt.bucket_by_length(sizes, selector="length")
    return batched.shuffle(BATCH_SHUFFLE_WINDOW, request["seed"] + 1).and_return()


if __name__ == "__main__":
    main()
