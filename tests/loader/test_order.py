"""`order="shards"`: file by file, mixed with what is near, and as exact as the other order."""

import copy
import json
import pickle
import random
import threading
from itertools import count, islice, product
from pathlib import Path

import fsspec
import pytest

from alm_beam.cli.main import main
from alm_beam.loader import Partition, Reader, Source, StateError, WindowLoader
from alm_beam.loader.state_format import with_checksum
from tests.loader.cuts import cut, write_cuts
from tests.loader.sounding import assert_is, number_of, write_shards
from tests.loader.test_elastic import TOPOLOGIES, Run, parts
from tests.loader.uploads import uploaded
from tests.servers.faults import proxy


def by_file(cuts, **options) -> WindowLoader:
    return WindowLoader(cuts, order="shards", **options)


def ids(windows) -> list[str]:
    return [window["id"] for window in windows]


def files_of(*folders: str) -> list[list[str]]:
    """The ids of each file, as they stand."""
    shards = [path for folder in folders for path in sorted(Path(folder).glob("cuts-*.jsonl"))]
    return [[json.loads(line)["id"] for line in path.read_text().splitlines()] for path in shards]


@pytest.fixture(scope="module")
def many_files(tmp_path_factory) -> str:
    """400 windows of three labels in 13 files."""
    windows = [cut(number, "abc"[number % 3]) for number in range(400)]
    return write_cuts(tmp_path_factory.mktemp("many"), windows, shards=13)


def test_without_shuffling_files_are_read_as_they_stand(cuts, more_cuts):
    expected = [each for file in files_of(cuts, more_cuts) for each in file]
    assert ids(by_file([cuts, more_cuts], shuffle=False)) == expected
    assert ids(by_file([cuts, more_cuts], shuffle=False)) == expected, "in every epoch"
    ranks = [ids(by_file([cuts, more_cuts], shuffle=False, partition=Partition(rank, 3))) for rank in range(3)]
    assert [each for mine in ranks for each in mine] == expected, "each rank a range"


def test_without_mixing_the_files_are_shuffled(many_files):
    """Each epoch and each seed has another order of files; the windows of a file stay as they stand."""
    known = {tuple(file) for file in files_of(many_files)}
    orders = set()
    for seed, epoch in product(range(3), range(3)):
        loader = by_file(many_files, seed=seed, shuffle_window=1)
        loader.set_epoch(epoch)
        found, files = ids(loader), []
        while found:
            [file] = [each for each in known if each[0] == found[0]]
            assert tuple(found[: len(file)]) == file
            files.append(file)
            del found[: len(file)]
        assert set(files) == known
        orders.add(tuple(files))
    assert len(orders) == 9


@pytest.mark.parametrize("window", [2, 10, 64, 399, 400, 5000])
def test_windows_are_mixed_within_their_blocks(many_files, window):
    plain, mixed = (
        ids(by_file(many_files, seed=4, shuffle_window=1)),
        ids(by_file(many_files, seed=4, shuffle_window=window)),
    )
    for at in range(0, 400, window):
        assert sorted(mixed[at : at + window]) == sorted(plain[at : at + window])
    assert mixed != plain


def test_every_epoch_and_seed_has_an_order_of_its_own(cuts):
    orders = set()
    for seed in range(3):
        loader = by_file(cuts, seed=seed)
        orders |= {tuple(ids(loader)) for _ in range(3)}
        loader.set_epoch(1)
        assert tuple(ids(loader)) in orders
    assert len(orders) == 9


def test_windows_of_all_labels_of_a_folder_come_file_by_file(many_files):
    """Sources of one folder share its files, so each file is read once."""
    found = ids(by_file([Source(many_files, label) for label in "cab"], shuffle_window=1, seed=2))
    assert sorted(found) == sorted(ids(by_file(many_files)))
    for file in files_of(many_files):
        first = found.index(file[0])
        assert found[first : first + len(file)] == file
    one = by_file(Source(many_files, "b"))
    assert sorted(ids(one)) == sorted(f"window-{number}" for number in range(1, 400, 3))


def test_tokens_name_their_windows(many_files, more_cuts):
    loader = by_file([Source(many_files, "b"), more_cuts, Source(many_files, "a")])
    windows = iter(loader)
    for window in windows:
        assert loader.window(windows.token) == window


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=str)
def test_parts_share_nothing_and_are_even(many_files, topology):
    for window in (1, 16, 1024):
        run = Run(by_file(many_files, shuffle_window=window), topology)
        sizes = [len(each) for each in run.passes]
        found = [ids(each) for each in run.passes]
        assert [len(mine) for mine in found] == sizes
        assert max(sizes) - min(sizes) <= 1
        assert sorted(each for mine in found for each in mine) == sorted(ids(by_file(many_files)))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("window", [1, 7, 64, 1024])
