import os
import struct

import numpy as np
import pytest
import soundfile

from alm_beam.audio.measure import measure_audio
from alm_beam.core.faults import BadEntry
from tests.audio.sounds import FORMATS, RATE, Format, speech_like, written

WAV = Format("wav", "WAV", "PCM_16")
FLAC = Format("flac", "FLAC", "PCM_16")
OPUS = Format("opus", "OGG", "OPUS")
TELLS_WHEN_CUT = [form for form in FORMATS if form.ending not in ("aac", "webm", "mka", "avi")]
CUTS = [0.001, 0.01, 0.1, 0.25, 0.4, 0.5, 0.75, 0.9, 0.99, 0.999]


def ending(form):
    return form.ending


def fault_of(path, **spans):
    with pytest.raises(BadEntry) as refused:
        measure_audio(str(path), **spans)
    fault = refused.value
    assert fault.detail.startswith(f"{path} ")
    assert "; " in fault.detail
    return fault


def cut_short(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("spans", [{}, {"levels_of": [(0, 1)]}, {"bandwidth_of": [(0, 1)]}], ids=str)
@pytest.mark.parametrize(
    ("content", "reason", "said"),
    [
        (b"", "audio_empty", "has no bytes; fetch or write it again"),
        (b"hello, this is no audio\n" * 100, "audio_unreadable", 'is no audio; it begins with "hello, this is'),
        (b"<!DOCTYPE html><title>Sign in</title>", "audio_unreadable", "<!DOCTYPE html>"),
        (b'{"audio_filepath": "a.wav"}', "audio_unreadable", '{"audio_filepath"'),
        (b"\x00" * 5000, "audio_unreadable", r"\x00"),
        (b"\x7fELF" + bytes(5000), "audio_unreadable", "ELF"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n", "audio_unreadable", "#EXTM3U"),
        (b"RIFF\x00\x00\x00\x00WAVEgarbage" * 20, "audio_unreadable", "begins as WAV does"),
        (b"fLaC" + b"\x01" * 500, "audio_unreadable", "begins as FLAC does"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x0a" + b"\x00" * 100, "audio_unreadable", "MP3"),
        (b"\x1a\x45\xdf\xa3" + b"x" * 3000, "audio_unreadable", "Matroska"),
        (b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42", "audio_truncated", "moov"),
    ],
    ids=range(12),
)
def test_what_is_no_audio(tmp_path, content, reason, said, spans):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    fault = fault_of(path, **spans)
    assert (fault.reason.value, said in fault.detail) == (reason, True)


@pytest.mark.parametrize("spans", [{}, {"levels_of": [(0, 1)]}], ids=["header", "decoded"])
@pytest.mark.parametrize("share", CUTS)
@pytest.mark.parametrize("form", TELLS_WHEN_CUT, ids=ending)
def test_a_file_that_is_cut_off(tmp_path, form, share, spans):
    path = cut_short(written(tmp_path / f"a.{form.ending}", form, speech_like(4)), share)
    fault = fault_of(path, **spans)
    assert fault.reason.value in ("audio_truncated", "audio_unreadable", "audio_empty")
    if share >= 0.1:
        assert fault.reason.value == "audio_truncated"


@pytest.mark.parametrize("share", CUTS)
def test_aac_without_a_container_is_found_to_be_cut_off_within_a_frame(tmp_path, share):
    whole = written(tmp_path / "a.aac", Format("aac", "aac", container="adts"), speech_like(20))
    assert "cut off" in fault_of(cut_short(whole, share)).detail or share < 0.01


@pytest.mark.parametrize(
    "form", [Format("webm", "libopus", container="webm"), Format("mka", "flac", container="matroska")]
)
def test_matroska_is_found_to_be_cut_off_where_more_than_half_a_second_is_missing(tmp_path, form):
    whole = written(tmp_path / "a.mka", form, speech_like(20, 48000), 48000)
    assert fault_of(cut_short(whole, 0.9)).reason.value == "audio_truncated"


@pytest.mark.parametrize("spans", [{}, {"levels_of": [(0, 1)]}], ids=["header", "decoded"])
@pytest.mark.parametrize("form", [WAV, FLAC], ids=ending)
def test_a_header_that_says_more_than_there_is(tmp_path, form, spans):
    path = written(tmp_path / "a", form, speech_like(2))
    data = bytearray(path.read_bytes())
    if form is WAV:
        data[40:44] = struct.pack("<I", 10 * 2 * RATE)
    else:
        data[22:26] = struct.pack(">I", 10 * RATE)
    path.write_bytes(data)
    fault = fault_of(path, **spans)
    assert fault.reason.value == "audio_truncated"
    assert ("320,000 bytes" if form is WAV else "160,000 samples") in fault.detail


@pytest.mark.parametrize("form", [WAV, FLAC, OPUS], ids=ending)
def test_a_file_without_samples(tmp_path, form):
    path = written(tmp_path / "a", form, np.zeros((0, 1), np.float32))
    assert fault_of(path).reason.value in ("audio_empty", "audio_truncated")
    if form is WAV:
        assert fault_of(path, levels_of=[(0, 1)]).reason.value == "audio_empty"


@pytest.mark.parametrize(
    "form",
    [form for form in FORMATS if form.ending in ("flac", "24.flac", "ogg", "opus", "m4a")],
    ids=ending,
)
def test_a_file_that_is_damaged_in_the_middle(tmp_path, form):
    path = written(tmp_path / f"a.{form.ending}", form, speech_like(20))
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + np.random.default_rng(3).bytes(400) + data[middle + 400 :])
    fault = fault_of(path, bandwidth_of=[(0, 1)])
    assert (fault.reason.value, "is damaged" in fault.detail) == ("audio_unreadable", True)


def test_pages_of_ogg_that_are_missing(tmp_path):
    path = written(tmp_path / "a.opus", OPUS, speech_like(20))
    data = path.read_bytes()
    pages = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
    path.write_bytes(data[: pages[5]] + data[pages[7] :])
    fault = fault_of(path, levels_of=[(0, 1)])
    assert "is page 7 where 5 should be" in fault.detail
    path.write_bytes(data[: pages[-1]])
    assert "not marked as the last one" in fault_of(path).detail


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path, value):
    samples = speech_like(2, RATE, 2)
    samples[24000, 1] = value
    soundfile.write(tmp_path / "a.wav", samples, RATE, "FLOAT")
    fault = fault_of(tmp_path / "a.wav", levels_of=[(0, 0.1)])
    assert "not a number (NaN or infinite) at 1.500 s" in fault.detail


def test_what_is_no_file(tmp_path):
    assert fault_of(tmp_path / "none.wav").reason.value == "audio_missing"
    assert fault_of(f"{tmp_path}/{'x' * 300}.wav").reason.value == "audio_missing"
    written(tmp_path / "a.wav", WAV, speech_like(1))
    assert fault_of(f"{tmp_path}/a.wav/b.wav").reason.value == "audio_missing"
    with pytest.raises(BadEntry, match="audio_missing"):
        measure_audio("a\0b.wav")
    with pytest.raises(BadEntry, match=r"audio_missing: nonsense://a\.wav names no file"):
        measure_audio("nonsense://a.wav")
    folder = fault_of(tmp_path)
    assert (folder.reason.value, "is a folder" in folder.detail) == ("audio_unreadable", True)
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe, and no file" in fault_of(tmp_path / "pipe").detail


def test_a_name_is_shown_in_one_line(tmp_path):
    path = tmp_path / "a\n\x1b[2J.wav"
    path.write_bytes(b"")
    with pytest.raises(BadEntry) as refused:
        measure_audio(str(path))
    assert r"a\n\x1b[2J.wav has no bytes" in refused.value.detail
