"""A pipeline of NeMo Curator's means the same for the main job, or is refused where it asks for more."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.config import PARAMETERS, JobConfig
from alm_beam.core.config_file import ConfigFileError
from alm_beam.core.curator_overrides import override_of, split_arguments
from alm_beam.core.curator_pipeline import read_pipeline
from tests.curator_pipeline import PIPELINE

INPUT = "manifest_path=in.jsonl"
BUILDER = "nemo_curator.stages.audio.alm.ALMDataBuilderStage"


def read(*overrides: str, text: str = PIPELINE, stated=()):
    return read_pipeline(text, "bench.yaml", overrides, PARAMETERS, stated)


def values(*overrides: str, text: str = PIPELINE):
    return {name: each.value for name, each in read(*overrides, text=text).given.items()}


def refused(*overrides: str, text: str = PIPELINE) -> str:
    with pytest.raises(ConfigFileError) as error:
        read(*overrides, text=text)
    return str(error.value)


def test_every_value_is_that_of_the_pipeline():
    assert values(INPUT) == {
        "input": ("in.jsonl",),
        "target_window_duration": 60,
        "tolerance": 0.2,
        "min_sample_rate": 8000,
        "min_bandwidth": 3400,
        "min_speakers": 1,
        "max_speakers": 6,
        "truncation": False,
        "drop_fields": frozenset({"words", "text"}),
        "drop_fields_top_level": frozenset({"segments"}),
        "overlap_percentage": 10,
        "target_duration": 55.5,
        "output": "./bench_bench",
        "entries_file": "bench.jsonl",
    }
    assert JobConfig.of(values(INPUT)).overlap.target_duration == 55.5


def test_what_is_left_out_has_curators_default():
    stages = re.sub(r"^    (?!manifest_path|output_path).*\n", "", PIPELINE, flags=re.MULTILINE)
    found = values(INPUT, text=stages)
    assert found.keys() == {"input", "output", "entries_file", "target_duration"}
    config = JobConfig.of(found)
    assert config.overlap.target_duration == 120.0
    assert (config.windows.target_window_duration, config.overlap.overlap_percentage) == (120.0, 50)
    longer = JobConfig.of(values(INPUT, "+stages.1.target_window_duration=30", text=stages))
    assert (longer.windows.target_window_duration, longer.overlap.target_duration) == (30, 120.0)


def test_what_changes_no_result_is_named():
    assert read(INPUT, "backend=ray_data", "+stages.2.resources=[1]").ignored == [
        "backend",
        "defaults",
        "documentation",
        "hydra",
        "stages.0.files_per_partition",
        "stages.1.batch_size",
        "stages.2.resources",
    ]


@pytest.mark.parametrize(
    ("override", "name", "value", "source"),
    [
        ("stages.1.min_speakers=3", "min_speakers", 3, "override stages.1.min_speakers"),
        ("stages[1].min_speakers=3", "min_speakers", 3, "override stages.1.min_speakers"),
        ("stages.1.tolerance=1e-1", "tolerance", 0.1, "override stages.1.tolerance"),
        ("stages.1.truncation=True", "truncation", True, "override stages.1.truncation"),
        ("stages.1.drop_fields=words,no", "drop_fields", frozenset({"words", "no"}), "override stages.1.drop_fields"),
        ("stages.1.drop_fields=''", "drop_fields", frozenset(), "override stages.1.drop_fields"),
        ("stages.1.drop_fields=", "drop_fields", frozenset(), "override stages.1.drop_fields"),
        ("++stages.2.overlap_percentage=30", "overlap_percentage", 30, "override stages.2.overlap_percentage"),
        ("seconds=90", "target_window_duration", 90, "override seconds"),
        ("output_dir=s3://lake/x", "output", "s3://lake/x", "override output_dir"),
        ("stages.3.output_path=all.jsonl", "output", ".", "override stages.3.output_path"),
        ("stages.3.output_path=/all.jsonl", "output", "/", "override stages.3.output_path"),
        ("manifest_path=[a,'b, c',no]", "input", ("a", "b, c", "no"), "override manifest_path"),
        ("manifest_path=a\\,b\\=c", "input", ("a,b=c",), "override manifest_path"),
        ("manifest_path='it\\'s'", "input", ("it's",), "override manifest_path"),
        ("manifest_path=${lab}.jsonl", "input", ("bench.jsonl",), "override manifest_path"),
        ("+stages.0.storage_options=null", "storage_options", {}, "override stages.0.storage_options"),
        ("~stages.2.target_duration", "target_duration", 120.0, "Curator's default"),
    ],
)
def test_overrides_are_hydras(override, name, value, source):
    given = read(INPUT, override).given[name]
    assert (given.value, given.source) == (value, source)
    assert type(given.value) is type(value)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("hydra.job.chdir=true", []),
        ("hydra.verbose=true", []),
        ("+hydra.run.dir=x", []),
        ("~hydra.run", ["hydra.run"]),
        ("hydra/job_logging=none", ["hydra/job_logging"]),
    ],
)
def test_hydras_own_keys_are_ignored_also_where_the_file_has_them_not(override, named):
    without = PIPELINE.replace("hydra:\n  run: {dir: .}\n", "")
    for text in (PIPELINE, without):
        pipeline = read(INPUT, override, text=text)
        assert {name: each.value for name, each in pipeline.given.items()} == values(INPUT)
        assert [each for each in pipeline.ignored if "/" in each or each.startswith("hydra.")] == named
        assert named or "hydra" in pipeline.ignored


SECRET = "TOPS3CRET"
KEYS = [
    "manifest_path",
    "output_dir",
    "lab",
    "seconds",
    "documentation.a",
    "new.a.b",
    "defaults",
    "defaults.0",
    "hydra",
    "hydra.mode",
    "stages",
    "stages.0",
    "stages.-1.x",
    "stages.9",
    "stages.x.y",
    "stages.0.manifest_path",
    "stages.0.storage_options",
    "stages.0.storage_options.key",
    "stages.1.min_speakers",
    "stages.1._target_",
]


@settings(max_examples=150, deadline=None)
@given(
    sign=st.sampled_from(["", "+", "++", "~"]),
    key=st.sampled_from(KEYS),
    before=st.text("${}[]'\"\\:.,a1 ", max_size=6),
    after=st.text("${}[]'\"\\:.,a1 ", max_size=6),
)
def test_any_override_is_taken_or_refused_without_its_value(sign, key, before, after):
    said = ""
    try:
        read(INPUT, f"{sign}{key}={before}{SECRET}{after}")
    except ConfigFileError as error:
        said = str(error)
    assert "\n" not in said
    assert SECRET not in said or key not in ("stages.0.storage_options", "stages.0.storage_options.key", "new.a.b")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((), "bench.yaml: manifest_path is missing (???); give it as manifest_path=..."),
        ((INPUT, "output_dir=???"), "bench.yaml: output_dir is missing (???)"),
        ((INPUT, "stages.1.foo=3"), "stages.1.foo: alm-beam has no such parameter of ALMDataBuilderStage"),
        (
            (INPUT, "stages.1.min_speaker=3"),
            "alm-beam has no such parameter of ALMDataBuilderStage (did you mean min_sp",
        ),
        ((INPUT, "+stages.1.min_speaker=3"), "stages.1.min_speaker: alm-beam has no such parameter of ALMDataBuilderS"),
        ((INPUT, "stages.1.name=a"), "stages.1.name: bench.yaml has no such key; +stages.1.name=... adds it"),
        ((INPUT, "stages.0.storage_options.key=a"), "no such key; +stages.0.storage_options.key=... adds it"),
        ((INPUT, "manifest_pat=a"), "manifest_pat: bench.yaml has no such key (did you mean manifest_path?)"),
        ((INPUT, "mine=a"), "mine: bench.yaml has no such key; +mine=... adds it"),
        ((INPUT, "+stages.4._target_=a"), "+stages.4._target_: there is no such place in bench.yaml"),
        (
            (INPUT, "manifest_path=${TOPS3CRET"),
            "manifest_path: holds a ${...} that is not well formed (is a } missing?)",
        ),
        ((INPUT, "+stages.0.storage_options.key=${TOPS3CRET"), "key: holds a ${...} that is not well formed"),
        ((INPUT, "+stages.0.storage_options.key=${a.TOPS3CRET}"), "storage_options: cannot be made of what it names"),
        ((INPUT, "+stages.0.storage_options.key=${TOPS3CRET:}"), "storage_options: cannot be made of what it names"),
        ((INPUT, "output_dir=${oc.env:ALM_NO}"), "output_path: Environment variable 'ALM_NO' not found"),
        ((INPUT, "output_dir=${oc.decode:'{TOPS3CRET'}"), "stages.3.output_path: cannot be made of what it names"),
        ((INPUT, "manifest_path='a"), "manifest_path: begins with a quote, and does not end with it"),
        (("manifest_path=",), "bench.yaml: stages.0.manifest_path=: must be a file, a folder or a glob"),
        ((INPUT, "hydra.mode=MULTIRUN"), "bench.yaml: hydra.mode: MULTIRUN asks for several runs; use alm-beam sweep"),
        ((INPUT, "+stages.1.foo=3"), "bench.yaml: stages.1.foo: alm-beam has no such parameter of ALMDataBuilderStage"),
        ((INPUT, "+lab=3"), "+lab: bench.yaml has this key; lab=... changes it"),
        ((INPUT, "stages.9.name=a"), "stages.9.name: bench.yaml has no such key"),
        ((INPUT, "++stages.9=a"), "++stages.9: there is no such place in bench.yaml"),
        ((INPUT, "stages.1.min_speakers=0"), "bench.yaml: stages.1.min_speakers=0: must be a whole number from 1"),
        ((INPUT, "stages.1.min_speakers=2.0"), "stages.1.min_speakers=2.0: must be a whole number"),
        ((INPUT, "stages.1.truncation=no"), "stages.1.truncation=no: must be true or false"),
        ((INPUT, "stages.1.max_speakers=null"), "stages.1.max_speakers=None: must be a whole number"),
        ((INPUT, "stages.2.target_duration=null"), "stages.2.target_duration=None: must be a number of seconds"),
        ((INPUT, "stages.1.tolerance={a:1}"), "stages.1.tolerance: is a mapping, which is not read here"),
        ((INPUT, "output_dir=${nope}"), "bench.yaml: stages.3.output_path: Interpolation key 'nope' not found"),
        ((INPUT, "~lab=bench"), "bench.yaml: stages.3.output_path: Interpolation key 'lab' not found"),
        ((INPUT, "output_dir=${now:%Y}"), "bench.yaml: stages.3.output_path: Unsupported interpolation type now"),
        ((INPUT, "stages.3.output_path=out/"), "bench.yaml: stages.3.output_path: must be a file's path or URL"),
        ((INPUT, "stages.3.output_path=out/a.jsonl.gz"), "stages.3.output_path=a.jsonl.gz: must be a printable name"),
        ((INPUT, "~stages.2"), "bench.yaml: stages: ALMDataOverlapStage is missing; alm-beam windows does Manifest"),
        ((INPUT, f"stages.2._target_={BUILDER}"), "bench.yaml: stages: ALMDataOverlapStage is missing"),
        ((INPUT, "stages.1._target_=lab.Whisper"), "bench.yaml: stages.1: alm-beam has no lab.Whisper; it does Man"),
        ((INPUT, "+stages.0.file_extensions=[.txt]"), "stages.0.file_extensions: must be [.jsonl, .json]; alm-beam"),
        ((INPUT, "+stages.0.storage_options=TOPS3CRET"), "bench.yaml: stages.0.storage_options: must be a JSON object"),
        ((INPUT, "--x"), "--x: is no override; write key=value, +key=value, ++key=value or ~key"),
    ],
)
def test_what_the_job_has_not_is_named(overrides, message):
    told = refused(*overrides)
    assert message in told
    assert "TOPS3CRET" not in told


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("  - _self_\n", "  - base\n", "bench.yaml: defaults.0: names another file, which is not read"),
        ("  - override hydra/job_logging: none", "  - db: mysql", "bench.yaml: defaults.1: names another file"),
        ("stages:\n", "steps:\n", "bench.yaml: stages: must be a list of stages, each with a _target_"),
        (
            "  - _target_: nemo_curator.stages.audio.ManifestReader\n",
            "  - name: r\n",
            "stages.0: must be a mapping with",
        ),
        (
            "seconds: 60\n",
            "seconds: 60\nseconds: 70\n",
            "bench.yaml, line 14: is not YAML (found duplicate key seconds)",
        ),
        ("seconds: 60\n", "seconds: !!int x\n", "bench.yaml: is not YAML (it cannot be read)"),
        ("seconds: 60\n", "seconds: &a [*a]\n", ": is not YAML ("),
        ("    batch_size: 8\n", "    min_speaker: 8\n", "ALMDataBuilderStage (did you mean min_speakers?)"),
        (
            "${output_dir}/bench.jsonl",
            "${output_dir/bench.jsonl",
            "bench.yaml: stages.3.output_path: holds a ${...} that",
        ),
        ("    manifest_path: ${manifest_path}\n", "", "bench.yaml: stages.0.manifest_path is missing"),
    ],
)
def test_a_file_that_asks_for_more_is_refused(before, after, message):
    assert before in PIPELINE
    assert message in refused(INPUT, text=PIPELINE.replace(before, after))


def test_another_order_is_refused():
    head, *stages = re.split(r"(?=^  - _target_)", PIPELINE, flags=re.MULTILINE)
    swapped = head + "".join([stages[0], stages[2], stages[1], stages[3]])
    assert "bench.yaml: stages.1: ALMDataOverlapStage is not where alm-beam windows does it" in refused(
        INPUT, text=swapped
    )
    twice = head + "".join([*stages, stages[3]])
    assert "bench.yaml: stages.4: ManifestWriterStage is not where" in refused(INPUT, text=twice)


def test_what_flags_state_the_pipeline_need_not():
    assert "input" not in read(stated={"input"}).given
    stated = {"input", "output", "entries_file"}
    assert read("output_dir=???", stated=stated).given.keys().isdisjoint(stated)


def test_options_of_the_reader_are_the_jobs():
    text = PIPELINE.replace(
        "    files_per_partition: 4\n", "    storage_options: {key: TOPS3CRET}\n    blocksize: 1MB\n"
    )
    pipeline = read(INPUT, text=text)
    assert pipeline.given["storage_options"].value == {"key": "TOPS3CRET"}
    assert "stages.0.blocksize" in pipeline.ignored


@pytest.mark.parametrize(
    "text", ["--min_speakers=3", "min_speakers", "a b=c", "3=4", "=a", "/data/a=b", "~", "{a: 1}", "s3://a=b"]
)
def test_what_is_no_override_is_none(text):
    assert override_of(text) is None


def test_overrides_are_told_from_values_of_flags():
    arguments = [
        "a=1", "--labels", "b=2", "--min_metrics", "c=3", "--no_cuts", "d=4", "--x=1", "~e", "--streaming",
        "stages.1.x=5", "manifest_path=6", "--min_metrics", "backend=7", "in.jsonl",
    ]  # fmt: skip
    flags, overrides = split_arguments(arguments, {"--no_cuts": False, "--min_metrics": True})
    assert overrides == ["a=1", "d=4", "~e", "stages.1.x=5", "manifest_path=6"]
    assert flags == [each for each in arguments if each not in overrides]
