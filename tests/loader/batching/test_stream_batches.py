import multiprocessing
import pickle
import threading
import time
from itertools import islice
from operator import itemgetter

import pytest

from alm_beam.core.parameters import ConfigError
from alm_beam.loader import Partition, PartitionError, WindowLoader
from alm_beam.loader.batching.stream_batches import StreamBatches
from alm_beam.loader.batching.stream_buckets import LengthBatches, StaticBatches
from alm_beam.loader.batching.stream_config import StreamConfig
from alm_beam.loader.batching.stream_counts import LengthError
from alm_beam.loader.batching.stream_mixture import MixtureStream
from alm_beam.loader.batching.stream_shuffle import BlockShuffle

ITEMS = [(number, 1 + number * 7919 % 130) for number in range(1000)]
CONFIG = StreamConfig(
    min_audio_len=4,
    max_audio_len=120,
    max_num_elements=480,
    num_seqs_multiple_of=2,
    example_shuffle_window=50,
    batch_shuffle_window=20,
    seed=11,
)
STATIC = StreamConfig(batching_strategy="STATIC", batch_size=6, min_audio_len=4, max_audio_len=120, seed=11)
length = itemgetter(1)


def epochs_by_parts(config, part, parts, count) -> list[list]:
    """The batches of some epochs, one stage after another."""
    of_items, of_batches = (
        BlockShuffle(window, config.seed + number)
        for number, window in enumerate((config.example_shuffle_window, config.batch_shuffle_window))
    )
    found = []
    for _ in range(count):
        kept = [item for item in ITEMS if config.min_audio_len <= item[1] <= config.max_audio_len]
        mine = list(of_items(kept))[part::parts]
        if config.batching_strategy == "STATIC":
            batches = StaticBatches(mine, config.batch_size, drop_remainder=config.drop_remainder)
        else:
            batches = LengthBatches(mine, config.buckets.buckets, length=length, drop_remainder=config.drop_remainder)
        found.append(list(of_batches(list(batches))))
    return found


@pytest.mark.parametrize("num_prefetch", [0, 1, 4])
@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("config", [CONFIG, STATIC], ids=["LENGTH", "STATIC"])
@pytest.mark.parametrize(("rank", "world"), [(0, 1), (0, 3), (2, 3)])
def test_stages_follow_each_other_and_epochs_go_on_with_their_generators(config, rank, world, drops, num_prefetch):
    config = StreamConfig(**{**vars_of(config), "drop_remainder": drops, "num_prefetch": num_prefetch})
    batches = StreamBatches(ITEMS, config, length=length, partition=Partition(rank, world))
    expected = epochs_by_parts(config, rank, world, 3)
    assert [list(batches) for _ in range(3)] == expected
    assert expected[0] != expected[1]


def vars_of(config) -> dict:
    return {name: value for name, value in vars(config).items() if name != "buckets"}


def test_ranks_share_each_item_once():
    found = [
        item
        for rank in range(3)
        for batch in StreamBatches(ITEMS, CONFIG, length=length, partition=Partition(rank, 3))
        for item in batch
    ]
    assert sorted(found) == [item for item in ITEMS if 4 <= item[1] <= 120]


def test_skips_are_counted():
    batches = StreamBatches(ITEMS, CONFIG, length=length)
    assert batches.counts.read == 0
    list(batches)
    short, long = (sum(1 for item in ITEMS if test(item[1])) for test in (lambda n: n < 4, lambda n: n > 120))
    assert (batches.counts.too_short, batches.counts.too_long, batches.counts.read) == (short, long, 1000)
    assert batches.report().startswith(f"1,000 items were read, {short + long} skipped")
    assert batches.counts.first_too_long == next(item for item in ITEMS if item[1] > 120)


def test_dropped_items_are_counted():
    config = StreamConfig(batching_strategy="STATIC", batch_size=7, drop_remainder=True)
    batches = StreamBatches(ITEMS, config, length=length)
    assert sum(map(len, batches)) == 994
    assert batches.counts.dropped == 6


