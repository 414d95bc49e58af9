# Two commands do everything: `make up` runs the stack on this machine, `make test` proves the project.
# Both bring what they miss: a virtual environment and, on Debian and Ubuntu, the engine and Compose.
.DEFAULT_GOAL := help
.PHONY: help up down status test unit check format bench docs reference requirements clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Workers that run tests at once: one the unit tests, the others those with an engine, which mostly wait for time to pass.
# The tests of one file stay together, the longest first.
WORKERS ?= 5
BY_FILE := --dist loadfile --no-loadscope-reorder

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z ]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/run prerequisites ## Run the stack on this machine, on its own data. SITE=folder for another site.
	@# Otherwise each command of an account that may not write here compiles all that it imports.
	@$(BIN)/python -m compileall -q aresmon || true
	@# 5: a part could not be started, and aresmon has said which and what to do.
	@$(BIN)/aresmon --site $(or $(SITE),.) up || [ $$? -eq 5 ]

down status: $(VENV)/run ## Stop the stack; look at it.
	@# 5: `status` has shown a problem. A person has read it; a script, to which make gives no code but 2, gets that.
	@$(BIN)/aresmon --site $(or $(SITE),.) $@ || [ $$? -eq 5 -a -t 1 ]

# Otherwise each worker, and each command that a test starts, compiles all that it imports.
test unit: export PYTHONDONTWRITEBYTECODE :=

test: $(VENV)/develop prerequisites ## Every test, on a real engine, InfluxDB, Telegraf, HAProxy and servers, after `check`.
	@scripts/prerequisites tests
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) $(PYTEST)

unit: $(VENV)/develop ## The tests that need no engine, in a minute or two.
	@scripts/prerequisites unit
	$(BIN)/python -m pytest tests/unit tests/golden -n auto $(BY_FILE) $(PYTEST)

check: $(VENV)/develop ## Lint, format, types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/develop ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/develop prerequisites ## Measure, beside the alternatives; rewrites docs/performance.md.
	$(BIN)/python -m bench

docs: $(VENV)/develop ## Build the documentation site into build/docs; a warning or a broken link fails.
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --quiet docs build/docs
	@echo 'Open build/docs/index.html'

reference: $(VENV)/develop ## Write docs/reference/ from the schema and the command line.
	$(BIN)/python -m docs.reference.write

requirements: $(VENV)/develop ## Pin the newest versions, with hashes.
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate pyproject.toml --group build --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate pyproject.toml --group dev --output-file requirements-dev.txt

clean: ## Remove the virtual environment, the built documentation and caches; no site, no data.
	rm -rf $(VENV) build/docs .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: prerequisites
prerequisites:
	@scripts/prerequisites

$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || scripts/prerequisites python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo '$(PYTHON) is not Python 3.11 or newer, which aresmon needs. Install one, then name it: PYTHON=python3.12 make up' >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || scripts/prerequisites python
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements.txt pyproject.toml | $(BIN)/pip
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q $(VENV)/lib || true
	@touch $@

$(VENV)/develop: requirements-dev.txt pyproject.toml | $(BIN)/pip
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/run
