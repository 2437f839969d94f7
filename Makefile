# Everything a stranger needs: `make demo` and `make test`. Uses uv where it is installed, plain venv and pip otherwise.
SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
PYTHON ?= python3
comma := ,
PYTEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak completions clean system

help:           ## Tell what can be made.
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## *(.*)/make \1\t\2/'

# What runs, and beside it what checks and tests need. Installed by uv where it is there (with bytecode: a start is 2.5 times as fast).
RUNS  := $(VENV)/.installed-to-run
TESTS := $(VENV)/.installed-to-test

define install
@if command -v uv >/dev/null; then \
  uv pip install -q --compile-bytecode --python $(BIN)/python $(1); \
else \
  $(BIN)/python -m pip install -qq --disable-pip-version-check $(1); \
fi
endef

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) found: install Python 3.11 or later, or name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) -V) is too old: 3.11 or later is needed; name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@rm -rf $(VENV) # what an interrupted installation has left
	@if command -v uv >/dev/null; then uv venv -q --python "$$(command -v $(PYTHON))" $(VENV); \
	else $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) -m venv does not work: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }; \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check 'pip>=25.1'; fi

$(RUNS): pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (once)..." >&2
	$(call install,-e '.[speed$(comma)samples]')
	@touch $@

$(TESTS): pyproject.toml | $(BIN)/python
	@echo "Installing what checks and tests need into $(VENV) (once)..." >&2
	$(call install,-e '.[speed$(comma)samples$(comma)desktop$(comma)nats$(comma)mcp$(comma)channels]' --group dev)
	@touch $@ $(RUNS)

demo: $(RUNS)   ## Start everything on sample scripts and real data, and open the live inbox.
	@$(BIN)/analyst demo

test: $(TESTS) system check ## All checks and all tests.
	@$(BIN)/python -m compileall -q analyst_cli analyst_server
	@$(BIN)/pytest -q -n $(PYTEST_WORKERS) --dist loadgroup

check: $(TESTS) ## Lint, types, layers.
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy --no-error-summary && $(BIN)/lint-imports --no-logo >/tmp/analyst-imports.$$$$ 2>&1 \
	  && rm -f /tmp/analyst-imports.$$$$ || { cat /tmp/analyst-imports.$$$$ 2>/dev/null; rm -f /tmp/analyst-imports.$$$$; exit 1; }

system:         ## Install the system packages that tests drive, where that is allowed.
	@bash tests/support/install_system_packages

bench: $(TESTS) ## Measure, as ratios to baselines of the same run.
	@$(BIN)/python -m compileall -q analyst_cli analyst_server
	@set -e; for bench in start gateway log inbox runner desktop host; do echo "== $$bench"; $(BIN)/python tests/bench/$$bench.py; done

soak: $(TESTS)  ## Try the delivery guarantee for MINUTES=10 with the full numbers, from SEED=... on.
	@$(BIN)/python -m compileall -q analyst_cli analyst_server
	@$(BIN)/python -m tests.delivery.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

completions: $(TESTS) ## Write the shells' completion scripts and the manual page anew, after a command or an option has changed.
	@$(BIN)/analyst completion bash > completions/analyst.bash
	@$(BIN)/analyst completion zsh > completions/_analyst
	@$(BIN)/analyst completion fish > completions/analyst.fish
	@$(BIN)/analyst completion man > completions/analyst.1

clean:          ## Remove what was made.
	rm -rf $(VENV) dist build *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