def test_a_chain_of_runs_reads_every_window_once(many_files, window, shuffle):
    order = random.Random(window)
    whole = sorted(ids(by_file(many_files)))
    for _ in range(6):
        loader, state, read = (
            by_file(many_files, seed=order.randrange(99), shuffle_window=window, shuffle=shuffle),
            None,
            [],
        )
        for _ in range(8):
            topology = order.choice(TOPOLOGIES)
            run = Run(loader, topology, state)
            most = 2 * len(whole) // (9 * parts(topology)) + 1
            read += run.read([order.randrange(most + 1) for _ in range(parts(topology))])
            state = run.state()
        read += Run(loader, order.choice(TOPOLOGIES), state).rest()
        assert sorted(read) == whole


def test_a_pass_goes_on_from_any_window(cuts):
    whole = ids(by_file(cuts, seed=3, shuffle_window=16))
    passing = iter(by_file(cuts, seed=3, shuffle_window=16))
    for read in range(len(whole) + 1):
        later = by_file(cuts, seed=3, shuffle_window=16)
        later.load_state_dict(json.loads(json.dumps(passing.state_dict())))
        assert ids(later) == whole[read:]
        assert [window["id"] for window in islice(passing, 1)] == whole[read : read + 1]


def test_with_the_same_topology_each_part_goes_on_by_itself(many_files):
    loader = by_file(many_files, shuffle_window=16)
    complete = [ids(mine) for mine in Run(loader, (2, 2)).passes]
    running = Run(loader, (2, 2))
    running.read([1, 9, 0, 25])
    resumed = [ids(mine) for mine in Run(loader, (2, 2), running.state()).passes]
    assert resumed == [mine[count:] for mine, count in zip(complete, [1, 9, 0, 25])]


def test_a_pickled_loader_is_the_same(many_files, more_cuts):
    loader = by_file([Source(many_files, "b"), Source(many_files, "a"), more_cuts])
    whole = ids(loader)
    for other in (pickle.loads(pickle.dumps(loader)), copy.deepcopy(loader)):
        other.set_epoch(0)
        assert ids(other) == whole


def test_the_order_is_made_again_in_another_process_and_not_sent(tmp_path):
    folder = write_cuts(tmp_path / "cuts", [cut(number) for number in range(20_000)])
    sizes = [len(pickle.dumps(loader)) for loader in (WindowLoader(folder), by_file(folder))]
    assert sizes[1] < sizes[0] + 2000


def test_nothing_of_nothing(no_cuts, cuts):
    assert ids(by_file(no_cuts)) == []
    assert sorted(ids(by_file([no_cuts, cuts]))) == sorted(ids(WindowLoader(cuts)))


def test_the_state_of_the_other_order_is_as_it_was(cuts):
    state = WindowLoader(cuts).state_dict()
    assert not {"order", "shuffle_window", "layouts"} & set(state)


def refused(loader, state) -> list[str]:
    with pytest.raises(StateError) as error:
        loader.load_state_dict(state)
    first, *lines = str(error.value).splitlines()
    assert first == "the state does not fit:"
    return lines


def test_a_state_of_another_order_is_refused_by_its_field(cuts):
    plain, state = WindowLoader(cuts).state_dict(), by_file(cuts).state_dict()
    assert refused(by_file(cuts), plain) == ["order: 'windows' in the state, 'shards' here"]
    assert refused(WindowLoader(cuts), state) == ["order: 'shards' in the state, 'windows' here"]
    assert refused(by_file(cuts, shuffle_window=9), state) == ["shuffle_window: 1024 in the state, 9 here"]
    assert refused(by_file(cuts, seed=4, shuffle_window=9), state) == [
        "seed: 0 in the state, 4 here",
        "shuffle_window: 1024 in the state, 9 here",
    ]
    by_file(cuts).load_state_dict(json.loads(json.dumps(state)))
    unshuffled = by_file(cuts, shuffle=False, shuffle_window=9).state_dict()
    by_file(cuts, shuffle=False).load_state_dict(unshuffled)  # nothing is mixed, so it does not matter


