"""WebDataset: `webdataset/000000.tar`, in which each window is `<key>.flac` and `<key>.json`, one after the other.

The JSON is the window's Lhotse cut as it stands for its own audio (`own_audio_cut`): its recording starts with the
window and has no source but the member beside it. `webdataset.WebDataset` gives both as one sample, by their endings.
"""

from xxhash import xxh3_128_hexdigest

from alm_beam.core.audio_member import AudioMember
from alm_beam.shards.format import OpenOutput, Partition, ShardFormat, ShardWriter, SlicedWindow
from alm_beam.shards.json_lines import json_line
from alm_beam.shards.own_audio import own_audio_cut
from alm_beam.shards.shard_files import ShardFiles
from alm_beam.shards.tar import TarWriter

FOLDER = "webdataset"


class WebDataset(ShardFormat):
    """The format of `webdataset`, WebLoader and Energon. A shard is a tar."""

    folders = (FOLDER,)

    def writer(self, number: int, count: int, partition: Partition, opened: OpenOutput) -> ShardWriter:
        """What writes a shard; see `ShardFormat.writer`."""
        return _WebDatasetWriter(number, opened)


class _WebDatasetWriter(ShardWriter):
    def __init__(self, number: int, opened: OpenOutput) -> None:
        self._path = f"{FOLDER}/{number:06}.tar"
        self._files = ShardFiles(opened)
        self._tar = TarWriter(self._files.open(self._path))

    def add(self, window: SlicedWindow) -> AudioMember:
        cut = json_line(own_audio_cut(window))
        offset = self._tar.add(f"{window.name}.{window.ending}", window.audio)
        self._tar.add(f"{window.name}.json", cut)
        return AudioMember(self._path, offset, len(window.audio), xxh3_128_hexdigest(window.audio))

    def finish(self) -> list[str]:
        self._tar.finish()
        return self._files.finish()

    def abandon(self) -> None:
        self._files.abandon()
