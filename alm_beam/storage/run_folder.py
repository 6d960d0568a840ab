"""The folder that a run writes: what is in it, and when it may be written."""

import re
from collections.abc import Iterable, Sequence

from alm_beam.storage.discovery import BEAM_TEMPORARY, Manifest, would_find
from alm_beam.storage.paths import canonical, located

ENTRIES = "alm_output"
REJECTS = "rejects"
SHARDED = (ENTRIES, REJECTS)
"""What a run writes in shards, by the prefix of their names."""

SHARD_SUFFIX = ".jsonl"
LOSS_STATS = "loss_stats.json"
SUCCESS = "_SUCCESS"

_SHARDED = f"({'|'.join(SHARDED)})"
_OF_A_RUN = re.compile(
    rf"{_SHARDED}-\d+-of-\d+{re.escape(SHARD_SUFFIX)}|{re.escape(LOSS_STATS)}|{BEAM_TEMPORARY}{_SHARDED}-.*"
)


def is_finished(output: str) -> bool:
    """Whether the folder holds a run that ended well."""
    fs, folder = located(output)
    return bool(fs.exists(f"{folder}/{SUCCESS}"))


def is_inside_input(output: str, inputs: Sequence[str]) -> bool:
    """Whether an input, as a folder or as a glob, would find what a run writes to the output folder."""
    written = [*(f"{prefix}-00000-of-00001{SHARD_SUFFIX}" for prefix in SHARDED), LOSS_STATS]
    return any(would_find(each, f"{output}/{name}") for each in inputs for name in written)


def holds_any(output: str, manifests: Iterable[Manifest]) -> bool:
    """Whether a manifest is itself a file of a run in the folder, which a new run would replace."""
    folder = canonical(output)
    parted = (canonical(path).rpartition("/") for path in {path for path, _ in manifests})
    return any(parent == folder and _OF_A_RUN.fullmatch(name) for parent, _, name in parted)


def clear(output: str) -> None:
    """Makes the folder ready for a run: it exists, and nothing of an earlier run is in it. Other files stay.

    The success marker goes first, so that a folder half cleared does not look complete.

    Raises:
        OSError: the folder cannot be made or written.
    """
    fs, folder = located(output)
    fs.makedirs(folder, exist_ok=True)
    if fs.exists(f"{folder}/{SUCCESS}"):
        fs.rm_file(f"{folder}/{SUCCESS}")
    for found in fs.ls(folder, detail=False):
        if _OF_A_RUN.fullmatch(found.rstrip("/").rpartition("/")[2]):
            fs.rm(found, recursive=True)
    probe = f"{folder}/{BEAM_TEMPORARY}{ENTRIES}-probe"
    fs.pipe_file(probe, b"")
    fs.rm_file(probe)
