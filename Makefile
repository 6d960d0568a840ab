# Everything runs in an environment of its own, .venv: what requirements.txt pins, and the tools for tests and lint.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_OUTPUT ?= demo_output
DATAFLOW_PYTHON ?= python3.11
# The job that a Dataflow template is of.
JOB ?= windows
PIPELINE_windows := build_windows.py
PIPELINE_measure := measure_audio.py
PIPELINE_shards := build_shards.py
PIPELINE_sweep := sweep_windows.py
METADATA_windows := metadata.json
METADATA_measure := measure_metadata.json
METADATA_shards := shards_metadata.json
METADATA_sweep := sweep_metadata.json
AIRFLOW_BIN := .venv-airflow/bin
AIRFLOW_READY := .venv-airflow/.ready
# The oldest and the newest Python that setup.py allows.
PYTHONS := 3.10 3.13
# Releases of Lhotse that read what we write, and what reads it beside them.
LHOTSE := 1.33.0 2.0.0a7
TORCH := torch==2.15.0 torchdata==0.11.0 urllib3
TORCH_TESTS = $(shell grep -rlE 'importorskip."(lhotse|torch)' tests --include=*.py)

# The tests start thousands of processes, each of which would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

# Whose work `make bench-peers` measures, each in an environment of its own; with Lhotse is ours, in the same process.
PEERS ?= curator lhotse fairseq2
BESIDE_lhotse := --constraint requirements.txt --editable '.[audio]'

.PHONY: demo test test-storage test-flink test-dataflow test-airflow test-report test-lhotse test-pythons test-wheel test-install lint \
	generated docs test-lowest bench bench-flink bench-peers dataflow-template dataflow-requirements clean
.PHONY: $(LHOTSE:%=test-lhotse-%) $(PYTHONS:%=test-python-%)

demo: $(READY)
	@echo "Building windows from the sample recordings, a few seconds:"
	$(BIN)/alm-beam windows --input=alm_beam/sample_data --output=$(DEMO_OUTPUT) --overwrite

# Twice as many processes as a laptop's cores: tests of stores in trouble mostly wait.
test: $(READY)
	@echo "Running the tests: about ten minutes on two cores"
	$(BIN)/pytest -n 4 --dist worksteal

# 200 MB through a server of S3 and one of GCS.
test-storage: $(READY)
	$(BIN)/pytest -m big

# On a Flink cluster and on Prism, which are fetched into .flink; what cannot be had is skipped, with the reason.
test-flink: $(READY)
	$(BIN)/pytest -m cluster -rs

# The image's own steps in an environment of its own, and what is sent to Dataflow from there: two minutes, Python 3.11.
test-dataflow: $(READY)
	$(BIN)/pytest -m dataflow

# The DAGs in a real Airflow, which is in an environment of its own; jobs run in the one that everything runs in.
test-airflow: $(READY) $(AIRFLOW_READY)
	ALM_BEAM_PYTHON=$(abspath $(BIN)/python) $(AIRFLOW_BIN)/pytest -n auto --confcutdir=tests/airflow tests/airflow

# Reports in a real Chromium (Debian: apt-get install chromium), which node drives and axe looks at: a minute.
test-report: $(READY)
	cd tests/report/browser && npm ci --silent --no-audit --no-fund
	$(BIN)/pytest -m browser -rs tests/report

# What we write is read with the real Lhotse and torch, each release in an environment of its own (6 GB, as torch brings CUDA).
# The files are those that are skipped, in part or whole, where these are missing; here nothing may be.
test-lhotse: $(LHOTSE:%=test-lhotse-%)

$(LHOTSE:%=test-lhotse-%): test-lhotse-%: $(READY)
	@echo "Making the environment .venv-lhotse-$*, a minute or more: it fetches 3 GB, once for all releases"
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-lhotse-$*
	$(BIN)/uv pip install --quiet --python .venv-lhotse-$*/bin/python --constraint requirements.txt \
		lhotse==$* $(TORCH) --editable '.[test]'
	.venv-lhotse-$*/bin/pytest -n 2 -rs --no-skips $(TORCH_TESTS)

# The oldest and the newest Python: the core, conformance with the reference, and one job.
test-pythons: $(PYTHONS:%=test-python-%)

# pyenv has commands on the path for Pythons that it does not start, so each is tried.
$(PYTHONS:%=test-python-%): test-python-%: $(READY)
	@for python in python$* $(HOME)/.pyenv/versions/$*.*/bin/python; do $$python -c '' 2> /dev/null && break; python=; done; \
		test -n "$$python" || { echo "ERROR: no Python $* on this machine: nothing was tested with it"; exit 1; }; \
		echo "Making the environment .venv-python-$* with $$python"; \
		$(BIN)/uv venv --quiet --clear --python $$python .venv-python-$*
	$(BIN)/uv pip install --quiet --python .venv-python-$*/bin/python --constraint requirements.txt --editable '.[test]'
	.venv-python-$*/bin/pytest -n 2 tests/core tests/test_conformance.py
	.venv-python-$*/bin/alm-beam windows --input=alm_beam/sample_data --output=.venv-python-$*/windows --overwrite

