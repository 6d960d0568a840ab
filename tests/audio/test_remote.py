import io
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import soundfile

from alm_beam.audio.measure import measure_audio
from alm_beam.audio.open import opened_audio
from alm_beam.audio.source import opened_source
from alm_beam.core.faults import BadEntry
from tests.audio.sounds import FORMATS, RATE, Format, speech_like, written
from tests.servers.faults import proxy
from tests.servers.stores import SECRET
from tests.servers.web import Site, web_site

WAV = Format("wav", "WAV", "PCM_16")
FLAC = Format("flac", "FLAC", "PCM_16")
OPUS = Format("opus", "OGG", "OPUS")
SPANS = {"bandwidth_of": [(0.5, 2.0)], "levels_of": [(0, 3)]}
LARGE = 20_000_000
HEADER_BYTES = 300_000


def ending(form):
    return form.ending


def long_wav(seconds, path):
    """Silence of a size that a test can count: 16 bit, 48 kHz, two channels."""
    with soundfile.SoundFile(path, "w", 48000, 2, "PCM_16") as file:
        for _ in range(seconds):
            file.write(np.zeros((48000, 2), np.int16))
    return path.read_bytes()


@pytest.mark.parametrize("form", FORMATS, ids=ending)
def test_every_format_is_read_from_a_store_as_from_a_disk(tmp_path, store, form):
    path = written(tmp_path / "a", form, speech_like(3))
    url = store.write(f"{store.bucket()}/a #1.audio", path.read_bytes())
    options = {store.scheme: store.options}
    assert measure_audio(url, options) == measure_audio(str(path))
    assert measure_audio(url, options, **SPANS) == measure_audio(str(path), **SPANS)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_of_a_large_file_only_the_header_crosses_the_wire(tmp_path, s3, kind):
    if kind == "wav":
        content, seconds = long_wav(110, tmp_path / "a.wav"), 110
    else:
        noise = np.random.default_rng(0).integers(-(2**15), 2**15, (RATE * 300, 2), np.int16)
        soundfile.write(tmp_path / "a.flac", noise, RATE, format="FLAC")
        content, seconds = (tmp_path / "a.flac").read_bytes(), 300
    assert len(content) > LARGE * 0.9
    url = s3.write(f"{s3.bucket()}/a.{kind}", content)
    with proxy(s3.port) as between:
        assert measure_audio(url, {"s3": s3.behind(between.port).options}).duration == seconds
    assert between.answered < HEADER_BYTES
    assert len(between.requests) <= 6


def test_all_of_a_file_crosses_the_wire_once_in_few_requests(tmp_path, s3):
    url = s3.write(f"{s3.bucket()}/a.wav", long_wav(110, tmp_path / "a.wav"))
    with proxy(s3.port) as between:
        measure_audio(url, {"s3": s3.behind(between.port).options}, levels_of=[(0, 1)])
    assert between.answered < LARGE * 1.15
    assert len(between.requests) <= 16


def test_of_a_part_little_more_than_the_part_crosses_the_wire(tmp_path, s3):
    url = s3.write(f"{s3.bucket()}/a.wav", long_wav(110, tmp_path / "a.wav"))
    with proxy(s3.port) as between, opened_audio(url, {"s3": s3.behind(between.port).options}) as audio:
        assert sum(len(block) for block in audio.blocks(4800, 48000 * 60, 48000 * 61)) == 48000
        assert between.answered < 600_000


def test_what_a_store_does_not_have_or_does_not_give(tmp_path, s3):
    bucket, options = s3.bucket(), {"s3": s3.options}
    for url in (f"{bucket}/none.wav", "s3://no-such-bucket-at-all/a.wav"):
        with pytest.raises(BadEntry, match=f"{url} does not exist; check the path") as refused:
            measure_audio(url, options)
        assert refused.value.reason.value == "audio_missing"
    url = s3.write(f"{bucket}/a.wav", written(tmp_path / "a.wav", WAV, speech_like(1)).read_bytes())
    for denied in ("HEAD", "GET"):
        fault = partial(_denial, method=denied)
        with proxy(s3.port, fault) as between, pytest.raises(BadEntry, match=f"{url} may not be read") as refused:
            measure_audio(url, {"s3": s3.behind(between.port).options})
        assert refused.value.reason.value == "audio_denied"
        assert SECRET not in str(refused.value)


