import pytest

from alm_beam.core.config import ConfigError, EntryConfig, JobConfig, OverlapConfig, WindowConfig

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
        (JobConfig, "output", [""]),
        (JobConfig, "input", [()]),
        (EntryConfig, "drop_fields", ["words"]),
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


def test_the_target_duration_follows_the_window_duration_unless_given():
    required = {"input": ("in",), "output": "out"}
    assert JobConfig.of(required).overlap.target_duration == 120
    assert JobConfig.of({**required, "target_window_duration": 60}).overlap.target_duration == 60
    given = {**required, "target_window_duration": 60, "target_duration": 50}
    assert JobConfig.of(given).overlap.target_duration == 50
