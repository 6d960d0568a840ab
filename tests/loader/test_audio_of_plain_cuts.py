"""The audio of plain cuts: their part of each file of the recording, exactly; what cannot be read is said to be."""

import numpy as np
import pytest

from alm_beam.loader import WindowError, WindowLoader
from tests.loader.sounding import RATE, as_read, encoded, noise, plain_cut, put, write_plain


@pytest.fixture
def stereo() -> np.ndarray:
    return noise(1, 3 * RATE, 2)


@pytest.mark.parametrize("ending", ["wav", "flac"])
@pytest.mark.parametrize("channel", [0, 1, [0, 1]])
def test_a_plain_cut_is_read_from_its_recording(tmp_path, stereo, ending, channel):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(encoded(stereo, ending=ending))
    folder = write_plain(tmp_path / "cuts", plain_cut("a", 0.70003, 1.20004, [(str(path), [0, 1])], channel))
    [window] = WindowLoader(folder, audio=True)
    first, count = 11200, 19201  # 11200.48 and 19200.64 samples, rounded
    expected = as_read(stereo[first : first + count])
    np.testing.assert_array_equal(window["audio"].samples, expected[np.atleast_1d(channel)])
    assert window["audio"].samples.flags.c_contiguous
    assert window["audio"].sample_rate == RATE


def test_channels_of_several_files_are_stacked(tmp_path):
    """The channels 0, 1 and 3 of a recording whose second file begins with its last channel."""
    files = [noise(1, 3 * RATE, 1), noise(2, 3 * RATE, 3)]
    for number, samples in enumerate(files):
        (tmp_path / f"{number}.wav").write_bytes(encoded(samples, ending="wav"))
    sources = [(str(tmp_path / "0.wav"), [1]), (str(tmp_path / "1.wav"), [3, 2, 0])]
    folder = write_plain(tmp_path / "cuts", plain_cut("a", 1.0, 0.5, sources, [0, 1, 3]))
    [window] = WindowLoader(folder, audio=True)
    part = slice(RATE, RATE * 3 // 2)
    expected = np.stack([files[1][part, 2], files[0][part, 0], files[1][part, 0]], 1)
    np.testing.assert_array_equal(window["audio"].samples, as_read(expected))


def test_relative_paths_are_below_the_root_or_the_folder_or_where_we_are(tmp_path, monkeypatch):
    for number, place in enumerate(("cuts", "root", "here")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.wav").write_bytes(encoded(noise(number, RATE), ending="wav"))
    folder = write_plain(tmp_path / "cuts", plain_cut("a", 0.0, 1.0, [("a.wav", [0])]))
    monkeypatch.chdir(tmp_path / "here")

    def found(root=None) -> int:
        [window] = WindowLoader(folder, audio=True, audio_root=root)
        [number] = [n for n in range(3) if np.array_equal(window["audio"].samples, as_read(noise(n, RATE)))]
        return number

    assert found(str(tmp_path / "root")) == found("../root") == 1
    assert found(put(str(tmp_path / "root"), "root-of-audio")) == 1
    assert found() == 0
    (tmp_path / "cuts" / "a.wav").unlink()
    assert found() == 2


def test_a_window_with_audio_may_be_asked_for_it_again(tmp_path):
    (tmp_path / "a.wav").write_bytes(encoded(noise(1, RATE), ending="wav"))
    loader = WindowLoader(write_plain(tmp_path, plain_cut("a", 0.0, 1.0, [("a.wav", [0])])), audio=True)
    [window] = loader
    window["features"] = object()
    np.testing.assert_array_equal(loader.audio(window).samples, window["audio"].samples)


A, B, RATE_8K = ("a.wav", [0]), ("b.wav", [1]), ("slow.wav", [1])


@pytest.mark.parametrize(
    ("cut", "what"),
    [
        (
            plain_cut("x", 0.0, 1.0, [("gone.wav", [0])]),
            r"^window 'x': .*/cuts/gone\.wav does not exist; check the path",
        ),
        (plain_cut("x", 0.0, 1.0, [("text.wav", [0])]), r"^window 'x': .*text\.wav is no audio"),
        (plain_cut("x", 0.0, 2.0, [A]), r"^window 'x': .*a\.wav "),
        (plain_cut("x", 5.0, 2.0, [A]), r"^window 'x': .*a\.wav "),
        (
            plain_cut("x", 0.0, 1.0, [("a.wav", [0, 1])], [0, 1]),
            r"^window 'x': .*a\.wav has 1 of the 2 channels that are stated",
        ),
        (plain_cut("x", 0.0, 1.0, [("a.wav", [0, 1])], 1), r"^window 'x': .*a\.wav has 1 .*none of the window's"),
        (plain_cut("x", 0.0, 0.5, [A, RATE_8K], [0, 1]), r"^window 'x': a\.wav has 16000 Hz and slow\.wav has 8000 Hz"),
        (plain_cut("x", 0.0, 0.5, [A, B], [0, 1, 2]), r"^window 'x': channel 2 is in none of recording\.sources"),
        ({"id": "x", "duration": 1.0}, r"^window 'x': start: expected a number of seconds"),
    ],
)
def test_what_is_wrong_with_a_plain_cut_is_named(tmp_path, cut, what):
    folder = tmp_path / "cuts"
    folder.mkdir()
    for name, rate in (("a", RATE), ("b", RATE), ("slow", 8000)):
        (folder / f"{name}.wav").write_bytes(encoded(noise(1, rate), rate, ending="wav"))
    (folder / "text.wav").write_bytes(b"a text")
    with pytest.raises(WindowError, match=what):
        next(iter(WindowLoader(write_plain(folder, cut), audio=True)))
