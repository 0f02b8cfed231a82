# Everything a newcomer needs: `make demo` and `make test` work on a fresh machine with Python 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-sdks lint bench bench-logs fuzz clean help

help:
	@echo "make demo   install into .venv and serve the sample runs, one of them being written live"
	@echo "make test   install and run every check (lint, types, tests)"
	@echo "make test-sdks  the tests that speak to older wandb SDKs too, each in an environment of its own"
	@echo "make lint   formatting, lint and types only"
	@echo "make fuzz   hostile lines for the log dialects, for 30 minutes (MINUTES=1 for a short look)"
	@echo "make bench  measure against the peers, each in an environment of its own"

$(BIN)/python:
	$(PYTHON) -m venv .venv

# Stamps: an installation is done again only when what it depends on has changed.
.venv/.lensd: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.checks: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tensorboard,test,lint]'
	@touch $@ .venv/.lensd

demo: .venv/.lensd
	@$(BIN)/python demo/demo.py

lint: .venv/.checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

# One environment per version of the SDK; `tests/sdks.txt` has the versions.
.sdks/%/.ready: | $(BIN)/python
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'wandb==$*' 'numpy<2' 'setuptools<81'
	@touch $@

# The reference client of the push, whose wheel lacks what its documentation promises; see its test.
.sdks/primus-lens/.ready: | $(BIN)/python
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check primus-lens-wandb-exporter==0.2.0 wandb==0.31.0
	@touch $@

test-sdks: .venv/.checks .sdks/primus-lens/.ready $(foreach version,$(shell cat tests/sdks.txt),.sdks/$(version)/.ready)
	$(BIN)/python -m pytest -m sdk

bench: .venv/.lensd
	$(BIN)/python bench/run.py

bench-logs: .venv/.lensd
	$(BIN)/python bench/run.py logs

fuzz: .venv/.checks
	PYTHONPATH=adapters $(BIN)/python -m tests.log.fuzz --minutes $(or $(MINUTES),30)

clean:
	rm -rf .venv .sdks .demo dist build
