# Targets: demo test coverage test-all lint types faults fuzz soak bench bench-deck bench-page bench-limits bench-history bench-restart lab-table screenshot e2e e2e-modes test-prometheus test-machines test-web web-screenshots man zipapp sdist wheel test-sdist ci-ready clean.
# Each makes the virtual environment it needs.

PYTHON ?= python3
VENV ?= .venv
TOOLS := .venvs/tools
WEB := .venvs/web
DIST := .venvs/dist
SHOTS ?=
CHROMIUM := "chromium chromedriver" chromium chromium-driver fonts-dejavu-core
DEMO ?= --headless --seconds 20
BENCH ?=
LAB ?=
TRAFFIC ?=
TESTS ?=
N ?=
SEED ?=
CONFIRM ?=
STREAMS ?=
MINUTES ?= 10

SHELL := /bin/sh
.DEFAULT_GOAL := test
.PHONY: demo test coverage test-all lint types faults fuzz soak bench bench-deck bench-page bench-limits bench-history bench-restart lab-table screenshot e2e e2e-modes test-prometheus test-machines test-web web-screenshots man zipapp sdist wheel test-sdist ci-ready clean

demo:
	@$(PYTHON) -m teamclaude demo $(DEMO)

# `make test WITHOUT=` is the whole suite, like `make coverage`.  What `make test` leaves out takes a tenth of the time.
WITHOUT ?= processes
test: $(VENV)/.ready
	@$(if $(TESTS),$(VENV)/bin/python -m pytest $(TESTS),\
	    $(if $(WITHOUT),PYTEST_ADDOPTS="-m 'not e2e and not $(WITHOUT)' $$PYTEST_ADDOPTS") .ci/shards $(VENV)/bin/python)

# Branch coverage of the whole suite, threads and started programs included; fails below pyproject.toml's fail_under.
# RC=.ci/coverage-lines.ini: of lines alone, for a fifth of the time where Python is 3.12 or newer.
# A killed program may leave a data file that can't be read: `combine` says so and takes the others.
RC ?= pyproject.toml
coverage: $(VENV)/.ready
	@rm -f .coverage .coverage.*
	@$(if $(filter %lines.ini,$(RC)),$(VENV)/bin/python .ci/lines/merge.py) \
	    .ci/shards $(VENV)/bin/python -m coverage run --rcfile=$(RC)
	@$(VENV)/bin/python -m coverage combine --rcfile=$(RC) --quiet
	@rm -f .coverage.*
	@$(VENV)/bin/python -m coverage report --rcfile=$(RC)

test-all:
	@.ci/interpreters >/dev/null
	@set -e; .ci/interpreters | while read -r tag interpreter; do \
	    echo "== $$tag ($$interpreter)"; \
	    $(MAKE) --no-print-directory test WITHOUT= PYTHON="$$interpreter" VENV=".venvs/$$tag" </dev/null; \
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

bench-page:
	@$(PYTHON) -m tests.bench.page

bench-limits:
	@$(PYTHON) -m tests.bench.limits

# Streams and small requests during a restart, a drain and a kill: errors, moved conversations, slowest request.
bench-restart: $(VENV)/.ready
	@$(VENV)/bin/python -m tests.bench.restart $(STREAMS)

bench-history:
	@$(PYTHON) -m tests.bench.history

# The default table of the lab as the manual shows it: five held-out seeds, and TRAFFIC's unseen half of the sessions.
lab-table:
	@$(PYTHON) -m teamclaude lab run --seeds 5 $(if $(TRAFFIC),--traffic $(TRAFFIC)) $(LAB)

screenshot: $(VENV)/.ready
	@$(VENV)/bin/python -m tests.deck.screenshot

e2e: $(VENV)/.ready
	@$(VENV)/bin/python -m pytest tests/e2e -m e2e $(TESTS)

# A real Prometheus scrapes the proxy.
test-prometheus: $(VENV)/.ready
	@.ci/programs "prometheus promtool" prometheus
	@$(VENV)/bin/python -m pytest tests/metrics tests/e2e/test_e2e_prometheus.py -m "e2e or not e2e" $(TESTS)

# Several machines and the service: the recipes of the manual, with the real HAProxy, nginx and systemd, on loopback.
# In two parts: most of it is waiting.
EVERY := PYTEST_ADDOPTS='-m "e2e or not e2e"'
NGINX := tests/machines/test_nginx.py tests/machines/test_systemd.py
test-machines: $(VENV)/.ready
	@.ci/programs "haproxy nginx openssl systemctl" haproxy nginx-light openssl systemd
	@$(EVERY) .ci/beside "$(VENV)/bin/python -m pytest" \
	    $(if $(TESTS),"$(TESTS)","tests/machines $(addprefix --ignore=,$(NGINX))" "$(NGINX)")

# What the newest client does behind a base URL, in first-party mode and without a proxy, as a table.
e2e-modes: $(VENV)/.ready
	@$(VENV)/bin/python -m tests.e2e.compare_modes

# What `.ci/run` needs of the network: environments and programs, as far as they can be installed.
ci-ready: $(VENV)/.ready $(WEB)/.ready $(DIST)/.ready
	@.ci/programs "prometheus promtool" prometheus || true
	@.ci/programs "haproxy nginx openssl systemctl" haproxy nginx-light openssl systemd || true
	@.ci/programs $(CHROMIUM) || true

# The page in a real Chromium.
test-web: $(WEB)/.ready
	@.ci/programs $(CHROMIUM)
	@$(WEB)/bin/python -m pytest $(or $(TESTS),tests/web/in_browser)

# Pictures of the page in both themes and three widths, in a temporary directory or in SHOTS.
web-screenshots: $(WEB)/.ready
	@.ci/programs $(CHROMIUM)
	@$(WEB)/bin/python -m tests.web.in_browser.screenshots $(SHOTS)

# The page of all commands, for man: dist/teamclaude.1.
man:
	@mkdir -p dist
	@$(PYTHON) -c 'from teamclaude.cli.parsers.man_page import render_man_page; print(render_man_page(), end="")' >dist/teamclaude.1
	@echo dist/teamclaude.1

# The whole program as one file, dist/teamclaude.pyz; the same bytes wherever it is built.
zipapp:
	@$(PYTHON) .ci/packing/make_zipapp.py

sdist wheel: $(DIST)/.ready
	@rm -f dist/*$(if $(filter sdist,$@),.tar.gz,.whl)
	@$(DIST)/bin/python -m build --no-isolation --$@ . | tail -1
	@$(DIST)/bin/python -m twine check --strict dist/*$(if $(filter sdist,$@),.tar.gz,.whl)

# The source distribution, unpacked: its tests run, and a wheel is built from it and installed.
test-sdist: $(DIST)/.ready
	@$(DIST)/bin/python -m pytest tests/packing -m "e2e or not e2e" $(TESTS)

clean:
	rm -rf .venv .venvs .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The versions stand in pyproject.toml alone.
packages = $$(sed -n 's/^$(1) = \[\(.*\)\]$$/\1/p' pyproject.toml | tr -d '",')

$(VENV)/.ready: pyproject.toml
	@.ci/environment "$(PYTHON)" "$(VENV)" $(call packages,test)

$(TOOLS)/.ready: pyproject.toml
	@.ci/environment "$(PYTHON)" "$(TOOLS)" $(call packages,lint) $(call packages,types)

$(DIST)/.ready: pyproject.toml
	@.ci/environment "$(PYTHON)" "$(DIST)" $(call packages,dist)

$(WEB)/.ready: pyproject.toml
	@.ci/environment "$(PYTHON)" "$(WEB)" $(call packages,web)
