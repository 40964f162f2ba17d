# Targets: demo test coverage test-all lint types faults fuzz soak bench bench-deck bench-limits screenshot e2e e2e-modes clean.
# Each makes the virtual environment it needs.

PYTHON ?= python3
VENV ?= .venv
TOOLS := .venvs/tools
DEMO ?= --headless --seconds 20
BENCH ?=
TESTS ?=
N ?=
SEED ?=
CONFIRM ?=
MINUTES ?= 10

SHELL := /bin/sh
.DEFAULT_GOAL := test
.PHONY: demo test coverage test-all lint types faults fuzz soak bench bench-deck bench-limits screenshot e2e e2e-modes clean

demo:
	@$(PYTHON) -m teamclaude demo $(DEMO)

test: $(VENV)/.ready
	@$(if $(TESTS),$(VENV)/bin/python -m pytest $(TESTS),.ci/shards $(VENV)/bin/python)

# Branch coverage of the whole suite, threads and started programs included; fails below pyproject.toml's fail_under.
# A killed program may leave a data file that can't be read: `combine` says so and takes the others.
coverage: $(VENV)/.ready
	@rm -f .coverage .coverage.*
	@.ci/shards $(VENV)/bin/python -m coverage run
	@$(VENV)/bin/python -m coverage combine --quiet
	@rm -f .coverage.*
	@$(VENV)/bin/python -m coverage report

test-all:
	@.ci/interpreters >/dev/null
	@set -e; .ci/interpreters | while read -r tag interpreter; do \
	    echo "== $$tag ($$interpreter)"; \
	    $(MAKE) --no-print-directory test PYTHON="$$interpreter" VENV=".venvs/$$tag" </dev/null; \
	done

lint: $(TOOLS)/.ready
	@$(TOOLS)/bin/ruff check .
	@$(TOOLS)/bin/ruff format --check .

types: $(TOOLS)/.ready
	@$(TOOLS)/bin/mypy --strict

faults: $(VENV)/.ready
	@$(VENV)/bin/python -m tests.faults.run $(or $(N),300) $(if $(SEED),--seed $(SEED)) $(if $(CONFIRM),--confirm) $(if $(TLS),--tls)

fuzz: $(VENV)/.ready
	@$(VENV)/bin/python -m tests.fuzz.run $(or $(N),20000)

soak: $(VENV)/.ready
	@$(VENV)/bin/python -m tests.faults.soak --minutes $(MINUTES)

bench:
	@$(PYTHON) -m tests.bench.run $(BENCH)

bench-deck:
	@$(PYTHON) -m tests.bench.deck

bench-limits:
	@$(PYTHON) -m tests.bench.limits

screenshot: $(VENV)/.ready
	@$(VENV)/bin/python -m tests.deck.screenshot

e2e: $(VENV)/.ready
	@$(VENV)/bin/python -m pytest tests/e2e -m e2e $(TESTS)

# What the newest client does behind a base URL, in first-party mode and without a proxy, as a table.
e2e-modes: $(VENV)/.ready
	@$(VENV)/bin/python -m tests.e2e.compare_modes

clean:
	rm -rf .venv .venvs .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.ready: pyproject.toml
	@.ci/environment "$(PYTHON)" "$(VENV)" pytest "coverage>=7.10"

# The versions stand in pyproject.toml alone.
$(TOOLS)/.ready: pyproject.toml
	@.ci/environment "$(PYTHON)" "$(TOOLS)" $$(sed -n 's/^\(lint\|types\) = \[\(.*\)\]$$/\2/p' pyproject.toml | tr -d '",')
