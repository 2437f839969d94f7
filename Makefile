# Everything a stranger needs: `make demo` and `make test`. Uses uv where it is installed, plain venv and pip otherwise.
SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
PYTHON ?= python3
STAMP := $(VENV)/.installed
PYTEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak clean venv system

help:           ## Tell what can be made.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/'

venv: $(STAMP)

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) found: install Python 3.11 or later, or name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) -V) is too old: 3.11 or later is needed; name another with PYTHON=..." >&2; exit 1; }
	@if command -v uv >/dev/null; then \
	  uv venv -q --allow-existing --python "$$(command -v $(PYTHON))" $(VENV) && \
	  uv pip install -q --compile-bytecode --python $(BIN)/python -e '.[speed,samples,desktop,nats,mcp]' --group dev; \
	else \
	  { $(PYTHON) -m venv $(VENV) || { echo "python3 -m venv does not work here: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }; } && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check 'pip>=25.1' && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[speed,samples,desktop,nats,mcp]' --group dev; \
	fi
	@touch $@

demo: venv      ## Start everything on sample scripts and real data, and open the live inbox.
	@$(BIN)/analyst demo

test: venv system check ## All checks and all tests.
	@$(BIN)/python -m compileall -q analyst_cli analyst_server
	@$(BIN)/pytest -q -n $(PYTEST_WORKERS) --dist loadgroup

check: venv     ## Lint, types, layers.
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy --no-error-summary && $(BIN)/lint-imports --no-logo >/tmp/analyst-imports.$$$$ 2>&1 \
	  && rm -f /tmp/analyst-imports.$$$$ || { cat /tmp/analyst-imports.$$$$ 2>/dev/null; rm -f /tmp/analyst-imports.$$$$; exit 1; }

system:         ## Install the system packages that tests drive, where that is allowed.
	@bash tests/support/install_system_packages

bench: venv     ## Measure, as ratios to baselines of the same run.
	@$(BIN)/python -m compileall -q analyst_cli analyst_server
	@set -e; for bench in tests/bench/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

clean:          ## Remove what was made.
	rm -rf $(VENV) dist build *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
