"""Python that loads a data set of shards in a few lines, format by format."""

LIBRARIES = {
    "shar": "Lhotse (`pip install lhotse urllib3`)",
    "nemo": "NeMo (in training: `model.train_ds.use_lhotse=true model.train_ds.input_cfg=input_cfg.yaml`)",
    "webdataset": "webdataset (`pip install webdataset soundfile`)",
    "parquet": "pyarrow (`pip install pyarrow soundfile`)",
}
"""What loads each format."""

_EXAMPLES = {
    "shar": """\
from lhotse import CutSet

for cut in CutSet.from_shar(in_dir="shar"):
    samples = cut.load_audio()  # float32 [channels, samples]
    print(cut.id, cut.sampling_rate, samples.shape, [each.text for each in cut.supervisions])
""",
    "nemo": """\
from nemo.collections.common.data.lhotse.cutset import read_cutset_from_config

cuts, _ = read_cutset_from_config({"input_cfg": "input_cfg.yaml", "force_finite": True})
for cut in cuts:
    print(cut.id, cut.sampling_rate, cut.load_audio().shape, cut.supervisions[0].text)
""",
    "webdataset": """\
import io, json, soundfile, webdataset

for sample in webdataset.WebDataset("webdataset/{000000..LAST}.tar", shardshuffle=False):
    samples, rate = soundfile.read(io.BytesIO(sample["ENDING"]), always_2d=True)  # float64 [samples, channels]
    cut = json.loads(sample["json"])
    print(cut["id"], rate, samples.shape, [each.get("text") for each in cut["supervisions"]])
""",
    "parquet": """\
import io, pyarrow.dataset, soundfile

for row in pyarrow.dataset.dataset("parquet", partitioning="hive").to_batches(batch_size=1):
    audio = row["audio_bytes"][0].values.to_numpy().tobytes()
    samples, rate = soundfile.read(io.BytesIO(audio), always_2d=True)  # float64 [samples, channels]
    print(row["language"][0], rate, samples.shape, row["text"][0])
""",
    "alm_beam": """\
from alm_beam import WindowLoader

loader = WindowLoader(".", seed=1)
for window in loader:
    samples, rate = loader.audio(window)  # float32 [channels, samples]
    print(window["id"], rate, samples.shape, [each.get("text") for each in window["supervisions"]])
""",
}


def load_example(reader: str, shards: int, ending: str) -> str:
    """Python that prints each window of the working directory.

    Args:
        reader: the format of the shards, or `alm_beam` for our own loader.
        shards: how many there are.
        ending: of the audio: `flac`, `wav` or `opus`.

    >>> "{000000..000011}" in load_example("webdataset", 12, "flac")
    True
    """
    return _EXAMPLES[reader].replace("LAST", f"{max(shards - 1, 0):06}").replace("ENDING", ending)
