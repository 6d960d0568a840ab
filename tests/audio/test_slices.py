import os
import struct
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile
import soxr

from alm_beam.audio import open as open_module
from alm_beam.audio.slices import Slice, Span, slices
from alm_beam.audio.spans import counted_samples
from alm_beam.audio.with_soundfile import SoundfileReader
from tests.audio.sliced import (
    FLAC,
    M4A,
    MP3,
    OPUS,
    VORBIS,
    WAV,
    by_lhotse,
    check,
    ending,
    random_spans,
    sliced,
    whole_of,
)
from tests.audio.sounds import BY_SOUNDFILE, FORMATS, RATE, Format, speech_like, written
from tests.servers.faults import proxy
from tests.servers.web import Site, web_site

FETCHED = Path(__file__).parents[3] / "shared" / "inputs" / "fetched"
needs_fetched = pytest.mark.skipif(not FETCHED.is_dir(), reason=f"the fetched inputs are not at {FETCHED}")


# What is sliced: which samples, how many.


@pytest.mark.parametrize("form", [each for each in BY_SOUNDFILE if "PCM" in each.subtype], ids=ending)
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_those_that_were_written(tmp_path, form, channels):
    bits = 24 if "24" in form.subtype else 16
    full = 2 ** (bits - 1)
    values = np.random.default_rng(0).integers(-full, full, (RATE * 20, channels))
    soundfile.write(tmp_path / "a", values.astype(np.int32) << (32 - bits), RATE, form.subtype, format=form.name)
    spans = [(start, 3.00003, tuple(range(channels))) for start in (0.0, 1.50003, 1.50003, 17 - 0.00003, 4.0, 0.0)]
    for span, each in zip(spans, slices(str(tmp_path / "a"), [Span(*span) for span in spans], mono=False)):
        first = by_lhotse(span[0], RATE)
        assert (each.bits, each.sample_rate, each.padded) == (bits, RATE, 0)
        assert (each.file_rate, each.file_channels) == (RATE, channels)
        assert np.array_equal(each.samples.astype(np.float64) * full, values[first : first + 48000].T)
        assert each.samples.flags.c_contiguous


@pytest.mark.parametrize("form", FORMATS, ids=ending)
@pytest.mark.parametrize("mono", [True, False])
def test_every_format_gives_what_all_of_it_has_there(tmp_path, form, mono):
    rate = 48000 if form.name in ("libopus", "OPUS") else RATE
    path = written(tmp_path / "a", form, np.tile(speech_like(30, rate, 2), (2, 1)), rate)
    spans = sorted(random_spans(60, 12, 2))
    spans += [(50.0, 5.0, (0,)), (12.0, 2.0, (0, 1)), (0.0, 0.01, (1,)), (40.0, 1.0, (1,))]
    tolerance = 1e-6 if form in (MP3,) else 1e-7
    check(path, spans, whole_of(path), rate=rate, mono=mono, tolerance=tolerance)


@pytest.mark.parametrize("seed", range(6))
def test_random_spans_in_any_order(tmp_path, seed):
    form = (WAV, FLAC)[seed % 2]
    path = written(tmp_path / "a", form, speech_like(40, 11025, 3), 11025)
    spans = random_spans(40, 40, 3, seed)
    if seed > 2:
        spans.sort()
    check(path, spans, whole_of(path), rate=11025, mono=seed % 3 > 0, tolerance=1e-7)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_samples_are_counted_as_lhotse_counts(rate):
    generator = np.random.default_rng(rate)
    times = [*generator.uniform(0, 40000, 300), *((generator.integers(0, 10**7, 300) + 0.5) / rate)]
    assert [counted_samples(each, rate) for each in times] == [by_lhotse(each, rate) for each in times]
    assert counted_samples(0.5 / rate, rate) == 1


def test_the_mean_of_the_channels(tmp_path):
    values = np.array([[1000, 2001, -3], [32767, 32767, 32766]], np.int16).repeat(100, 0)
    soundfile.write(tmp_path / "a.wav", values, 100)
    [two, three, one] = sliced(tmp_path / "a.wav", [(0, 2, (0, 1)), (0, 2, (0, 1, 2)), (0, 2, (2,))])
    assert np.array_equal(two[0, [0, 150]] * 32768, [1500.5, 32767])
    assert three[0, [0, 150]] * 32768 == pytest.approx([2998 / 3, 98300 / 3], rel=1e-6)
    assert np.array_equal(one[0, [0, 150]] * 32768, [-3, 32766])


@pytest.mark.parametrize("mono", [True, False])
def test_channels_that_the_file_does_not_have_are_left_out(tmp_path, mono):
    path = written(tmp_path / "a.wav", WAV, speech_like(2, RATE, 2))
    spans = [(0, 1, (1, 2)), (0, 1, (2, 3)), (0.5, 1, (0, 1, 9))]
    some, none, more = sliced(path, spans, mono=mono)
    assert np.array_equal(some[0], whole_of(path)[:RATE, 1])
    assert more.shape == (1 if mono else 2, RATE)
    assert none.reason.value == "audio_unreadable"
    assert f"{path} has 2 channel(s), and none of the window's (2, 3, from 0); check the channels" in none.detail


