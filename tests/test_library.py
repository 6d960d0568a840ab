"""The package as a library: its public names, and what using them leaves alone."""

import json
import subprocess
import sys
import textwrap

import pytest

import alm_beam
from tests.manifests import ENTRIES, lines, write


def run_python(code: str, *arguments: object) -> str:
    """What the code prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_importing_the_package_imports_neither_beam_nor_numpy():
    code = "import sys, alm_beam; dir(alm_beam); print({'apache_beam', 'numpy', 'fsspec'} & set(sys.modules))"
    assert run_python(code) == "set()\n"


def test_one_recording_needs_no_beam():
    code = """
        import sys, alm_beam, alm_beam.sample
        lines = alm_beam.read_manifests(alm_beam.sample.SHIPPED)
        kept = [alm_beam.filter_overlaps(alm_beam.build_windows(alm_beam.parse_recording(line))) for line in lines]
        alm_beam.to_entry(kept[0]), alm_beam.to_cuts(kept[0]), alm_beam.loss_stats(kept[0])
        print(sum(map(len, kept)), "apache_beam" in sys.modules)
    """
    assert run_python(code) == "12 False\n"


def test_every_public_name_is_there_and_documented():
    for name in {*alm_beam.__all__} - {"WindowDataset"}:  # which needs torch, as its module says
        assert ">>> " in getattr(alm_beam, name).__doc__, f"{name} has no example"
        assert name in dir(alm_beam)
    assert "WindowDataset" in dir(alm_beam)
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        alm_beam.nosuch  # noqa: B018


def test_type_checkers_see_every_name(tmp_path):
    pytest.importorskip("mypy", reason="mypy is among the tools for development")
    names = "\n".join(f"reveal_type(alm_beam.{name})" for name in alm_beam.__all__)
    (tmp_path / "uses.py").write_text(f"import alm_beam\n{names}\nalm_beam.nosuch\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", str(tmp_path / "uses.py")],
        capture_output=True,
        text=True,
    )
    faults = [line for line in done.stdout.splitlines() if "uses.py" in line and " error: " in line]
    assert len(faults) == 1, done.stdout
    assert 'no attribute "nosuch"' in faults[0]


def test_run_gives_the_statistics_and_prints_nothing(tmp_path, capfd):
    config = alm_beam.JobConfig.of({"input": str(write(tmp_path / "in.jsonl")), "output": str(tmp_path / "out")})
    stats = alm_beam.run(config)
    assert "".join(capfd.readouterr()) == ""
    assert stats.to_dict().items() <= json.loads((tmp_path / "out" / "loss_stats.json").read_text()).items()
    assert stats.recordings == len(ENTRIES)


def test_run_raises_what_is_wrong(tmp_path):
    def run(content: bytes, **more: object) -> None:
        source = write(tmp_path / "m.jsonl", content)
        alm_beam.run(alm_beam.JobConfig.of({"input": str(source), "output": str(tmp_path / "out"), **more}))

    with pytest.raises(alm_beam.ConfigError, match="did you mean target_window_duration"):
        run(lines(), target_windw_duration=30)
    with pytest.raises(alm_beam.InputError, match="no such file or folder"):
        run(lines(), input=str(tmp_path / "gone.jsonl"))
    with pytest.raises(alm_beam.RejectLimitError, match="1 of 1 entries were rejected"):
        run(b"{\n")
    with pytest.raises(alm_beam.ManifestReadError, match=r"m\.jsonl\.gz: the compressed data is cut off"):
        run(lines(), input=str(write(tmp_path / "m.jsonl.gz", b"no gzip")))
    with pytest.raises(alm_beam.RunError, match="file/out: "):
        run(lines(), output=str(write(tmp_path / "file", b"") / "out"))
    run(lines())
    with pytest.raises(alm_beam.ConfigError, match="holds a finished run"):
        run(lines())


def test_run_raises_what_beam_refuses_and_prints_nothing(tmp_path, capfd):
    from apache_beam.options.pipeline_options import PipelineOptions

    config = alm_beam.JobConfig.of({"input": str(write(tmp_path / "in.jsonl")), "output": str(tmp_path / "out")})
    for flag, message in (
        ("--direct_running_mode=nosuch", "argument --direct_running_mode: invalid choice: 'nosuch'"),
        ("--runner=nosuch", "Unexpected pipeline runner: nosuch"),
    ):
        with pytest.raises(alm_beam.OptionsError, match=f"Beam refuses its flags: {message}"):
            alm_beam.run(config, PipelineOptions([flag]))
    assert "".join(capfd.readouterr()) == ""


def test_transforms_take_dicts_bytes_text_and_lines(tmp_path):
    code = """
        import json, sys
        import apache_beam as beam, alm_beam
        line = next(iter(alm_beam.read_manifests(sys.argv[1])))
        forms = [json.loads(line.text), line.text, line.text.decode(), line, b"{", b"  "]
        with beam.Pipeline() as pipeline:
            made = pipeline | beam.Create(forms) | alm_beam.MakeWindows(alm_beam.WindowConfig(30.0))
            made.cuts | alm_beam.WriteShards(sys.argv[2], "mine", suffix=".txt")
            for name in ("entries", "cuts", "rejects"):
                counted = getattr(made, name) | f"Count{name}" >> beam.combiners.Count.Globally()
                counted | f"Print{name}" >> beam.Map(lambda count, name=name: print(name, count))
            made.stats | beam.Map(lambda stats: print("stats", stats.recordings, stats.rejected.total()))
        with beam.Pipeline() as pipeline:
            kept = pipeline | beam.Create(forms[:1]) | alm_beam.ParseRecording() | alm_beam.BuildWindows()
            kept = kept | alm_beam.FilterOverlaps()
            kept | alm_beam.ToEntries() | "E" >> beam.Map(lambda line: print("entry", len(json.loads(line))))
            kept | alm_beam.ToCuts() | "C" >> beam.Map(lambda line: print("cut", json.loads(line)["type"]))
    """
    printed = run_python(code, write(tmp_path / "in.jsonl"), tmp_path / "out").splitlines()
    counts = dict(line.split(maxsplit=1) for line in printed)
    assert counts["entries"] == "4"
    assert counts["rejects"] == "1"
    assert counts["stats"] == "4 1"
    assert int(counts["cuts"]) > 4
    [shard] = (tmp_path / "out").iterdir()
    assert shard.name == "mine-00000-of-00001.txt"
    assert len(shard.read_text().splitlines()) == int(counts["cuts"])
    assert {"entry", "cut"} <= counts.keys()


UNCHANGED = """
    import json, logging, os, signal, sys, threading
    import fsspec, fsspec.asyn, fsspec.config
    import apache_beam as beam
    from apache_beam.io.filesystem import FileSystem
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions
    import alm_beam

    beam.Pipeline(options=PipelineOptions([]))  # sets up logging
    given = json.loads(sys.argv[4])
    callers = fsspec.filesystem("s3", **given)
    callers.ls("")  # connected
    def state():
        return {
            "gs": FileSystems.get_filesystem("gs://x/y").__class__.__module__,
            "filesystems": {s: type(FileSystems.get_filesystem(s + "://x/y")).__name__ for s in ("gs", "s3")},
            "schemes": sorted(str(k.scheme()) + k.__name__ for k in FileSystem.get_all_subclasses()),
            "fsspec": json.dumps(fsspec.config.conf, sort_keys=True),
            "instances": fsspec.filesystem("s3", **given) is callers,
            "loop": id(fsspec.asyn.loop[0]),
            "loggers": {n: (l.level, len(l.filters), len(l.handlers), l.disabled, l.propagate)
                for n, l in [("", logging.getLogger()), *logging.root.manager.loggerDict.items()]
                if isinstance(l, logging.Logger) and (not n or l.level or l.filters or l.handlers)},
            "disabled": logging.root.manager.disable,
            "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
            "environment": dict(os.environ),
            "threads": sorted(t.name for t in threading.enumerate() if "_serve" not in t.name),  # the runner's gRPC
            "path": [*sys.path],
            "folder": os.getcwd(),
        }
    before = state()
    options = PipelineOptions(["--direct_num_workers=1"])
    told = options.get_all_options()
    config = {"input": sys.argv[1], "output": sys.argv[2] + "/run", "storage_options": {"s3": given}}
    alm_beam.run(alm_beam.JobConfig.of(config), options)
    assert options.get_all_options() == told
    with beam.Pipeline(options=options) as pipeline:
        lines = pipeline | alm_beam.ReadManifests(sys.argv[1], storage_options=given)
        made = lines | alm_beam.MakeWindows()
        made.cuts | alm_beam.WriteShards(sys.argv[2] + "/more", "cuts", storage_options=given)
        theirs = pipeline | beam.io.ReadFromText(sys.argv[3]) | beam.Map(print)
    list(alm_beam.read_manifests(sys.argv[1], storage_options=given))
    from alm_beam.storage.connections import close_connections
    close_connections()
    after = state()
    assert after == before, {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert callers.exists(sys.argv[2] + "/run/_SUCCESS"), "the caller's connection still works"
"""


def test_nothing_else_in_the_callers_process_changes(s3, gcs, monkeypatch):
    """A pipeline of somebody else's with Beam's own `gs://` beside ours on S3, whose credentials we are given."""
    source = s3.write(f"{s3.bucket()}/in/m.jsonl", lines())
    bucket = "/".join(source.split("/")[:3])
    theirs = gcs.write(f"{gcs.bucket()}/theirs.txt", b"served by Beam\n")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{gcs.port}")
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # otherwise Google's client looks for credentials for 20 s
    assert run_python(UNCHANGED, source, bucket, theirs, json.dumps(s3.options)) == "served by Beam\n"
