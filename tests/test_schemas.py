"""The schemas in the package: what they say of the outputs, and that the manifest's and the parser agree."""

import json
import random
import wave
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from alm_beam.cli.main import main
from alm_beam.core.config import ManifestConfig
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import parse_recording
from alm_beam.core.validation import Measured, Missing, Problem
from alm_beam.sample import SHIPPED, write_sample
from alm_beam.storage.index.meta import Meta
from tests.conformance import SHARED, all_cases, flags_of, read_lines
from tests.core.test_manifest import BAD, entry, line, segment
from tests.jobs.cuts import cuts_in, many
from tests.manifests import rejects, write
from tests.schemas import SCHEMAS, check, check_run, validator
from tests.strategies import entries

INPUTS = SHARED.parent / "inputs" / "fetched"

OF_TEXT = {"not_utf8", "cut_off", "not_json", "not_a_manifest", "line_too_long"}
"""Rules about a line, not about the object that it holds."""

OF_OBJECTS = {
    "end_before_start": "two fields of one object are compared",
    "time_not_finite": "a number of JSON may be greater than any float, and so may be the sum of several",
    "speaker_not_label": "1.0 is an integer of JSON Schema, and no label",
    "too_deep": "objects and lists may be nested as deep as somebody likes",
}
"""The rules that a schema cannot state, and why. Nothing else may be refused by the parser alone."""

OF_WINDOWS = {"words_malformed", "entry_too_large"}
"""What is no matter before windows are built."""


