# make demo   set up, run both instruments on the demo data, say which pages to open
# make test   set up and run the tests
# make lint   ruff and mypy
# make faults kill every kind of job, KILLS times each, and go on (KILLS=40)
# make fuzz   damaged files of every kind, EXAMPLES of each reader (EXAMPLES=2000)
# make fuzz-guided  the same guided by coverage, SECONDS_EACH of each reader (needs atheris)
# make bench  speed, memory and quality of both instruments: one JSON, one page (15 minutes)
# PYTHON=python3.12 chooses the interpreter, VENV=dir the environment.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
RUN ?= runs/demo
KILLS ?= 40
EXAMPLES ?= 2000
SECONDS_EACH ?= 60
BENCH ?= runs/bench

.PHONY: demo test faults fuzz fuzz-guided lint bench env dev clean

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

faults: $(VENV)/.dev
	TYPICA_KILLS=$(KILLS) $(BIN)/python -m pytest -s tests/faults

fuzz-guided: $(VENV)/.dev
	FUZZ_SECONDS=$(SECONDS_EACH) $(BIN)/python -m tests.faults.guided

fuzz: $(VENV)/.dev
	TYPICA_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -s tests/test_fuzz_readers.py tests/test_fuzz_runs.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/bench.py --out $(BENCH)

clean:
	rm -rf $(VENV) build dist