def _denial(request, method):
    return "status:403:AccessDenied" if request.method == method and "a.wav" in request.path else None


@pytest.mark.parametrize("fault", ["status:500:InternalError", "status:503:SlowDown", "reset"])
@pytest.mark.parametrize("form", [WAV, FLAC, OPUS, Format("m4a", "aac", container="ipod")], ids=ending)
def test_a_store_that_fails_is_no_fault_of_the_file(tmp_path, s3, form, fault, capfd):
    content = written(tmp_path / "a", form, np.tile(speech_like(10), (3, 1))).read_bytes()
    url = s3.write(f"{s3.bucket()}/a.audio", content)
    options = {**s3.options, "config_kwargs": {"retries": {"max_attempts": 0}}}
    for first in (1, 2, 3):
        gets = count(1)

        def fails(request, first=first, gets=gets):
            return fault if request.method == "GET" and next(gets) >= first else None

        with proxy(s3.port, fails) as between:
            behind = {"s3": {**options, "endpoint_url": f"http://127.0.0.1:{between.port}"}}
            if first == 1:
                with pytest.raises(OSError, match=f"^{url}: "):
                    measure_audio(url, behind, **SPANS)
                continue
            with suppress(OSError):
                measure_audio(url, behind, **SPANS)
                assert not between.faults
    assert "Traceback" not in capfd.readouterr().err


def test_an_http_server_with_and_without_ranges(tmp_path):
    for form in (WAV, FLAC, OPUS, Format("m4a", "aac", container="ipod")):
        path = written(tmp_path / "a", form, speech_like(4))
        expected = measure_audio(str(path), **SPANS)
        for more in ({}, {"takes_ranges": False}, {"stated": 0}):
            with web_site(Site(path.read_bytes(), **more)) as site:
                url = f"{site.url('a.wav')}?token=a-secret-token"
                assert measure_audio(url, **SPANS) == expected
                assert measure_audio(url).duration == expected.duration


def test_secrets_of_a_url_are_not_shown():
    with web_site(Site(b"no audio at all" * 10)) as site, pytest.raises(BadEntry) as refused:
        measure_audio(f"{site.url('a.wav')}?token=a-secret-token")
    assert "a-secret-token" not in refused.value.detail
    assert site.url("a.wav") in refused.value.detail


def test_an_empty_object(s3):
    with pytest.raises(BadEntry, match="audio_empty"):
        measure_audio(s3.write(f"{s3.bucket()}/a.wav", b""), {"s3": s3.options})


def test_copies_are_gone_afterwards(tmp_path, s3, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))
    (tmp_path / "copies").mkdir()
    url = s3.write(f"{s3.bucket()}/a.opus", written(tmp_path / "a", OPUS, speech_like(2)).read_bytes())
    assert measure_audio(url, {"s3": s3.options}, levels_of=[(0, 1)]).duration == 2.0
    assert list((tmp_path / "copies").iterdir()) == []


SIX_HOURS = 6 * 3600

_MEMORY = """
import sys
from pathlib import Path
from alm_beam.audio.measure import measure_audio
spans = [(start * 2.0, start * 2.0 + 3.0) for start in range(int(sys.argv[2]) // 2)]
measured = measure_audio(sys.argv[1], bandwidth_of=spans, levels_of=spans)
assert None not in measured.bandwidths
status = Path("/proc/self/status").read_text()  # getrusage has the peak of the process that started this one
print(status.partition("VmHWM:")[2].split()[0], measured.duration)
"""


def test_six_hours_take_little_memory(tmp_path):
    path = tmp_path / "long.wav"
    part = speech_like(60)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(SIX_HOURS // 60):
            file.write(part)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", _MEMORY, str(path), str(SIX_HOURS)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    memory, duration = answer.stdout.split()
    assert float(duration) == SIX_HOURS
    assert int(memory) < 250_000  # kB; 400 MB is the limit


def test_memory_of_a_remote_file_is_bounded_too(s3):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((48000 * 100, 2), np.int16), 48000, format="WAV")
    url = s3.write(f"{s3.bucket()}/a.wav", buffer.getvalue())
    with opened_source(url, {"s3": s3.options}) as opened:
        for offset in range(0, opened.size, 1 << 16):
            assert len(opened.at(offset, 1 << 16)) == min(1 << 16, opened.size - offset)
        held = sum(len(data) for data in opened._ranges.values())
    assert held <= 4 * (8 << 20)