def run(folder: Path, *inputs: str, flags: tuple[str, ...] = ()) -> dict[str, int]:
    """Runs the job, checks all that it left, and gives the number of entries, cuts and rejects."""
    given = [f"--input={each}" for each in inputs]
    assert main(["windows", *given, "--output", str(folder), "--direct_num_workers=1", *flags]) == 0
    return check_run(folder)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_says_what_each_field_is(name):
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert len(schema["title"].split()) > 3
    assert schema["description"].endswith(".")
    for path, field in fields(schema):
        described = SCHEMAS[name]["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
        assert (field.get("description") or described.get("description", "")).endswith("."), path


def fields(schema: Any, path: str = "") -> list[tuple[str, Any]]:
    """The fields of all objects in a schema that are not a part of a condition."""
    found = []
    if isinstance(schema, dict):
        for name, part in schema.items():
            if name in ("if", "then", "else", "allOf"):
                continue
            if name in ("properties", "patternProperties"):
                found += [(f"{path}.{key}", field) for key, field in part.items()]
            found += fields(part, f"{path}.{name}")
    return found


def test_the_command_prints_the_schemas(capsys):
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    assert [each.split()[0] for each in printed.splitlines()] == sorted(SCHEMAS)
    for name in SCHEMAS:
        assert main(["schema", name]) == 0
        assert json.loads(capsys.readouterr().out) == SCHEMAS[name]
    with pytest.raises(SystemExit, match="2"):
        main(["schema", "../cli"])
    assert "choose from '" in capsys.readouterr().err


def test_lists_in_schemas_are_those_of_the_code():
    assert set(SCHEMAS["reject"]["properties"]["reason"]["enum"]) == {reason.value for reason in RejectReason}
    assert set(SCHEMAS["statistics"]["properties"]) == {
        *LossStats(most_audio_seconds=0.0).to_dict(),
        "parameters",
        "version",
    }
    assert set(SCHEMAS["index"]["properties"]) == {*(each.name for each in msgspec.structs.fields(Meta)), "digest"}
    validation = SCHEMAS["validation"]["properties"]
    for part, codes in {"missing": Missing, "problems": Problem, "distributions": Measured}.items():
        assert list(validation[part]["properties"]) == [code.value for code in codes]


CASES = {
    "default": (),
    "all": ("--candidates=all", "--target_window_duration=20"),
    "most_audio": ("--selection=most_audio", "--compare_selection", "--min_bandwidth=0"),
    "fields kept": ("--drop_fields=", "--drop_fields_top_level=", "--min_bandwidth=0"),
    "fields dropped": ("--drop_fields=words,start,end,speaker,metrics", "--drop_fields_top_level=audio_filepath"),
    "short": ("--no_candidate_windows", "--no_cuts", "--no_truncation"),
    "speech": ("--max_gap=5", "--min_speech=0.5", "--max_speaker_share=0.9", "--min_metrics=snr.mean=3"),
    "sparse": ("--min_sample_rate=40000", "--drop_empty_truncations"),
}


@pytest.mark.parametrize("flags", CASES.values(), ids=CASES)
def test_what_runs_write_is_what_the_schemas_say(flags, tmp_path):
    hostile = tmp_path / "hostile.jsonl"
    write_sample(str(hostile), recordings=12, seed=3, hostile=True)
    counts = run(tmp_path / "out", SHIPPED, str(hostile), flags=flags)
    assert counts["entry"] == 17
    assert counts["cut"] > 5 or "--no_cuts" in flags


@pytest.mark.parametrize(("folder", "case"), all_cases())
def test_what_conformance_runs_write_is_what_the_schemas_say(folder, case, tmp_path):
    counts = run(tmp_path / "out", str(folder / case["input"]), flags=tuple(flags_of(case["params"])))
    assert counts["entry"] == case["entries"]


def test_cuts_of_several_channels_are_what_the_schema_says(tmp_path):
    turns = [
        {"start": 5 * n, "end": 5 * n + 4.5, "speaker": "ab"[n % 2], "channel": n % 2, "metrics": {"bandwidth": 8000}}
        for n in range(60)
    ]
    of_two = {"audio_filepath": "https://host/a.wav", "audio_sample_rate": 16000, "segments": turns}
    without_audio = {"audio_sample_rate": 16000.5, "id": 7, "segments": turns}
    manifest = write(tmp_path / "in.jsonl", "\n".join(map(json.dumps, [of_two, without_audio])).encode())
    assert run(tmp_path / "out", str(manifest))["cut"] > 3
    cuts = [json.loads(each) for path in (tmp_path / "out").glob("cuts-*.jsonl") for each in path.open()]
    assert {cut["type"] for cut in cuts} == {"MultiCut"}
    assert {"recording" in cut for cut in cuts} == {True, False}


def test_rejects_of_every_reason_are_what_the_schema_says(tmp_path):
    lines = [text if isinstance(text, bytes) else text.encode() for _, text, _ in BAD]
    manifest = write(tmp_path / "in.jsonl", b"\n".join([entry().encode(), *lines, b" " * 5000 + b"{}"]))
    rttm = write(tmp_path / "in.rttm", b"SPEAKER a 1 0.0 1.5 <NA> <NA> b <NA> <NA>\n" * 9)
    flags = ("--max_reject_fraction=1", "--max_line_bytes=4500")
    counts = run(tmp_path / "out", str(manifest), str(rttm), flags=flags)
    found = {each["reason"] for each in rejects(tmp_path / "out")}
    assert counts["reject"] == len(BAD) + 2
    assert found == {reason for reason, *_ in BAD} | {"line_too_long", "not_a_manifest"}


def test_what_a_measurement_writes_is_what_the_schemas_say(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as audio:
        audio.setparams((1, 2, 16000, 0, "NONE", ""))
        audio.writeframes(random.Random(1).randbytes(2 * 16000 * 6))
    segments = [{"start": n, "end": n + 1.5, "speaker": "a"} for n in (0, 2, 4, 9)]
    given = [{"audio_filepath": str(tmp_path / f"{name}.wav"), "segments": segments} for name in "ab"]
    manifest = write(tmp_path / "in.jsonl", "\n".join(map(json.dumps, given)).encode())
    out, flags = tmp_path / "out", ["--levels", "--max_reject_fraction=1", "--direct_num_workers=1"]
    assert main(["measure", f"--input={manifest}", f"--output={out}", *flags]) == 0
    assert check("reject", rejects(out)) == 1
    assert check("manifest", [json.loads(each) for path in out.glob("manifest-*") for each in path.open()]) == 1
    check("measure_stats", [json.loads((out / "measure_stats.json").read_bytes())])


def test_what_a_run_of_shards_writes_is_what_the_schemas_say(tmp_path):
    source, out = many(tmp_path, 2), tmp_path / "out"
    write(tmp_path / "cuts" / "cuts_bad.jsonl", b"[]\n")
    assert main(["shards", f"--input={source.parent}", f"--output={out}", "--max_reject_fraction=1"]) == 0
    assert check("reject", rejects(out)) == 1
    assert len(cuts_in(out)) == 8
    check("shards_stats", [json.loads((out / "shards_stats.json").read_bytes())])
    check("index", [json.loads((out / "index" / "index.json").read_bytes())])


def test_what_a_conversion_writes_is_what_the_schemas_say(tmp_path):
    lines = ["SPEAKER a 1 0.0 1.5 <NA> <NA> b <NA> <NA>", "SPEAKER a 1 0.0", "SPEAKER c 1 2 3 <NA> <NA> b <NA> <NA>"]
    write(tmp_path / "in.rttm", "\n".join(lines).encode())
    flags = [f"--input={tmp_path}/in.rttm", f"--output={tmp_path}/out", "--max_reject_fraction=1"]
    assert main(["convert", "--from=rttm", *flags]) == 0
    assert check("reject", rejects(tmp_path / "out")) == 1
    check("convert_stats", [json.loads((tmp_path / "out" / "convert_stats.json").read_bytes())])


def printed(capsys, *arguments: str) -> dict[str, Any]:
    """The JSON that a command prints."""
    capsys.readouterr()
    assert main([*arguments, "--json"]) in (0, 1)
    return json.loads(capsys.readouterr().out)


def test_what_dry_runs_print_is_what_the_schema_says(tmp_path, capsys):
    source = many(tmp_path, 2)
    bad = write(tmp_path / "bad.jsonl", b"[]\n")
    rttm = write(tmp_path / "in.rttm", b"SPEAKER a 1 0.0 1.5 <NA> <NA> b <NA> <NA>\n")
    of_jobs = [
        ["windows", f"--input={SHIPPED},{bad}"],
        ["sweep", f"--input={SHIPPED}", "--sample=0.5"],
        ["measure", f"--input={SHIPPED}"],
        ["shards", f"--input={source.parent}"],
        ["convert", f"--input={rttm}"],
    ]
    told = [printed(capsys, *job, f"--output={tmp_path}/out", "--dry_run") for job in of_jobs]
    assert check("dry_run", told) == 5
    known = {"recordings", "windows", "files"}
    assert [known & {*each["sample"]} for each in told] == [{"recordings"}] * 3 + [{"windows"}, {"files"}]


def test_what_commands_for_indexes_print_is_what_the_schemas_say(tmp_path, capsys):
    source = many(tmp_path, 2)
    write(tmp_path / "cuts" / "cuts_bad.jsonl", b"[]\n" + source.read_bytes())
    told = [
        printed(capsys, "index", str(source.parent), "--skip_unusable"),
        printed(capsys, "index", str(source.parent), "--check"),
    ]
    assert told[0]["repeated_windows"] == 8
    assert check("indexed", told) == 2
    assert [each["left_out"]["windows"] for each in told] == [1, 1]
    loader = printed(capsys, "check-loader", str(source.parent), "--num_workers=0", "--world_size=1", "--limit=4")
    assert check("check_loader", [loader]) == 1
    assert {each["result"] for each in loader["checks"]} == {"ok", "FAILED", "-"}


def values(tmp_path: Path) -> dict[str, Any]:
    """Something that each schema describes."""
    out, manifest = tmp_path / "out", json.loads(entry())
    bad = write(tmp_path / "bad.jsonl", b"[]\n")
    run(out, SHIPPED, str(bad), flags=("--max_reject_fraction=1",))
    first = {name: json.loads(next(out.glob(f"{name}-*.jsonl")).open().readline()) for name in ("alm_output", "cuts")}
    return {
        "manifest": manifest,
        "entry": first["alm_output"],
        "cut": first["cuts"],
        "reject": rejects(out)[0],
        "statistics": json.loads((out / "loss_stats.json").read_bytes()),
        "report_stats": json.loads((out / "report_stats.json").read_bytes()),
        "index": json.loads((out / "index" / "index.json").read_bytes()),
    }


def test_a_schema_refuses_what_lacks_a_field_or_has_another_type(tmp_path):
    for name, value in values(tmp_path).items():
        check(name, [value])
        schema, is_valid = SCHEMAS[name], validator(name).is_valid
        for field in schema.get("required", ()):
            assert not is_valid({key: each for key, each in value.items() if key != field}), (name, field)
        for field, part in schema["properties"].items():
            if {"type", "enum", "const"} & part.keys():
                wrong = 1.5 if part.get("type") == "object" else {"wrong": True}
                assert not is_valid({**value, field: wrong}), (name, field)
    changed = values(tmp_path / "again")["entry"]
    changed["stats"]["lost_new"] = -1
    assert not validator("entry").is_valid(changed)


def refusal(text: str | bytes, config: ManifestConfig | None = None) -> str | None:
    """Why the parser refuses a line; None if it accepts it."""
    try:
        parse_recording(line(text), config or ManifestConfig())
    except BadEntry as fault:
        return fault.reason.value
    return None


def agree(text: str | bytes) -> str:
    """Fails if schema and parser differ where they may not; says how they agree."""
    reason = refusal(text)
    if reason in OF_TEXT:
        return reason
    try:
        accepted = validator("manifest").is_valid(json.loads(text))
    except RecursionError:
        assert reason == "too_deep"
        return reason
    if accepted and reason in OF_OBJECTS:
        return f"accepted by the schema alone: {reason}"
    assert accepted is (reason is None), (text[:500], reason)
    return reason or "accepted"


@pytest.mark.parametrize(("reason", "text"), [case[:2] for case in BAD])
def test_what_the_parser_refuses_the_schema_does(reason, text):
    found = agree(text)
    if reason in OF_WINDOWS:
        assert found == "accepted"
    else:
        assert found.endswith(reason)


HARD = {
    "end_before_start": entry(segment(start="2", end="1")),
    "time_not_finite": entry(segment(start="-1e308", end="1e308")),
    "speaker_not_label": entry(segment(speaker="1.0")),
    "too_deep": entry(segment(text=f'"{"a" * 3000}"', words="[" * 300 + "]" * 300)),
}


@pytest.mark.parametrize("reason", OF_OBJECTS)
def test_a_rule_that_no_schema_states_is_one(reason):
    assert agree(HARD[reason]) == f"accepted by the schema alone: {reason}"


ODD = [
    '{"audio_sample_rate": 16000, "segments": [], "offset": 3}',
    '{"audio_sample_rate": 16000.5, "segments": [{"start": 0, "end": 0}], "offset": -0.0, "duration": "long"}',
    '{"audio_sample_rate": null, "sample_rate": 8000, "sampling_rate": "x", "segments": []}',
    '{"audio_sample_rate": null, "sample_rate": "x", "sampling_rate": 8000, "segments": []}',
    '{"audio_sample_rate": null, "sample_rate": null, "sampling_rate": null, "segments": []}',
    '{"sampling_rate": 8000, "diar_segments": [{"start": 0, "end": 1}]}',
    '{"sampling_rate": 8000, "diar_segments": [{"start": 0, "end": 1}], "offset": 2}',
    '{"sampling_rate": 8000, "diar_segments": [{"start": 0}]}',
    '{"sampling_rate": 8000, "diar_segments": 1, "segments": []}',
    '{"sampling_rate": 8000, "diar_segments": [], "segments": null}',
    '{"sampling_rate": 8000, "diar_segments": {}}',
    entry(segment(metrics='{"bandwidth": []}')),
    entry(segment(metrics='{"bandwidth": [null, 1, 2.5]}')),
    entry(segment(metrics='{"bandwidth": [null, "1"]}')),
    entry(segment(metrics='{"bandwidth": [true]}')),
    entry(segment(metrics='{"bandwidth": [[1]]}')),
    entry(segment(metrics='{"bandwidth": {}}')),
    entry(segment(speaker="123456789012345678901234567890")),
    entry(segment(speaker="1e3")),
    entry(segment(start="-5", end="1e300", words='"abc"', text="3")),
]


@pytest.mark.parametrize("text", ODD)
def test_odd_entries_are_the_same_to_schema_and_parser(text):
    agree(text)


def test_real_and_hostile_manifests_are_the_same_to_schema_and_parser(tmp_path):
    hostile = tmp_path / "hostile.jsonl"
    write_sample(str(hostile), recordings=40, seed=9, hostile=True)
    own = Path(__file__).parent / "data" / "conformance" / "public"
    paths = [*Path(SHIPPED).glob("*.jsonl"), hostile, *own.glob("*.xz")]
    seen = {agree(each) for path in paths for each in read_lines(path)}
    assert seen == {"accepted"}


@pytest.mark.skipif(not INPUTS.is_dir(), reason=f"what Curator's chain wrote is not at {INPUTS}")
def test_what_curators_chain_writes_is_the_same_to_schema_and_parser():
    texts = [each for path in INPUTS.glob("tagging_*.jsonl") for each in read_lines(path)]
    assert {agree(each) for each in texts} == {"sample_rate_missing"}
    assert {agree(b'{"sample_rate": 48000, ' + each[1:]) for each in texts} == {"accepted"}


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.sampled_from([0.0, -0.0, 1.0, 2.5, 16000, 2**70, "", "a", "0", "no-speaker"]),
    st.floats(allow_nan=False, allow_infinity=False),
)
_ANYTHING = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
)


