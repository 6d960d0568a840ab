"""The folder that a run writes: what is in it, and when it may be written."""

import re
from collections.abc import Iterable, Sequence

from fsspec.utils import glob_translate

from alm_beam.storage.discovery import BEAM_TEMPORARY, Manifest
from alm_beam.storage.paths import canonical, located

ENTRIES = "alm_output"
REJECTS = "rejects"
SHARD_SUFFIX = ".jsonl"
LOSS_STATS = "loss_stats.json"
SUCCESS = "_SUCCESS"

_KINDS = f"({ENTRIES}|{REJECTS})"
_OF_A_RUN = re.compile(
    rf"{_KINDS}-\d+-of-\d+{re.escape(SHARD_SUFFIX)}|{re.escape(LOSS_STATS)}|{BEAM_TEMPORARY}{_KINDS}-.*"
)


def is_finished(output: str) -> bool:
    """Whether the folder holds a run that ended well."""
    fs, folder = located(output)
    return bool(fs.exists(f"{folder}/{SUCCESS}"))


def is_inside_input(output: str, inputs: Sequence[str]) -> bool:
    """Whether an input, as a folder or as a glob, would find what a run writes to the output folder."""
    return any(_would_find(each, output) for each in inputs)


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


def _would_find(pattern: str, output: str) -> bool:
    fs, path = located(pattern)
    root, folder = canonical(pattern), canonical(output)
    if fs.isdir(path):
        return f"{folder}/".startswith(f"{root.rstrip('/')}/")
    written = (f"{ENTRIES}-00000-of-00001{SHARD_SUFFIX}", f"{REJECTS}-00000-of-00001{SHARD_SUFFIX}", LOSS_STATS)
    matches = re.compile(glob_translate(root)).match
    return any(matches(f"{folder}/{name}") for name in written)
