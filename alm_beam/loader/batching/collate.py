"""Windows to one batch: their audio in one array, padded with silence; features, if they are asked for."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alm_beam.core.text import visible
from alm_beam.loader.reader import Window

Features = Callable[[NDArray[np.float32], int], ArrayLike]
"""Gives [frames, dims] of one window's samples, float32 [samples], and their rate, Hz."""


class Batch(NamedTuple):
    """Windows as arrays, of which each row is a window. In a batch of no windows every size is 0, and so is the rate.

    Attributes:
        audio: float32 [batch, samples], full scale is 1; 0 where a window has ended.
        lengths: int64 [batch], samples of each window.
        sample_rate: Hz, of all windows.
        supervisions: of each window the list of its supervisions.
        windows: the fields of each window's cut.
        features: float32 [batch, frames, dims], 0 where a window has ended; None: none were asked for.
        feature_lengths: int64 [batch], frames of each window; None as `features`.

    >>> from alm_beam.loader import collate
    >>> batch = collate([])
    >>> batch.audio.shape, batch.lengths.shape, batch.features
    ((0, 0), (0,), None)
    """

    audio: Any
    lengths: Any
    sample_rate: int
    supervisions: list[list[dict[str, Any]]]
    windows: list[Window]
    features: Any = None
    feature_lengths: Any = None

    def to_torch(self) -> "Batch":
        """The same batch with torch's tensors for its arrays, in the same memory.

        Raises:
            ImportError: PyTorch is not installed.
        """
        try:
            from torch import from_numpy
        except ImportError as error:
            raise ImportError(
                f"to_torch needs PyTorch ({error}); without it use the batch's arrays, which are NumPy's"
            ) from error
        arrays = {name: getattr(self, name) for name in ("audio", "lengths", "features", "feature_lengths")}
        return self._replace(**{name: from_numpy(array) for name, array in arrays.items() if array is not None})


def collate(windows: Iterable[Window], features: Features | None = None) -> Batch:
    """Makes a batch of windows that have their audio.

    Of several channels the mean is taken, as `alm-beam shards --channels mono` does. The audio is padded to the longest
    window of the batch.

    Args:
        windows: with `audio=True` of `Windows` or `WindowLoader`. (Of windows without audio `collate=list` makes a
            batch: a list of cuts.) None at all make a batch of none.
        features: gives [frames, dims] of one window's samples, float32 [samples] without padding, and their rate. It
            gets a copy, may be called by several threads at once, and must have the same dims for each window.

    Raises:
        ValueError: a window has no audio, windows have different sample rates, or `features` gives something else.

    >>> from alm_beam.loader import Audio, collate
    >>> found = [{"id": name, "supervisions": [], "audio": Audio(np.ones((1, n), np.float32), 8000)}
    ...     for name, n in (("a", 2), ("b", 3))]
    >>> batch = collate(found)
    >>> batch.audio, batch.lengths
    (array([[1., 1., 0.],
           [1., 1., 1.]], dtype=float32), array([2, 3]))
    >>> collate(found, lambda samples, sample_rate: samples.reshape(-1, 1)).features.shape
    (2, 3, 1)
    """
    windows = list(windows)
    sounds = [_samples_of(window) for window in windows]
    rate = _one_rate(windows)
    lengths = np.array([samples.shape[1] for samples in sounds], np.int64)
    audio = np.zeros((len(sounds), int(lengths.max(initial=0))), np.float32)
    for row, samples, length in zip(audio, sounds, lengths.tolist()):
        _mix(samples, row[:length])
    found: tuple[Any, Any] = (None, None)
    if features is not None:
        each = [
            _checked(features(row[:length].copy(), rate), window)
            for row, length, window in zip(audio, lengths.tolist(), windows)
        ]
        found = _padded(each, windows)
    return Batch(
        audio,
        lengths,
        rate,
        [window.get("supervisions") or [] for window in windows],
        [{name: value for name, value in window.items() if name != "audio"} for window in windows],
        *found,
    )


def collate_tensors(windows: Iterable[Window], features: Features | None = None) -> Batch:
    """As `collate`, with torch's tensors: the `collate_fn` of a DataLoader over `Windows`.

    Its workers then hand tensors over in shared memory; arrays would be copied.

    Raises:
        ValueError: see `collate`.
        ImportError: PyTorch is not installed.

    >>> from alm_beam import WindowBatches, collate_tensors
    >>> options = {"batch_sampler": WindowBatches(windows, batch_size=3), "collate_fn": collate_tensors}
    >>> # torch.utils.data.DataLoader(alm_beam.Windows(windows), num_workers=2, **options)
    """
    return collate(windows, features).to_torch()


def _samples_of(window: Window) -> NDArray[Any]:
    """The samples of a window, [channels, samples]."""
    if window.get("audio") is None:
        raise ValueError(
            f"window {_name(window)} has no audio: make Windows, or WindowLoader, with audio=True; for batches of cuts "
            "without audio, use collate=list"
        )
    samples = np.asarray(window["audio"][0])
    if samples.ndim != 2 or not len(samples):
        raise ValueError(f"window {_name(window)}: audio has shape {samples.shape}, expected [channels, samples]")
    return samples


def _one_rate(windows: Sequence[Window]) -> int:
    """The sample rate that all windows have, Hz; 0 of none."""
    by_rate: dict[int, list[str]] = {}
    for window in windows:
        by_rate.setdefault(window["audio"][1], []).append(_name(window))
    if len(by_rate) > 1:
        found = "; ".join(f"{rate} Hz: {_some(names)}" for rate, names in sorted(by_rate.items()))
        raise ValueError(
            f"windows of one batch have different sample rates ({found}); write shards of one rate, "
            f"alm-beam shards --sample_rate={min(by_rate)}, or make batches of folders of one rate each"
        )
    return next(iter(by_rate), 0)


def _mix(samples: NDArray[Any], into: NDArray[np.float32]) -> None:
    """The mean of the channels, to the bit as shards have it."""
    into[:] = samples[0]
    for channel in samples[1:]:
        into += channel
    if len(samples) > 1:
        into /= np.float32(len(samples))


def _checked(given: ArrayLike, window: Window) -> NDArray[Any]:
    """The features of a window, [frames, dims]."""
    found = np.asarray(given)
    if found.ndim != 2 or found.dtype.kind not in "fiu":
        raise ValueError(
            f"features gave {found.dtype} of shape {found.shape} for window {_name(window)}, expected real numbers of "
            "shape [frames, dims]"
        )
    return found


def _padded(each: Sequence[NDArray[Any]], windows: Sequence[Window]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The features of all windows, [batch, frames, dims], and the frames of each."""
    dims = each[0].shape[1] if each else 0
    for found, window in zip(each, windows):
        if found.shape[1] != dims:
            raise ValueError(
                f"features gave {found.shape[1]} dims for window {_name(window)} and {dims} for window "
                f"{_name(windows[0])} (shapes {found.shape} and {each[0].shape}, as [frames, dims]): all windows "
                "need the same dims"
            )
    lengths = np.array([len(found) for found in each], np.int64)
    features = np.zeros((len(each), int(lengths.max(initial=0)), dims), np.float32)
    for row, found in zip(features, each):
        row[: len(found)] = found
    return features, lengths


def _name(window: Window) -> str:
    return visible(repr(window.get("id")))


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
