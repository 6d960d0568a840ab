import pickle
from dataclasses import fields
from pathlib import Path

import pytest

from alm_beam.core.config import (
    GROUPS,
    PARAMETERS,
    ConfigError,
    EntryConfig,
    JobConfig,
    OverlapConfig,
    WindowConfig,
)

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        (WindowConfig, "target_window_duration", [0, -1.0, NAN, INFINITY, 10**400, "120s", True]),
        (WindowConfig, "tolerance", [-0.1, 1, 1.5, NAN, "x"]),
        (WindowConfig, "min_sample_rate", [-1, NAN, INFINITY, "x"]),
        (WindowConfig, "min_bandwidth", [-1, NAN, "x"]),
        (WindowConfig, "min_speakers", [0, -1, 1.5, "x"]),
        (WindowConfig, "max_speakers", [1, 2.5, "x"]),
        (WindowConfig, "truncation", ["maybe", 1]),
        (WindowConfig, "candidates", ["most", "", "ALL", None]),
        (OverlapConfig, "selection", ["best", "", None]),
        (OverlapConfig, "compare_selection", ["maybe", 1]),
        (OverlapConfig, "overlap_percentage", [-1, 100.5, NAN, "x"]),
        (OverlapConfig, "target_duration", [0, -1, NAN, "x"]),
        (JobConfig, "repeat_factor", [0, -1, 1.5, 10**10]),
        (JobConfig, "num_shards", [-1, 1.5]),
        (JobConfig, "max_reject_fraction", [-0.1, 1.1, NAN]),
        (JobConfig, "overwrite", ["maybe"]),
        (JobConfig, "output", ["", None, 5]),
        (JobConfig, "input", [(), ("",), (5,), None]),
        (EntryConfig, "drop_fields", [None, 5, frozenset({5})]),
        (EntryConfig, "cuts", ["yes", 0]),
    ],
)
def test_a_value_out_of_range_is_refused_by_name_value_and_range(kind, name, values):
    required = {"input": ("in",), "output": "out"} if kind is JobConfig else {}
    for value in values:
        with pytest.raises(ConfigError, match="must be") as refused:
            kind(**{**required, name: value})
        assert refused.value.parameter == name
        assert refused.value.value == value or value in (NAN, ())


def test_the_least_above_the_greatest_names_both():
    with pytest.raises(ConfigError, match=r"max_speakers=3: must be a whole number from min_speakers \(4\) to"):
        WindowConfig(min_speakers=4, max_speakers=3)


def test_a_file_of_entries_that_are_not_written_is_refused():
    with pytest.raises(ConfigError, match="names a file of entries, which --no_entries leaves out"):
        EntryConfig(entries=False, entries_file="all.jsonl")


def test_windows_without_duration_are_refused():
    with pytest.raises(ConfigError, match="reaches down to 0"):
        WindowConfig(target_window_duration=5e-324, tolerance=0.9)


def test_the_ends_of_the_ranges_are_allowed():
    WindowConfig(
        target_window_duration=1e-9, tolerance=0, min_sample_rate=0, min_bandwidth=0, min_speakers=1, max_speakers=1
    )
    OverlapConfig(overlap_percentage=0)
    OverlapConfig(overlap_percentage=100)
    JobConfig(("in",), "out", max_reject_fraction=0)
    JobConfig(("in",), "out", max_reject_fraction=1)


def test_window_durations_are_target_plus_and_minus_tolerance():
    config = WindowConfig(target_window_duration=60, tolerance=0.15)
    assert (config.min_duration, config.max_duration) == (51, 69)


def test_parameters_and_configuration_go_both_ways():
    given = {"input": ("a", "b"), "output": "o", "tolerance": 0.2, "num_shards": 3, "drop_fields": frozenset({"x"})}
    config = JobConfig.of(given)
    assert JobConfig.of(config.parameters()) == config
    assert given.items() <= config.parameters().items()


REQUIRED = {"input": ("in",), "output": "out"}


def test_the_target_duration_follows_the_window_duration_unless_given():
    assert JobConfig.of(REQUIRED).overlap.target_duration == 120
    assert JobConfig.of({**REQUIRED, "target_window_duration": 60}).overlap.target_duration == 60
    assert (
        JobConfig.of({**REQUIRED, "target_window_duration": 60, "target_duration": None}).overlap.target_duration == 60
    )
    given = {**REQUIRED, "target_window_duration": 60, "target_duration": 50}
    assert JobConfig.of(given).overlap.target_duration == 50


