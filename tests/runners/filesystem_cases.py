"""Beam's own text transforms on any URL, in a process that asked for it: `test_filesystem.py` runs this file in one."""

import contextlib
import uuid

import apache_beam as beam
import fsspec.config
import pytest
from apache_beam.io import ReadFromText, WriteToText
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.testing.util import assert_that, equal_to

import alm_beam.runners.filesystem  # noqa: F401 (asks for it)
from alm_beam.runners.local import LocalRunner
from tests.servers.stores import Store

LINES = [f"line {index} größer 日本語 🙂".encode() for index in range(2000)]


@pytest.fixture
def folder(request, tmp_path, monkeypatch):
    """A new folder on each kind of filesystem, reached by fsspec's own configuration."""
    kind = request.param
    if kind == "file":
        return f"file://{tmp_path}"
    if kind == "memory":
        return f"memory://{uuid.uuid4().hex}"
    store: Store = request.getfixturevalue(kind)
    monkeypatch.setitem(fsspec.config.conf, store.scheme, store.options)
    return f"{store.bucket()}/folder"


everywhere = pytest.mark.parametrize("folder", ["file", "memory", "s3", "gcs"], indirect=True)
stores = pytest.mark.parametrize("folder", ["s3", "gcs"], indirect=True)


def write(url: str, content: bytes) -> str:
    FileSystems.mkdirs(FileSystems.split(url)[0])
    with FileSystems.create(url, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        file.write(content)
    return url


def matched(pattern: str) -> list[str]:
    [result] = FileSystems.match([pattern])
    return sorted(found.path for found in result.metadata_list)


@everywhere
def test_beams_text_transforms_read_back_what_they_wrote(folder):
    for name, options in (("plain", {}), ("packed", {"compression_type": CompressionTypes.GZIP})):
        with beam.Pipeline(runner=LocalRunner()) as pipeline:
            lines = pipeline | beam.Create(LINES)
            lines | WriteToText(
                f"{folder}/{name}", file_name_suffix=".gz", coder=beam.coders.BytesCoder(), num_shards=3, **options
            )
        with beam.Pipeline(runner=LocalRunner()) as pipeline:
            found = pipeline | ReadFromText(f"{folder}/{name}-*", coder=beam.coders.BytesCoder(), **options)
            assert_that(found, equal_to(LINES))
        assert len(matched(f"{folder}/{name}*")) == len(matched(f"{folder}/**")) / (1 if name == "plain" else 2) == 3


@stores
def test_a_big_object_is_split_and_read_once(folder):
    lines = [b"%07d " % index + "größer 🙂\r".encode() * (index % 50) for index in range(60_000)]
    content = b"\r\n".join(lines)
    url = write(f"{folder}/big.txt", content)
    source = ReadFromText(url, coder=beam.coders.BytesCoder())._source
    bundles = list(source.split(1 << 20))
    assert len(bundles) == len(content) >> 20 > 15
    read = [
        line
        for bundle in bundles
        for line in bundle.source.read(bundle.source.get_range_tracker(bundle.start_position, bundle.stop_position))
    ]
    assert read == lines


@everywhere
def test_files_are_matched_renamed_copied_and_deleted(folder):
    one, two = write(f"{folder}/a/one.txt", b"1"), write(f"{folder}/a/b/two.txt", b"22")
    write(f"{folder}/beam-temp-out-1/part", b"crashed")
    write(f"{folder}/ab.txt", b"")
    assert matched(f"{folder}/**.txt") == sorted([one, two, f"{folder}/ab.txt"])
    assert matched(f"{folder}/a/*") == [one]
    assert matched(f"{folder}/a*") == [f"{folder}/ab.txt"]
    assert matched(f"{folder}/**") == sorted([one, two, f"{folder}/ab.txt"]), "nothing of a crashed run"
    assert matched(f"{folder}/beam-temp-out-1/*") == [f"{folder}/beam-temp-out-1/part"]
    assert matched(one) == [one]
    assert matched(f"{folder}/gone") == matched(f"{folder}/none/*") == []
    found = FileSystems.match([two])[0].metadata_list[0]
    assert (found.size_in_bytes, found.last_updated_in_seconds > 1e9) == (2, True)

    FileSystems.rename([one, two], [f"{folder}/1.txt", f"{folder}/2.txt"])
    assert matched(f"{folder}/**.txt") == [f"{folder}/1.txt", f"{folder}/2.txt", f"{folder}/ab.txt"]
    FileSystems.copy([f"{folder}/1.txt"], [f"{folder}/3.txt"])
    with FileSystems.open(f"{folder}/3.txt", compression_type=CompressionTypes.UNCOMPRESSED) as file:
        assert file.read() == b"1"
    assert FileSystems.checksum(f"{folder}/1.txt") != FileSystems.checksum(f"{folder}/2.txt")
    FileSystems.delete([f"{folder}/3.txt", f"{folder}/beam-temp-out-1", f"{folder}/gone"])
    assert matched(f"{folder}/3.txt") == matched(f"{folder}/beam-temp-out-1/*") == []


@everywhere
def test_what_is_missing_is_an_error_that_names_it(folder):
    with pytest.raises(OSError, match=f"{folder}/gone: does not exist"):
        FileSystems.open(f"{folder}/gone").read()
    with pytest.raises(BeamIOError, match=f"{folder}/gone: does not exist"):
        FileSystems.checksum(f"{folder}/gone")
    with pytest.raises(BeamIOError, match=f"{folder}"):
        FileSystems.rename([f"{folder}/gone"], [f"{folder}/new"])


@stores
def test_a_missing_bucket_is_an_error_that_names_it_whatever_is_done(folder):
    bucket = f"{folder.partition('://')[0]}://no-such-bucket-here"
    with pytest.raises(BeamIOError, match=bucket):
        FileSystems.match([f"{bucket}/in/*"])
    with pytest.raises(OSError, match=f"{bucket}/x: "), FileSystems.create(f"{bucket}/x") as file:
        file.write(b"x")
    FileSystems.mkdirs(f"{bucket}/folder")
    with pytest.raises(BeamIOError, match=bucket):
        FileSystems.match([f"{bucket}/in/*"])


@everywhere
def test_half_a_file_is_no_file(folder):
    if folder.startswith(("file", "memory")):
        pytest.skip("not a store that takes a file as a whole")
    for size in (10, *([20 << 20] if folder.startswith("s3") else [])):  # the GCS server knows no end to an upload
        with contextlib.suppress(KeyError), FileSystems.create(f"{folder}/half") as file:
            file.write(b"x" * size)
            raise KeyError
        assert matched(f"{folder}/half") == []
