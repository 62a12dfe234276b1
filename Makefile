# make demo   set up, run both instruments on the demo data, say which pages to open
# make test   set up and run the tests
# make lint   ruff and mypy
# make bench  speed and memory: a training step, scoring, selecting (JSON)
# PYTHON=python3.12 chooses the interpreter, VENV=dir the environment.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
RUN ?= runs/demo

.PHONY: demo test lint bench env dev clean

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "typica needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

env: $(VENV)/.ready
dev: $(VENV)/.dev

demo: $(VENV)/.ready
	$(BIN)/typica demo --out $(RUN)

test: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/typewriter_step.py
	$(BIN)/python benchmarks/mining_scoring.py
	$(BIN)/python benchmarks/mining_elements.py

clean:
	rm -rf $(VENV) build dist
