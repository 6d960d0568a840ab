import math
import sys
from contextlib import suppress

import numpy as np
import pytest
import soundfile

from alm_beam.audio.reader import AudioReader
from alm_beam.audio.slices import Span, slices
from alm_beam.audio.with_soundfile import SoundfileReader
from alm_beam.core.faults import BadEntry
from tests.audio.sliced import (
    FLAC,
    M4A,
    MP3,
    OPUS,
    VORBIS,
    WAV,
    ending,
    sliced,
)
from tests.audio.sounds import FORMATS, RATE, Format, speech_like, written
from tests.servers.faults import proxy


def faults_of(path, spans, **more):
    found = sliced(path, spans, **more)
    for each in found:
        if isinstance(each, BadEntry):
            assert each.detail.startswith(f"{path} ")
            assert "; " in each.detail
    return ["" if not isinstance(each, BadEntry) else each.reason.value for each in found]


SPANS = [(start * 1.0, 2.0, (0,)) for start in range(0, 20, 2)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "audio_missing"), (b"", "audio_empty"), (b"hello, no audio" * 99, "audio_unreadable")],
)
def test_a_file_that_cannot_be_used_is_the_fault_of_each_window(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    assert faults_of(tmp_path / "a.wav", SPANS) == [reason] * len(SPANS)


def test_no_windows_are_no_fault(tmp_path):
    assert sliced(tmp_path / "none.wav", []) == []


def test_a_codec_that_is_not_installed(tmp_path, monkeypatch):
    path = written(tmp_path / "a.m4a", M4A, speech_like(2))
    monkeypatch.setitem(sys.modules, "av", None)
    [fault] = sliced(path, [(0, 1, (0,))])
    assert fault.reason.value == "audio_codec_missing"
    assert "pip install 'alm-beam[audio]'" in fault.detail


def test_a_file_that_may_not_be_read(tmp_path, s3):
    url = s3.write(f"{s3.bucket()}/a.wav", written(tmp_path / "a", WAV, speech_like(3)).read_bytes())
    with proxy(s3.port, lambda _: "status:403:AccessDenied") as between:
        found = sliced(url, [(0, 1, (0,)), (1, 1, (0,))], options={"s3": s3.behind(between.port).options})
    assert [each.reason.value for each in found] == ["audio_denied"] * 2


@pytest.mark.parametrize("sample_rate", [0, 8000])
@pytest.mark.parametrize("share", [0.2, 0.55, 0.99])
@pytest.mark.parametrize(
    "form", [each for each in FORMATS if each.ending not in ("m4a", "mp4", "alac.m4a")], ids=ending
)
def test_of_a_file_that_is_cut_off_the_windows_before_its_end_are_there(tmp_path, form, share, sample_rate):
    rate = 48000 if form.name == "libopus" else RATE
    path = written(tmp_path / "a", form, speech_like(20, rate), rate)
    expected = sliced(path, SPANS, sample_rate=sample_rate)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    reasons = faults_of(path, SPANS, sample_rate=sample_rate)
    whole = reasons.count("")
    assert abs(whole - int(share * 10)) <= 1
    assert reasons[:whole] == [""] * whole
    if form.ending in ("aac", "webm", "mka", "avi"):  # their headers do not tell, or not to half a second
        assert set(reasons[whole:]) <= {"audio_truncated", "audio_unreadable", "audio_too_short"}
    else:
        assert reasons[whole:] == ["audio_truncated"] * (10 - whole)
    for found, wanted in zip(sliced(path, SPANS[:whole], sample_rate=sample_rate), expected):
        assert np.abs(found - wanted).max() < 1e-6
    assert faults_of(path, SPANS[::-1], sample_rate=sample_rate) == reasons[::-1]


@pytest.mark.parametrize("form", [M4A, Format("alac.m4a", "alac", container="ipod")], ids=ending)
def test_mp4_without_its_table_of_contents_is_cut_off_for_all(tmp_path, form):
    path = written(tmp_path / "a.m4a", form, speech_like(20))
    path.write_bytes(path.read_bytes()[:-3000])
    assert set(faults_of(path, SPANS)) == {"audio_truncated"}


@pytest.mark.parametrize("sample_rate", [0, 8000])
@pytest.mark.parametrize("at", [0.3, 0.5, 0.71])
@pytest.mark.parametrize(
    "form",
    [FLAC, Format("24.flac", "FLAC", "PCM_24"), OPUS, VORBIS, M4A],
    ids=ending,
)
def test_damage_in_the_middle_is_the_fault_of_the_windows_with_it(tmp_path, form, at, sample_rate):
    path = written(tmp_path / "a", form, np.tile(speech_like(20), (3, 1)))
    spans = [(start * 1.0, 2.0, (0,)) for start in range(58)]
    expected = sliced(path, spans, sample_rate=sample_rate)
    data = path.read_bytes()
    middle = int(len(data) * at)
    path.write_bytes(data[:middle] + np.random.default_rng(3).bytes(400) + data[middle + 400 :])
    reasons = faults_of(path, spans, sample_rate=sample_rate)
    damaged = [index for index, reason in enumerate(reasons) if reason]
    assert {reasons[index] for index in damaged} == {"audio_unreadable"}
    assert 1 <= len(damaged) <= 9
    assert damaged == list(range(damaged[0], damaged[-1] + 1))
    assert abs(damaged[0] - at * 60) < 6
    tolerance = math.inf if form is M4A else 1e-4  # AAC fills bands with other noise after a seek
    for index, found in enumerate(sliced(path, spans, sample_rate=sample_rate)):
        if not reasons[index]:
            assert found.shape == expected[index].shape
            assert np.abs(found - expected[index]).max() < tolerance
    assert faults_of(path, spans[::-1], sample_rate=sample_rate) == reasons[::-1]


def test_pages_of_ogg_that_are_missing(tmp_path):
    path = written(tmp_path / "a.opus", OPUS, speech_like(40))
    expected = sliced(path, SPANS)
    data = path.read_bytes()
    pages = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
    path.write_bytes(data[: pages[7]] + data[pages[9] :])
    reasons = faults_of(path, SPANS)
    assert "audio_unreadable" in reasons
    assert reasons.count("") >= 6
    for found, wanted, reason in zip(sliced(path, SPANS), expected, reasons):
        if reason:
            assert "is page 9 where 7 should be" in found.detail
        else:
            assert np.abs(found - wanted).max() < 1e-4


@pytest.mark.parametrize("sample_rate", [0, 8000, 44100])
@pytest.mark.parametrize("form", [WAV, FLAC, OPUS, MP3, Format("mka", "flac", container="matroska")], ids=ending)
def test_a_window_that_ends_after_the_audio(tmp_path, form, sample_rate):
    path = written(tmp_path / "a", form, speech_like(10))
    rate = sample_rate or RATE
    spans = [
        Span(8.0, 2.0, (0,)),
        Span(8.0, 2.05, (0,)),
        Span(8.0, 2.2, (0,)),
        Span(9.99, 0.06, (0,)),
        Span(11.0, 0.01, (0,)),
    ]
    exact, padded, late, short, behind = slices(str(path), spans, sample_rate=sample_rate, pad=0.1)
    assert (exact.padded, padded.padded, short.padded) == (0, round(0.05 * rate), round(0.05 * rate))
    for fault, end in ((late, "10.200"), (behind, "11.010")):
        assert fault.reason.value == "audio_too_short"
        assert f"lasts 10.000 s, and the window ends at {end} s; check" in fault.detail
    [again] = sliced(path, [spans[1]], sample_rate=sample_rate, pad=0.1)
    assert again.shape == (1, round(2.05 * rate))
    assert not again[0, 2 * rate :].any()
    assert np.abs(again[0, : 2 * rate] - sliced(path, [spans[0]], sample_rate=sample_rate)[0][0]).max() < 1e-6


def test_without_pad_a_window_may_end_with_the_audio_and_not_after_it(tmp_path):
    path = written(tmp_path / "a.wav", WAV, speech_like(10))
    spans = [(0, 10, (0,)), (0.00003125, 9.99996875, (0,)), (5, 5.0002, (0,))]
    assert faults_of(path, spans) == ["", "", "audio_too_short"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("sample_rate", [0, 8000])
def test_samples_that_are_no_numbers(tmp_path, value, sample_rate):
    samples = speech_like(20, RATE, 2)
    samples[RATE * 9 + 5, 1] = value
    soundfile.write(tmp_path / "a.wav", samples, RATE, "FLOAT")
    spans = [(start * 1.0, 2.0, channels) for start in range(18) for channels in ((0,), (1,), (0, 1))]
    for span, found in zip(spans, sliced(tmp_path / "a.wav", spans, sample_rate=sample_rate)):
        if span[0] in (8.0, 9.0) and 1 in span[2]:
            assert found.reason.value == "audio_unreadable"
            assert "has a sample that is not a number (NaN or infinite) at 9.000 s" in found.detail
        else:
            assert np.isfinite(found).all()


def test_a_reader_that_is_left_is_closed(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(SoundfileReader, "close", lambda self: closed.append(self))
    path = written(tmp_path / "a.wav", WAV, speech_like(5))
    found = slices(str(path), [Span(0, 1, (0,)), Span(1, 1, (0,))])
    next(found)
    assert closed == []
    found.close()
    assert len(closed) == 1
    assert isinstance(closed[0], AudioReader)
    with suppress(OSError):
        closed[0]._file.close()
