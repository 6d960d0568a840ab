"""The template's image: its packages, and that its own steps make an environment in which the job runs."""

import json
import re
import shutil
import subprocess
import tarfile
import wave
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from alm_beam import __version__
from alm_beam.cli.windows import main as run
from alm_beam.runners.dataflow import IMAGE_VARIABLE
from tests.manifests import output_entries
from tests.templates.conftest import IMAGE_NAME
from tests.templates.image import DOCKERFILE, REPOSITORY, instructions

JOBS = {
    "windows": ("build_windows.py", "metadata.json"),
    "measure": ("measure_audio.py", "measure_metadata.json"),
    "shards": ("build_shards.py", "shards_metadata.json"),
    "sweep": ("sweep_windows.py", "sweep_metadata.json"),
}
"""The pipeline and the metadata of each template."""

SAMPLE = REPOSITORY / "alm_beam" / "sample_data"
TEXT = "\n".join(f"{name} {rest}" for name, rest in instructions())
PYTHON = re.search(r"^FROM python:(\d+\.\d+)-slim$", TEXT, re.MULTILINE)[1]


def pins(path) -> dict[str, Version]:
    """What the file pins for the image's Python."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    wanted = [Requirement(line) for line in lines if line]
    here = [each for each in wanted if each.marker is None or each.marker.evaluate({"python_version": PYTHON})]
    return {re.sub(r"[-_.]+", "-", each.name).lower(): Version(str(each.specifier).removeprefix("==")) for each in here}


def test_it_pins_what_requirements_txt_pins():
    image, repository = pins(DOCKERFILE.with_name("requirements.txt")), pins(REPOSITORY / "requirements.txt")
    assert {name: image.get(name) for name in repository} == repository
    assert "google-cloud-dataflow-client" in image


def test_all_its_parts_are_of_one_python_and_one_beam():
    beam = pins(DOCKERFILE.with_name("requirements.txt"))["apache-beam"]
    assert f"--from=apache/beam_python{PYTHON}_sdk:{beam} /opt/apache/beam /opt/apache/beam" in TEXT
    launcher = "/opt/google/dataflow/python_template_launcher"
    assert re.search(
        rf"/python{PYTHON.replace('.', '')}-template-launcher-base:\S+ +{launcher} {launcher}$", TEXT, re.M
    )


def test_a_worker_installs_nothing_anew():
    assert "FLEX_TEMPLATE_PYTHON_PY_FILE" in TEXT
    assert "FLEX_TEMPLATE_PYTHON_SETUP_FILE" not in TEXT
    assert "FLEX_TEMPLATE_PYTHON_REQUIREMENTS_FILE" not in TEXT


@pytest.mark.parametrize("job", [*JOBS])
def test_make_names_the_pipeline_and_the_metadata_of_each_job(job):
    wanted = [f"JOB={job}", f"IMAGE={IMAGE_NAME}", "TEMPLATE=gs://b/t.json"]
    said = subprocess.run(
        ["make", "--dry-run", "dataflow-template", *wanted], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    pipeline, metadata = JOBS[job]
    assert f"--substitutions=_IMAGE={IMAGE_NAME},_PIPELINE={pipeline} " in said
    assert f"--metadata-file=templates/dataflow/{metadata}\n" in said
    assert (REPOSITORY / "pipelines" / pipeline).exists()
    assert DOCKERFILE.with_name(metadata).exists()


def test_the_build_hands_over_every_argument_of_the_image():
    arguments = {rest.partition("=")[0] for name, rest in instructions() if name == "ARG"}
    build = DOCKERFILE.with_name("cloudbuild.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"--build-arg=(\w+)=\$_\1\b", build)) == arguments


@pytest.mark.skipif(not shutil.which("gcloud"), reason="gcloud is not here")
@pytest.mark.parametrize("job", [*JOBS])
def test_gcloud_makes_a_template_of_it(job):
    command = re.search(r"^\tgcloud (dataflow flex-template build .*?)\n\n", _makefile(), re.MULTILINE | re.DOTALL)[1]
    command = command.replace("\\\n", " ").replace("$(TEMPLATE)", "gs://b/t.json").replace("$(IMAGE)", IMAGE_NAME)
    command = command.replace("$(METADATA_$(JOB))", JOBS[job][1])
    made = subprocess.run(
        ["gcloud", *command.split(), "--print-only"], cwd=REPOSITORY, capture_output=True, text=True, timeout=600
    )
    template = json.loads(made.stdout[made.stdout.index("{") :])
    assert template["image"] == IMAGE_NAME
    assert template["sdkInfo"] == {"language": "PYTHON"}
    metadata = json.loads(DOCKERFILE.with_name(JOBS[job][1]).read_text(encoding="utf-8"))
    assert template["metadata"]["parameters"] == metadata["parameters"]


def _makefile() -> str:
    return (REPOSITORY / "Makefile").read_text(encoding="utf-8")


@pytest.mark.dataflow
class TestInside:
    def test_its_package_is_installed(self, image):
        code = "import alm_beam, sys; print(alm_beam.__version__, '%d.%d' % sys.version_info[:2], alm_beam.__file__)"
        version, python, file = image.run(["python", "-c", code], {"PYTHONSAFEPATH": "1"}).stdout.split()
        assert (version, python) == (__version__, PYTHON)
        assert "site-packages" in file

    def test_it_knows_its_name(self, image):
        assert image.own[IMAGE_VARIABLE] == IMAGE_NAME

    def test_it_starts_as_a_worker(self, image):
        assert json.loads(image.entrypoint) == ["/opt/apache/beam/boot"]

    def test_what_the_launcher_starts_runs_the_sample(self, image, tmp_path):
        done = image.run([*image.main(), f"--input={SAMPLE}", f"--output={tmp_path / 'there'}"])
        assert done.returncode == 0, done.stderr
        assert run([f"--input={SAMPLE}", f"--output={tmp_path / 'here'}"]) == 0
        assert output_entries(tmp_path / "there") == output_entries(tmp_path / "here") != []

    def test_another_job_measures_a_wav_file(self, image, tmp_path):
        write_wav(tmp_path / "a.wav")
        (tmp_path / "m.jsonl").write_text(f'{{"audio_filepath": "{tmp_path}/a.wav"}}\n')
        flags = [f"--input={tmp_path}/m.jsonl", f"--output={tmp_path}/out"]
        done = image.run(["python", str(image.path("pipelines/measure_audio.py")), *flags])
        assert done.returncode == 0, done.stderr
        assert '"duration":1.0' in (tmp_path / "out" / "manifest-00000-of-00001.jsonl").read_text()

    def test_another_job_writes_shards_of_other_rate_and_codec(self, image, tmp_path):
        write_wav(tmp_path / "a.wav")
        recording = {"id": "a", "sampling_rate": 16000, "num_samples": 16000, "duration": 1.0}
        recording["sources"] = [{"type": "file", "channels": [0], "source": f"{tmp_path}/a.wav"}]
        cut = {"id": "a-1", "type": "MonoCut", "start": 0.25, "duration": 0.5, "channel": 0, "recording": recording}
        (tmp_path / "cuts.jsonl").write_text(json.dumps(cut))
        flags = [f"--input={tmp_path}/cuts.jsonl", f"--output={tmp_path}/out", "--format=webdataset"]
        flags += ["--audio_format=opus", "--sample_rate=8000"]
        done = image.run(["python", str(image.path("pipelines/build_shards.py")), *flags])
        assert done.returncode == 0, done.stderr
        with tarfile.open(tmp_path / "out" / "webdataset" / "000000.tar") as tar:
            (audio,) = [name for name in tar.getnames() if not name.endswith(".json")]
            assert tar.extractfile(audio).read(4) == b"OggS"


def write_wav(path: Path) -> None:
    """A second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16000))