def test_durations_are_rounded_to_samples():
    seconds = [(number, samples / 16_000) for number, samples in ITEMS]
    found = list(StreamBatches(seconds, CONFIG, duration=itemgetter(1)))
    expected = list(StreamBatches(ITEMS, CONFIG, length=length))
    assert [[number for number, _ in batch] for batch in found] == [
        [number for number, _ in batch] for batch in expected
    ]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 1e300])
def test_wrong_durations_are_named(seconds):
    batches = StreamBatches([1.0, seconds], CONFIG, duration=lambda item: item)
    with pytest.raises(LengthError, match=f"^item 1 .* {seconds} is not a duration in seconds".replace("+", r"\+")):
        list(batches)


@pytest.mark.parametrize("num_prefetch", [0, 4])
def test_wrong_lengths_end_the_pass(num_prefetch):
    config = StreamConfig(batch_shuffle_window=1, batching_strategy="STATIC", batch_size=2, num_prefetch=num_prefetch)
    passing = iter(StreamBatches([5, 5, 5, 5.0, 5, 5], config, length=lambda item: item))
    assert next(passing) == [5, 5]
    with pytest.raises(LengthError, match=r"^item 3 \(the first is 0\): its length is 5.0; it must be an integer"):
        next(passing)
    assert list(passing) == []
    assert not passing.record.is_complete


def test_length_or_duration_is_given():
    for given in ({}, {"length": length, "duration": length}):
        with pytest.raises(ValueError, match=r"give either length=.* or duration="):
            StreamBatches(ITEMS, CONFIG, **given)


