"""The folders of sources, open: what reads their lines and what reads their audio."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from alm_beam.loader.audio import FolderAudio
from alm_beam.loader.permutation import Positions
from alm_beam.loader.reader import Reader
from alm_beam.loader.sources import OpenSource, Source, open_sources
from alm_beam.storage.options import options_by_protocol


class OpenFolders(NamedTuple):
    """For each source what reads of its folder. Sources of one folder share a reader.

    Attributes:
        sources: the sources, opened.
        readers: of their lines.
        audio: of the audio of their windows.
    """

    sources: tuple[OpenSource, ...]
    readers: list[Reader]
    audio: list[FolderAudio]


def open_folders(
    sources: Sequence[Source], storage_options: Mapping[str, Any] | None, audio_root: str | None
) -> OpenFolders:
    """Opens the folder of each source.

    Args:
        sources: the sources.
        storage_options: fsspec's, for all of their URLs and `audio_root`.
        audio_root: see `FolderAudio`.

    Raises:
        SourceError, IndexFault, OSError: see `open_sources`.
    """
    urls = [source.url for source in sources]
    options = options_by_protocol(storage_options, urls if audio_root is None else [*urls, audio_root])
    opened = open_sources(sources, options)
    by_index = {id(each.index): Reader(each.index) for each in opened}
    readers = [by_index[id(each.index)] for each in opened]
    return OpenFolders(opened, readers, [FolderAudio(each.index.url, options, audio_root) for each in opened])


def lines_of(readers: Sequence[Reader], sources: Positions, rows: Positions) -> tuple[list[bytes], list[bytes]]:
    """The lines of windows and their keys, as `Reader.lines` gives them.

    Args:
        readers: of each source.
        sources: of each window its source.
        rows: of each window its row in the index.

    Raises:
        OSError: a shard cannot be read. The message names the shard.
    """
    if len(readers) == 1:
        return readers[0].lines(rows)
    lines, keys = [b""] * len(rows), [b""] * len(rows)
    for number in np.unique(sources).tolist():
        here = np.flatnonzero(sources == number)
        for at, line, key in zip(here.tolist(), *readers[number].lines(rows[here])):
            lines[at], keys[at] = line, key
    return lines, keys
