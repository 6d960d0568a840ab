"""Each line is read once, whole, with its place, however the file is split."""

import os

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from alm_beam.runners.local import LocalRunner
from alm_beam.storage.discovery import InputError, Manifest
from alm_beam.storage.lines import ManifestReadError, ReadRange, lines_in, ranges_of, read_manifests
from alm_beam.storage.manifest_file import has_changed
from alm_beam.transforms.read import ReadManifests
from tests import manifests
from tests.storage.test_compression import COMPRESS

CONTENT = '{}\n\n{"цвет": 1}\r\n日本語 third\n  \nlast, without a newline'.encode()


def placed(content: bytes) -> list[tuple[int, bytes]]:
    lines, offset = [], 0
    for line in content.splitlines(keepends=True):
        if line.strip():
            lines.append((offset, line.rstrip(b"\n").removesuffix(b"\r")))
        offset += len(line)
    return lines


def manifest(path, content: bytes) -> Manifest:
    manifests.write(path, content)
    return Manifest(str(path), len(content))


def read_in_ranges(found: list[Manifest], size: int) -> list[tuple[str, int, bytes]]:
    return [line[:3] for each in ranges_of(found, size) for line in lines_in(each)]


@pytest.mark.parametrize("size", range(1, len(CONTENT) + 2))
def test_no_line_is_lost_or_read_twice_at_any_split_point(tmp_path, size):
    found = manifest(tmp_path / "m.jsonl", CONTENT)
    assert read_in_ranges([found], size) == [(found.path, *line) for line in placed(CONTENT)]


def test_no_line_of_an_object_is_lost_or_read_twice_at_any_split_point(store):
    url, options = store.write(f"{store.bucket()}/m.jsonl", CONTENT), {store.scheme: store.options}
    found = Manifest(url, len(CONTENT))
    for size in range(1, len(CONTENT) + 2):
        lines = [line[:3] for each in ranges_of([found], size) for line in lines_in(each, options)]
        assert lines == [(url, *line) for line in placed(CONTENT)], size


@pytest.mark.parametrize(
    ("told", "changed"),
    [
        ({"size": 3, "ETag": "a"}, False),
        ({"size": 4, "ETag": "a"}, True),
        ({"size": 3, "ETag": "b"}, True),
        ({"size": 3, "mtime": 1.0}, False),
        ({"size": None}, False),
        ({}, False),
    ],
)
def test_a_file_has_changed_only_as_far_as_its_filesystem_tells(told, changed):
    assert has_changed(told, Manifest("s3://lake/m.jsonl", 3, ("ETag", "a"))) is changed


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_is_one_range_with_offsets_of_its_uncompressed_bytes(tmp_path, suffix):
    found = manifest(tmp_path / f"m.jsonl{suffix}", COMPRESS[suffix](CONTENT))
    assert len(list(ranges_of([found], 1))) == 1
    assert read_in_ranges([found], 1) == [(found.path, *line) for line in placed(CONTENT)]


def test_the_transform_reads_every_file_as_often_as_it_is_named(tmp_path):
    one, two = manifest(tmp_path / "a[1]*.jsonl", b"{}\ny\n"), manifest(tmp_path / "b.jsonl", b"z")
    empty = manifest(tmp_path / "empty.jsonl", b"")
    lines = [(one.path, 0, b"{}", None), (one.path, 3, b"y", None), (two.path, 0, b"z", None)]
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        assert_that(pipeline | ReadManifests.of([one, two, empty, one], {}), equal_to([*lines, *lines[:2]]))


def test_small_manifests_are_one_range_and_large_ones_are_an_even_number_of_equal_ones():
    sizes = [10, 250, 30, 60, 0, 11, 100, 99]
    found = [Manifest(f"{index}.jsonl", size) for index, size in enumerate(sizes)]
    packed = Manifest("packed.jsonl.gz", 250)
    ranges = [
        ReadRange((found[1],), 0, 62),
        ReadRange((found[1],), 62, 125),
        ReadRange((found[1],), 125, 187),
        ReadRange((found[1],), 187, 250),
        ReadRange((found[0], found[2], found[3])),
        ReadRange((found[5],)),
        ReadRange((found[6],)),
        ReadRange((found[7],)),
        ReadRange((packed,)),
    ]
    assert list(ranges_of([*found, packed], 100, opening=1)) == ranges


def test_many_tiny_manifests_are_not_one_range():
    """A store takes longer to open each than a worker to read it."""
    ranges = list(ranges_of([Manifest(f"gs://lake/{number}.jsonl", 400) for number in range(20_000)]))
    assert len(ranges) > 100
    assert sum(len(each.manifests) for each in ranges) == 20_000


def test_a_line_of_20_mb_is_read_with_few_joins(tmp_path):
    long = b'{"text": "' + b"x" * 20_000_000 + b'"}'
    found = manifest(tmp_path / "m.jsonl", b"{}\n" + long + b"\n{}\n")
    sizes = [len(line) for _, _, line in read_in_ranges([found], 1 << 40)]
    assert sizes == [2, len(long), 2]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_that_is_cut_off_or_corrupt_is_an_error_that_names_it(tmp_path, suffix):
    stored = COMPRESS[suffix](manifests.lines() * 20)
    for content in (stored[: len(stored) // 2], b"not compressed at all\n"):
        found = manifest(tmp_path / f"m.jsonl{suffix}", content)
        with pytest.raises(ManifestReadError, match=f"{found.path}: "):
            read_in_ranges([found], 1)


def test_a_file_that_vanishes_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ManifestReadError, match=r"gone\.jsonl"):
        read_in_ranges([Manifest(str(tmp_path / "gone.jsonl"), 5)], 100)


@pytest.mark.parametrize("change", [lambda path: os.truncate(path, 100), lambda path: path.open("ab").write(b"{}\n")])
def test_a_file_that_is_written_while_it_is_read_is_an_error_that_names_it(tmp_path, change):
    path = tmp_path / "m.jsonl"
    manifests.write(path, b'{"a": 1}\n' * 400_000)
    lines = read_manifests(str(path))
    next(lines)
    change(path)
    with pytest.raises(ManifestReadError, match=r"m\.jsonl: cannot be read \(it has changed since the run began"):
        list(lines)


def test_a_mistyped_input_is_an_error_at_once(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_manifests(str(tmp_path / "nosuch.jsonl"))


def test_an_unknown_protocol_is_a_fault_of_the_input_also_where_options_are_given():
    with pytest.raises(InputError, match="Protocol not known"):
        read_manifests("nosuch://lake/m.jsonl", storage_options={"key": 1})


def test_a_message_is_one_line_whatever_the_name_of_the_file(tmp_path):
    found = manifest(tmp_path / "two\nlines.jsonl.gz", COMPRESS[".gz"](b"{}")[:-1])
    with pytest.raises(ManifestReadError, match=r"two\\nlines\.jsonl\.gz: the compressed data is cut off") as error:
        read_in_ranges([found], 1)
    assert "\n" not in str(error.value)
