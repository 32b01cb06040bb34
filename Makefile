# Everything happens in .venv, which is made on first use: a clone needs only make and Python >= 3.11 with venv.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

# An older python3 gives way to a newer one beside it; a PYTHON that the caller chose does not.
PYTHONS := "$(PYTHON)"
ifeq ($(origin PYTHON),file)
PYTHONS += python3.13 python3.12 python3.11 python3.14
endif

# Modules come from the environment and nowhere else.
unexport PYTHONPATH PYTHONHOME

.PHONY: help reproduce test test-deep test-transformers nightly lint format clean FORCE
.NOTPARALLEL:

help: ## list these commands
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-15s  %s\n", $$1, $$2 }'

reproduce: $(VENV)/.with-run ## print PIM-LLM's tables and figures, ours beside the published values
	@$(BIN)/pimsim reproduce all

test: $(VENV)/.with-test ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-deep: export PIMSIM_TEST_PROFILE := deep
test-deep: test ## run the same tests with the property tests at large counts

test-transformers: $(VENV)/.with-transformers ## compare with Hugging Face's transformers, which with PyTorch are installed for it
	$(BIN)/python -m pytest tests/pimsim/inference/test_forward_pass_transformers.py tests/workloads/test_checkpoint_transformers.py

nightly: test-deep test-transformers ## everything that takes long: large counts, long examples, comparison with transformers

lint: $(VENV)/.with-dev ## ruff, mypy --strict and the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

format: $(VENV)/.with-dev ## let ruff format and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and everything else that can be made again
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Declared nowhere, since it declares a drawing library that needs a compiler and that nothing here uses.
$(VENV)/.with-test $(VENV)/.with-dev: PEER := badcrossbar==1.1.0

$(VENV)/.with-run: REQUIREMENT := .
$(VENV)/.with-test: REQUIREMENT := .[test]
$(VENV)/.with-transformers: REQUIREMENT := .[test,transformers]
$(VENV)/.with-dev: REQUIREMENT := .[dev]

$(VENV)/.with-run $(VENV)/.with-test $(VENV)/.with-transformers $(VENV)/.with-dev: $(VENV)/.made pyproject.toml pimsim/version.py
	@echo "Installing $(REQUIREMENT) into $(VENV) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --retries 3 --editable "$(REQUIREMENT)" >$(VENV)/pip.log 2>&1 || { \
	  [ -z "$$CI" ] || cat $(VENV)/pip.log >&2; \
	  echo "error: pip could not install $(REQUIREMENT); is there a network? All that pip said is in $(VENV)/pip.log," \
	    "at the end: `grep '^ERROR' $(VENV)/pip.log | tail -n 1`" >&2; \
	  exit 1; \
	}
	@[ -z "$(PEER)" ] || $(BIN)/python -m pip install --disable-pip-version-check --no-deps $(PEER) >>$(VENV)/pip.log 2>&1 || \
	  echo "note: $(PEER) could not be installed; the tests that compare with it are skipped" >&2
	@touch $@

# Made again when the checkout has moved or its Python has gone, since an environment survives neither.
$(VENV)/.made: FORCE
	@is=`$(BIN)/python -c 'import sys; print(sys.prefix, *sys.version_info[:2])' 2>/dev/null`; \
	[ -n "$$is" ] && [ "$$is" = "`cat $@ 2>/dev/null`" ] && exit; \
	old= incomplete= chosen=; \
	for python in $(PYTHONS); do \
	  version=`"$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null` || continue; \
	  if ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then old="$${old:-$$python is $$version}"; \
	  elif ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then incomplete="$${incomplete:-$$python}"; \
	  else chosen="$$python"; break; fi; \
	done; \
	if [ -n "$$chosen" ]; then :; \
	elif [ -n "$$incomplete" ]; then \
	  echo "error: $$incomplete has no venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; \
	else \
	  echo "error: pimsim needs Python 3.11 or newer, $${old:-$(PYTHON) is not there or does not run};" \
	    "choose one with: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if [ -e $@ ]; then rm -rf $(VENV); fi; \
	"$$chosen" -m venv $(VENV) && \
	$(BIN)/python -c 'import sys; print(sys.prefix, *sys.version_info[:2])' >$@
