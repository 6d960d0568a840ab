"""What is kept for the next run: by file and question, whole or not at all."""

import os

import pytest

from alm_beam.storage.measurements import Measurements, audio_key

ASKED = {"bandwidth": [(0.0, 1.5)], "levels": []}


def test_a_key_follows_the_file_and_what_is_asked(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"1234")
    os.utime(path, (100, 100))
    key = audio_key(str(path), ASKED)
    assert key == audio_key(str(path), ASKED)
    others = {audio_key(str(path), {**ASKED, "levels": [(0.0, 1.0)]}), audio_key(str(path), {**ASKED, "bandwidth": []})}
    os.utime(path, (100, 101))
    others.add(audio_key(str(path), ASKED))
    path.write_bytes(b"12345")
    os.utime(path, (100, 100))
    others.add(audio_key(str(path), ASKED))
    path.rename(tmp_path / "b.wav")
    others.add(audio_key(str(tmp_path / "b.wav"), ASKED))
    assert len(others - {key}) == 5
    assert audio_key(str(path), ASKED) is None, "it is gone"
    assert audio_key("nosuch://a", ASKED) is None


@pytest.mark.parametrize("is_local", [True, False])
def test_what_is_kept_is_found_by_the_next_run(tmp_path, s3, is_local):
    url = str(tmp_path / "kept") if is_local else f"{s3.bucket()}/out/.measured"
    options = {"s3": s3.options}
    first = Measurements(url, options)
    first.keep("abcd", {"duration": 0.1 + 0.2, "levels": [None, [-3.0, None, 0.0]]})
    assert first.kept("abcd") is None, "what comes later need not be found"
    assert Measurements(url, options).kept("abcd") == {"duration": 0.1 + 0.2, "levels": [None, [-3.0, None, 0.0]]}
    assert Measurements(url, options).kept("abce") is None
    if is_local:
        assert [path.name for path in (tmp_path / "kept").rglob("*") if path.is_file()] == ["abcd.json"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=f"{tmp_path}/file/kept: "):
        Measurements(f"{tmp_path}/file/kept").keep("abcd", {})