def _often(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda tenth: usual if tenth else _ANYTHING)


_SEGMENT = st.fixed_dictionaries(
    {"start": _often(st.integers(0, 3)), "end": _often(st.integers(3, 9))},
    optional={
        "speaker": _often(st.sampled_from(["a", 1, None])),
        "metrics": _often(
            st.fixed_dictionaries(
                {},
                optional={
                    "bandwidth": _often(st.integers(0, 9000) | st.lists(_often(st.integers(0, 9000)), max_size=3))
                },
            )
        ),
        "words": _ANYTHING,
        "text": _ANYTHING,
        "channel": _ANYTHING,
    },
)
_SEGMENTS = _often(st.lists(_often(_SEGMENT), max_size=3))
_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "segments": _SEGMENTS,
        "diar_segments": _SEGMENTS,
        **{name: _often(st.just(16000)) for name in ("audio_sample_rate", "sample_rate", "sampling_rate")},
        "offset": _often(st.just(0)),
        **dict.fromkeys(("audio_filepath", "duration", "id", "channels", "language", "own"), _ANYTHING),
    },
)


@settings(max_examples=500, deadline=None)
@given(_often(_ENTRY | _ENTRY.map(lambda entry: {"audio_sample_rate": 16000, "segments": [], **entry})))
def test_any_entry_is_the_same_to_schema_and_parser(entry):
    event(agree(json.dumps(entry)))


@settings(max_examples=60, deadline=None)
@given(entries())
def test_usable_entries_are_what_the_schema_says(entry):
    assert agree(json.dumps(entry)) == "accepted"
