"""The formats of shards, by the names that `--format` takes."""

from collections.abc import Mapping
from types import MappingProxyType

from alm_beam.shards.format import ShardFormat
from alm_beam.shards.nemo import Nemo
from alm_beam.shards.parquet import Parquet
from alm_beam.shards.shar import Shar
from alm_beam.shards.webdataset import WebDataset

FORMATS: Mapping[str, ShardFormat] = MappingProxyType(
    {"shar": Shar(), "nemo": Nemo(), "webdataset": WebDataset(), "parquet": Parquet()}
)
