# Needs Python 3.11 and make; everything else comes from the package registry.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
CORES  := $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)))" 2>/dev/null || echo 2)

.PHONY: help setup demo test fast lint types format lock bench clean

help:  ## say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY)  ## make the environment in .venv, with the exact versions of requirements.lock

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## the main job on synthetic films: index, split, train, report (minutes)
	$(BIN)/medgraft demo --out demo

test: setup lint types  ## formatter, linter, types, layers and all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(CORES) --dist worksteal

fast: setup  ## the tests without the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(CORES) --dist worksteal -m "not slow"

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

format: setup  ## lay out the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup  ## write requirements.lock from what is installed
	@echo "# Exact versions that the Makefile installs (Python 3.11, Linux x86-64). Again: make lock" > requirements.lock
	@$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip >> requirements.lock

bench: setup  ## compare with peers, in an environment of their own (about an hour)
	$(MAKE) -f bench/Makefile PYTHON=$(PYTHON) VENV=$(VENV)

clean:  ## remove the environment, caches and what the demo wrote
	rm -rf $(VENV) .venv-bench demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