def test_a_window_of_less_than_a_sample_is_refused(tmp_path):
    path = written(tmp_path / "a.wav", WAV, speech_like(1))
    [fault, one] = sliced(path, [(0, 0.4 / RATE, (0,)), (0, 0.5 / RATE, (0,))])
    assert (fault.reason.value, "has no sample in the 2.5e-05 s" in fault.detail) == ("not_a_cut", True)
    assert one.shape == (1, 1)


# Another rate.


@pytest.mark.parametrize(
    ("file_rate", "rate"),
    [(44100, 16000), (48000, 16000), (8000, 16000), (16000, 44100), (44100, 8000), (22050, 48000), (192000, 8000)],
)
def test_resampling_is_that_of_the_whole_file(tmp_path, file_rate, rate):
    path = written(tmp_path / "a.wav", Format("wav", "WAV", "FLOAT"), speech_like(30, file_rate, 2), file_rate)
    whole = soxr.resample(whole_of(path), file_rate, rate, quality="HQ")
    spans = [*sorted(random_spans(30, 15, 2, seed=file_rate)), (23.0, 7.0, (0, 1)), (0.0, 0.3, (1,)), (12.5, 0.1, (0,))]
    check(path, spans, whole, rate=rate, tolerance=2e-6, sample_rate=rate)
    for span in (spans[3], spans[9], spans[-3]):
        check(path, [span], whole, rate=rate, tolerance=2e-6, sample_rate=rate, mono=False)


def test_a_window_of_another_rate_does_not_depend_on_the_others(tmp_path):
    path = written(tmp_path / "a.flac", FLAC, speech_like(60, 44100), 44100)
    spans = [(start * 2.5, 5.0, (0,)) for start in range(22)]
    together = sliced(path, spans, sample_rate=16000)
    for index in (0, 7, 21):
        [alone] = sliced(path, [spans[index]], sample_rate=16000)
        assert np.abs(alone - together[index]).max() < 1e-6


# How it is read.


class Counted(SoundfileReader):
    """Counts the samples that are decoded."""

    decoded = 0
    opened = 0

    def _open(self, source):
        Counted.opened += 1
        super()._open(source)

    def _read(self, buffer):
        block = super()._read(buffer)
        Counted.decoded += len(block)
        return block


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(open_module, "SoundfileReader", Counted)
    Counted.decoded = Counted.opened = 0
    return Counted


@pytest.mark.parametrize("form", [WAV, FLAC, OPUS, MP3], ids=ending)
def test_a_file_is_opened_and_decoded_once_however_much_its_windows_overlap(tmp_path, form, counted):
    path = written(tmp_path / "a", form, speech_like(60))
    spans = [(start * 0.1, 6.0, (0,)) for start in range(500)]
    whole = whole_of(path)
    Counted.decoded = Counted.opened = 0
    check(path, spans, whole, rate=RATE)
    assert counted.opened == 1
    assert counted.decoded <= 60 * RATE


@pytest.mark.parametrize("form", [WAV, FLAC, OPUS, VORBIS, MP3], ids=ending)
def test_gaps_are_passed_over(tmp_path, form, counted):
    path = written(tmp_path / "a", form, np.tile(speech_like(60), (6, 1)))
    whole = whole_of(path)
    Counted.decoded = 0
    check(path, [(5, 1, (0,)), (300, 1, (0,)), (10, 1, (0,))], whole, rate=RATE, tolerance=1e-6)
    assert counted.decoded <= 3 * ((1 << 19) + (1 << 14) + RATE)


def test_hundreds_of_windows_that_overlap_share_their_memory(tmp_path):
    path = written(tmp_path / "a.wav", WAV, np.tile(speech_like(60), (10, 1)))
    spans = [Span(start * 0.5, 300.0, (0,)) for start in range(600)]
    found = slices(str(path), spans)
    bases = {id(each.values.base) for each, _ in zip(found, range(500))}
    assert len(bases) == 1


