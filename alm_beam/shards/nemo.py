"""NeMo's tarred data sets: `nemo/audio_N.tar` with `nemo/sharded_manifests/manifest_N.json`, a row for each member.

NeMo's Lhotse loader pairs the files by the numbers in their names, and rows with members by `audio_filepath`. It makes
one supervision of a row, from `text` and `lang`; all other fields become custom fields of its cut.
"""

import re
from collections.abc import Sequence
from typing import Any

from xxhash import xxh3_128_hexdigest

from alm_beam.core.audio_member import FIELD, AudioMember
from alm_beam.shards.format import (
    OpenOutput,
    Partition,
    ReadFile,
    ShardFormat,
    ShardWriter,
    SlicedWindow,
)
from alm_beam.shards.json_lines import json_line
from alm_beam.shards.own_audio import CUT_ID, own_audio_cut
from alm_beam.shards.shard_files import ShardFiles
from alm_beam.shards.speech import segments_of, text_of
from alm_beam.shards.tar import TarWriter

FOLDER = "nemo"
UNKNOWN = frozenset({"", "unknown"})
"""Languages that a row does not state."""

_READ_BY_NEMO = frozenset(
    {"lang", "offset", "audio_file", "audio_filename", "sample_rate", "_skipme", "manifest_origin", "tar_origin"}
)
"""Fields that change what NeMo makes of a row, or that it sets; not all rows have them."""

_PART_OF_A_FILE = re.compile(r"-sub\d+_*$")
"""The end of a name that NeMo takes for a part of a file, `-sub2` of `a-sub2.flac` for one of `a.flac`, and of a name
that `_member_name` makes of one."""


class Nemo(ShardFormat):
    """NeMo's tarred data sets. A shard is a tar of audio and a manifest."""

    folders = (FOLDER,)

    def writer(self, number: int, count: int, partition: Partition, opened: OpenOutput) -> ShardWriter:
        """See `ShardFormat`."""
        return _NemoWriter(number, opened)

    def whole(self, shards: Sequence[Sequence[str]], read: ReadFile, opened: OpenOutput) -> list[str]:
        """Writes `tarred_audio_manifest.json`, the rows of all shards, and `metadata.yaml` about them."""
        manifest, metadata = f"{FOLDER}/tarred_audio_manifest.json", f"{FOLDER}/metadata.yaml"
        rows = 0
        with opened(manifest) as file:
            for _, of_shard in shards:
                for piece in read(of_shard):
                    rows += piece.count(b"\n")
                    file.write(piece)
        with opened(metadata) as file:
            file.write(_metadata(len(shards), rows))
        return [manifest, metadata]


class _NemoWriter(ShardWriter):
    def __init__(self, number: int, opened: OpenOutput) -> None:
        self._number = number
        self._tar_path = f"{FOLDER}/audio_{number}.tar"
        self._files = ShardFiles(opened)
        self._tar = TarWriter(self._files.open(self._tar_path))
        self._manifest = self._files.open(f"{FOLDER}/sharded_manifests/manifest_{number}.json")

    def add(self, window: SlicedWindow) -> AudioMember:
        member = _member_name(window)
        row = json_line(_row(window, member, self._number))
        offset = self._tar.add(member, window.audio)
        self._manifest.write(row)
        return AudioMember(self._tar_path, offset, len(window.audio), xxh3_128_hexdigest(window.audio))

    def finish(self) -> list[str]:
        self._tar.finish()
        return self._files.finish()

    def abandon(self) -> None:
        self._files.abandon()


def _member_name(window: SlicedWindow) -> str:
    """What a window's member is called, with a single dot. NeMo never takes it for a part of another file."""
    guard = "_" if _PART_OF_A_FILE.search(window.name) else ""
    return f"{window.name}{guard}.{window.ending}"


def _row(window: SlicedWindow, member: str, shard: int) -> dict[str, Any]:
    """What a window is in a manifest. A custom field of the cut that NeMo would misread has `custom_` before its name.

    Raises:
        BadEntry: the supervisions of the cut are no list of objects, or have no times.
    """
    own = own_audio_cut(window)
    segments = segments_of(own)
    speakers = {segment["speaker"] for segment in segments if type(segment.get("speaker")) in (str, int)}
    row: dict[str, Any] = {
        "audio_filepath": member,
        "duration": window.samples / window.sample_rate,
        "text": text_of(segments),
        "shard_id": shard,
        "sampling_rate": window.sample_rate,
        "segments": segments,
    }
    if window.language not in UNKNOWN:
        row["lang"] = window.language
    custom = {"num_speakers": len(speakers), CUT_ID: window.cut["id"]} | own["custom"]
    custom.pop(FIELD, None)
    clashes = custom.keys() & (row.keys() | _READ_BY_NEMO)
    row |= {name: value for name, value in custom.items() if name not in clashes}
    for name in sorted(clashes):
        free = f"custom_{name}"
        while free in row:
            free = f"custom_{free}"
        row[free] = custom[name]
    return row


def _metadata(shards: int, rows: int) -> bytes:
    """`metadata.yaml` as NeMo's converter writes it, without the time of writing, in which two runs would differ."""
    import yaml  # Beam brings it

    config = {
        "num_shards": shards,
        "max_duration": None,
        "min_duration": None,
        "sort_in_shards": False,
        "slice_with_offset": False,
        "shard_manifests": True,
        "keep_files_together": False,
    }
    stated: dict[str, Any] = {
        "created_datetime": None,
        "version": 0,
        "num_samples_per_shard": rows // shards if shards else 0,
        "is_concatenated_manifest": False,
        "dataset_config": config,
        "history": [],
    }
    return str(yaml.safe_dump(stated, sort_keys=False)).encode()
