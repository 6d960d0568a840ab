"""What is read of a file is what its store said that there is, or an error that names the file."""

import gzip
import io
import json

import fsspec
import pytest
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from alm_beam.cli.windows import main as run
from alm_beam.storage.discovery import InputError, Manifest, find_manifests
from alm_beam.storage.lines import ManifestReadError, ReadRange, lines_in, ranges_of, read_manifests
from alm_beam.storage.run_folder import RunFolder
from tests import manifests
from tests.servers.web import Site, web_site
from tests.storage.test_compression import COMPRESS

LINE = b'{"a": "' + b"x" * 90 + b'"}\n'


class Odd(AbstractFileSystem):
    """Of one file, whose parts are not those that were asked for."""

    protocol = "odd"
    content = LINE * 200_000
    stated = len(content)
    buffered = True

    def info(self, path, **_):
        return {"name": path, "size": self.stated, "type": "file"}

    def ls(self, path, detail=True, **_):
        return [self.info(path)] if detail else [path]

    def _open(self, path, mode="rb", **how):
        return OddFile(self, path, mode, **how) if self.buffered else io.BytesIO(self.content)


class OddFile(AbstractBufferedFile):
    def _fetch_range(self, start, end):
        return self.fs.content[start:end]


@pytest.fixture
def odd(monkeypatch):
    fsspec.register_implementation("odd", Odd, clobber=True)
    for name in ("content", "stated", "buffered"):
        monkeypatch.setattr(Odd, name, getattr(Odd, name))
    return Odd


def read_all(url: str) -> int:
    return sum(1 for each in ranges_of(find_manifests([url])) for _ in lines_in(each))


def test_a_file_that_is_as_stated_is_read(odd):
    assert read_all("odd://m.jsonl") == 200_000
    odd.buffered = False
    assert read_all("odd://m.jsonl") == 200_000


@pytest.mark.parametrize("size", [1_000, 200_000 * len(LINE)])
@pytest.mark.parametrize(
    ("buffered", "missing"),
    [(True, 1), (True, 400), (False, 1), (False, 400), (False, -400)],  # a buffered one is not asked for more
)
def test_more_or_less_than_stated_is_an_error_that_names_the_file(odd, size, missing, buffered):
    odd.buffered, odd.stated = buffered, size
    odd.content = (odd.content + LINE * 4)[: size - missing]
    with pytest.raises(ManifestReadError, match=r"odd://m\.jsonl: cannot be read"):
        read_all("odd://m.jsonl")


@pytest.mark.parametrize("lines", [100, 250_000])
def test_http_gives_what_the_server_has(lines):
    with web_site(Site(LINE * lines)) as site:
        assert read_all(site.url()) == lines
        site.takes_ranges = False
        if lines == 100:
            assert read_all(site.url()) == lines


@pytest.mark.parametrize("name", ["m.jsonl", "m.jsonl.gz"])
@pytest.mark.parametrize("lines", [3_000, 250_000])
@pytest.mark.parametrize("stated", [None, "one byte less", "one byte more"])
def test_http_answers_of_another_size_than_stated_are_an_error(name, lines, stated):
    content = LINE * lines if name == "m.jsonl" else gzip.compress(LINE * lines)
    with web_site(Site(content, encodes=stated is None)) as site:
        site.stated = {"one byte less": len(content) - 1, "one byte more": len(content) + 1}.get(stated)
        with pytest.raises(ManifestReadError, match=rf"{name}: cannot be read"):
            read_all(site.url(name))


@pytest.mark.parametrize("name", ["m.jsonl", "m.jsonl.gz"])
@pytest.mark.parametrize("lines", [100, 250_000])
def test_an_http_file_that_arrives_compressed_in_the_size_that_was_stated_is_no_manifest(name, lines):
    content = LINE * lines if name == "m.jsonl" else gzip.compress(LINE * lines)
    with web_site(Site(content, encodes=True, stated=len(gzip.compress(content)))) as site:
        [line] = read_manifests(site.url(name))
    assert line.fault.detail.startswith("the file is gzip")


def test_a_gz_whose_server_takes_its_own_compression_for_one_of_the_way_is_read():
    with web_site(Site(gzip.compress(LINE * 100), encoding_is_stated=True)) as site:
        assert read_all(site.url("m.jsonl.gz")) == 100


def test_http_without_a_size_is_refused_by_name():
    with web_site(Site(LINE, stated=0)) as site:
        site.encodes = site.encoding_is_stated = True
        with pytest.raises(InputError, match=r"m\.jsonl has no known size"):
            read_all(site.url())


