"""Which manifests an input names."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from alm_beam.storage.paths import beam_path, located

MANIFEST_SUFFIXES = (".jsonl", ".json")
COMPRESSED_SUFFIXES = (".gz", ".zst", ".bz2")

_IN_FOLDER = re.compile(
    rf"({'|'.join(map(re.escape, MANIFEST_SUFFIXES))})({'|'.join(map(re.escape, COMPRESSED_SUFFIXES))})?$",
    re.IGNORECASE,
)
_GLOB = re.compile(r"[*?\[]")
BEAM_TEMPORARY = "beam-temp-"


class Manifest(NamedTuple):
    """A manifest file.

    Attributes:
        path: absolute local path, or URL.
        size: bytes, as stored.
    """

    path: str
    size: int


class NoManifestError(ValueError):
    """An input names no manifest.

    Attributes:
        pattern: the input as given.
        why: what was looked for.
    """

    def __init__(self, pattern: str, why: str):
        super().__init__(f"{pattern}: {why}")
        self.pattern = pattern
        self.why = why


def find_manifests(inputs: Sequence[str]) -> list[Manifest]:
    """The manifests that the inputs name, in their order, each as often as it is named.

    A file is taken whatever its name. A folder is searched recursively for MANIFEST_SUFFIXES, compressed or not. A
    glob gives every file it matches. What a crashed run left in a temporary folder is no manifest.

    Raises:
        NoManifestError: an input names none.
    """
    return [manifest for each in inputs for manifest in _named_by(each)]


def _named_by(pattern: str) -> list[Manifest]:
    fs, path = located(pattern)
    if fs.isfile(path):
        return [Manifest(beam_path(fs, path), fs.size(path))]
    if fs.isdir(path):
        found = {name: info for name, info in fs.find(path, detail=True).items() if _IN_FOLDER.search(name)}
        why = "the folder holds no .jsonl or .json file (.gz, .zst or .bz2 may follow)"
    elif _GLOB.search(path):
        found = {name: info for name, info in fs.glob(path, detail=True).items() if info["type"] == "file"}
        why = "no file matches"
    else:
        found, why = {}, "no such file or folder"
    manifests = [
        Manifest(beam_path(fs, name), info["size"])
        for name, info in sorted(found.items())
        if not any(part.startswith(BEAM_TEMPORARY) for part in name.split("/"))
    ]
    if not manifests:
        raise NoManifestError(pattern, why)
    return manifests
