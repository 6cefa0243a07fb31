# make demo   the main path on simulated data: a metrics table and two pictures in demo_output/
# make test   the tests
# make fuzz   many inputs, damaged files and kills; FUZZ_SECONDS says how long
# make lint   linters and type checks
# make docs   the documentation, in docs/_build/html
# make clean  remove the environment and everything that was built

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=

BIN := $(VENV)/bin
# -qq: errors only; warnings of pip are about the machine, not about this package.
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
SPHINX := $(BIN)/python -m sphinx

# Idle OpenMP threads sleep instead of spinning: on a machine with other work to do, spinning makes small models ten times slower.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz lint docs clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# The stamp files say which inputs the environment was installed from; pip runs again only when one of them changes.
$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "Installing scregnet into $(VENV) (the first time takes some minutes) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"scregnet needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. Name another one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install 'pip>=25.1'
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the tools for tests and documentation into $(VENV) ..."
	@$(PIP) install -c constraints.txt --group test --group doc
	@touch $@

# Models this small gain nothing from a second thread, and lose much where other programs want the cores too.
demo: $(VENV)/.installed
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python tutorials/demo.py

# One worker a core, and one thread each: tests are many small fits.
test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(PYTEST_ARGS)

# So many seconds for odd input, as many for faults; kills and damaged files come on top.
FUZZ_SECONDS ?= 600
fuzz: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 SCREGNET_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest -m fuzz -q $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# -n: every name that the text refers to must exist; -W: a warning is an error.
docs: $(VENV)/.installed-dev
	$(SPHINX) -W -n --keep-going -q -b html docs docs/_build/html
	@echo "Documentation: docs/_build/html/index.html"

clean:
	rm -rf $(VENV) build dist docs/_build docs/api/generated docs/tutorials demo_output
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage
	find src tests docs tutorials -name __pycache__ -type d -prune -exec rm -rf {} +
