"""`input_cfg.yaml`: the data set as NeMo's Lhotse loader takes one, `model.train_ds.input_cfg=input_cfg.yaml`."""

import re
from collections.abc import Mapping
from typing import Any

_SECONDS_PER_HOUR = 3600
_PATTERN = re.compile(r"[](){}<>[]|_OP_|_CL_")
"""What NeMo takes for a part of a pattern wherever it stands in a path."""

_VARIABLE = re.compile(r"\$\{")
"""What OmegaConf puts another value for."""

_HEAD = "# The data set as NeMo takes it: model.train_ds.input_cfg=input_cfg.yaml. The weight is the hours of audio.\n"
_UNFIT = (
    "# NeMo takes ( ) [ ] { } < > in a path for parts of a pattern: move this folder to a path without them, and\n"
    "# change the paths below.\n"
)


def input_cfg(form: str, folder: str, shards: int, seconds: float, tags: Mapping[str, str]) -> str | None:
    """The text of the file; None where NeMo has no loader for the format, or there is no audio.

    NeMo has none for plain WebDataset (`share_gpt_webdataset` wants conversations). Its `parquet` wants columns of
    `binary`, and passes over rows whose audio is a list of integers, as Omnilingual's is.

    Args:
        form: of the shards, as `--format` names it.
        folder: of the run, an absolute path or a URL without credentials. NeMo looks for relative paths in its working
            directory.
        shards: how many there are.
        seconds: of audio.
        tags: fields that NeMo sets on each cut.

    >>> print(input_cfg("nemo", "/data/radio", 12, 5400, {"lang": "en"}))
    # The data set as NeMo takes it: model.train_ds.input_cfg=input_cfg.yaml. The weight is the hours of audio.
    - type: nemo_tarred
      manifest_filepath: /data/radio/nemo/sharded_manifests/manifest__OP_0..11_CL_.json
      tarred_audio_filepaths: /data/radio/nemo/audio__OP_0..11_CL_.tar
      weight: 1.5
      tags:
        lang: en
    <BLANKLINE>
    """
    if form not in ("shar", "nemo") or not shards or seconds <= 0:
        return None
    import yaml  # Beam brings it

    folder = folder.rstrip("/")
    entry = _nemo(folder, shards) if form == "nemo" else _shar(folder, shards)
    entry["weight"] = float(f"{seconds / _SECONDS_PER_HOUR:.6g}")
    if tags:
        entry["tags"] = dict(tags)
    is_pattern = form == "nemo" or "://" in folder
    head = _HEAD + (_UNFIT if (_PATTERN if is_pattern else _VARIABLE).search(folder) else "")
    return head + str(yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=1_000_000))


def _nemo(folder: str, shards: int) -> dict[str, Any]:
    numbers = f"_OP_0..{shards - 1}_CL_"
    return {
        "type": "nemo_tarred",
        "manifest_filepath": f"{folder}/nemo/sharded_manifests/manifest_{numbers}.json",
        "tarred_audio_filepaths": f"{folder}/nemo/audio_{numbers}.tar",
    }


def _shar(folder: str, shards: int) -> dict[str, Any]:
    """Lhotse lists a folder only on a disk; on a store, the files have to be named."""
    path: str | dict[str, str] = f"{folder}/shar"
    if "://" in folder:
        numbers = f"_OP_000000..{shards - 1:06}_CL_"
        path = {
            "cuts": f"{folder}/shar/cuts.{numbers}.jsonl",
            "recording": f"{folder}/shar/recording.{numbers}.tar",
        }
    return {"type": "lhotse_shar", "shar_path": path}
