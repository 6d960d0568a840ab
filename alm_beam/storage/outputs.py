"""What each job leaves in its folder: the names of its files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from alm_beam.storage.index.format import FOLDER, META, OFFSETS_ENDING, ROWS

SUCCESS = "_SUCCESS"
"""The file that says that a run is complete."""


class Sharded(NamedTuple):
    """An output in shards, `<name>-SSSSS-of-NNNNN<suffix>`.

    Attributes:
        name: what the names of its shards begin with.
        suffix: what they end with.
        beside: endings of files that stand beside a shard, called as it is.
    """

    name: str
    suffix: str = ".jsonl"
    beside: tuple[str, ...] = ()

    def file_name(self, number: int, count: int) -> str:
        """The name of a shard."""
        return f"{self.name}-{number:05d}-of-{count:05d}{self.suffix}"


class Tree(NamedTuple):
    """A folder whose files, also in folders of it, are numbered by the run.

    Attributes:
        folder: its name.
        pattern: what the paths of its files match, from the folder.
        sample: one of them.
    """

    folder: str
    pattern: str
    sample: str


@dataclass(frozen=True)
class Outputs:
    """What a job leaves in its folder beside `_SUCCESS`.

    Attributes:
        job: the command that runs it.
        sharded: its outputs in shards.
        files: its files; the first is that of its statistics.
        folders: the files of each of its folders.
        trees: its folders with numbered files.
        kept: a hidden folder for what a run that is cut short leaves to the next one; empty for none.
        naming: the parameters that give a file its name, which is then among `files`.
    """

    job: str
    sharded: tuple[Sharded, ...]
    files: tuple[str, ...]
    folders: Mapping[str, tuple[str, ...]]
    trees: tuple[Tree, ...] = ()
    kept: str = ""
    naming: tuple[str, ...] = ()

    @property
    def statistics(self) -> str:
        """The name of its file of statistics."""
        return self.files[0]

    @property
    def names(self) -> list[str]:
        """What runs that must not publish at the same time have in common."""
        trees = (tree.folder for tree in self.trees)
        return [*(each.name for each in self.sharded), *self.files, *self.folders, *trees]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the names of shards and files match."""
        endings = {
            each: "|".join(re.escape(each.suffix + ending) for ending in ("", *each.beside)) for each in self.sharded
        }
        shards = [rf"{re.escape(each.name)}-\d+-of-\d+({ending})" for each, ending in endings.items()]
        return re.compile("|".join([*shards, *map(re.escape, self.files)]))

    def samples(self) -> list[str]:
        """A path of each kind that a run writes, from its folder."""
        shards = [each.file_name(0, 1) + ending for each in self.sharded for ending in ("", *each.beside)]
        inside = [f"{folder}/{name}" for folder, names in self.folders.items() for name in names]
        return [*shards, *self.files, *inside, *(f"{tree.folder}/{tree.sample}" for tree in self.trees)]


ENTRIES, CUTS, REJECTS = Sharded("alm_output"), Sharded("cuts", beside=(OFFSETS_ENDING,)), Sharded("rejects")
LOSS_STATS, REPORT_STATS, REPORT = "loss_stats.json", "report_stats.json", "report.html"
CONVERTED, MEASURED, RTTM = Sharded("manifest"), Sharded("manifest"), Sharded("rttm", ".rttm")
CONVERT_STATS = "convert_stats.json"
WINDOWS = Outputs(
    "windows",
    (ENTRIES, CUTS, REJECTS),
    (LOSS_STATS, REPORT_STATS, REPORT),
    {FOLDER: (ROWS, META)},
    naming=("entries_file",),
)
"""What the main job leaves, if no file of it was given a name."""

CONVERSION = Outputs("convert", (CONVERTED, RTTM, REJECTS), (CONVERT_STATS,), {})
"""What a conversion leaves; of the first two, one."""

MEASURE = Outputs("measure", (MEASURED, REJECTS), ("measure_stats.json",), {}, kept=".measured")
"""What the job leaves that measures audio."""

SWEEP_JSON, SWEEP_CSV, SWEEP_PAGE = "sweep.json", "sweep.csv", "report.html"
SWEEP = Outputs("sweep", (REJECTS,), (SWEEP_JSON, SWEEP_CSV, SWEEP_PAGE), {})
"""What the job leaves that computes windows in many ways."""

SHARDS_STATS, INPUT_CFG, CARD = "shards_stats.json", "input_cfg.yaml", "README.md"
SHARDS = Outputs(
    "shards",
    (CUTS, REJECTS),
    (SHARDS_STATS, INPUT_CFG, CARD),
    {FOLDER: (ROWS, META)},
    (
        Tree("shar", r"(cuts\.\d{6,}\.jsonl|recording\.\d{6,}\.tar)", "cuts.000000.jsonl"),
        Tree("shar_index", r"(cuts\.\d{6,}\.jsonl|recording\.\d{6,}\.tar)\.idx", "cuts.000000.jsonl.idx"),
        Tree(
            "nemo",
            r"audio_\d+\.tar|sharded_manifests/manifest_\d+\.json|tarred_audio_manifest\.json|metadata\.yaml",
            "sharded_manifests/manifest_0.json",
        ),
        Tree("webdataset", r"\d{6,}\.tar", "000000.tar"),
        Tree(
            "parquet",
            r"corpus=[^/]*/split=[^/]*/language=[^/]*/part-\d{5,}\.parquet",
            "corpus=a/split=b/language=c/part-00000.parquet",
        ),
    ),
)
"""What the job leaves that writes audio shards."""

JOBS = (WINDOWS, CONVERSION, MEASURE, SWEEP, SHARDS)
"""What each job leaves."""