def test_an_http_file_that_is_another_one_after_its_first_part_is_an_error():
    with web_site(Site(LINE * 250_000)) as site:
        [manifest] = find_manifests([site.url()])
        assert manifest.version == ("ETag", '"1"')
        lines = lines_in(ReadRange((manifest,)))
        next(lines)
        site.etag = '"2"'
        with pytest.raises(ManifestReadError, match="it has changed since the run began"):
            list(lines)


@pytest.mark.parametrize("name", ["m.jsonl", "m.jsonl.gz"])
@pytest.mark.parametrize("repeats", [1, 400_000])
def test_an_object_with_a_content_encoding_is_refused_by_its_url(gcs, name, repeats, monkeypatch):
    """Its size is that of the compressed bytes; what arrives is uncompressed, and whole, whatever part is asked for."""
    content = gzip.compress(LINE * repeats, 0 if repeats > 1 else 9)
    url = gcs.write(f"{gcs.bucket()}/{name}", content)
    from gcsfs.core import GCSFileSystem

    info = GCSFileSystem._info

    async def encoded(self, path, **how):
        return {**await info(self, path, **how), "contentEncoding": "gzip"}

    options = {"gs": gcs.options}
    monkeypatch.setattr(GCSFileSystem, "_info", encoded)
    [manifest] = find_manifests([url], options)
    for read in ranges_of([manifest]):
        with pytest.raises(ManifestReadError, match=rf"{url}: cannot be read \(it is stored with Content-Encoding"):
            list(lines_in(read, options))


@pytest.mark.parametrize("longer", [True, False])
def test_an_answer_of_another_length_than_was_asked_for_is_an_error(store, longer, monkeypatch):
    url = store.write(f"{store.bucket()}/m.jsonl", LINE * 100)
    options = {store.scheme: store.options}
    from gcsfs.core import GCSFile
    from s3fs.core import S3File

    for kind in (GCSFile, S3File):
        fetch = kind._fetch_range
        change = (lambda data: data * 3) if longer else (lambda data: data[:-50])
        monkeypatch.setattr(kind, "_fetch_range", lambda *asked, f=fetch, c=change: c(f(*asked)))
    with pytest.raises(ManifestReadError, match=rf"{url}: cannot be read \(the store gave"):
        list(read_manifests(url, storage_options=options))


CHANGES = {
    "grows": lambda path: path.open("ab").write(COMPRESS.get(path.suffix, bytes)(manifests.lines())),
    "is rewritten": lambda path: path.write_bytes(path.read_bytes()),
    "is truncated": lambda path: path.open("r+b").truncate(50),
    "is emptied": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("suffix", ["", *COMPRESS])
@pytest.mark.parametrize("several", [False, True])
def test_a_small_file_that_changes_while_it_is_read_is_an_error(tmp_path, change, suffix, several):
    path = tmp_path / f"b.jsonl{suffix}"
    content = COMPRESS.get(suffix, bytes)(manifests.lines() * 3)
    manifests.write(path, content)
    found = [Manifest(str(path), path.stat().st_size, ("mtime", str(path.stat().st_mtime)))]
    if several:
        others = [manifests.write(tmp_path / name) for name in ("a.jsonl", "c.jsonl")]
        found[:0], found[1:] = find_manifests([str(others[0])]), [*found, *find_manifests([str(others[1])])]
    [read] = ranges_of(found)
    lines = lines_in(read)
    for line in lines:
        if line.file == str(path):
            break
    CHANGES[change](path)
    with pytest.raises(ManifestReadError, match=rf"b\.jsonl{suffix}: "):
        list(lines)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_that_changes_between_finding_and_opening_fails_the_run(tmp_path, change, suffix, monkeypatch, capfd):
    path = manifests.write(tmp_path / f"m.jsonl{suffix}", COMPRESS.get(suffix, bytes)(manifests.lines()))
    prepare = RunFolder.prepare
    monkeypatch.setattr(RunFolder, "prepare", lambda folder, *more: (prepare(folder, *more), CHANGES[change](path)))
    assert run([f"--input={path}", f"--output={tmp_path / 'out'}"]) == 1
    assert f"{path}: cannot be read (it has changed since the run began)" in capfd.readouterr().err
    assert not (tmp_path / "out" / "_SUCCESS").exists()


def test_a_file_that_is_replaced_is_told_by_its_time(tmp_path):
    path = manifests.write(tmp_path / "m.jsonl")
    found = find_manifests([str(path)])
    manifests.write(tmp_path / "new", json.dumps({}).encode().ljust(path.stat().st_size))
    (tmp_path / "new").rename(path)
    with pytest.raises(ManifestReadError, match="it has changed since the run began"):
        list(lines_in(ReadRange(tuple(found))))
