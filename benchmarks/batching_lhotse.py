"""The real DynamicBucketingSampler of Lhotse, over cuts without audio.

`benchmarks.batching` runs this file in an environment that has Lhotse. It imports nothing of this project. JSON comes
on stdin and goes to stdout, as `benchmarks.batching_peers` says.
"""

import json
import logging
import random
import statistics
import sys
import time
import warnings
from typing import Any

from lhotse import CutSet, MonoCut
from lhotse.dataset import DynamicBucketingSampler
from lhotse.dataset.sampling.dynamic_bucketing import FixedBucketBatchSizeConstraint, estimate_duration_buckets


def main() -> None:
    warnings.filterwarnings("ignore")  # that a buffer may be too small, and that cuts are not lazy
    logging.disable()
    request = json.load(sys.stdin)
    cuts = _shuffled_cuts(request)
    json.dump([_run(request, options, cuts) for options in request["runs"]], sys.stdout)


def _shuffled_cuts(request: dict[str, Any]) -> CutSet:
    cuts = [
        MonoCut(id=str(number), start=0, duration=length / request["rate"], channel=0)
        for number, length in enumerate(request["lengths"])
    ]
    random.Random(request["seed"]).shuffle(cuts)
    return CutSet.from_cuts(cuts)


def _run(request: dict[str, Any], options: dict[str, Any], cuts: CutSet) -> dict[str, Any]:
    """By the first maximum with which no batch is, padded, above the budget; by the last one if there is none."""
    for max_duration in options["max_durations"]:
        batches, seconds = [], []
        for rank in request["ranks"]:
            begin = time.perf_counter()
            found = list(_sampler(request, options, max_duration, cuts, rank))
            seconds.append(time.perf_counter() - begin)
            batches.append(found)
        largest = max(len(batch) * max(cut.duration for cut in batch) for rank in batches for batch in rank)
        if round(largest * request["rate"]) <= request["budget"]:
            break
    numbers = [[[_number(cut) for cut in batch] for batch in rank] for rank in batches]
    return {"batches": numbers, "seconds": statistics.median(seconds), "max_duration": max_duration}


def _number(cut: MonoCut) -> int:
    """A cut that comes again, so that no rank is without, has `_dup0` behind its number."""
    return int(cut.id.split("_")[0])


def _sampler(
    request: dict[str, Any], options: dict[str, Any], max_duration: float | None, cuts: CutSet, rank: int
) -> DynamicBucketingSampler:
    """With a maximum in seconds; None: with sizes of batches that are fixed for each bucket."""
    held: dict[str, Any] = {"max_duration": max_duration, "num_buckets": options["num_buckets"]}
    held["num_cuts_for_bins_estimate"] = len(cuts)
    if max_duration is None:
        bins = estimate_duration_buckets(cuts, options["num_buckets"])
        longest = [*bins, request["longest"] / request["rate"]]
        sizes = [int(request["budget"] / request["rate"] / seconds) for seconds in longest]
        held = {"duration_bins": bins, "constraint": FixedBucketBatchSizeConstraint(longest, sizes)}
    return DynamicBucketingSampler(
        cuts,
        shuffle=True,
        seed=request["seed"],
        world_size=request["world_size"],
        rank=rank,
        buffer_size=options["buffer_size"],
        **held,
    )


if __name__ == "__main__":
    main()
