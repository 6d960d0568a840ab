"""Edges of buckets against all that there may be."""

from itertools import combinations

import numpy as np
import pytest

from alm_beam.loader.batching import bucket_edges
from alm_beam.loader.batching.bucket_edges import least_padding_edges


def padded(lengths, edges):
    """Samples of all windows, each padded to the edge of its bucket."""
    return int(np.array(edges, dtype=object)[np.searchsorted(edges, lengths)].sum())


def least(lengths, count):
    different = sorted(set(lengths.tolist()))
    shorter = combinations(different[:-1], min(count, len(different)) - 1)
    return min(padded(lengths, [*edges, different[-1]]) for edges in shorter)


@pytest.mark.parametrize("seed", range(60))
def test_no_other_edges_pad_less(seed):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, generator.integers(2, 30), generator.integers(1, 40))
    for count in range(1, 7):
        edges = least_padding_edges(lengths, count)
        assert len(edges) == min(count, len(set(lengths.tolist())))
        assert edges == sorted(set(edges))
        assert edges[-1] == lengths.max()
        assert padded(lengths, edges) == least(lengths, count)


def test_lengths_are_counted_in_bins_where_many_differ(monkeypatch):
    monkeypatch.setattr(bucket_edges, "HISTOGRAM_BINS", 10)
    lengths = np.random.default_rng(1).integers(100, 300, 5000)
    edges = least_padding_edges(lengths, 4)
    binned = np.array(sorted({int(lengths[(lengths - 100) // 20 == bin].max()) for bin in range(10)}))
    as_binned = binned[np.searchsorted(binned, lengths)]
    assert padded(as_binned, edges) == least(as_binned, 4)
    assert set(edges) <= set(lengths.tolist())


def test_lengths_of_many_years_do_not_overflow():
    long = 10**15
    assert least_padding_edges(np.array([1] * 10_000 + [2] * 10_000 + [long, long - 1]), 2) == [2, long]
