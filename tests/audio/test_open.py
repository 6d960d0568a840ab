import logging
import os
import struct
import sys
from contextlib import suppress

import numpy as np
import pytest
import soundfile

from alm_beam.audio.measure import measure_audio
from alm_beam.audio.open import opened_audio
from alm_beam.core.faults import BadEntry
from tests.audio.sounds import BY_SOUNDFILE, FORMATS, RATE, Format, speech_like, written

WAV = Format("wav", "WAV", "PCM_16")
FLAC = Format("flac", "FLAC", "PCM_16")
MP3 = Format("mp3", "MP3", "MPEG_LAYER_III")


def ending(form):
    return form.ending


def samples_of(path, *part):
    with opened_audio(str(path)) as audio:
        return np.concatenate([block.copy() for block in audio.blocks(5000, *part)])


@pytest.mark.parametrize("form", FORMATS, ids=ending)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_is_read_and_its_duration_is_the_same_with_and_without_decoding(tmp_path, form, channels):
    rate = 48000 if form.name in ("libopus", "OPUS") else RATE
    given = speech_like(3.3, rate, channels)
    path = written(tmp_path / f"a.{form.ending}", form, given, rate)
    stated = measure_audio(str(path))
    decoded = measure_audio(str(path), levels_of=[(0, 100)], bandwidth_of=[(0.5, 1.5)])
    assert (stated.sample_rate, stated.channels) == (decoded.sample_rate, decoded.channels) == (rate, channels)
    assert stated.duration == decoded.duration == pytest.approx(len(given) / rate, abs=form.slack / rate + 1e-9)
    found = samples_of(path)
    assert len(found) == round(stated.duration * rate)
    loudness = 20 * np.log10(np.sqrt(np.mean(given.astype(np.float64) ** 2)))
    assert decoded.levels[0].rms == pytest.approx(loudness, abs=0.8)
    assert decoded.bandwidths[0] > 3000


@pytest.mark.parametrize("form", FORMATS, ids=ending)
def test_a_part_is_what_all_samples_have_there(tmp_path, form):
    path = written(tmp_path / f"a.{form.ending}", form, speech_like(4, 48000), 48000)
    whole = samples_of(path)
    with opened_audio(str(path)) as audio:
        for start, stop in ((0, 100), (150_001, 160_000), (70_000, 70_001), (100, 20_000), (190_000, None)):
            part = np.concatenate([block.copy() for block in audio.blocks(4000, start, stop)])
            assert part.shape == whole[start:stop].shape
            # AAC fills bands with noise, which is other noise after a seek.
            assert np.abs(part - whole[start:stop]).max() < (0.3 if form.name == "aac" else 1e-6)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_samples_are_those_that_were_written(tmp_path, subtype):
    given = np.round(speech_like(1, RATE, 2) * 32768) / 32768
    soundfile.write(tmp_path / "a.wav", given, RATE, subtype)
    assert np.array_equal(samples_of(tmp_path / "a.wav"), given.astype(np.float32))


def test_the_name_of_a_file_does_not_matter(tmp_path):
    path = written(tmp_path / "a", MP3, speech_like(1))
    for name in ("b.wav", "Ünïcödé 日本 \n#1?x=2.flac", "c::d,e.mp3", os.fsdecode(b"caf\xe9.txt")):
        other = path.with_name(name)
        other.write_bytes(path.read_bytes())
        assert measure_audio(str(other)).duration == 1.0


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF - 36])
def test_a_wav_file_whose_writer_did_not_know_its_length(tmp_path, size):
    path = written(tmp_path / "a.wav", WAV, speech_like(1.25))
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", size)
    path.write_bytes(data)
    expected = measure_audio(str(written(tmp_path / "b.wav", WAV, speech_like(1.25))), levels_of=[(1, 2)])
    assert measure_audio(str(path)).duration == 1.25
    assert measure_audio(str(path), levels_of=[(1, 2)]) == expected


def test_a_flac_file_whose_writer_did_not_know_its_length(tmp_path):
    path = written(tmp_path / "a.flac", FLAC, speech_like(1.25))
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert measure_audio(str(path)).duration == 1.25
    assert measure_audio(str(path), levels_of=[(0, 2)]).duration == 1.25


def test_an_mp3_file_that_states_no_length_is_counted(tmp_path):
    path = written(tmp_path / "a.mp3", MP3, speech_like(10))
    data = path.read_bytes()
    assert data[13:17] in (b"Xing", b"Info")
    second = data.index(data[:2], 4)
    path.write_bytes(data[second:])
    counted = measure_audio(str(path))
    assert counted.duration == pytest.approx(10, abs=0.15)
    assert measure_audio(str(path), levels_of=[(0, 1)]).duration == counted.duration


def test_an_mp3_file_behind_a_large_tag(tmp_path):
    path = written(tmp_path / "a.mp3", MP3, speech_like(2))
    path.write_bytes(b"ID3\x04\x00\x00\x00\x02\x00\x00" + bytes(2 << 14) + path.read_bytes())
    assert measure_audio(str(path)).duration == 2.0


@pytest.mark.parametrize("form", [form for form in BY_SOUNDFILE if form.ending != "w64"], ids=ending)
def test_a_tag_behind_the_audio_is_no_matter(tmp_path, form):
    path = written(tmp_path / "a", form, speech_like(2))
    with path.open("ab") as file:
        file.write(b"TAG" + b"A song of some kind".ljust(125, b"\x00"))
    assert measure_audio(str(path), levels_of=[(0, 1)]).duration == 2.0


def test_video_gives_its_audio(tmp_path):
    import av

    path = tmp_path / "talk.mp4"
    with av.open(str(path), "w") as file:
        pictures, sound = file.add_stream("mpeg4", rate=25), file.add_stream("aac", rate=RATE)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound.layout = "mono"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
            file.mux(pictures.encode(frame))
            part = np.ascontiguousarray(speech_like(0.04, RATE, seed=number).T)
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, number * 640
            file.mux(sound.encode(frame))
        file.mux(pictures.encode(None))
        file.mux(sound.encode(None))
    assert measure_audio(str(path)).duration == pytest.approx(2, abs=0.13)


@pytest.mark.parametrize(("package", "form"), [("soundfile", FLAC), ("av", Format("m4a", "aac", container="ipod"))])
def test_without_a_package_the_fault_names_it(tmp_path, monkeypatch, package, form):
    path = written(tmp_path / f"a.{form.ending}", form, speech_like(1))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BadEntry, match=rf"by the Python package {package}.*pip install 'alm-beam\[audio\]'") as refused:
        measure_audio(str(path))
    assert refused.value.reason.value == "audio_codec_missing"


def test_decoders_change_nothing_in_the_process(tmp_path, capfd):
    before = (logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("libav").level)
    for form in FORMATS:
        path = written(tmp_path / f"a.{form.ending}", form, speech_like(1))
        capfd.readouterr()
        measure_audio(str(path), levels_of=[(0, 1)])
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] + bytes(200) + data[len(data) // 2 + 200 :])
        if form.name != "MP3":  # libsndfile's MP3 decoder writes to stderr
            with suppress(BadEntry):
                measure_audio(str(path), levels_of=[(0, 1)])
        assert capfd.readouterr() == ("", "")
    after = (logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("libav").level)
    assert before == after