_MEMORY = """
import sys
from pathlib import Path
from alm_beam.audio.slices import Slice, Span, slices
from alm_beam.audio.encode import encoded
seconds, rate = int(sys.argv[2]), int(sys.argv[3])
spans = [Span(float(start), 120.0, (0,)) for start in range(0, seconds - 119, 20)]
count = 0
for each in slices(sys.argv[1], spans, sample_rate=rate):
    assert isinstance(each, Slice) and each.samples.shape == (1, 120 * each.sample_rate)
    count += 1
    if count % 100 == 0:
        encoded(each.values, each.sample_rate, "flac", each.bits)
assert count == len(spans)
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.parametrize(("ending", "rate"), [("wav", 0), ("flac", 0), ("wav", 8000)])
def test_six_hours_take_little_memory(tmp_path, ending, rate):
    path, seconds = tmp_path / f"a.{ending}", 6 * 3600
    part = speech_like(60)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(seconds // 60):
            file.write(part)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", _MEMORY, str(path), str(seconds), str(rate)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert int(answer.stdout) < 200_000  # kB; 400 MB is the limit


@needs_fetched
def test_opus_that_begins_late_is_sliced_where_players_have_it():
    """libsndfile leaves out its decoder's delay, 312 samples, after a first seek only; soundfile's `read` seeks."""
    path = FETCHED / "audio_2.opus"
    spans = [(0.0, 1.0, (0, 1)), (0.2, 3.0, (0,)), (40.0, 2.0, (1,)), (60.0, 2.0, (0, 1)), (1.0, 1.0, (0,))]
    whole = soundfile.read(path, dtype="float32", always_2d=True)[0]
    check(path, spans, whole, rate=48000, tolerance=1e-6)
    for span in spans:
        check(path, [span], whole, rate=48000, tolerance=1e-6, mono=False)


@pytest.mark.parametrize("rate", [16000, 24000, 48000])
@pytest.mark.parametrize("late", [0, 1, 100, 311, 312, 960, 48_000])
def test_opus_that_begins_as_late(tmp_path, rate, late):
    path = written(tmp_path / "a.opus", OPUS, speech_like(20, rate), rate)
    _later(path, late)
    spans = [(0.0, 0.5, (0,)), (10.0, 2.0, (0,)), (18.5, 1.4, (0,)), (3.0, 1.0, (0,))]
    whole = soundfile.read(path, dtype="float32", always_2d=True)[0]
    check(path, spans, whole, rate=rate, tolerance=1e-6)


def _later(path, samples):
    """Adds so many samples to the times of all pages of Ogg."""
    from alm_beam.audio import ogg

    data, at = path.read_bytes(), 0
    while page := ogg._page(data, at):
        head = bytearray(data[at : page.end])
        if page.time > 0:
            head[6:14] = struct.pack("<q", page.time + samples)
        head[22:26] = ogg._checksum(bytes(head)).to_bytes(4, "little")
        data = data[:at] + bytes(head) + data[page.end :]
        at = page.end
    path.write_bytes(data)


# Stores.


@pytest.mark.parametrize("form", [WAV, FLAC, OPUS, MP3, M4A], ids=ending)
def test_every_store_gives_what_a_disk_gives(tmp_path, store, form):
    path = written(tmp_path / "a", form, speech_like(20))
    url = store.write(f"{store.bucket()}/a #1.audio", path.read_bytes())
    spans = [(1.0, 2.0, (0,)), (12.0, 2.0, (0,)), (3.0, 1.0, (0,))]
    for here, there in zip(sliced(path, spans), sliced(url, spans, options={store.scheme: store.options})):
        assert np.array_equal(here, there)


def test_files_in_memory(tmp_path):
    path = written(tmp_path / "a", FLAC, speech_like(5))
    fsspec.filesystem("memory").pipe_file("/slices/a.flac", path.read_bytes())
    [found] = sliced("memory://slices/a.flac", [(1.0, 2.0, (0,))])
    assert np.array_equal(found, sliced(path, [(1.0, 2.0, (0,))])[0])


@pytest.mark.parametrize("form", [WAV, FLAC], ids=ending)
def test_of_a_window_little_more_than_the_window_crosses_the_wire(tmp_path, s3, form):
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, (48000 * 200, 1)).astype(np.float32)
    path = written(tmp_path / "a", form, noise, 48000)
    assert path.stat().st_size > 17_000_000
    url = s3.write(f"{s3.bucket()}/a", path.read_bytes())
    with proxy(s3.port) as between:
        found = sliced(url, [(100.0, 5.0, (0,))], options={"s3": s3.behind(between.port).options})
    assert np.array_equal(found[0], sliced(path, [(100.0, 5.0, (0,))])[0])
    assert between.answered < 5_000_000


def test_an_http_server_with_and_without_ranges(tmp_path):
    path = written(tmp_path / "a", FLAC, speech_like(10))
    spans = [(1.0, 2.0, (0,)), (7.0, 2.0, (0,))]
    for more in ({}, {"takes_ranges": False}):
        with web_site(Site(path.read_bytes(), **more)) as site:
            for here, there in zip(sliced(path, spans), sliced(site.url("a.flac"), spans)):
                assert np.array_equal(here, there)


@pytest.mark.parametrize("fault", ["status:500:InternalError", "reset"])
def test_a_store_that_fails_is_no_fault_of_the_file(tmp_path, s3, fault):
    path = written(tmp_path / "a", WAV, np.tile(speech_like(60), (10, 1)))
    url = s3.write(f"{s3.bucket()}/a.wav", path.read_bytes())
    options = {**s3.options, "config_kwargs": {"retries": {"max_attempts": 0}}}
    gets = 0

    def fails(request):
        nonlocal gets
        gets += request.method == "GET"
        return fault if request.method == "GET" and gets > 4 else None

    spans = [Span(start * 60.0, 60.0, (0,)) for start in range(10)]
    with proxy(s3.port, fails) as between:
        behind = {"s3": {**options, "endpoint_url": f"http://127.0.0.1:{between.port}"}}
        found = []
        with pytest.raises(OSError, match=f"^{url}: "):
            found.extend(isinstance(each, Slice) for each in slices(url, spans, behind))
    assert all(found)
