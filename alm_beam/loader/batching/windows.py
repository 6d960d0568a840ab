"""`Windows`: the windows of sources by their tokens, for who knows which windows come next: a map-style dataset."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from operator import index
from typing import Any, TypeAlias

import numpy as np

from alm_beam.loader.audio_ahead import AudioAhead
from alm_beam.loader.open_folders import lines_of, open_folders
from alm_beam.loader.reader import Window, window_of
from alm_beam.loader.sources import SourceLike, as_sources
from alm_beam.loader.tokens import Token

Asked: TypeAlias = Token | tuple[int, int] | int
"""How a window is named: by its token, or by its number among the windows of all sources."""


class Windows:
    """The windows of one or more folders of cuts, by their tokens: a map-style dataset for torch's DataLoader.

    `WindowBatches` gives the tokens of a batch. DataLoader asks for a whole batch at once (`__getitems__`), so its
    lines are read together, and so is its audio where that comes over a network. It may be pickled, and be used by
    several threads and on both sides of a fork. No file stays open.

    As other datasets it also takes numbers, from 0 to `len(windows) - 1`: window n of the sources, one after the other,
    each in the order of its index.

    Attributes:
        sources: the sources, opened.
        readers: the reader of each source.
        folders: what reads the audio of each source.
        gives_audio: whether windows come with their audio.

    >>> from alm_beam.loader import Token, Windows
    >>> dataset = Windows(windows, audio=False)
    >>> len(dataset), dataset[Token(source=0, row=3)]["duration"]
    (8, 100.0)
    >>> [window["id"] for window in dataset.__getitems__([Token(0, 3), Token(0, 0)])]
    ['window-0', 'window-1']
    """

    def __init__(
        self,
        sources: SourceLike | Sequence[SourceLike],
        *,
        audio: bool = True,
        audio_root: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ):
        """
        Args:
            sources: folders of cuts with an index: paths or URLs, or `Source`s; as `WindowBatches` has them.
            audio: each window has its `Audio` as `window["audio"]`, float32 [channels, samples].
            audio_root: see `WindowLoader`.
            storage_options: fsspec's options for the sources' URLs, `{"<option>": value}` or by protocol.

        Raises:
            SourceError: there is no source, or a label does not exist.
            IndexFault, OSError: an index or its cuts are damaged, or cannot be read.
        """
        self.sources, self.readers, self.folders = open_folders(as_sources(sources), storage_options, audio_root)
        self.gives_audio = audio
        self._ends = np.cumsum([source.rows for source in self.sources])

    def __len__(self) -> int:
        """Number of windows of all sources."""
        return int(self._ends[-1])

    def __getitem__(self, asked: Asked) -> Window:
        """One window.

        Args:
            asked: its token, or its number.

        Raises:
            IndexError: there is no such source, row or number. Negative numbers are none.
            WindowError, OSError: it, or its audio, cannot be read.
            ImportError: a package that reads its audio is not installed.
        """
        [window] = self.each([asked])
        return window

    def __getitems__(self, asked: Sequence[Asked]) -> list[Window]:
        """Several windows, in the order in which they are asked for; none of none.

        Raises:
            IndexError, WindowError, OSError, ImportError: see `__getitem__`.
        """
        return list(self.each(asked))

    def each(self, asked: Sequence[Asked]) -> Iterator[Window]:
        """Several windows, one after another, for who may stop before all are read.

        Their lines are read at once. Encoded audio of remote shards is fetched at once, too, up to half of
        `audio_ahead.HELD_BYTES`, and what is more while windows are given.

        Raises:
            IndexError, WindowError, OSError, ImportError: see `__getitem__`.
        """
        tokens = [self._token(each) for each in asked]
        if not tokens:
            return
        sources, rows = np.array(tokens, np.int64).T
        lines, keys = lines_of(self.readers, sources, rows)
        with self._audio_of(sources.tolist(), lines) as audio_of:
            for at, (source, row) in enumerate(tokens):
                try:
                    window = window_of(lines[at], keys[at])
                except ValueError:
                    window = self.readers[source][row]  # what was fetched may be wrong, and right by now
                if self.gives_audio:
                    window["audio"] = self.folders[source].of(window, audio_of(at))
                yield window

    @contextmanager
    def _audio_of(self, sources: list[int], lines: list[bytes]) -> Iterator[Callable[[int], bytes | None]]:
        """What gives the encoded audio of the windows by their places, ascending; None where none was fetched ahead."""
        is_remote = any(self.folders[source].is_remote for source in set(sources))
        if not self.gives_audio or not is_remote or len(lines) == 1:
            yield lambda _: None
            return
        thread = ThreadPoolExecutor(1, "alm_beam-fetch")
        try:
            yield AudioAhead(self.folders, sources, lines, thread, together=len(lines)).take
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    def _token(self, asked: Asked) -> Token:
        """The token of a window that is there."""
        if not isinstance(asked, tuple):
            return self._token_of_number(asked)
        if len(asked) != 2:
            raise TypeError(f"{asked!r} names no window: expected Token(source, row), or a number")
        source, row = map(index, asked)
        if not 0 <= source < len(self.sources):
            raise IndexError(f"source {source}: there are {len(self.sources)}")
        if not 0 <= row < len(self.readers[source]):
            raise IndexError(f"row {row} of source {source}: there are {len(self.readers[source])}")
        return Token(source, row)

    def _token_of_number(self, asked: int) -> Token:
        try:
            number = index(asked)
        except TypeError:
            raise TypeError(f"{asked!r} names no window: expected Token(source, row), or a number") from None
        if not 0 <= number < len(self):
            raise IndexError(f"window {number}: there are {len(self)}")
        source = int(np.searchsorted(self._ends, number, side="right"))
        before = int(self._ends[source - 1]) if source else 0
        [row] = self.sources[source].index_rows(np.array([number - before])).tolist()
        return Token(source, row)
