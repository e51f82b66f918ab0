# Every task of the project.  Each works on a fresh machine that has python3 (3.11 or newer) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo
IMAGE := .image
PEERS := .peers
INTEROP := .interop
PARALLEL := --numprocesses auto --dist worksteal
COUNT ?= 10000
SEED ?= 1
WORKERS ?= 2
# Set where containers are built; the hundreds of programs that the tests start would each compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
UV_COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: help demo test check lint types layers unit format reference oracle truth keras-builtins keras-tables tensorflow-ops
.PHONY: opcode-tables mutations mutants bench bench-peers bench-scale chaos requirements clean

help:  ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-16s %s\n", $$1, $$2}'

demo: $(DEMO)/installed  ## show the main job on real Keras files: pushed, pulled, and three bad ones refused
	@$(DEMO)/venv/bin/python examples/demo.py $(DEMO)/venv/bin/modelreg

test: $(VENV)/installed $(IMAGE)/installed $(INTEROP)/installed lint types layers  ## everything: static checks and all tests, with TensorFlow
	$(BIN)/python -m pytest $(PARALLEL)

check: lint types layers unit  ## the everyday loop, under two minutes

lint: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python tools/generate_reference.py --check

types: $(VENV)/installed
	$(BIN)/mypy

layers: $(VENV)/installed
	$(BIN)/lint-imports

unit: $(VENV)/installed
	$(BIN)/python -m pytest -q $(PARALLEL) --hypothesis-profile quick -m 'not slow and not tensorflow and not servers' tests/unit tests/suite tests/docs

format: $(VENV)/installed  ## let ruff lay out the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

reference: $(VENV)/installed  ## write docs/reference again from the code
	$(BIN)/python tools/generate_reference.py

oracle: $(VENV)/installed  ## score what we say about recorded loads against what really happened
	$(BIN)/python tools/oracle.py

truth: $(VENV)/installed  ## make models with two dozen Kerases, load them in each other, and score (INTO=FOLDER; takes hours)
	$(BIN)/python tools/truth/truth.py --into $(INTO)

keras-tables:  ## read what each Keras release accepts from its published source
	$(PYTHON) tools/keras_tables.py

tensorflow-ops:  ## read which operations each TensorFlow release has from its published wheels
	$(PYTHON) tools/tensorflow_ops.py

opcode-tables:  ## read the instructions of each Python that is installed here
	$(PYTHON) tools/opcode_tables.py

keras-builtins:  ## read the names that each Keras release has from its published source
	$(PYTHON) tools/keras_builtins.py

mutations: $(VENV)/installed  ## read COUNT (10,000) damaged files of each container through the sandbox
	$(BIN)/python tools/mutate_models.py --count $(COUNT) --seed $(SEED) --workers $(WORKERS) --markdown --keep .mutations

mutants: $(VENV)/installed  ## put faults into the code of trust and verification, and list those that no test notices (ONLY=MODULE)
	PYTHONPATH=tools $(BIN)/python -m mutants $(foreach module,$(ONLY),--only $(module))

bench: $(VENV)/installed  ## speed, side by side with the machine's own copy, checksum and sync
	$(BIN)/python benchmarks/bench.py

bench-peers: $(VENV)/installed $(PEERS)/installed  ## push and pull against boto3, MLflow and DVC (rewrites docs/benchmarks.md and its chart)
	$(BIN)/python -m benchmarks.bench_peers --mlflow $(PEERS)/mlflow/bin/python --dvc $(PEERS)/dvc/bin/python --write

bench-scale: $(VENV)/installed  ## the index at 100,000 versions against 1,000, on both databases
	$(BIN)/python benchmarks/bench_scale.py

chaos: $(VENV)/installed  ## break a registry in every way, and write what was lost into docs/reliability.md (ONLY=FAMILY)
	PYTHONPATH=tools $(BIN)/python -m chaos --seed $(SEED) --workers $(WORKERS) --write $(if $(ONLY),--only $(ONLY)) $(if $(filter file,$(origin COUNT)),,--count $(COUNT)) $(if $(BREAK),--break $(BREAK))

requirements:  ## resolve the pinned requirements again (needs uv)
	$(UV_COMPILE) pyproject.toml -o requirements/runtime.txt
	$(UV_COMPILE) pyproject.toml --group dev --group servers --extra tensorflow --extra s3 --extra postgres --extra pkcs11 -o requirements/dev.txt
	$(UV_COMPILE) pyproject.toml --extra s3 --extra postgres --constraint requirements/dev.txt -o requirements/image.txt
	echo 'mlflow-skinny' | $(UV_COMPILE) - -o requirements/mlflow.txt
	echo 'dvc' | $(UV_COMPILE) - -o requirements/dvc.txt
	printf '%s\n' model-signing==1.1.1 pyOpenSSL | $(UV_COMPILE) - -o requirements/model-signing.txt
	printf '%s\n' moto flask flask-cors | $(UV_COMPILE) --constraint requirements/model-signing.txt - -o requirements/moto.txt
	echo 'hatchling' | $(UV_COMPILE) - -o requirements/build.txt

clean:  ## remove everything that the other tasks made
	rm -rf $(VENV) $(DEMO) $(IMAGE) $(PEERS) $(INTEROP) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/installed: pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "modelreg needs Python 3.11 or newer; run make with PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) --require-hashes --no-deps -r requirements/dev.txt
	$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(PEERS)/installed: requirements/mlflow.txt requirements/dvc.txt
	rm -rf $(PEERS)
	for peer in mlflow dvc; do \
	    $(PYTHON) -m venv $(PEERS)/$$peer && \
	    $(PEERS)/$$peer/bin/python $(PIP_INSTALL) --require-hashes --no-deps -r requirements/$$peer.txt || exit 1; \
	done
	@touch $@

# What tests/interop speaks with: the OpenSSF's own tool (it needs pyOpenSSL and does not say so), and moto, which answers as AWS KMS.
$(INTEROP)/installed: requirements/model-signing.txt requirements/moto.txt
	rm -rf $(INTEROP)
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/python $(PIP_INSTALL) --require-hashes --no-deps -r requirements/model-signing.txt -r requirements/moto.txt
	@touch $@

# What docker/Dockerfile's first stage does, without an engine: tests/integration/test_docker.py looks at the result.
$(IMAGE)/installed: pyproject.toml requirements/image.txt requirements/build.txt docker/Dockerfile docker/install.sh $(shell find registry cli alembic -name '*.py' -o -name '*.json' -o -name '*.xz' 2>/dev/null)
	rm -rf $(IMAGE)
	$(BIN)/python tools/image_steps.py docker/Dockerfile $(IMAGE)
	@touch $@

$(DEMO)/installed: pyproject.toml requirements/runtime.txt requirements/build.txt $(shell find registry cli alembic -name '*.py' -o -name '*.json' -o -name '*.xz' 2>/dev/null)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "modelreg needs Python 3.11 or newer; run make with PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(DEMO)/venv
	$(DEMO)/venv/bin/python $(PIP_INSTALL) --require-hashes --no-deps -r requirements/runtime.txt -r requirements/build.txt
	$(DEMO)/venv/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --force-reinstall .
	@touch $@