# The wheel and the sdist are built; the wheel alone, in an environment of its own, runs the demo.
test-wheel: $(READY)
	$(BIN)/pytest -m wheel tests/packaging

# What a training machine needs, without Beam, in an environment of its own.
test-install: $(READY)
	$(BIN)/pytest -m install

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What follows from the parameters in alm_beam/core/*config.py: docs, Dataflow's metadata, the params of Airflow's DAGs.
generated: $(READY)
	$(BIN)/python templates/generate.py

# These pages as a site, in site/; a warning is an error. Nothing in it is loaded from elsewhere.
docs: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/pytest tests/docs/test_site.py

# The tests again, with the oldest release of each dependency that setup.py allows.
test-lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --upgrade pip
	.venv-lowest/bin/pip install --quiet --constraint tests/lowest.txt -e '.[test]'
	.venv-lowest/bin/pytest -n auto

# Ratios within one run: tables on the terminal, results.json and growth.png in bench_output.
bench: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -m benchmarks bench_output

# make dataflow-template IMAGE=<in your Artifact Registry> TEMPLATE=gs://<bucket>/alm_beam.json [JOB=measure|shards|sweep]
# Needs gcloud, logged in, with a project; the image is built by Cloud Build.
dataflow-template:
	@test -n "$(IMAGE)" && test -n "$(TEMPLATE)" || { echo "usage: make $@ IMAGE=... TEMPLATE=gs://..."; exit 1; }
	@test -n "$(PIPELINE_$(JOB))" || { echo "JOB is windows, measure, shards or sweep"; exit 1; }
	gcloud builds submit --config=templates/dataflow/cloudbuild.yaml \
		--substitutions=_IMAGE=$(IMAGE),_PIPELINE=$(PIPELINE_$(JOB)) .
	gcloud dataflow flex-template build $(TEMPLATE) --image=$(IMAGE) --sdk-language=PYTHON \
		--metadata-file=templates/dataflow/$(METADATA_$(JOB))

# What the image installs: what requirements.txt pins and, for Dataflow, the newest of the rest.
dataflow-requirements:
	$(DATAFLOW_PYTHON) -m venv --clear .venv-dataflow
	.venv-dataflow/bin/pip install --quiet --requirement requirements.txt 'apache-beam[gcp]'
	{ echo "# Made by \`make dataflow-requirements\`: what requirements.txt pins, and what Beam needs on Dataflow."; \
		.venv-dataflow/bin/pip freeze; } > templates/dataflow/requirements.txt

# The job on a Flink of 1, 2 and 4 slots against the local runner.
bench-flink: $(READY)
	$(BIN)/python -m benchmarks.flink bench_output

# What others do on the same inputs, in turns with ours: a table, and peers.json in bench_output. Twenty minutes on two idle
# cores. AMI_RTTM=PATH names a tar archive of RTTM files; PEERS, RECORDINGS and ROUNDS make it shorter or longer.
bench-peers: $(READY) $(PEERS:%=.venv-bench-%/.ready)
	$(BIN)/python -m benchmarks.peers bench_output --peers $(PEERS) \
		$(if $(AMI_RTTM),--ami_rttm=$(AMI_RTTM)) $(if $(RECORDINGS),--recordings=$(RECORDINGS)) \
		$(if $(ROUNDS),--rounds=$(ROUNDS))

# fairseq2n loads libsndfile.so.1, which may not be on the machine; the package soundfile brings one.
.venv-bench-%/.ready: benchmarks/peers/requirements_%.txt | $(READY)
	@echo "Making the environment .venv-bench-$*, once, a minute or two (6 GB, as torch brings CUDA)"
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-bench-$*
	$(BIN)/uv pip install --quiet --python .venv-bench-$*/bin/python --requirement $< $(BESIDE_$*)
	cd .venv-bench-$*/lib && ln -sf python3.*/site-packages/_soundfile_data/libsndfile_*.so libsndfile.so.1
	@touch $@

# The check comes first because pip's own message is long.
$(READY): setup.py requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "alm_beam needs Python 3.10 to 3.13; name one: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making the environment $(VENV), once, about two minutes: what the job, its tests and the linters need"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.txt --editable '.[test,dev]'
	@touch $(READY)

# uv, because pip takes three minutes.
$(AIRFLOW_READY): tests/airflow/requirements.txt $(READY)
	@echo "Making the environment .venv-airflow, once, about a minute"
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-airflow
	$(BIN)/uv pip install --quiet --python $(AIRFLOW_BIN)/python --requirement tests/airflow/requirements.txt
	@touch $(AIRFLOW_READY)

clean:
	rm -rf .venv .venv-* .flink templates/flink/target $(DEMO_OUTPUT) bench_output site build *.egg-info