def test_a_state_of_other_files_is_refused(cuts, more_cuts, tmp_path):
    """The same windows: the index has the same fingerprint, but the order is another one."""
    windows = [cut(number, "ami" if number < 60 else "call") for number in range(100)]
    other = write_cuts(tmp_path / "other", windows, shards=7)
    WindowLoader(other).load_state_dict(WindowLoader(cuts).state_dict())
    [line] = refused(by_file([more_cuts, other]), by_file([more_cuts, cuts]).state_dict())
    assert line.startswith("layouts[1]: '")
    assert line.endswith(" here: the windows stand in other files")
    swapped = write_cuts(tmp_path / "swapped", windows[::-1], shards=3)
    assert refused(by_file(swapped), by_file(cuts).state_dict())[0].startswith("layouts[0]: "), "in files as large"
    moved = write_cuts(tmp_path / "moved", windows, shards=3)
    by_file(moved).load_state_dict(by_file(cuts).state_dict())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"order": "random"}, "order: Invalid enum value 'random'"),
        ({"order": "windows"}, "shuffle_window: unknown"),
        ({"shuffle_window": 0}, "shuffle_window: Expected `int` >= 1"),
        ({"shuffle_window": None}, "shuffle_window: missing"),
        ({"layouts": None}, "layouts: missing"),
        ({"layouts": []}, "layouts: [] in the state"),
        ({"left": [{"start": 3, "read": []}]}, "left[0].start: 3 in the state, 0 in every state of order 'shards'"),
        ({"left": [{"start": 0, "read": [51, 0]}]}, "left: [{'start': 0, 'read': [51, 0]}] cannot be left of an epoch"),
        ({"positions": {"0": 101}}, "positions: 101 windows of part 0 were read, and it has 100"),
    ],
)
def test_what_is_no_state_of_it_is_refused(cuts, change, why):
    state = by_file(cuts).state_dict()
    assert refused(by_file(cuts), with_checksum({**state, **change}))[0].startswith(why)
    assert refused(by_file(cuts), {**state, **change})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"order": "random"}, "order='random': must be 'windows' or 'shards'"),
        ({"order": None}, "order=None: must be"),
        ({"order": "shards", "shuffle_window": 0}, "shuffle_window=0: must be an integer from 1 to 1,048,576"),
        ({"order": "shards", "shuffle_window": 1.5}, "shuffle_window=1.5: must be"),
        ({"order": "shards", "shuffle_window": True}, "shuffle_window=True: must be"),
        ({"order": "shards", "shuffle_window": 1 << 21}, "shuffle_window=2097152: must be"),
        ({"order": "shards", "seed": "1"}, "seed='1': must be an integer"),
        ({"order": "shards", "repeat": True}, "order='shards', repeat=True: sources are repeated by weights"),
    ],
)
def test_what_cannot_be_asked_for(cuts, options, why):
    with pytest.raises(ValueError, match=why):
        WindowLoader(cuts, **options)


def test_weights_do_not_go_with_it(cuts, more_cuts):
    with pytest.raises(ValueError, match="order='shards': sources with weights are mixed window by window"):
        by_file([Source(cuts, weight=1), Source(more_cuts, weight=2)])


def test_a_store_is_read_in_few_large_requests(s3, tmp_path):
    """3,000 windows of some 2 kB in 5 files; the windows in between are fetched once."""
    padded = [{**cut(number), "pad": "x" * 2000} for number in range(3000)]
    folder = write_cuts(tmp_path / "cuts", padded, shards=5)
    url = uploaded(s3, folder)
    fetched, sizes = {}, {}
    for order, window in (("windows", 1024), ("shards", 1024), ("shards", 100), ("shards", 1), ("shards", 3000)):
        with proxy(s3.port) as between:
            options = s3.behind(between.port).options
            loader = WindowLoader(
                url, order=order, shuffle_window=window, partition=Partition(1, 3), storage_options=options
            )
            opened, before = len(between.requests), between.answered
            found = ids(loader)
            here = WindowLoader(folder, order=order, shuffle_window=window, partition=Partition(1, 3))
            assert found == ids(here)
            fetched[order, window], sizes[order, window] = len(between.requests) - opened, between.answered - before
    size = sum(path.stat().st_size for path in Path(folder).glob("cuts-*.jsonl"))
    for window in (1024, 100, 1, 3000):
        assert fetched["shards", window] <= 6, "one request for each part of a file"
        assert sizes["shards", window] < 1.01 * size / 3, "each byte once"
    assert sizes["windows", 1024] > 2 * size / 3 or fetched["windows", 1024] > 50


