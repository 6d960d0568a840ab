"""Lhotse Shar: `shar/cuts.000000.jsonl` and `shar/recording.000000.tar`, and their `.idx` in `shar_index/`.

`CutSet.from_shar(in_dir="shar")` takes every file of a folder for a shard, so nothing else stands there. Lhotse 2 opens
it at any cut with `indexed=True, index_path="shar_index"`.

A cut and its audio are found by their places: the n-th line, and the n-th two members, which are called as the cut is,
`<id>.flac` and `<id>.json`. The latter is the cut's recording without its audio, which Lhotse fills in.

A shard without windows is two empty files. Lhotse reads them, and numbers have no gap.
"""

from xxhash import xxh3_128_hexdigest

from alm_beam.core.audio_member import AudioMember
from alm_beam.core.offsets_file import offsets_file
from alm_beam.shards.format import OpenOutput, Partition, ShardFormat, ShardWriter, SlicedWindow
from alm_beam.shards.json_lines import json_line
from alm_beam.shards.own_audio import own_audio_cut
from alm_beam.shards.shard_files import ShardFiles
from alm_beam.shards.tar import TarWriter

FOLDER = "shar"
INDEX_FOLDER = "shar_index"


class Shar(ShardFormat):
    """The format that `lhotse.CutSet.from_shar` reads, of Lhotse 1 and 2."""

    folders = (FOLDER, INDEX_FOLDER)

    def writer(self, number: int, count: int, partition: Partition, opened: OpenOutput) -> ShardWriter:
        """What writes a shard; see `ShardFormat.writer`."""
        return _SharWriter(number, opened)


class _SharWriter(ShardWriter):
    def __init__(self, number: int, opened: OpenOutput):
        self._cuts_name = f"cuts.{number:06}.jsonl"
        self._tar_name = f"recording.{number:06}.tar"
        self._files = ShardFiles(opened)
        self._cuts = self._files.open(f"{FOLDER}/{self._cuts_name}")
        self._tar = TarWriter(self._files.open(f"{FOLDER}/{self._tar_name}"))
        self._cuts_size = 0
        self._cut_offsets: list[int] = []
        self._tar_offsets: list[int] = []

    def add(self, window: SlicedWindow) -> AudioMember:
        cut = own_audio_cut(window)
        line, recording = json_line(cut), json_line(cut["recording"])
        header = self._tar.size
        offset = self._tar.add(f"{window.name}.{window.ending}", window.audio)
        self._tar.add(f"{window.name}.json", recording)
        self._cuts.write(line)
        self._tar_offsets.append(header)
        self._cut_offsets.append(self._cuts_size)
        self._cuts_size += len(line)
        file = f"{FOLDER}/{self._tar_name}"
        return AudioMember(file, offset, len(window.audio), xxh3_128_hexdigest(window.audio))

    def finish(self) -> list[str]:
        tar_size = self._tar.finish()
        for name, offsets, size in (
            (self._cuts_name, self._cut_offsets, self._cuts_size),
            (self._tar_name, self._tar_offsets, tar_size),
        ):
            self._files.open(f"{INDEX_FOLDER}/{name}.idx").write(offsets_file(offsets, size))
        return self._files.finish()

    def abandon(self) -> None:
        self._files.abandon()
