# `make demo` and `make test` do all set-up themselves: they need Python 3.11+, its venv module and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
ENGINES := $(VENV)/.engines
OLDEST := .venv-oldest

.PHONY: demo test test-oldest lint types format benchmarks clean

demo: $(READY)
	$(BIN)/python -m fairsk demo $(ARGS)

# One thread per worker: more of them on the same cores only wait for each other.
test: $(READY) $(ENGINES) lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --ignore=tests/test_matrix.py \
		--cov --cov-report=term --cov-fail-under=95 $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/test_matrix.py

# The tests again, on the oldest versions that are supported; of the composition matrix, the cells with pandas, and
# without the demo, the penalties and the long comparisons with brute force, which know no versions. `make test-oldest
# CELLS=` runs all.
CELLS := -k "not (test_cell and (polars or numpy)) and not test_demo and not test_penalties and not equal_brute_force"
test-oldest: $(OLDEST)/.installed
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n 2 -p no:cacheprovider $(CELLS) $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: export OMP_NUM_THREADS := 1
benchmarks: $(READY) $(ENGINES)
	$(BIN)/python benchmarks/thresholds_adult.py
	$(BIN)/python benchmarks/thresholds_unseen.py
	$(BIN)/python benchmarks/threshold_speed.py
	$(BIN)/python benchmarks/net_adult.py
	$(BIN)/python benchmarks/net_speed.py
	$(BIN)/python benchmarks/net_peers.py
	$(BIN)/python benchmarks/metrics_speed.py
	$(BIN)/python benchmarks/score_metrics_speed.py
	$(BIN)/python benchmarks/engines_speed.py
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/score_coverage.py

clean:
	rm -rf $(VENV) $(OLDEST) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .coverage*

$(READY): pyproject.toml setup.cfg constraints.txt
	$(call install,$(VENV),constraints.txt,dev)

# What only tests and benchmarks need, and the demo need not wait for: half a gigabyte of engines.
$(ENGINES): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[engines]"
	@touch $@

$(OLDEST)/.installed: pyproject.toml setup.cfg constraints-oldest.txt
	$(call install,$(OLDEST),constraints-oldest.txt,test)

# $(call install,environment,constraints,extra): make the environment and install the package into it.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fairsk needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(2) --editable ".[$(3)]"
	@touch $(1)/.installed
endef