def test_several_ranks_need_a_partition(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(PartitionError, match=r"each would read everything; pass partition=Partition\("):
        iter(StreamBatches(ITEMS, CONFIG, length=length))
    with pytest.raises(PartitionError, match=r"each would read everything; pass partition=Partition\("):
        iter(MixtureStream({"a": [[1]]}))


def test_an_iterator_is_read_once():
    batches = StreamBatches(iter(ITEMS), CONFIG, length=length)
    assert sum(map(len, batches))
    with pytest.raises(ValueError, match="the items are an iterator, which an earlier pass has read"):
        iter(batches)


@pytest.mark.parametrize("num_prefetch", [0, 4])
def test_orders_after_a_pass_that_was_cut_are_the_same_in_each_run(num_prefetch):
    config = StreamConfig(**{**vars_of(CONFIG), "num_prefetch": num_prefetch})
    orders = []
    for read in (1, 5, 40):
        batches = StreamBatches(ITEMS, config, length=length)
        list(islice(batches, read))
        orders.append([list(batches), list(batches)])
    assert orders[0] == orders[1] == orders[2]
    assert orders[0][0] != epochs_by_parts(config, 0, 1, 1)[0]
    assert orders[0][0] != orders[0][1]


def test_passes_that_are_open_together_do_not_disturb_each_other():
    batches = StreamBatches(ITEMS, CONFIG, length=length)
    one, other = iter(batches), iter(batches)
    both = list(zip(one, other))
    again = StreamBatches(ITEMS, CONFIG, length=length)
    assert [batch for batch, _ in both] == list(again)[: len(both)]


def test_epochs_can_be_chosen():
    batches = StreamBatches(ITEMS, CONFIG, length=length)
    found = []
    for epoch in (3, 1, 3, 0):
        batches.set_epoch(epoch)
        assert batches.epoch == epoch
        found.append(list(batches))
        assert batches.epoch == epoch + 1
    assert found[0] == found[2]
    assert found[3] == epochs_by_parts(CONFIG, 0, 1, 1)[0]
    assert len({str(order) for order in found}) == 3
    for wrong in (-1, 2**32, 1.0):
        with pytest.raises(ConfigError, match=f"epoch={wrong}: must be"):
            batches.set_epoch(wrong)


def test_a_copy_in_another_process_goes_on():
    batches = StreamBatches(ITEMS, CONFIG, length=length)
    list(batches)
    later = pickle.loads(pickle.dumps(batches))
    assert list(later) == list(batches) == epochs_by_parts(CONFIG, 0, 1, 2)[1]


def test_a_copy_with_durations_is_another_processs_too():
    seconds = [(number, samples / 16_000) for number, samples in ITEMS]
    batches = StreamBatches(seconds, CONFIG, duration=itemgetter(1))
    assert list(pickle.loads(pickle.dumps(batches))) == list(batches)


def test_the_configuration_is_not_changed():
    before = vars_of(CONFIG)
    list(StreamBatches(ITEMS, CONFIG, length=length))
    assert vars_of(CONFIG) == before


def test_a_mixture_is_divided_once(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    sources = {name: [[(f"{name}{group}-{row}", 10) for row in range(5)] for group in range(9)] for name in "ab"}
    weights = {"a": 0.4, "b": 0.6}
    config = StreamConfig(batching_strategy="STATIC", batch_size=5, batch_shuffle_window=1)
    mine = MixtureStream(sources, weights, partition=Partition(1, 3))
    [first] = islice(StreamBatches(mine, config, length=length), 1)
    assert first == list(islice(mine, 5))
    with pytest.raises(ValueError, match="a MixtureStream, which divides itself among ranks: give it the partition"):
        StreamBatches(mine, config, length=length, partition=Partition(1, 3))


def test_windows_of_a_loader_are_batched(cuts):
    loader = WindowLoader(cuts, seed=3, partition=Partition(1, 2))
    config = StreamConfig.in_seconds(max_seconds=480, max_duration=120, num_seqs_multiple_of=1)
    batches = StreamBatches(loader, config, duration=lambda window: window["duration"])
    found = [[window["id"] for window in batch] for batch in batches]
    expected = WindowLoader(cuts, seed=3, partition=Partition(1, 2))
    assert sorted(window for batch in found for window in batch) == sorted(window["id"] for window in expected)
    assert len(found) > 10


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "alm_beam-batches"]


def wait_for_no_threads() -> None:
    for thread in threads():
        thread.join(timeout=10)
    assert threads() == []


def numbers():
    number = 0
    while True:
        yield number
        number += 1


AHEAD = StreamConfig(batching_strategy="STATIC", batch_size=2, batch_shuffle_window=1, num_prefetch=3)


@pytest.mark.parametrize("ends", ["dropped", "closed", "failed"])
def test_thread_stops_when_the_consumer_does(ends):
    batches = StreamBatches(numbers(), AHEAD, length=lambda item: 5)
    passing = iter(batches)
    assert next(passing) == [0, 1]
    if ends == "closed":
        passing.close()
        assert list(passing) == []
    elif ends == "dropped":
        del passing
    else:
        with pytest.raises(KeyError):
            consume(passing)
        del passing
    wait_for_no_threads()
    assert batches.counts.read >= 2


def test_a_fork_in_the_middle_of_a_pass_is_told():
    passing = iter(StreamBatches(numbers(), AHEAD, length=lambda item: 5))
    next(passing)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=tell_error, args=(passing, answers))
    process.start()
    assert "another process began to read" in answers.get(timeout=30)
    process.join()
    assert next(passing) == [2, 3]


def tell_error(passing, answers) -> None:
    try:
        next(passing)
    except RuntimeError as error:
        answers.put(str(error))


def consume(passing) -> None:
    for _ in passing:
        raise KeyError("training failed")


def test_no_more_batches_are_made_ahead_than_stated():
    read = []
    passing = iter(StreamBatches((read.append(n) or n for n in numbers()), AHEAD, length=lambda item: 5))
    for taken in range(1, 20):
        next(passing)
        deadline = time.monotonic() + 10
        while len(read) < 2 * (taken + 3) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.002)
        assert len(read) == 2 * (taken + 3)
    passing.close()
    wait_for_no_threads()


def test_nothing_is_read_before_the_first_batch_is_asked_for():
    read = []
    iter(StreamBatches((read.append(n) or n for n in numbers()), StreamConfig(), length=lambda item: 5))
    assert read == []
    assert threads() == []
