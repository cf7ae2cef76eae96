# Python >= 3.11 and make are all that is needed; everything else lands in .venv.
PYTHON ?= $(firstword $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python; done))
BIN := .venv/bin
FLASK := $(BIN)/flask --app wsgi
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help
.PHONY: help demo test soak check web engine bench lock format vendor

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.installed ## a paper desk with history, trading on its own: web, engine and database together
	@exec $(BIN)/python -m webapp.demo --with-parent

test: .venv/.installed-dev ## everything the tests need, then all of them, browser tests included
	@exec $(BIN)/python -m pytest -n 3

soak: .venv/.installed-dev ## the long attacks (an hour) and what they measure; FIGURE=K1 for one, SOAK_TIMES=3 for short
	@exec $(BIN)/python -m pytest -m "soak$(if $(FIGURE), and figure(id='$(FIGURE)'))" -s -q

check: .venv/.installed-dev ## what CI runs: formatting, lint, types, templates, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/djlint --quiet --lint templates
	$(MAKE) --no-print-directory test

web: .venv/.installed ## the web server, on DATABASE_URL
	@$(BIN)/python -m webapp.config
	@exec $(BIN)/gunicorn --config deploy/gunicorn.conf.py

engine: .venv/.installed ## the trading engine, on DATABASE_URL
	@$(BIN)/python -m webapp.config
	@exec $(FLASK) engine run

bench: .venv/.installed-dev ## the benchmarks, as ratios against a floor measured in the same run
	@exec $(BIN)/python -m benchmarks

format: .venv/.installed-dev ## put the code in shape
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

LOCK := CUSTOM_COMPILE_COMMAND="make lock" UV_CUSTOM_COMPILE_COMMAND="make lock" \
	$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --no-emit-index-url

lock: .venv/.installed-dev ## pin every dependency with its hashes, newest versions allowed
	$(LOCK) --upgrade requirements.in -o requirements.txt
	$(LOCK) --upgrade requirements-exchanges.in -o requirements-exchanges.txt
	$(LOCK) --upgrade requirements-dev.in -o requirements-dev.txt

vendor: .venv/.installed ## fetch the browser files of package.json (needs node) and lock them
	npm ci --ignore-scripts --no-audit --no-fund
	$(BIN)/python deploy/vendor.py

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "making .venv failed (Debian: apt install python3-venv)" >&2; exit 2; }

# The stamps make the second start quick; a changed lock file makes them stale.
.venv/.installed: requirements.txt | .venv/bin/python
	@echo "installing what the desk needs (about a minute, once)"
	@$(INSTALL) -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements.txt requirements-dev.txt requirements-exchanges.txt | .venv/.installed
	@echo "installing what the tests need (about a minute, once)"
	@$(INSTALL) -r requirements.txt -r requirements-dev.txt -r requirements-exchanges.txt
	@touch $@ .venv/.installed
