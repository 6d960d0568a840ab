"""`input_cfg.yaml`, expanded as NeMo expands it."""

from pathlib import Path

import pytest
import yaml
from braceexpand import braceexpand

from alm_beam.shards.format import ShardFormat
from alm_beam.shards.input_cfg import input_cfg
from alm_beam.shards.nemo import Nemo
from alm_beam.shards.shar import Shar
from tests.shards.made_windows import window_of, written


def expanded(pattern: str) -> list[Path]:
    """NeMo's `expand_sharded_filepaths`."""
    for opening in ("(", "[", "<", "_OP_"):
        pattern = pattern.replace(opening, "{")
    for closing in (")", "]", ">", "_CL_"):
        pattern = pattern.replace(closing, "}")
    return [Path(path) for path in braceexpand(pattern, escape=False)]


@pytest.mark.parametrize("count", [1, 3, 12])
def test_nemo_finds_all_files(tmp_path, count):
    written(Nemo(), tmp_path, [[window_of(0)]] * count)
    [entry] = yaml.safe_load(input_cfg("nemo", f"{tmp_path}/", count, 3600, {}))
    assert entry["type"] == "nemo_tarred"
    manifests, tars = (expanded(entry[name]) for name in ("manifest_filepath", "tarred_audio_filepaths"))
    assert sorted(manifests) == sorted((tmp_path / "nemo").glob("sharded_manifests/*"))
    assert sorted(tars) == sorted((tmp_path / "nemo").glob("audio_*.tar"))
    assert len(tars) == count


@pytest.mark.parametrize("count", [1, 12])
def test_shar_on_a_store_is_named_file_by_file(tmp_path, count):
    written(Shar(), tmp_path, [[window_of(0)]] * count)
    [entry] = yaml.safe_load(input_cfg("shar", f"file://{tmp_path}", count, 3600, {}))
    found = {name: expanded(pattern.removeprefix("file://")) for name, pattern in entry["shar_path"].items()}
    assert entry["type"] == "lhotse_shar"
    assert {path for paths in found.values() for path in paths} == {*(tmp_path / "shar").iterdir()}
    assert len(found["cuts"]) == len(found["recording"]) == count


def test_shar_on_a_disk_is_a_folder(tmp_path):
    [entry] = yaml.safe_load(input_cfg("shar", str(tmp_path), 3, 5400, {"corpus": "ünï: #1", "lang": "no"}))
    assert entry == {
        "type": "lhotse_shar",
        "shar_path": f"{tmp_path}/shar",
        "weight": 1.5,
        "tags": {"corpus": "ünï: #1", "lang": "no"},
    }


def test_the_weight_is_above_0():
    """NeMo refuses one that is not."""
    [entry] = yaml.safe_load(input_cfg("shar", "/a", 1, 0.001, {}))
    assert 0 < entry["weight"] < 1e-6


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_nemo_has_no_loader_for_others(form):
    assert input_cfg(form, "/a", 3, 3600, {}) is None


def test_nothing_is_no_data_set():
    assert input_cfg("nemo", "/a", 0, 0.0, {}) is None
    assert input_cfg("nemo", "/a", 2, 0.0, {}) is None


@pytest.mark.parametrize("folder", ["/a (copy)", "/a[1]", "s3://b/{c}", "/_OP_"])
def test_a_path_that_nemo_misreads_is_told(folder):
    text = input_cfg("nemo", folder, 3, 3600, {})
    assert "move this folder" in text
    assert len(yaml.safe_load(text)) == 1
    assert "move this folder" not in input_cfg("nemo", "/a b/_c-1", 3, 3600, {})


def test_shar_on_a_disk_may_have_any_name():
    assert "move this folder" not in input_cfg("shar", "/a (copy)", 3, 3600, {})
    assert "move this folder" in input_cfg("shar", "s3://a (copy)", 3, 3600, {})
    assert "move this folder" in input_cfg("shar", "/${a}", 3, 3600, {})


def test_formats_that_nemo_knows_are_named_as_the_registry_names_them():
    from alm_beam.shards.registry import FORMATS

    assert all(isinstance(FORMATS[name], ShardFormat) for name in ("shar", "nemo", "webdataset", "parquet"))
    assert [name for name in FORMATS if input_cfg(name, "/a", 1, 1, {})] == ["shar", "nemo"]
