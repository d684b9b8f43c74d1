# Every target makes .venv by itself, from requirements-dev.lock, once for each version of that file.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin
LOCKED := pyproject.toml requirements.lock requirements-dev.lock
COMPILE := $(BIN)/pip-compile --quiet --allow-unsafe --strip-extras --build-deps-for editable \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

OUTER_PATH := $(PATH)
# The tools look for each other, and for the Python to check against, on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# PYTHONDONTWRITEBYTECODE would have each of the hundreds of processes of the tests compile the sources anew.
unexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

# Scripts in .venv, and its link to src/, hold absolute paths: a folder that was moved or copied makes it anew.
MADE_HERE := test "$$(cat $(STAMP) 2>/dev/null)" = "$(CURDIR)" && $(BIN)/python -c ""
ifneq ($(shell $(MADE_HERE) 2>/dev/null && echo yes),yes)
.PHONY: $(STAMP)
endif

.PHONY: help
help: ## list all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(STAMP) ## start everything and follow a first batch in the terminal; Ctrl-C ends it
	@$(BIN)/python -m polling_api run

.PHONY: serve
serve: $(STAMP) ## the same parts without the demo, in the foreground
	@$(BIN)/python -m polling_api serve

# A file's tests stay together, since they share servers; files are taken up in the order of collection.
.PHONY: test
test: $(STAMP) ## run all tests, two files at a time, on real servers of their own; ARGS="-n 0 -x tests/unit" picks
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: faults
faults: $(STAMP) ## break one part after the other under a running service, and write docs/reliability.md; FAULT_SECONDS=N
	@FAULTS=whole $(BIN)/python -m pytest -n 0 tests/faults/test_what_no_fault_breaks.py $(ARGS); status=$$?; \
	sed -n '/make faults: begin/,/make faults: end/p' docs/reliability.md; exit $$status

.PHONY: fuzz
fuzz: $(STAMP) ## ask the live service at random, ten minutes twice; FUZZ_SECONDS=N, FUZZ_SEED=N
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} $(BIN)/python -m pytest tests/fuzz $(ARGS)

.PHONY: model
model: $(STAMP) ## play a million schedules of a modelled world; MODEL_SCHEDULES=N, MODEL_SEED=N, SCHEDULE=… replays one
	@PYTHONHASHSEED=0 PYTHONPATH=tests $(BIN)/python -m model $(if $(SCHEDULE),--replay $(SCHEDULE), \
	--schedules $${MODEL_SCHEDULES:-1000000} --seed $${MODEL_SEED:-0})

.PHONY: check
check: $(STAMP) ## lint, types, import contracts; the lock, openapi.json and compose.yaml are current and right
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m polling_api openapi --check
	$(BIN)/python -m pip check
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

.PHONY: bench
bench: $(STAMP) ## measure against plain servers, ten minutes, and write docs/benchmarks.md; QUICK=1, ONLY=a program
	@$(BIN)/python benchmarks/run.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

.PHONY: soak
soak: $(STAMP) ## half an hour of clients, jobs and connections that come and go: nothing may grow; SOAK_SECONDS=N
	@$(BIN)/python benchmarks/soak.py

.PHONY: openapi
openapi: $(STAMP) ## write openapi.json anew
	$(BIN)/python -m polling_api openapi

.PHONY: lock
lock: $(STAMP) ## pin the newest versions that pyproject.toml allows
	$(COMPILE) --upgrade --output-file requirements.lock pyproject.toml
	$(COMPILE) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

.PHONY: clean
clean: ## remove what make made; data in .polling-api/ stay
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(LOCKED)
	@$(MADE_HERE) 2>/dev/null || { \
		python=$$(PATH="$(OUTER_PATH)" sh scripts/find-python) && rm -rf $(VENV) && \
		echo "Making $(VENV) with $$python (once; a minute or two)" && \
		"$$python" -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $@
