"""Shar in the real Lhotse, where it is installed: it brings torch, gigabytes."""

import copy
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from alm_beam.shards.format import SlicedWindow
from alm_beam.shards.own_audio import own_audio_cut
from alm_beam.shards.shar import Shar
from tests.jobs.cuts import job, many
from tests.shards.test_shar import HOSTILE
from tests.shards.windows import RATE, cut_of, encoded, files, noise, window_of, write_shards

CHANNELS: list[int | list[int]] = [0, 2, [1, 3], [0, 1, 2, 3]]


@pytest.fixture
def lhotse() -> Any:
    return pytest.importorskip("lhotse", reason="lhotse is not installed: it brings torch, gigabytes")


@pytest.fixture
def is_indexed(lhotse: Any) -> bool:
    """Whether this release opens Shar by an index."""
    return int(lhotse.__version__.split(".")[0]) >= 2


class Shard(list[tuple[SlicedWindow, NDArray[np.float32]]]):
    """Windows of a shard, with their audio as it was before it was encoded."""

    def put(self, cut: dict[str, Any], audio: NDArray[np.float32], **how: Any) -> None:
        self.append((window_of(cut, audio, **how), audio))


def several_shards() -> list[Shard]:
    """Hostile ids, channels, formats, copies and, first, amid and last, shards without windows."""
    ids, kinds, empty = Shard(), Shard(), Shard()
    for seed, each in enumerate(HOSTILE):
        ids.put(cut_of(each, 0.5), noise(RATE // 2, seed=seed))
    for seed, channel in enumerate(CHANNELS):
        count = len(channel) if isinstance(channel, list) else 1
        kinds.put(cut_of(f"kept-{seed}", channel=channel), noise(RATE, count, seed))
        kinds.put(cut_of(f"mean-{seed}", channel=channel), noise(RATE, 1, seed))
        kinds.put(cut_of(f"wav-{seed}", channel=channel), noise(RATE, count, seed), ending="wav")
        kinds.put(cut_of(f"rate-{seed}", channel=channel), noise(44100, count, seed), rate=44100)
    for number in (1, 2):
        kinds.put(cut_of("a"), noise(RATE, seed=number), copy=number)
    return [empty, ids, empty, kinds, empty]


def written(path: Path, shards: list[Shard]) -> list[tuple[SlicedWindow, NDArray[np.float32]]]:
    write_shards(Shar(), path, [[window for window, _ in shard] for shard in shards])
    return list(chain(*shards))


def check(lhotse: Any, cut: Any, window: SlicedWindow, audio: NDArray[np.float32]) -> None:
    """The cut is that of the window, Lhotse finds nothing wrong with it, and it has the audio sample for sample."""
    lhotse.validate(cut, read_data=True)
    lhotse.validate(cut.recording, read_data=True)
    if cut.supervisions:
        lhotse.qa.validate_recordings_and_supervisions(cut.recording, lhotse.SupervisionSet(cut.supervisions))
    assert type(cut).__name__ == ("MultiCut" if window.channels > 1 else "MonoCut")
    assert (cut.id, cut.start, cut.duration) == (window.name, 0, window.cut["duration"])
    np.testing.assert_array_equal(cut.load_audio(), audio, strict=True)
    np.testing.assert_array_equal(cut.recording.load_audio(), audio, strict=True)
    said = [each.to_dict() for each in cut.supervisions]
    for each, given in zip(said, window.cut["supervisions"], strict=True):
        assert {**each, "recording_id": "meeting", "channel": given["channel"]} == given
    custom = own_audio_cut(window)["custom"]
    assert {**window.cut["custom"], **custom} == custom == {name: cut.custom[name] for name in custom}
    if window.channels == len(said):
        for place, supervision in enumerate(cut.supervisions):
            assert supervision.channel == place
            heard = cut.load_audio(channel=supervision.channel) if window.channels > 1 else cut.load_audio()
            np.testing.assert_array_equal(heard, audio[place : place + 1])


def test_lhotse_reads_shards(lhotse, tmp_path):
    windows = written(tmp_path, several_shards())
    for each in ({}, {"split_for_dataloading": True}):
        cuts = lhotse.CutSet.from_shar(in_dir=tmp_path / "shar", **each)
        for cut, (window, audio) in zip(cuts, windows, strict=True):
            check(lhotse, cut, window, audio)
    assert len(cuts.data) == len(windows)


def test_lhotse_reads_shards_that_are_named(lhotse, tmp_path):
    windows = written(tmp_path, several_shards())
    fields = {
        field: sorted(str(each) for each in (tmp_path / "shar").glob(f"{field}.*")) for field in ("cuts", "recording")
    }
    for cut, (window, audio) in zip(lhotse.CutSet.from_shar(fields=fields), windows, strict=True):
        check(lhotse, cut, window, audio)


def test_lhotse_shuffles_shards(lhotse, tmp_path):
    windows = {window.name: (window, audio) for window, audio in written(tmp_path, several_shards())}
    names = []
    for cut in lhotse.CutSet.from_shar(in_dir=tmp_path / "shar", shuffle_shards=True, seed=1, stateful_shuffle=True):
        check(lhotse, cut, *windows[cut.id])
        names.append(cut.id)
    assert sorted(names) == sorted(windows)


def test_lhotse_reads_cuts_alone(lhotse, tmp_path):
    write_shards(Shar(), tmp_path, [[window for window, _ in shard] for shard in several_shards()])
    for path in (tmp_path / "shar").glob("*.jsonl"):
        lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        read = list(lhotse.serialization.load_manifest_lazy(path) or []) if lines else []
        assert [each.to_dict() for each in read] == lines
        assert all(each.recording.is_placeholder for each in read)


def test_lhotse_opens_shards_at_any_cut(lhotse, is_indexed, tmp_path):
    windows = written(tmp_path, several_shards())
    before = files(tmp_path)
    how: dict[str, Any] = {"in_dir": tmp_path / "shar", "indexed": True, "index_path": tmp_path / "shar_index"}
    if not is_indexed:
        with pytest.raises(TypeError, match="indexed"):
            lhotse.CutSet.from_shar(**how)
        return
    cuts = lhotse.CutSet.from_shar(**how)
    assert len(cuts) == len(windows)
    for number in np.random.default_rng(0).permutation(len(windows)).tolist():
        check(lhotse, cuts[number], *windows[number])
    check(lhotse, cuts[-1], *windows[-1])
    for cut, (window, audio) in zip(cuts, windows, strict=True):
        check(lhotse, cut, window, audio)
    by_name = {window.name: (window, audio) for window, audio in windows}
    shuffled = list(lhotse.CutSet.from_shar(**how, shuffle_shards=True, seed=1))
    assert [each.id for each in shuffled] != [*by_name]
    for cut in shuffled:
        check(lhotse, cut, *by_name[cut.id])
    assert files(tmp_path) == before  # it made no index of its own


def test_lhotse_follows_pointers_into_shards(lhotse, is_indexed, tmp_path):
    windows = written(tmp_path, several_shards())
    if not is_indexed:
        assert not hasattr(import_module("lhotse.shar"), "LazyIndexedSharIterator")
        return
    reader = import_module("lhotse.shar").LazyIndexedSharIterator(
        in_dir=tmp_path / "shar", index_path=tmp_path / "shar_index", lazy=True
    )
    for number, (window, audio) in enumerate(windows):
        cut = reader[number]
        assert cut.recording.sources[0].type == "shar_ptr"
        check(lhotse, cut, window, audio)


def test_the_index_is_that_of_lhotse(lhotse, is_indexed, tmp_path):
    written(tmp_path, several_shards())
    if is_indexed:
        lhotse.indexing.create_shar_index(tmp_path / "shar", tmp_path / "made")
        assert files(tmp_path / "shar_index") == files(tmp_path / "made")


def test_lhotse_reads_a_run_without_windows(lhotse, is_indexed, tmp_path):
    written(tmp_path, [Shard(), Shard()])
    assert list(lhotse.CutSet.from_shar(in_dir=tmp_path / "shar")) == []
    if is_indexed:
        cuts = lhotse.CutSet.from_shar(in_dir=tmp_path / "shar", indexed=True, index_path=tmp_path / "shar_index")
        assert (len(cuts), list(cuts)) == (0, [])


@pytest.mark.parametrize("rate", [8000, 12000, 16000, 24000, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_lhotse_loads_opus_at_the_rate_and_length_stated(lhotse, tmp_path, rate, channels):
    cut = cut_of("a", 1.2345, channel=0 if channels == 1 else [1, 3])
    audio = noise(lhotse.utils.compute_num_samples(1.2345, rate), channels)
    write_shards(Shar(), tmp_path, [[window_of(cut, audio, "opus", rate)]])
    [cut] = lhotse.CutSet.from_shar(in_dir=tmp_path / "shar")
    lhotse.validate(cut, read_data=True)
    lhotse.validate(cut.recording, read_data=True)
    assert cut.load_audio().shape == audio.shape


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100])
def test_lhotse_loads_each_sample_of_any_duration(lhotse, tmp_path, rate):
    durations = [1 / rate, 0.5 / rate, 1.5 / rate, 2.5 / rate, 0.1, 1 / 3, 0.9999, 1.00004999, 123.456789 / 100]
    shard = Shard()
    for number, duration in enumerate(durations):
        audio = noise(lhotse.utils.compute_num_samples(duration, rate), seed=number)
        shard.put(cut_of(f"cut-{number}", duration, supervisions=[]), audio, rate=rate)
    windows = written(tmp_path, [shard])
    for cut, (window, audio) in zip(lhotse.CutSet.from_shar(in_dir=tmp_path / "shar"), windows, strict=True):
        check(lhotse, cut, window, audio)


@pytest.mark.parametrize("samples", [RATE - 400, RATE - 1, RATE + 1, RATE + 400, 3 * RATE])
def test_lhotse_loads_as_many_samples_as_there_are(lhotse, tmp_path, samples):
    audio = noise(samples)
    write_shards(Shar(), tmp_path, [[window_of(cut_of("a"), audio)]])
    [cut] = lhotse.CutSet.from_shar(in_dir=tmp_path / "shar")
    lhotse.validate(cut, read_data=True)
    np.testing.assert_array_equal(cut.load_audio(), audio, strict=True)


def test_cuts_of_one_recording_have_recordings_of_their_own(lhotse, tmp_path):
    written(tmp_path, several_shards())
    recordings, supervisions, _ = lhotse.CutSet.from_shar(in_dir=tmp_path / "shar").decompose()
    assert len(list(recordings)) == sum(map(len, several_shards()))
    said = [lhotse.utils.fastcopy(each, id=f"{number}") for number, each in enumerate(supervisions)]
    lhotse.qa.validate_recordings_and_supervisions(recordings, lhotse.SupervisionSet(said))


def test_lhotse_reads_what_the_job_wrote(lhotse, is_indexed, tmp_path):
    source = many(tmp_path, 3, windows=4)
    assert job(tmp_path / "out", source, flags=["--windows_per_shard=5", "--order=shuffled"]) == 0
    given = {cut.id: cut for cut in lhotse.CutSet.from_file(source)}
    how: dict[str, Any] = {"in_dir": tmp_path / "out" / "shar"}
    streamed = list(lhotse.CutSet.from_shar(**how))
    indexed = {"indexed": True, "index_path": tmp_path / "out" / "shar_index"}
    found = lhotse.CutSet.from_shar(**how, **indexed) if is_indexed else streamed
    assert [cut.id for cut in found] == [cut.id for cut in streamed]
    assert sorted(given) == sorted(cut.id for cut in streamed)
    for cut in (*found, *streamed):
        lhotse.validate(cut, read_data=True)
        np.testing.assert_array_equal(cut.load_audio(), given[cut.id].load_audio(), strict=True)
        [said], [before] = cut.supervisions, given[cut.id].supervisions
        assert (said.text, said.speaker, said.start, said.end) == (
            before.text,
            before.speaker,
            before.start,
            before.end,
        )
        assert given[cut.id].custom.items() <= cut.custom.items()


def cut_with_everything(lhotse: Any, folder: Path) -> Any:
    """A cut of Lhotse's making, from the middle of a recording, with all that can be attached to one."""
    (folder / "a.wav").write_bytes(encoded(noise(4 * RATE), "wav"))
    recording = lhotse.Recording.from_file(folder / "a.wav")
    words = [lhotse.supervision.AlignmentItem("hello", 0.25, 0.5, 0.9)]
    said = lhotse.SupervisionSegment(
        "a-0", "a", 0.25, 0.75, text="hello", language="en", gender="F", alignment={"word": words}
    )
    with lhotse.NumpyFilesWriter(folder / "arrays") as writer:
        frames = np.arange(40, dtype=np.float32).reshape(40, 1)
        over_time = writer.store_array("frames", frames, frame_shift=0.1, temporal_dim=0, start=0.0)
        said.custom = {"pitch": over_time, "emotion": "calm"}
        cut = lhotse.MonoCut("a.cut", 2.0, 1.0, 0, [said], recording=recording)
        cut.pitch = over_time
        cut.embedding = writer.store_array("embedding", np.arange(3, dtype=np.float32))
    cut.close_talk = recording
    cut.prompt, cut.prompt_unaligned = recording, True
    return cut


def test_lhotse_reads_a_cut_with_everything(lhotse, tmp_path):
    given = cut_with_everything(lhotse, tmp_path)
    lhotse.validate(given)
    audio = given.load_audio()
    lhotse.CutSet.from_cuts([given]).to_file(tmp_path / "cuts.jsonl")
    fields = orjson.loads((tmp_path / "cuts.jsonl").read_bytes())
    before = copy.deepcopy(fields)
    write_shards(Shar(), tmp_path / "out", [[window_of(fields, audio)]])
    assert fields == before
    [cut] = lhotse.CutSet.from_shar(in_dir=tmp_path / "out" / "shar")
    lhotse.validate(cut)
    np.testing.assert_array_equal(cut.load_audio(), audio)
    [said] = cut.supervisions
    assert said.alignment == given.supervisions[0].alignment
    assert (said.text, said.language, said.gender, said.custom) == ("hello", "en", "F", {"emotion": "calm"})
    np.testing.assert_array_equal(cut.trim_to_supervisions()[0].load_audio(), audio[:, RATE // 4 :])
    assert cut.custom["cut_id"] == "a.cut"
    assert not {"pitch", "close_talk"} & cut.custom.keys()
    np.testing.assert_array_equal(cut.load_embedding(), [0, 1, 2])
    np.testing.assert_array_equal(cut.load_prompt(), noise(4 * RATE))
