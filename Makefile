# Everything a newcomer needs: `make demo` and `make test` work on a fresh machine with Python 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench clean help

help:
	@echo "make demo   install into .venv and serve the sample runs, one of them being written live"
	@echo "make test   install and run every check (lint, types, tests)"
	@echo "make lint   formatting, lint and types only"
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

bench: .venv/.lensd
	$(BIN)/python bench/run.py

clean:
	rm -rf .venv .demo dist build
