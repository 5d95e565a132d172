# `make demo` and `make test` are all that a newcomer needs: each builds what it runs in.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test chaos lint lock clean

help:
	@echo "make demo   watch agents at work, on a private Valkey of their own"
	@echo "make test   run every test, with coverage"
	@echo "make chaos  break things at random and hold musterd to its promises; SEED=7 SECONDS=60"
	@echo "make lint   format, lint, types, floors"
	@echo "make lock   pin the dependencies anew (needs uv)"
	@echo "make clean  remove the environment and what tools left behind"

demo: $(VENV)/.installed
	@$(BIN)/musterd demo

test: $(VENV)/.installed-dev
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest
	@$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

SEED ?= 1
SECONDS ?= 60

chaos: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.chaos $(SEED) $(SECONDS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock:
	uv pip compile pyproject.toml $(LOCKING) --group build --output-file requirements.lock
	uv pip compile pyproject.toml $(LOCKING) --group dev --output-file requirements-dev.lock

LOCKING = --universal --python-version 3.11 --generate-hashes --quiet --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'

clean:
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
	find daemon docs tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV) (once)"
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "installing what the tests need (once)"
	$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@
