import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.parameters import ConfigError
from alm_beam.loader.batching.bucket_sizes import MAX_BUCKETS, create_bucket_sizes, length_buckets
from tests.loader.batching.goldens import goldens

ERRORS = {
    "max_seq_len>max_num_elements": r"max_seq_len=-?\d+: must be at most max_num_elements=-?\d+",
    "min_seq_len<1": r"min_seq_len=-?\d+: must be at least 1",
    "min_seq_len>max_seq_len": r"min_seq_len=-?\d+: must be at most max_seq_len=-?\d+",
    "num_seqs_multiple_of<1": r"num_seqs_multiple_of=-?\d+: must be at least 1",
    "max_num_elements%max_seq_len!=0": r"max_num_elements=\d+: must be a multiple of max_seq_len=\d+; \d+ is",
}
WRAPPER_ERRORS = {
    "max_seq_len>max_num_elements": r"max_num_elements=640000: is below max_audio_len=960000, .* raise",
    "min_seq_len<1": "min_audio_len=0: must be an integer, at least 1",
    "min_seq_len>max_seq_len": "min_audio_len=9: must be at most max_audio_len=8",
    "no buckets left after max_bucket_size filter": r"max_bucket_size=\d: leaves no bucket, .* has \d; raise it",
    "ZeroDivisionError": "max_audio_len=0: must be an integer, at least 1",
}


def by_definition(budget, longest, shortest, multiple_of):
    """The buckets, length by length."""
    largest = {budget // length: length for length in range(1, longest + 1)}
    kept = [(size, length) for size, length in largest.items() if length >= shortest]
    return [(size - size % multiple_of if size > multiple_of else size, length) for size, length in kept]


@pytest.mark.parametrize("golden", goldens("bucket_sizes"), ids=lambda golden: str(list(golden["args"].values())))
def test_equal_to_fairseq2(golden):
    if "error" in golden:
        with pytest.raises(ValueError, match=ERRORS[golden["error"]]):
            create_bucket_sizes(**golden["args"])
    else:
        assert create_bucket_sizes(**golden["args"]) == [tuple(bucket) for bucket in golden["result"]]


@pytest.mark.parametrize("golden", goldens("length_wrapper"), ids=lambda golden: str(list(golden["args"].values())))
def test_strategy_length_equal_to_omnilingual(golden):
    args = {name: value for name, value in golden["args"].items() if name != "drop_remainder"}
    if "error" in golden:
        with pytest.raises(ValueError, match=WRAPPER_ERRORS[golden["error"]]):
            length_buckets(**args)
    else:
        found = length_buckets(**args)
        assert list(found.buckets) == [tuple(bucket) for bucket in golden["result"]["bucket_sizes"]]
        assert found.asked == args["max_num_elements"]
        assert 0 <= found.asked - found.max_num_elements < args["max_audio_len"]


@given(data=st.data(), longest=st.integers(1, 300), times=st.integers(1, 20), multiple_of=st.integers(1, 40))
def test_equal_to_the_definition(data, longest, times, multiple_of):
    shortest = data.draw(st.integers(1, longest))
    found = create_bucket_sizes(
        max_num_elements=longest * times,
        max_seq_len=longest,
        min_seq_len=shortest,
        num_seqs_multiple_of=multiple_of,
    )
    assert found == by_definition(longest * times, longest, shortest, multiple_of)
    assert all(0 < bucket.size * bucket.longest <= longest * times for bucket in found)


def test_numbers_of_buckets_and_of_items_that_wait():
    """Those that the specification states."""
    assert len(create_bucket_sizes(max_num_elements=3_200_000, max_seq_len=800_000)) == 3573
    small = length_buckets(
        max_num_elements=960_000, min_audio_len=32_000, max_audio_len=960_000, num_seqs_multiple_of=8
    )
    assert (len(small.buckets), small.max_pending) == (30, 358)
    assert round(small.max_pending_samples / 16_000 / 3600, 1) == 0.4
    large = length_buckets(
        max_num_elements=7_680_000, min_audio_len=32_000, max_audio_len=960_000, num_seqs_multiple_of=8
    )
    assert (len(large.buckets), large.max_pending) == (233, 27_847)
    assert round(large.max_pending_samples / 16_000 / 3600) == 29


def test_too_many_buckets_are_refused_at_once():
    with pytest.raises(ConfigError, match=f"min_seq_len=1: gives more than {MAX_BUCKETS:,} buckets; raise it"):
        create_bucket_sizes(max_num_elements=10**15, max_seq_len=10**15)


@pytest.mark.parametrize("value", [1.0, "8", None, True, float("nan")])
@pytest.mark.parametrize("name", ["max_num_elements", "max_seq_len", "min_seq_len", "num_seqs_multiple_of"])
def test_numbers_are_integers(name, value):
    right = {"max_num_elements": 16, "max_seq_len": 8, "min_seq_len": 2, "num_seqs_multiple_of": 2}
    with pytest.raises(ConfigError, match=f"{name}={value}: must be an integer"):
        create_bucket_sizes(**{**right, name: value})
