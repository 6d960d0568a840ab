"""The local shards that the readers of a process have mapped into memory."""

import os
import weakref
from collections import OrderedDict
from collections.abc import Iterable

from alm_beam.storage.index.open import Index
from alm_beam.storage.mapped import mapped
from alm_beam.storage.paths import Located, errors_that_name

_MAX_MAPPED = 16_384
"""So many shards all readers together keep mapped: Linux lets a process have 65,530 mappings of all kinds."""

_mapped_last: OrderedDict[tuple[int, int], "weakref.ref[Shards]"] = OrderedDict()
"""By the id of a Shards and the number of a shard, what is mapped; what was not read for longest comes first.

Each change of it is atomic. So threads need no lock, which a fork could leave locked.
"""


class Shards(dict[int, memoryview]):
    """The mapped shards of one index by their numbers. A shard is mapped when it is asked for."""

    def __init__(self, place: Located, index: Index):
        super().__init__()
        self._place, self._index = place, index

    def __missing__(self, number: int) -> memoryview:
        shard = self._index.shards[number]
        path = f"{self._place.path}/{shard.name}"
        with errors_that_name(path):
            found = _mapped_file(path, shard.size)
        self[number] = found
        _mapped_last[id(self), number] = weakref.ref(self)
        _keep(_MAX_MAPPED)
        return found

    def were_read(self, numbers: Iterable[int]) -> None:
        """Lets other shards be given up before these. That matters once there are too many."""
        if len(_mapped_last) < _MAX_MAPPED:
            return
        for number in set(numbers):
            if number in self:
                _mapped_last.pop((id(self), number), None)
                _mapped_last[id(self), number] = weakref.ref(self)


def _mapped_file(path: str, size: int) -> memoryview:
    """The bytes of a file.

    Raises:
        OSError: it cannot be read, or has another size.
    """
    with open(path, "rb") as file:
        found = os.fstat(file.fileno()).st_size
        if found != size:
            raise OSError(f"has {found} bytes, {size} when it was indexed; make the index again")
        return mapped(file.fileno(), size)


def _keep(count: int) -> None:
    """Gives up what was not read for longest, until no more than so many shards are mapped."""
    while len(_mapped_last) > count:
        try:
            (_, number), reference = _mapped_last.popitem(last=False)
        except KeyError:  # other threads took the last ones
            return
        shards = reference()
        if shards is not None:
            shards.pop(number, None)
