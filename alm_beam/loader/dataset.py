"""The loader as a dataset of torch: `WindowDataset` is a `WindowLoader` and an `IterableDataset`.

DataLoader and torchdata's StatefulDataLoader take it: the worker is DataLoader's, and in every worker the state is
saved and loaded through `state_dict` and `load_state_dict`. The class is made when it is first asked for, as torch,
which it is made of, is not needed for anything else here.
"""

from typing import TYPE_CHECKING, Any

from alm_beam.loader.loader import WindowLoader

if TYPE_CHECKING:

    class WindowDataset(WindowLoader):
        """A WindowLoader that is an `IterableDataset`."""


def __getattr__(name: str) -> Any:
    if name != "WindowDataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from torch.utils.data import IterableDataset
    except ImportError as error:
        raise ImportError(
            f"WindowDataset needs PyTorch ({error}); without it use alm_beam.loader.WindowLoader"
        ) from error
    namespace = {"__module__": __name__, "__doc__": "A WindowLoader that is an `IterableDataset`."}
    globals()[name] = type(name, (WindowLoader, IterableDataset), namespace)
    return globals()[name]
