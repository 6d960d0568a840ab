import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.parameters import ConfigError
from alm_beam.loader.batching.bucket_sizes import create_bucket_sizes
from alm_beam.loader.batching.stream_buckets import LengthBatches, StaticBatches
from alm_beam.loader.batching.stream_counts import LengthError
from tests.loader.batching.goldens import goldens

ERRORS = {
    "length>max": r"its length is \d+, above the longest, \d+",
    "length<min": "its length is 1, below the shortest",
}


def batches_of(golden) -> LengthBatches:
    return LengthBatches(
        enumerate(golden["lengths"]),
        [tuple(bucket) for bucket in golden["bucket_sizes"]],
        length=lambda item: item[1],
        min_data_len=golden["min_data_len"],
        skip_below_min_examples=golden["skip_below_min"],
        skip_above_max_examples=golden["skip_above_max"],
        drop_remainder=golden["drop_remainder"],
        max_num_warnings=golden["max_num_warnings"],
    )


def numbers(batch) -> list[int]:
    return [number for number, _ in batch]


@pytest.mark.parametrize("golden", goldens("length_batches"), ids=lambda golden: golden["name"])
def test_equal_to_fairseq2(golden):
    batches = batches_of(golden)
    found = [numbers(next(batches)) for _ in golden["batches"]]
    assert found == golden["batches"]
    if "error_after_batches" in golden:
        with pytest.raises(LengthError, match=ERRORS[golden["error_after_batches"]]):
            next(batches)
        return
    assert list(batches) == []
    in_batches = {number for batch in found for number in batch}
    assert sorted(set(range(len(golden["lengths"]))) - in_batches) == golden["left_out"]
    assert batches.counts.skipped + batches.counts.dropped == len(golden["left_out"])
    assert batches.counts.read == len(golden["lengths"])


lengths = st.lists(st.integers(1, 40), max_size=200)


@given(lengths, st.integers(1, 24), st.integers(1, 6), st.integers(1, 5), st.booleans())
def test_each_item_comes_once_in_batches_of_the_size_of_their_bucket(lengths, longest, times, multiple_of, drops):
    table = create_bucket_sizes(max_num_elements=longest * times, max_seq_len=longest, num_seqs_multiple_of=multiple_of)
    batches = LengthBatches(
        enumerate(lengths), table, length=lambda item: item[1], skip_above_max_examples=True, drop_remainder=drops
    )
    found = list(batches)
    in_range = [number for number, length in enumerate(lengths) if length <= longest]
    came = sorted(number for batch in found for number, _ in batch)
    assert len(came) + batches.counts.dropped == len(in_range)
    assert set(came) <= set(in_range)
    assert drops or came == in_range
    for at, batch in enumerate(found):
        samples = max(length for _, length in batch)
        [size, *_] = (bucket.size for bucket in table if bucket.longest >= samples)
        is_last = at == len(found) - 1 and not drops
        assert len(batch) == size or (is_last and len(batch) < size)
        assert len(batch) * samples <= longest * times
    assert batches.counts.dropped < max(bucket.size for bucket in table)


@given(lengths)
def test_no_more_items_wait_than_stated(lengths):
    table = create_bucket_sizes(max_num_elements=80, max_seq_len=40)
    read = []

    def items():
        for length in lengths:
            read.append(length)
            yield length

    batches = LengthBatches(items(), table, length=lambda item: item)
    came = 0
    waiting = 0
    for batch in batches:
        waiting = max(waiting, len(read) - came - len(batch))
        came += len(batch)
    assert waiting <= batches.max_pending
    assert batches.max_pending == sum(bucket.size - 1 for bucket in table)


def test_batch_comes_when_its_last_item_arrives():
    def items():
        yield from [3, 1, 3]
        raise AssertionError("nothing more is read for the first batch")

    assert next(LengthBatches(items(), [(2, 4), (5, 2)], length=lambda item: item)) == [3, 3]


@pytest.mark.parametrize(
    ("length", "fault"),
    [
        (2.0, "its length is 2.0; it must be an integer, in samples"),
        (float("nan"), "its length is nan; it must be an integer, in samples"),
        (True, "its length is True; it must be an integer"),
        (None, "its length is None; it must be an integer"),
        ("7", "its length is '7'; it must be an integer"),
        (-1, "its length is -1; it must be at least 0"),
    ],
)
def test_item_of_no_usable_length_is_named_and_the_next_call_goes_on(length, fault):
    batches = LengthBatches([1, 2, length, 3, 4, 5], [(2, 8)], length=lambda item: item, skip_below_min_examples=True)
    assert next(batches) == [1, 2]
    with pytest.raises(LengthError, match=rf"^item 2 \(the first is 0\): {fault}"):
        next(batches)
    assert list(batches) == [[3, 4], [5]]


def test_item_whose_length_cannot_be_taken_is_named():
    batches = LengthBatches([{"n": 1}, {}, {"n": 2}], [(2, 8)], length=lambda item: item["n"])
    with pytest.raises(LengthError, match=r"^item 1 .*its length cannot be taken \(KeyError: 'n'\)") as caught:
        next(batches)
    assert isinstance(caught.value.__cause__, KeyError)
    assert list(batches) == [[{"n": 1}, {"n": 2}]]


def test_after_an_error_of_the_items_nothing_comes_as_if_they_were_complete():
    def items():
        yield from [1, 2, 3]
        raise OSError("the file is gone")

    batches = LengthBatches(items(), [(2, 8)], length=lambda item: item)
    assert next(batches) == [1, 2]
    with pytest.raises(OSError, match="gone"):
        next(batches)
    assert list(batches) == []


def test_lengths_of_numpy_are_integers():
    np = pytest.importorskip("numpy")
    assert list(LengthBatches(np.array([3, 4], np.int32), [(2, 8)], length=lambda item: item)) == [[3, 4]]


def test_counts_are_told():
    batches = LengthBatches(
        [1, 9, 3, 11, 2, 3, 10],
        [(2, 8)],
        length=lambda item: item,
        min_data_len=2,
        skip_below_min_examples=True,
        skip_above_max_examples=True,
        drop_remainder=True,
    )
    assert list(batches) == [[3, 2]]
    assert batches.counts.report(sample_rate=4).splitlines() == [
        "7 items were read, 4 skipped (57.1%):",
        "  too short: 1, the first is item 0 with 1 samples (0.25 s)",
        "  too long: 3, the first is item 1 with 9 samples (2.25 s)",
        "1 items of the last batch were dropped, as they did not fill it.",
    ]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ([], "must have at least one bucket"),
        ([(2, 8), (3, 8)], r"\(2, 8\), \(3, 8\).*two buckets admit the same length"),
        ([(-1, 8)], "size of a bucket=-1: must be an integer, at least 0"),
        ([(2, 8.5)], "longest of a bucket=8.5: must be an integer"),
    ],
)
def test_wrong_tables_are_refused(table, fault):
    with pytest.raises(ConfigError, match=fault):
        LengthBatches([], table, length=lambda item: item)


@given(st.integers(0, 50), st.integers(1, 12), st.booleans())
def test_static_batches_follow_each_other(count, size, drops):
    batches = StaticBatches(range(count), size, drop_remainder=drops)
    found = list(batches)
    kept = count - count % size if drops else count
    assert found == [list(range(at, min(at + size, kept))) for at in range(0, kept, size)]
    assert (batches.counts.read, batches.counts.dropped) == (count, count - kept)


def test_static_batches_have_a_size():
    with pytest.raises(ConfigError, match="batch_size=0: must be an integer, at least 1"):
        StaticBatches([], 0)
