"""The folder that a run writes: what is in it, and when it may be written."""

import re
from collections.abc import Iterable, Sequence
from contextlib import nullcontext

import fsspec

from alm_beam.storage.discovery import BEAM_TEMPORARY, Manifest, would_find
from alm_beam.storage.index import build
from alm_beam.storage.index.format import FOLDER, META, ROWS
from alm_beam.storage.paths import (
    canonical,
    errors_that_name,
    files_below,
    info_of,
    is_local,
    is_object_store,
    located,
    make_folder,
)

ENTRIES = "alm_output"
CUTS = "cuts"
REJECTS = "rejects"
SHARDED = (ENTRIES, CUTS, REJECTS)
"""What a run writes in shards, by the prefix of their names."""

SHARD_SUFFIX = ".jsonl"
LOSS_STATS = "loss_stats.json"
SUCCESS = "_SUCCESS"

_SHARDED = f"({'|'.join(SHARDED)})"
_OF_A_RUN = re.compile(
    rf"{_SHARDED}-\d+-of-\d+{re.escape(SHARD_SUFFIX)}|{re.escape(LOSS_STATS)}|{BEAM_TEMPORARY}{_SHARDED}-.*"
    rf"|{re.escape(build.TEMPORARY)}"
)


def is_finished(output: str) -> bool:
    """Whether the folder holds a run that ended well."""
    with errors_that_name(f"{output}/{SUCCESS}"):
        fs, folder, _ = located(output)
        return info_of(fs, f"{folder}/{SUCCESS}") is not None


def is_inside_input(output: str, inputs: Sequence[str]) -> bool:
    """Whether an input, as a folder or as a glob, would find what a run writes to the output folder."""
    written = [*(f"{prefix}-00000-of-00001{SHARD_SUFFIX}" for prefix in SHARDED), LOSS_STATS, f"{FOLDER}/{META}"]
    return any(would_find(each, f"{output}/{name}") for each in inputs for name in written)


def holds_any(output: str, manifests: Iterable[Manifest]) -> bool:
    """Whether a manifest is itself a file of a run in the folder, which a new run would replace."""
    folder = canonical(output)
    parted = (canonical(path).rpartition("/") for path in {manifest.path for manifest in manifests})
    return any(parent == folder and _OF_A_RUN.fullmatch(name) for parent, _, name in parted)


def clear(output: str) -> None:
    """Makes the folder ready for a run: it exists, and nothing of an earlier run is in it. Other files stay.

    The success marker goes first, so that a folder half cleared does not look complete.

    Raises:
        OSError: the folder cannot be made or written.
    """
    fs, folder, _ = located(output)
    with nullcontext() if is_local(fs) else errors_that_name(output):
        make_folder(fs, folder)
        marker, probe = f"{folder}/{SUCCESS}", f"{folder}/{BEAM_TEMPORARY}{ENTRIES}-probe"
        if info_of(fs, marker) is not None:
            fs.rm_file(marker)
        _clear_index(fs, f"{folder}/{FOLDER}")
        found = _of_a_run(fs, folder)
        files = [path for path, kind in found.items() if kind != "directory"]
        if files:
            fs.rm(files)
        for path in found.keys() - files:
            fs.rm(path, recursive=True)
        fs.invalidate_cache()
        for path in _of_a_run(fs, folder):
            raise OSError(f"{path} could not be removed")  # which s3fs does not say of itself
        if info_of(fs, marker) is not None:  # written meanwhile, by a run that went on
            fs.rm_file(marker)
        fs.pipe_file(probe, b"")
        fs.rm_file(probe)


def _clear_index(fs: fsspec.AbstractFileSystem, folder: str) -> None:
    """Removes what is ours of the folder, and the folder if nothing is left in it."""
    if info_of(fs, folder) is None:
        return
    names = {path.rpartition("/")[2] for path, _ in files_below(fs, folder, None)}
    for name in (META, ROWS):
        if name in names:
            fs.rm_file(f"{folder}/{name}")
    if names <= {META, ROWS} and not is_object_store(fs):
        fs.rmdir(folder)


def _of_a_run(fs: fsspec.AbstractFileSystem, folder: str) -> dict[str, str]:
    """Paths of what earlier runs left, and the kind of each."""
    try:
        found = fs.ls(folder, detail=True)
    except FileNotFoundError:
        return {}  # an object store has no empty folder; that there is no bucket shows when it is written to
    kinds = {info["name"]: info["type"] for info in found}
    return {path: kind for path, kind in kinds.items() if _OF_A_RUN.fullmatch(path.rstrip("/").rpartition("/")[2])}
