"""What a run has in its temporary folder of the shards that it makes: their records, its plan, and what is begun."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from alm_beam.storage.index.format import Digest
from alm_beam.storage.outputs import CUTS
from alm_beam.storage.paths import errors_that_name, located, remove_folder
from alm_beam.storage.staged_run import FILES, StagedRun

RECORDS, BEGUN = "made", "begun"
"""The folders of the records of shards that are whole, and of notes of those that are being made."""


class File(msgspec.Struct, frozen=True):
    """A file of a shard.

    Attributes:
        path: from the run's temporary folder.
        size: bytes.
        digest: of its bytes.
    """

    path: str
    size: int
    digest: str


class Made(msgspec.Struct, frozen=True):
    """A shard that was made, as it is written down beside it.

    Attributes:
        files: all of its files; the first has its cuts.
        sources: a digest of which audio files were read, and of what tells their versions.
        stats: its statistics, as the run's file has them.
    """

    files: tuple[File, ...]
    sources: str
    stats: dict[str, Any]

    @property
    def published(self) -> list[str]:
        """The paths of the format's files, from the run's folder."""
        return [file.path.removeprefix(f"{FILES}/") for file in self.files if file.path.startswith(f"{FILES}/")]


def sources_digest(versions: Mapping[str, tuple[str, ...]]) -> str:
    """Of the URLs of audio files and what tells their versions. URLs themselves may hold credentials."""
    digest = Digest()
    digest.add(msgspec.json.encode(sorted((os.fsencode(url).hex(), version) for url, version in versions.items())))
    return digest.hex()


def plan_url(run: StagedRun) -> str:
    """The folder of a run's plan."""
    return f"{run.url}/plan"


def keep_shards_alone(run: StagedRun) -> None:
    """Removes what else an earlier run has left in the temporary folder.

    Raises:
        OSError: it cannot be removed.
    """
    place = located(run.url, run.options)
    with errors_that_name(run.url):
        place.fs.invalidate_cache()
        try:
            found = place.fs.ls(place.path, detail=False)
        except FileNotFoundError:
            return
        kept = {RECORDS, FILES, f"shards-{CUTS.name}"}
        for path in found:
            if path.rstrip("/").rpartition("/")[2] not in kept:
                remove_folder(place.fs, path)


def begun_shards(run: StagedRun) -> dict[int, str]:
    """The shards that workers have begun and not ended, and the audio file that each read last, as far as is known."""
    place = located(f"{run.url}/{BEGUN}", run.options)
    with suppress(OSError):
        found = {path.rpartition("/")[2]: place.fs.cat_file(path) for path in place.fs.ls(place.path, detail=False)}
        return {int(name): content.decode("utf-8", "replace") for name, content in sorted(found.items())}
    return {}