def test_the_plain_constructor_states_the_target_duration_too():
    minute = WindowConfig(target_window_duration=60)
    assert OverlapConfig().target_duration is None
    assert JobConfig(("in",), "out").parameters()["target_duration"] == 120
    config = JobConfig(("in",), "out", minute, OverlapConfig(overlap_percentage=80))
    assert config.parameters()["target_duration"] == config.overlap.target_duration == 60
    assert config.overlap.overlap_percentage == 80
    assert config == JobConfig.of({**REQUIRED, "target_window_duration": 60, "overlap_percentage": 80})
    assert JobConfig(("in",), "out", minute, OverlapConfig(target_duration=50)).overlap.target_duration == 50


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("target_windw_duration", "is no parameter (did you mean target_window_duration?)"),
        ("Tolerance", "is no parameter (did you mean tolerance?)"),
        ("storage_option", "is no parameter (did you mean storage_options?)"),
        ("windows", "is no parameter"),
        ("xyz", "is no parameter"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_and_without_its_value(name, said):
    with pytest.raises(ConfigError) as refused:
        JobConfig.of({**REQUIRED, name: "TOPS3CRET"})
    assert str(refused.value).startswith(f"{name}: {said}")
    assert "TOPS3CRET" not in str(refused.value) + repr(refused.value)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_parameter_is_named(name):
    with pytest.raises(ConfigError, match=f"^{name}: is missing"):
        JobConfig.of({other: value for other, value in REQUIRED.items() if other != name})


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"input": "a.jsonl"}, "input", ("a.jsonl",)),
        ({"input": "a.jsonl, b"}, "input", ("a.jsonl", "b")),
        ({"input": ["a,b.jsonl", "c"]}, "input", ("a,b.jsonl", "c")),
        ({"input": Path("in")}, "input", ("in",)),
        ({"output": Path("out")}, "output", "out"),
    ],
)
def test_paths_are_one_text_several_or_pythons(given, name, value):
    assert getattr(JobConfig.of({**REQUIRED, **given}), name) == value
    assert getattr(JobConfig(**{**REQUIRED, **given}), name) == value


@pytest.mark.parametrize("given", ["words, text", ["words", "text"], {"text", "words"}, ("text", "words", "text")])
def test_names_are_a_text_or_any_collection(given):
    assert JobConfig.of({**REQUIRED, "drop_fields": given}).entry.drop_fields == frozenset({"words", "text"})


def test_storage_options_are_never_shown():
    options = {"s3": {"key": "TOPS3CRET"}}
    config = JobConfig.of({**REQUIRED, "storage_options": options})
    assert config.storage_options == options
    assert "TOPS3CRET" not in repr(config) + str(config) + repr(config.parameters())
    for wrong in ("TOPS3CRET", ["TOPS3CRET"], {5: "TOPS3CRET"}, None):
        with pytest.raises(ConfigError, match=r"^storage_options: must be a JSON object$") as refused:
            JobConfig(("in",), "out", storage_options=wrong)
        assert "TOPS3CRET" not in repr(refused.value) + repr(refused.value.value)


def test_storage_options_are_a_copy_and_empty_by_default():
    options = {"key": 1}
    config = JobConfig(("in",), "out", storage_options=options)
    options["key"] = 2
    assert config.storage_options == {"key": 1}
    assert JobConfig(("in",), "out").storage_options == {}
    assert hash(config) == hash(JobConfig(("in",), "out"))
    assert config != JobConfig(("in",), "out")


def test_an_error_of_another_process_reads_the_same():
    error = ConfigError("tolerance", 2, "must be less")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.parameter, copy.value, copy.allowed) == (
        "tolerance=2: must be less",
        "tolerance",
        2,
        "must be less",
    )


def test_every_field_that_can_be_given_is_a_parameter_of_one_group():
    parts = {*JobConfig.parts}
    given = [each.name for config in GROUPS.values() for each in fields(config) if each.init]
    assert sorted(PARAMETERS) == sorted(set(given) - parts)
    assert len(given) == len(PARAMETERS) + len(parts)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_default_is_allowed_and_its_text_states_it(name):
    parameter = PARAMETERS[name]
    if parameter.default_text is not None:
        parameter.check(parameter.default)
        assert parameter.parse(parameter.default_text) == parameter.default
    assert parameter.name == name
    assert parameter.help[-1] != "."


@pytest.mark.parametrize(
    "given", ["pesq_squim=2.5, wer.wer=1", {"pesq_squim": 2.5, "wer.wer": 1}, [["pesq_squim", 2.5], ["wer.wer", 1]]]
)
def test_limits_of_metrics_in_any_form(given):
    config = JobConfig.of({**REQUIRED, "min_metrics": given})
    assert config.windows.min_metrics == (("pesq_squim", 2.5), ("wer.wer", 1))
    assert JobConfig.of({**REQUIRED, **config.parameters()}) == config


@pytest.mark.parametrize("given", ["a", "a=", "=1", "a=b", "a=1,a=2", "a=nan", {"a": True}, {"a": None}, 5, "a=2e9"])
def test_limits_of_metrics_that_are_none(given):
    with pytest.raises(ConfigError, match=r"^min_metrics=.*: must be names with a number each"):
        JobConfig.of({**REQUIRED, "min_metrics": given})


def test_a_parameter_without_a_default_may_be_none():
    config = JobConfig.of({**REQUIRED, "max_gap": None, "default_sample_rate": None, "speaker_separator": None})
    assert config == JobConfig.of(REQUIRED)
    with pytest.raises(ConfigError, match=r"^min_speech=None: must be a fraction from 0 to 1"):
        JobConfig.of({**REQUIRED, "min_speech": None})