@pytest.mark.parametrize("window", [1, 24, 1024])
def test_audio_of_a_store_is_read_in_few_requests(s3, tmp_path, window):
    """120 windows of some 20 kB in 3 files, of which each of 2 ranks reads a half; and each byte once."""
    folder = write_shards(tmp_path / "shards", 120, 3)
    size = sum(path.stat().st_size for path in Path(folder, "shar").glob("*.tar"))
    url = uploaded(s3, folder)
    seen = []
    with proxy(s3.port) as between:
        options = {"storage_options": s3.behind(between.port).options, "audio": True, "shuffle_window": window}
        for rank in range(2):
            for read in by_file(url, partition=Partition(rank, 2), **options):
                assert_is(read["audio"], number_of(read))
                seen.append(number_of(read))
        assert between.answered < size + 200_000
        assert sum(request.names("recording.") for request in between.requests) <= 12
    assert sorted(seen) == list(range(120))


def test_audio_goes_on_in_the_middle_of_a_block(s3, tmp_path):
    folder = write_shards(tmp_path / "shards", 60, 2)
    url = uploaded(s3, folder)
    options = {"storage_options": s3.options, "audio": True, "shuffle_window": 16}
    whole = [number_of(window) for window in by_file(folder, shuffle_window=16)]
    passing = iter(by_file(url, **options))
    for _ in range(21):
        next(passing)
    later = by_file(url, **options)
    later.load_state_dict(json.loads(json.dumps(passing.state_dict())))
    for number, window in zip(whole[21:], later, strict=True):
        assert_is(window["audio"], number)


def test_check_loader_finds_nothing_wrong(many_files, more_cuts, capsys):
    flags = ["--order=shards", "--shuffle_window=16", "--world_size=3", "--num_workers=2"]
    code = main(["check-loader", many_files, more_cuts, *flags])
    out = capsys.readouterr().out
    assert code == 0, out
    assert "437 read, 437 different" in out
    assert "another seed, a source added, another order, another shuffle_window" in out


@pytest.fixture
def remote(cuts, monkeypatch) -> WindowLoader:
    """100 windows of a store, in blocks of 8."""
    monkeypatch.setattr("alm_beam.loader.stored_plan._FETCHED", 8)
    fsspec.filesystem("memory").put(f"{cuts}/", "/blocks", recursive=True)
    return by_file("memory://blocks", shuffle_window=8)


def test_several_blocks_are_on_their_way_at_the_same_time(cuts, remote, monkeypatch):
    """Of the four blocks after the first, none comes before all are asked for."""
    expected = ids(by_file(cuts, shuffle_window=8))
    read, calls, all_asked = Reader.lines, count(), threading.Barrier(4)

    def lines(reader, rows):
        if 1 <= next(calls) <= 4:
            all_asked.wait(timeout=60)
        return read(reader, rows)

    monkeypatch.setattr(Reader, "lines", lines)
    assert ids(remote) == expected


@pytest.mark.parametrize(("held", "blocks"), [(1, 1), (4000, 2), (1 << 20, 4)])
def test_what_is_on_its_way_is_bounded(cuts, remote, monkeypatch, held, blocks):
    monkeypatch.setattr("alm_beam.loader.loader._BYTES_AHEAD", held)
    passing = iter(remote)
    first = next(passing)
    assert len(passing._ahead) == blocks
    assert [first["id"], *ids(passing)] == ids(by_file(cuts, shuffle_window=8))


def test_after_a_block_that_did_not_come_nothing_is_left_out(cuts, remote, monkeypatch):
    expected = ids(by_file(cuts, shuffle_window=8))
    read, calls = Reader.lines, count()

    def lines(reader, rows):
        if next(calls) == 2:
            raise TimeoutError("the store does not answer")
        return read(reader, rows)

    monkeypatch.setattr(Reader, "lines", lines)
    found, passing = [], iter(remote)
    with pytest.raises(TimeoutError):
        found.extend(window["id"] for window in passing)
    assert found + ids(passing) == expected


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--order=random"], "--order: invalid choice: 'random'"),
        (["--order=shards", "--shuffle_window=0"], "--shuffle_window=0: must be at least 1"),
        (["--order=shards", "--shuffle_window=2000000"], "--shuffle_window=2000000: must be at most 1,048,576"),
        (["--order=shards", "--weights=1"], "--order=shards: sources with weights are mixed window by window"),
    ],
)
def test_flags_of_check_loader_that_do_not_fit(cuts, flags, why, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["check-loader", cuts, *flags])
    assert stopped.value.code == 2
    assert why in capsys.readouterr().err


def test_a_saved_state_is_checked_with_its_order(cuts, capsys, tmp_path):
    saved = tmp_path / "state.json"
    saved.write_text(json.dumps(by_file(cuts).state_dict()))
    small = ("--world_size=1", "--num_workers=0", f"--state={saved}")
    assert main(["check-loader", cuts, "--order=shards", *small]) == 0
    assert main(["check-loader", cuts, *small]) == 1
    assert "order: 'shards' in the state, 'windows' here" in capsys.readouterr().out
