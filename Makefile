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

# Versions with which the tests of this revision pass. Without them (CONSTRAINTS=) pip takes the newest that pyproject.toml
# allows, and so it does, with a note, where one of them cannot be had; FALLBACK=no makes that an error.
CONSTRAINTS ?= constraints.txt
FALLBACK ?= yes

# A checkout of MNSIM 2.0, with which `make peers` compares.
MNSIM ?=

.PHONY: help reproduce test test-deep test-transformers gguf peers bench mutants notebooks nightly lint format docs site clean FORCE
.NOTPARALLEL:

help: ## list these commands
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-15s  %s\n", $$1, $$2 }'

reproduce: $(VENV)/.with-run ## print PIM-LLM's tables and figures, ours beside the published values
	@$(BIN)/pimsim reproduce all

test: $(VENV)/.with-test ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-deep: $(VENV)/.with-test ## run the same tests with the property tests at large counts; a stopped run continues
	$(BIN)/python -m tools.deep_tests --workers $(WORKERS) $(ARGS)

test-transformers: $(VENV)/.with-transformers ## compare with Hugging Face's transformers, which with PyTorch are installed for it
	$(BIN)/python -m pytest tests/pimsim/inference/test_forward_pass_transformers.py tests/workloads/test_checkpoint_transformers.py

gguf: $(VENV)/.with-transformers ## compare SmolLM2-135M in GGUF, which is downloaded (93 MB), with Hugging Face's transformers
	$(BIN)/python benchmarks/compare_gguf.py $(ARGS)

peers: $(VENV)/.with-test ## compare with SCALE-Sim and sched-sim, which get environments of their own, and with MNSIM=FOLDER
	$(BIN)/python benchmarks/compare_scalesim.py
	$(BIN)/python benchmarks/compare_schedsim.py
	@[ -n "$(MNSIM)" ] || echo "note: not compared with MNSIM 2.0, since MNSIM=FOLDER is not given" >&2
	[ -z "$(MNSIM)" ] || $(BIN)/python benchmarks/compare_mnsim.py "$(MNSIM)"

bench: $(VENV)/.with-test ## run all benchmarks in short forms, results in benchmarks/results; ARGS="--only NAME --against FOLDER"
	$(BIN)/python -m tools.bench $(ARGS)

mutants: $(VENV)/.with-mutants ## change operators of one area, a night each, and count what the tests notice; ARGS="AREA --count N"
	$(BIN)/python -m tools.mutants $(ARGS)

notebooks: $(VENV)/.with-site ## execute the notebooks of docs/ and compare what they print with what they contain
	$(BIN)/python -m tools.run_notebooks --check $(ARGS)

nightly: test-deep test-transformers gguf peers notebooks mutants ## all that takes long: large counts, long examples, transformers, peers, notebooks, mutants

lint: $(VENV)/.with-dev ## ruff, mypy --strict and the import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

format: $(VENV)/.with-dev ## let ruff format and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.with-dev ## write the generated parts of the docs and the schema of configs again
	$(BIN)/python -m tools.generate_docs

site: $(VENV)/.with-site ## build the documentation site in build/site; a warning is an error; ARGS="-b linkcheck" visits links
	$(BIN)/python -m sphinx --jobs 2 --fail-on-warning --keep-going --quiet -d build/doctrees docs build/site $(ARGS)
	@echo "open build/site/index.html"

clean: ## remove the environment and everything else that can be made again
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Declared nowhere, since it declares a drawing library that needs a compiler and that nothing here uses.
$(VENV)/.with-test $(VENV)/.with-dev: PEER := badcrossbar==1.1.0

$(VENV)/.with-run: REQUIREMENT := .
$(VENV)/.with-test: REQUIREMENT := .[test]
$(VENV)/.with-transformers: REQUIREMENT := .[test,transformers]
$(VENV)/.with-dev: REQUIREMENT := .[dev]
$(VENV)/.with-mutants: REQUIREMENT := .[test,mutants]
$(VENV)/.with-site: REQUIREMENT := .[site]

INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --retries 3
# The variables, of older and of newer versions of pip, are for what builds pimsim.
PINNED = $(if $(CONSTRAINTS),PIP_CONSTRAINT="$(CONSTRAINTS)" PIP_BUILD_CONSTRAINT="$(CONSTRAINTS)")
# What pip says if an index answers and does not have a version, in contrast to one that does not answer.
UNAVAILABLE := from versions: [0-9]|ResolutionImpossible|ailed to build|metadata-generation-failed

$(VENV)/.with-run $(VENV)/.with-test $(VENV)/.with-transformers $(VENV)/.with-dev $(VENV)/.with-mutants $(VENV)/.with-site: \
  $(VENV)/.made pyproject.toml pimsim/version.py $(wildcard $(CONSTRAINTS))
	@echo "Installing $(REQUIREMENT) into $(VENV) ..."
	@$(PINNED) $(INSTALL) $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) --editable "$(REQUIREMENT)" >$(VENV)/pip.log 2>&1 || { \
	  [ -n "$(CONSTRAINTS)" ] && [ "$(FALLBACK)" != no ] && grep -Eq '$(UNAVAILABLE)' $(VENV)/pip.log && { \
	    echo "note: versions of $(CONSTRAINTS) cannot be had here: `grep '^ERROR' $(VENV)/pip.log | tail -n 1`;" \
	      "installing the newest that pyproject.toml allows" >&2; \
	    $(INSTALL) --editable "$(REQUIREMENT)" >>$(VENV)/pip.log 2>&1; \
	  } \
	} || { \
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
