"""The files of one shard, which are written side by side and are in place together."""

from contextlib import ExitStack

from alm_beam.shards.format import OpenOutput, Output


class _Abandoned(Exception):
    """Tells the files of a shard that it ends without them."""


class ShardFiles:
    """The files of a shard: open until all of them are in place, or none.

    Args:
        opened: opens them.
    """

    def __init__(self, opened: OpenOutput):
        self._opened = opened
        self._stack = ExitStack()
        self._paths: list[str] = []

    def open(self, path: str) -> Output:
        """A file of the shard, by its path from the folder of the run. If it cannot be opened, none is in place."""
        try:
            output = self._stack.enter_context(self._opened(path))
        except BaseException:
            self.abandon()
            raise
        self._paths.append(path)
        return output

    def finish(self) -> list[str]:
        """Puts all files in place: their paths, in the order in which they were opened."""
        self._stack.close()
        return self._paths

    def abandon(self) -> None:
        """Ends without the files. After `finish`, it does nothing."""
        self._stack.__exit__(_Abandoned, _Abandoned(), None)
