"""Loaders with one fault each, for the checks to find. Each is made as WindowLoader is."""

import random
from collections.abc import Iterator

from alm_beam.loader import Partition, Token, WindowIterator, WindowLoader
from alm_beam.loader.state_format import with_checksum


class Tokens(Iterator):
    """An iterator over windows that were chosen beforehand."""

    def __init__(self, loader: WindowLoader, tokens: list[Token]):
        self.loader, self.tokens, self.token = loader, tokens, None

    def __next__(self):
        if not self.tokens:
            raise StopIteration
        self.token = self.tokens.pop(0)
        return self.loader.window(self.token)


def remaining(windows: WindowIterator) -> list[Token]:
    return [windows.token for _ in windows]


class Everywhere(WindowLoader):
    """Each process reads everything."""

    def __init__(self, sources, *, partition=None, **options):
        super().__init__(sources, partition=partition and Partition(0, 1, 0, 0), **options)


class SharedByRanks(WindowLoader):
    """All ranks read what rank 0 should."""

    def __init__(self, sources, *, partition=None, **options):
        mine = partition and Partition(0, partition.world_size, partition.worker, partition.num_workers)
        super().__init__(sources, partition=mine, **options)


class Twice(WindowLoader):
    """Each worker reads its first window twice."""

    def __iter__(self):
        tokens = remaining(super().__iter__())
        return Tokens(self, tokens[:1] + tokens)


class Forgetful(WindowLoader):
    """Leaves the last window out."""

    def __iter__(self):
        return Tokens(self, remaining(super().__iter__())[:-1])


class ForgetfulLater(WindowLoader):
    """Leaves the last window out in every epoch but the first."""

    def __iter__(self):
        windows = super().__iter__()
        return Tokens(self, remaining(windows)[:-1]) if windows.epoch else windows


class Misnamed(WindowLoader):
    """Gives each window out under the name of the next row."""

    def __iter__(self):
        rows = len(self.readers[0])

        class Renamed(Tokens):
            def __next__(self):
                window = super().__next__()
                self.token = Token(0, (self.token.row + 1) % rows)
                return window

        return Renamed(self, remaining(super().__iter__()))


class Invented(WindowLoader):
    """Gives a window out under a name that none has."""

    def __iter__(self):
        windows = Tokens(self, remaining(super().__iter__()))

        class Renamed(Tokens):
            def __next__(self):
                window = next(windows)
                self.token = Token(windows.token.source, windows.token.row + 10**6)
                return window

        return Renamed(self, [])


class OneLate(WindowLoader):
    """A state that was taken after a window gives that again."""

    def state_dict(self):
        state = super().state_dict()
        [(part, read)] = state["positions"].items()
        return with_checksum({**state, "positions": {part: max(read - 1, 0)}})


class Overrunning(WindowLoader):
    """A pass that continues from a state has one window more at its end."""

    resumed = False

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.resumed = True

    def __iter__(self):
        windows = super().__iter__()
        return Overrun(windows, Tokens(self, [Token(0, 0)])) if self.resumed else windows


class Overrun(Iterator):
    """Windows, and then others."""

    def __init__(self, windows, others):
        self.windows, self.others = windows, others

    def __next__(self):
        for each in (self.windows, self.others):
            if (window := next(each, None)) is not None:
                self.token = each.token
                return window
        raise StopIteration


class Random(WindowLoader):
    """Another order in every run."""

    def __iter__(self):
        tokens = remaining(super().__iter__())
        random.shuffle(tokens)
        return Tokens(self, tokens)


class SameEpoch(WindowLoader):
    """Every epoch has the order of the first."""

    def __iter__(self):
        self.set_epoch(0)
        return super().__iter__()


class ForgetsEpochs(WindowLoader):
    """Does not listen to set_epoch: a fresh process reads epoch 0."""

    def set_epoch(self, epoch):
        pass


class Trusting(WindowLoader):
    """Takes every state for its own."""

    def load_state_dict(self, state):
        progress = {name: state[name] for name in ("epoch", "positions")}
        super().load_state_dict(with_checksum({**self.state_dict(), **progress}))


class NoElastic(WindowLoader):
    """Goes on at the same place of the part, whatever the topology was."""

    def load_state_dict(self, state):
        own = self.state_dict()
        read = next(iter(state["positions"].values()))
        if (state["world_size"], state["num_workers"]) != (own["world_size"], own["num_workers"]):
            state = with_checksum({**own, "positions": dict.fromkeys(own["positions"], read)})
        super().load_state_dict(state)


class Assuming(WindowLoader):
    """Without a partition it reads everything, whatever the environment says."""

    def __init__(self, sources, *, partition=None, **options):
        super().__init__(sources, partition=partition or Partition(0, 1, 0, 0), **options)


class Lossy(WindowLoader):
    """A state that comes back from JSON is another one."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.note = 1

    def state_dict(self):
        return {**super().state_dict(), **({"note": 1} if hasattr(self, "note") else {})}


class Uneven(WindowLoader):
    """Rank 0 stops early."""

    def __iter__(self):
        tokens = remaining(super().__iter__())
        return Tokens(self, tokens[:5] if self.partition and self.partition.rank == 0 else tokens)


class Broken(WindowLoader):
    """Fails in the middle."""

    def __iter__(self):
        return Tokens(self, [*remaining(super().__iter__())[:3], Token(0, -1)])
