"""Each line is read once, whole, with its place, however the file is split."""

import apache_beam as beam
import pytest
from apache_beam.io import iobase
from apache_beam.testing.util import assert_that, equal_to

from alm_beam.runners.local import LocalRunner
from alm_beam.storage.discovery import Manifest
from alm_beam.transforms.read import ManifestReadError, ReadManifests
from tests import manifests
from tests.storage.test_compression import COMPRESS

CONTENT = "first\n\nцвет\r\n日本語 third\n  \nlast, without a newline".encode()


def placed(content: bytes) -> list[tuple[int, bytes]]:
    lines, offset = [], 0
    for line in content.splitlines(keepends=True):
        lines.append((offset, line.rstrip(b"\n").removesuffix(b"\r")))
        offset += len(line)
    return lines


def manifest(path, content: bytes) -> Manifest:
    manifests.write(path, content)
    return Manifest(str(path), len(content))


def read_in_bundles(reader: ReadManifests, size: int) -> list[tuple[str, int, bytes]]:
    return [
        line
        for bundle in reader._source.split(size)
        for line in bundle.source.read(bundle.source.get_range_tracker(bundle.start_position, bundle.stop_position))
    ]


@pytest.mark.parametrize("size", range(1, len(CONTENT) + 2))
def test_no_line_is_lost_or_read_twice_at_any_split_point(tmp_path, size):
    found = manifest(tmp_path / "m.jsonl", CONTENT)
    assert read_in_bundles(ReadManifests([found]), size) == [(found.path, *line) for line in placed(CONTENT)]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_is_one_bundle_with_offsets_of_its_uncompressed_bytes(tmp_path, suffix):
    found = manifest(tmp_path / f"m.jsonl{suffix}", COMPRESS[suffix](CONTENT))
    reader = ReadManifests([found])
    assert len(list(reader._source.split(1))) == 1
    assert read_in_bundles(reader, 1) == [(found.path, *line) for line in placed(CONTENT)]


def test_the_transform_reads_every_file_as_often_as_it_is_named(tmp_path):
    one, two = manifest(tmp_path / "a[1]*.jsonl", b"x\ny\n"), manifest(tmp_path / "b.jsonl", b"z")
    empty = manifest(tmp_path / "empty.jsonl", b"")
    lines = [(one.path, 0, b"x"), (one.path, 2, b"y"), (two.path, 0, b"z")]
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        assert_that(pipeline | ReadManifests([one, two, empty, one]), equal_to([*lines, *lines[:2]]))


@pytest.mark.parametrize("stop", range(1, 7))
def test_small_manifests_are_one_bundle_that_can_be_split_between_them(tmp_path, stop):
    found = [manifest(tmp_path / f"{index}.jsonl", b"{}\n" * index) for index in range(7)]
    (bundle,) = ReadManifests(found)._source.split(1 << 20)
    tracker = bundle.source.get_range_tracker(bundle.start_position, bundle.stop_position)
    lines = bundle.source.read(tracker)
    read = [next(lines)]
    split = tracker.try_split(stop)
    rest = [] if split is None else bundle.source.read(bundle.source.get_range_tracker(stop, bundle.stop_position))
    assert (split is None) == (stop == 6), "6 manifests have lines"
    read += [*lines, *rest]
    assert read == [(path, 3 * line, b"{}") for index, (path, *_) in enumerate(found) for line in range(index)]


def test_large_manifests_are_bundles_of_their_own(tmp_path):
    sizes = [10, 2 << 20, 10, 10, 1 << 20, 10]
    found = [manifest(tmp_path / f"{index}.jsonl", b"x" * size) for index, size in enumerate(sizes)]
    assert [bundle.weight for bundle in ReadManifests(found)._source.split(4 << 20)] == [10, 2 << 20, 20, 1 << 20, 10]


def test_a_line_of_20_mb_is_read_with_few_joins(tmp_path):
    long = b'{"text": "' + b"x" * 20_000_000 + b'"}'
    found = manifest(tmp_path / "m.jsonl", b"{}\n" + long + b"\n{}\n")
    sizes = [len(line) for _, _, line in read_in_bundles(ReadManifests([found]), 1 << 40)]
    assert sizes == [2, len(long), 2]
    assert ReadManifests([found])._source._buffer_size >= 1 << 20


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_that_is_cut_off_or_corrupt_is_an_error_that_names_it(tmp_path, suffix):
    stored = COMPRESS[suffix](manifests.lines() * 20)
    for content in (stored[: len(stored) // 2], b"not compressed at all\n"):
        found = manifest(tmp_path / f"m.jsonl{suffix}", content)
        with pytest.raises(ManifestReadError, match=f"{found.path}: "):
            read_in_bundles(ReadManifests([found]), 1)


def test_a_file_that_vanishes_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ManifestReadError, match=r"gone\.jsonl"):
        read_in_bundles(ReadManifests([Manifest(str(tmp_path / "gone.jsonl"), 5)]), 100)


def test_bundles_do_not_carry_the_list_of_files(tmp_path):
    found = [manifest(tmp_path / f"{index}.jsonl", b"{}\n") for index in range(200)]
    bundle = next(iter(ReadManifests(found)._source.split(100)))
    assert isinstance(bundle, iobase.SourceBundle)
    many = ReadManifests([manifest(tmp_path / "large.jsonl", b"x" * (2 << 20)), *found])
    single = next(iter(many._source.split(4 << 20)))
    assert len(beam.internal.pickler.dumps(single.source)) < 2000
    assert len(beam.internal.pickler.dumps(bundle.source)) < 2000 + 100 * len(found)
