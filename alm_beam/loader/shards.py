"""The local shards that the readers of a process have mapped into memory."""

import os
import weakref
from collections import OrderedDict

from alm_beam.storage.index.open import Index
from alm_beam.storage.mapped import mapped
from alm_beam.storage.paths import Located, errors_that_name

_MAX_MAPPED = 16_384
"""So many shards all readers together keep mapped: Linux lets a process have 65,530 mappings of all kinds."""

_all_mapped: OrderedDict[tuple[int, int], "weakref.ref[Shards]"] = OrderedDict()
"""By the id of a Shards and the number of a shard, what is mapped; what was mapped first comes first.

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
        _all_mapped[id(self), number] = weakref.ref(self)
        _keep(_MAX_MAPPED)
        return found


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
    """Gives up what was mapped first, until no more than so many shards are mapped."""
    while len(_all_mapped) > count:
        try:
            (_, number), reference = _all_mapped.popitem(last=False)
        except KeyError:  # other threads took the last ones
            return
        shards = reference()
        if shards is not None:
            shards.pop(number, None)
