# The two commands of the README are `make run` and `make test`; each builds .venv when it is needed.
MINOR := $(shell python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
PYTHON ?= $(shell .ci/find-python $(filter 3.11 3.12 3.13,$(MINOR)) 3.13 3.12 3.11)
VENV := .venv
BIN := $(VENV)/bin
WORLD ?= scenarios/worlds/neighbourhood.toml

# every module of the head-end, but for the migrations, which only Alembic can run
define CORE_SMOKE
import importlib, pkgutil, hes
for module in pkgutil.walk_packages(hes.__path__, "hes."):
    if ".migrations." not in module.name:
        importlib.import_module(module.name)
endef
export CORE_SMOKE

.PHONY: run test dev lint core interop bench fuzz clean help
.DEFAULT_GOAL := help

help:  ## say what the targets do
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: $(VENV)/.run  ## a day of a neighbourhood, read by the head-end in virtual time (WORLD=... for another)
	@$(BIN)/amiloop run "$(WORLD)"

test: $(VENV)/.test  ## every test, with the independent implementations as second opinion
	@$(BIN)/pytest -n $${PYTEST_WORKERS:-2} --dist loadfile $(ARGS)

dev: $(VENV)/.test $(VENV)/.lint  ## only install what tests, scenarios, benches and lint need

lint: $(VENV)/.lint  ## style, types and import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

core:  ## the head-end alone, without any extra: every module imports and the command answers
	@$(PYTHON) -m venv .venv-core
	@.venv-core/bin/pip install --quiet --disable-pip-version-check .
	@cd / && $(CURDIR)/.venv-core/bin/python -c "$$CORE_SMOKE"
	@cd / && $(CURDIR)/.venv-core/bin/amiloop --version
	@rm -rf .venv-core

interop: $(VENV)/.test  ## other people's clients against the reference meter: every combination, as a table
	@$(BIN)/python -m interop $(ARGS)

bench: $(VENV)/.test  ## speed beside other implementations, as ratios
	@$(BIN)/python -m benches $(ARGS)

fuzz: $(VENV)/.test  ## damaged octets for every decoder and state machine, ten million of them
	@$(BIN)/python -m fuzz $(ARGS)

clean:  ## remove the environment and the runs
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "amiloop needs Python 3.11, 3.12 or 3.13; say where: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 3; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml
	@echo "installing amiloop into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[sim,web]'
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

$(VENV)/.lint: $(VENV)/.run
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[lint,test]'
	@touch $@

# one environment for each further supported Python that this machine has, for the tests that compare digests
PYTHONS := $(foreach v,$(filter-out $(MINOR),3.11 3.12 3.13),$(if $(shell .ci/find-python $(v)),$(v)))

.PHONY: pythons
pythons: $(PYTHONS:%=.venv-%/.run)  ## environments for the other supported Pythons found here

.venv-%/.run: pyproject.toml
	@echo "installing amiloop into .venv-$* ..."
	@$$(.ci/find-python $*) -m venv .venv-$*
	@.venv-$*/bin/pip install --quiet --disable-pip-version-check -e '.[sim]'
	@touch $@
