"""Batches with one fault each, for the checks to find. Each is made as WindowBatches is."""

import random
from collections.abc import Iterator

from alm_beam.loader import Partition, Token, WindowBatches
from alm_beam.loader.batching.batch_state import BatchProgress, state_of


class Chosen(Iterator):
    """A pass over batches that were chosen beforehand, each with the number of its bucket."""

    def __init__(self, batches):
        self.batches = list(batches)

    def __len__(self):
        return len(self.batches)

    @property
    def bucket(self):
        return self.batches[0][0]

    def __next__(self):
        if not self.batches:
            raise StopIteration
        return self.batches.pop(0)[1]


def remaining(passing):
    """The batches that a pass has left, each with the number of its bucket."""
    found = []
    while len(passing):
        found.append((passing.bucket, next(passing)))
    return found


def state_after(batches, epoch, steps, world_size=None):
    """A state of batches after so many steps."""
    world_size = world_size or batches.partition.world_size
    progress = BatchProgress(epoch, (), Partition(0, world_size), steps, 0)
    return state_of(progress, WindowBatches.state_dict(batches)["identity"])


class Changed(WindowBatches):
    """Gives out what `changed` makes of the batches of a pass."""

    def __iter__(self):
        passing = super().__iter__()
        self.now = passing.epoch
        return Chosen(self.changed(remaining(passing)))


class Broken(Changed):
    """Fails in the middle."""

    def changed(self, batches):
        return [*batches[:3], (0, None), *batches[3:]]


class Uneven(Changed):
    """Rank 0 stops early."""

    def changed(self, batches):
        return batches[:5] if self.partition.rank == 0 else batches


class Boasting(WindowBatches):
    """Says that there is a batch more than there is."""

    def __len__(self):
        return super().__len__() + 1


class OwnOrder(Changed):
    """Rank 1 takes the steps in an order of its own."""

    def changed(self, batches):
        return batches[::-1] if self.partition.rank == 1 else batches


class Unsorted(Changed):
    """Windows of any length are in a batch, all of which are said to be of the last bucket."""

    def changed(self, batches):
        last = len(self.table(self.partition.world_size)) - 1
        tokens = [token for _, batch in batches for token in batch]
        random.Random(1).shuffle(tokens)
        size = len(batches[0][1])
        return [(last, tokens[at : at + size]) for at in range(0, len(tokens), size)]


class Misplaced(Changed):
    """A batch is said to be of the first bucket, and its windows are longer."""

    def changed(self, batches):
        return [(0, batch) for _, batch in batches]


class Smaller(Changed):
    """The first batch lacks a window, which the last one has more."""

    def changed(self, batches):
        [(bucket, first), *between, (last, end)] = batches
        return [(bucket, first[1:]), *between, (last, [*end, first[0]])]


class TooLarge(Changed):
    """Two batches are one."""

    def changed(self, batches):
        return [(batches[0][0], batches[0][1] + batches[1][1]), *batches[2:]]


class Everywhere(WindowBatches):
    """Each rank makes the batches of rank 0."""

    def __init__(self, sources, *, partition=None, **options):
        super().__init__(sources, partition=Partition(0, partition.world_size, 0, 0), **options)


class Twice(Changed):
    """A window is in two batches."""

    def changed(self, batches):
        [(bucket, first), (other, second), *more] = batches
        return [(bucket, first), (other, [first[0], *second[1:]]), *more]


class Forgetful(Changed):
    """The last batch of each rank is empty."""

    def changed(self, batches):
        return [*batches[:-1], (batches[-1][0], [])]


class ForgetfulLater(Forgetful):
    """The last batch is empty in every epoch but the first."""

    def changed(self, batches):
        return super().changed(batches) if self.now else batches


class Invented(Changed):
    """A window is not there."""

    def changed(self, batches):
        [(bucket, first), *more] = batches
        return [(bucket, [Token(0, 10**6), *first[1:]]), *more]


class TakesAll(WindowBatches):
    """Leaves no short windows out."""

    def __init__(self, sources, *, min_duration=0.0, **options):
        super().__init__(sources, **options)


class OneLate(WindowBatches):
    """A state that was taken after a batch gives that again."""

    def state_dict(self):
        state = super().state_dict()
        return state_after(self, state["epoch"], max(state["step"] - 1, 0))


class Overrunning(WindowBatches):
    """A pass that continues from a state has one batch more at its end."""

    resumed = False

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.resumed = True

    def __iter__(self):
        passing = super().__iter__()
        return Chosen([*remaining(passing), (0, [])]) if self.resumed else passing


class Lossy(WindowBatches):
    """A state that comes back from JSON is another one."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.note = 1

    def state_dict(self):
        return {**super().state_dict(), **({"note": 1} if hasattr(self, "note") else {})}


class Random(Changed):
    """Other batches in every run."""

    def changed(self, batches):
        random.shuffle(batches)
        return batches


class SameEpoch(WindowBatches):
    """Every epoch has the batches of the first."""

    def __iter__(self):
        self.set_epoch(0)
        return super().__iter__()


class ForgetsEpochs(WindowBatches):
    """Does not listen to set_epoch: a fresh process makes epoch 0."""

    def set_epoch(self, epoch):
        pass


class NoElastic(WindowBatches):
    """Goes on at the same step, whatever the number of ranks was."""

    def load_state_dict(self, state):
        super().load_state_dict(state_after(self, state["epoch"], min(state["step"], len(self))))


class Trusting(WindowBatches):
    """Takes every state for its own."""

    def load_state_dict(self, state):
        super().load_state_dict(state_after(self, state["epoch"], state["step"], state["world_size"]))


class Unmergeable(WindowBatches):
    """The states of two ranks are not of one step."""

    def state_dict(self):
        state = super().state_dict()
        return state_after(self, state["epoch"], max(state["step"] - self.partition.rank, 0))
