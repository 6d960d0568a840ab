"""`WindowDataset`: the loader as an `IterableDataset` for torch's DataLoader and torchdata's StatefulDataLoader.

DataLoader tells each worker its number. StatefulDataLoader saves and loads the state of every worker. The class is made
when it is first imported, because nothing else here needs torch.

>>> from torch.utils.data import DataLoader
>>> from alm_beam import WindowDataset
>>> dataset = WindowDataset(windows, seed=1)  # a folder of cuts with an index
>>> [len(batch) for batch in DataLoader(dataset, batch_size=4, collate_fn=list)]
[4, 4]
"""

from typing import TYPE_CHECKING, Any

from alm_beam.loader.loader import WindowLoader

if TYPE_CHECKING:

    class WindowDataset(WindowLoader):
        """A `WindowLoader` that is also an `IterableDataset`. One dataset belongs to one DataLoader."""


def __getattr__(name: str) -> Any:
    if name != "WindowDataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from torch.utils.data import IterableDataset
    except ImportError as error:
        raise ImportError(
            f"WindowDataset needs PyTorch ({error}); without it use alm_beam.loader.WindowLoader"
        ) from error
    text = "A `WindowLoader` that is also an `IterableDataset`. One dataset belongs to one DataLoader."
    namespace = {"__module__": __name__, "__doc__": text}
    globals()[name] = type(name, (WindowLoader, IterableDataset), namespace)
    return globals()[name]
