"""Beam's own text transforms on any URL, by the filesystem that fsspec stands behind."""

import contextlib
import io
import pickle
import subprocess
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import apache_beam as beam
import fsspec
import pytest
from apache_beam.io import ReadFromText, WriteToText
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileSystem
from apache_beam.io.filesystems import FileSystems
from apache_beam.testing.util import assert_that, equal_to

from alm_beam.runners.filesystem import FsspecFileSystem, StorageSetup, _File, has_changed
from alm_beam.runners.local import LocalRunner
from alm_beam.storage.discovery import Manifest
from tests.servers.stores import SECRET, Store
from tests.transforms.test_read import CONTENT, placed, read_in_ranges

LINES = [f"line {index} größer 日本語 🙂".encode() for index in range(2000)]


@pytest.fixture
def folder(request, tmp_path):
    """A new folder on each kind of filesystem, reached as the job reaches it."""
    kind = request.param
    if kind == "file":
        yield f"file://{tmp_path}"
    elif kind == "memory":
        yield f"memory://{uuid.uuid4().hex}"
    else:
        store: Store = request.getfixturevalue(kind)
        StorageSetup({store.scheme: store.options})
        yield f"{store.bucket()}/folder"
    StorageSetup({})


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


@pytest.mark.parametrize("folder", ["s3", "gcs", "memory"], indirect=True)
def test_no_line_is_lost_or_read_twice_at_any_split_point(folder):
    """Of an object with CRLF, characters of several bytes, empty lines and no newline at the end."""
    url = write(f"{folder}/m.jsonl", CONTENT)
    for size in range(1, len(CONTENT) + 2):
        assert read_in_ranges([Manifest(url, len(CONTENT))], size) == [(url, *line) for line in placed(CONTENT)], size


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


def claimants(scheme: str) -> list[str]:
    return [kind.__name__ for kind in FileSystem.get_all_subclasses() if kind.scheme() == scheme]


def test_each_scheme_has_one_filesystem_and_the_flag_chooses_which():
    StorageSetup({})
    for scheme in ("s3", "gs", "gcs", "memory", "file", "http", "hdfs"):
        assert isinstance(FileSystems.get_filesystem(f"{scheme}://x/y"), FsspecFileSystem), scheme
    assert not isinstance(FileSystems.get_filesystem("/local"), FsspecFileSystem)
    StorageSetup({}, ["hdfs"])
    assert claimants("hdfs") == ["HadoopFileSystem"]
    assert claimants("s3") == ["Fsspec_s3"]
    with pytest.raises(ValueError, match="no filesystem of its own for nosuch"):
        StorageSetup({}, ["nosuch"])
    with pytest.raises(ValueError, match="cannot write an empty file"):
        StorageSetup({}, ["s3"])
    StorageSetup({})
    assert claimants("hdfs") == ["Fsspec_hdfs"]


def test_a_setup_takes_its_options_to_whoever_unpickles_it_and_shows_none():
    setup = StorageSetup({"s3": {"key": "some-key", "secret": SECRET}}, ["hdfs"])
    packed = pickle.dumps(setup)
    assert SECRET not in repr(setup)
    StorageSetup({})
    assert "s3" not in fsspec.config.conf
    code = (
        "import sys, pickle, fsspec; pickle.loads(sys.stdin.buffer.read())\n"
        "from apache_beam.io.filesystem import FileSystem\n"
        "print(fsspec.filesystem('s3').secret, *[k for k in FileSystem.get_all_subclasses() if k.scheme() == 'hdfs'])"
    )
    shown = subprocess.run([sys.executable, "-c", code], input=packed, capture_output=True, check=True).stdout
    assert shown.startswith(SECRET.encode())
    assert shown.count(b"<class") == 1
    assert b"HadoopFileSystem" in shown


def test_the_plugin_alone_serves_any_beam_job(tmp_path):
    """As `--beam_plugin` imports it in the workers of a job that is not ours."""
    Path(tmp_path / "x.txt").write_text("one\ntwo\n")
    code = (
        "import sys, importlib; importlib.import_module('alm_beam.runners.filesystem')\n"
        "import apache_beam as beam\n"
        "from apache_beam.runners.portability.fn_api_runner import FnApiRunner\n"
        "with beam.Pipeline(runner=FnApiRunner()) as pipeline:\n"
        f"    pipeline | beam.io.ReadFromText('file://{tmp_path}/x.txt') | beam.Map(print)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["one", "two"]


@pytest.mark.parametrize(
    ("told", "changed"),
    [
        ({"size": 3, "ETag": "a"}, False),
        ({"size": 4, "ETag": "a"}, True),
        ({"size": 3, "ETag": "b"}, True),
        ({"size": 3, "mtime": 1.0}, False),
        ({"size": None}, False),
        (None, False),
    ],
)
def test_a_file_has_changed_only_as_far_as_its_filesystem_tells(told, changed):
    file = io.BytesIO()
    opened = _File(file if told is None else SimpleNamespace(details=told), "s3://lake/m.jsonl", "rb")
    assert has_changed(opened, Manifest("s3://lake/m.jsonl", 3, ("ETag", "a"))) is changed
