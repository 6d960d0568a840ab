"""Lines by where they stand: the same as lines of ranges, from any manifest, each worker for itself."""

import os
from pathlib import Path

import pytest

from alm_beam.core.manifest import ManifestLine
from alm_beam.storage.discovery import find_manifests
from alm_beam.storage.line_spans import LineSpan, lines_of, spans_in
from alm_beam.storage.lines import ManifestReadError, ReadRange, lines_in, ranges_of
from tests.storage.test_compression import COMPRESS

TEXT = b'\xef\xbb\xbf{"a": 1}\r\n\n{"b": "\xc3\xbc"}\n   \n{"long": "' + b"x" * 3000 + b'"}\n\n\n{"c": 1}\r\n{"d": 2}'
LIMIT = 2000


def spans(path: str, copies: Path, *, span_bytes: int = 0, range_bytes: int = 1 << 20) -> list[LineSpan]:
    found = []
    for each in ranges_of(find_manifests([path]), range_bytes):
        found += spans_in(each, str(copies), span_bytes, {}, LIMIT)
    return found


def read(every: list[LineSpan]) -> list[ManifestLine]:
    return [line for span in every for line in lines_of(span)]


def expected(path: Path) -> list[ManifestLine]:
    [manifest] = find_manifests([str(path)])
    return list(lines_in(ReadRange((manifest,)), max_line_bytes=LIMIT))


@pytest.mark.parametrize("range_bytes", [20, 1 << 20])
@pytest.mark.parametrize(("span_bytes", "count"), [(0, 5), (10, 4), (1 << 16, 3)])
def test_the_lines_are_those_of_ranges(tmp_path, span_bytes, count, range_bytes):
    path = tmp_path / "m.jsonl"
    path.write_bytes(TEXT)
    found = spans(str(path), tmp_path / "copies", span_bytes=span_bytes, range_bytes=range_bytes)
    assert str(read(found)) == str(expected(path)), "faults are equal in what they say"
    assert len(read(found)) == 5
    assert len(found) >= count
    assert range_bytes == 20 or len(found) == count
    assert not (tmp_path / "copies").exists()


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_manifest_is_copied_and_called_as_before(tmp_path, suffix):
    path = tmp_path / f"m.jsonl{suffix}"
    path.write_bytes(COMPRESS[suffix](TEXT))
    found = spans(str(path), tmp_path / "copies")
    [copy] = (tmp_path / "copies").iterdir()
    assert {span.manifest.path for span in found} == {str(copy)}
    assert str(read(found)) == str(expected(path))
    assert {line.file for line in read(found)} == {str(path)}


def test_a_file_that_is_no_manifest_is_one_line(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'[\n  {"a": 1},\n  {"b": 2}\n]\n')
    [line] = read(spans(str(path), tmp_path / "copies", range_bytes=8))
    assert line.fault.reason.value == "not_a_manifest"


@pytest.mark.parametrize("change", [b'{"a": 2}\n{"b": 3}\n', b"", b'{"a": 1}\n{"b": 2}\n{"c": 3}\n'])
def test_a_manifest_that_changes_before_its_lines_are_read_is_named(tmp_path, change):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": 2}\n')
    found = spans(str(path), tmp_path / "copies")
    path.write_bytes(change)
    os.utime(path, (1, 1))
    with pytest.raises(ManifestReadError, match=rf"{path}: cannot be read \(it has changed since the run began\)"):
        read(found)


def test_a_manifest_in_a_store_is_read_in_parts_and_its_change_noticed(s3):
    url = s3.write(f"{s3.bucket()}/m.jsonl", TEXT)
    options = {"s3": s3.options}
    [manifest] = find_manifests([url], options)
    found = [*spans_in(ReadRange((manifest,)), "", 0, options, LIMIT)]
    texts = [line.text[:10] for span in found for line in lines_of(span, options)]
    assert texts == [b'\xef\xbb\xbf{"a": 1', b'{"b": "\xc3\xbc"', b'{"long": "', b'{"c": 1}', b'{"d": 2}']
    s3.write(url, TEXT.replace(b'"c"', b'"e"'))
    with pytest.raises(ManifestReadError, match="it has changed since the run began"):
        next(lines_of(found[0], options))
