# Everything runs from .venv, which the first target that needs it makes. Needs GNU make 3.81+ (macOS's) and Python 3.11-3.14.

VENV := .venv
READY := $(VENV)/.ready
OUT := runs/demo
RECORD := benchmarks/results/seeds.json
FAULTS := runs/faults.jsonl
FUZZED := runs/fuzz.jsonl

# The first interpreter that is new enough, not too new, and able to make an environment. Asked by running it:
# the shims of pyenv answer to names of versions that are not active. Set PYTHON=/path/to/python to choose.
USABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(firstword $(foreach python,python3.12 python3.13 python3.11 python3.14 python3,$(shell $(python) -c '$(USABLE)' 2>/dev/null && echo $(python))))

# One thread a process: pytest already runs one process a core, and sums come out the same on every machine.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
WORKERS ?= 2
# A file's tests share what its fixtures train: one process runs them all, the long files of tests/pipeline before the short.
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
CHECKED := --jaxtyping-packages=tagseg,beartype.beartype
TESTS :=
FLOORS := .venv-floors
READERS := .venv-readers
ONNX_TESTS := tests/unit/artifacts/test_onnx_file.py tests/messages/test_onnx_messages.py
SHARES := import json, sys; of = json.load(sys.stdin)["totals"]; \
  found = {name: 100 * of["covered_" + name] / of[total] \
  for name, total in (("lines", "num_statements"), ("branches", "num_branches"))}; \
  print(*("{}: {:.1f} %".format(*each) for each in found.items()), sep=", "); sys.exit(min(found.values()) < 90)

# Compiled modules are kept, whatever the shell says: without them each of the many processes of a test compiles torch anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test coverage floors readers reference faults fuzz mutation lint types format wheel docs docs-results docs-pictures docs-architecture docs-reference clean help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Run the whole pipeline on the embedded data set, plain CAM and the upper bound beside SSC: CPU, no download after set-up
	$(VENV)/bin/tagseg demo --out $(OUT)

test: $(READY) ## Run all tests (TESTS=folders: some), shapes and types of tensor functions checked at every call
	$(TEST_ENV) $(VENV)/bin/python -m pytest $(SPREAD) $(CHECKED) $(TESTS)

coverage: $(READY) ## Run all tests (TESTS=folders: some) and print the lines and branches of src that they miss; fails under 90 % of either
	$(TEST_ENV) $(VENV)/bin/python -m pytest $(SPREAD) --cov --cov-report=term-missing:skip-covered $(TESTS)
	@$(VENV)/bin/coverage json --quiet -o - | $(VENV)/bin/python -c '$(SHARES)'

floors: $(READY) ## Run all tests (TESTS=folders: some) with the oldest releases that pyproject.toml allows, in environments of their own
	test -x $(FLOORS)/bin/python || $(VENV)/bin/uv venv --quiet --python 3.11 $(FLOORS)
	$(VENV)/bin/uv pip install --quiet --python $(FLOORS)/bin/python --resolution lowest-direct --editable '.[tests]'
	$(TEST_ENV) $(FLOORS)/bin/python -m pytest $(SPREAD) $(CHECKED) $(TESTS)
	test -x $(FLOORS)-onnx/bin/python || $(VENV)/bin/uv venv --quiet --python 3.11 $(FLOORS)-onnx
	$(VENV)/bin/uv pip install --quiet --python $(FLOORS)-onnx/bin/python --resolution lowest-direct --editable '.[dev]'
	$(TEST_ENV) $(FLOORS)-onnx/bin/python -m pytest $(CHECKED) $(ONNX_TESTS)

readers: $(READY) ## Read exports back with annotation tools and trainers, in an environment of their own: small masks, then 200 real ones
	test -x $(READERS)/bin/python || $(VENV)/bin/uv venv --quiet --python $(VENV)/bin/python $(READERS)
	$(VENV)/bin/uv pip install --quiet --python $(READERS)/bin/python --editable '.[serve]' --requirement tests/readers/requirements.txt
	$(TEST_ENV) $(READERS)/bin/python -m pytest tests/readers
	$(TEST_ENV) PYTHONPATH=tests $(READERS)/bin/python -m readers.measure

fuzz: $(READY) ## Give damaged files to every reader (COUNT=200000 inputs, SEED=0; goes on after a stop); anything but a result or an error of ours is a finding
	$(TEST_ENV) PYTHONPATH=tests $(VENV)/bin/python -m fuzz.run --seed $(or $(SEED),0) --count $(or $(COUNT),200000) --json $(FUZZED) $(if $(READER),--reader $(READER))

mutation: $(READY) ## Change one formula at a time in a copy, and show which test fails
	$(TEST_ENV) PYTHONPATH=tests $(VENV)/bin/python -m mutation.run

faults: $(READY) ## Disturb a tiny run 100 times for each of two seeds, start it again, compare every byte (goes on after a stop)
	PYTHONPATH=tests $(VENV)/bin/python -m faults.run --seeds 0 1 --count 100 --json $(FAULTS)

reference: $(READY) ## Install the compiled reference of the dense CRF, for its parity tests (needs a C compiler)
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --constraint constraints.txt --editable '.[dev,crf]'

lint: $(READY) ## Check style and formatting
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(READY) ## Check types
	$(VENV)/bin/pyright

format: $(READY) ## Format, and correct what ruff can correct
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

wheel: $(READY) ## Build wheel and sdist into dist/, check them, and drive the wheel in an empty environment without the checkout: the demo too, five minutes (DEMO=short: one)
	$(VENV)/bin/python .ci/check_wheel.py --out dist --demo $(or $(DEMO),whole)

docs: $(READY) ## Build the site of the documents into build/docs; a warning is an error
	$(VENV)/bin/python -m sphinx -W --keep-going -q -b html docs build/docs

docs-results: $(READY) ## Write docs/results.md from the record of the runs (RUNS=runs: with the run folders there, and record them)
	$(VENV)/bin/python benchmarks/collect_results.py $(RECORD) $(RUNS) --out docs/results.md --record $(RECORD)

docs-pictures: $(READY) ## Take the pictures of README and documents from the demo's run (needs chromium)
	$(VENV)/bin/python benchmarks/docs_pictures.py $(OUT) --out docs/images

docs-architecture: $(READY) ## Write the tree and the picture of docs/architecture.md from the code
	$(VENV)/bin/python benchmarks/docs_architecture.py

docs-reference: $(READY) ## Write the recipe keys and the command line of docs/reference from the code
	$(VENV)/bin/python benchmarks/docs_reference.py

clean: ## Remove the environment and the caches, never runs/
	rm -rf $(VENV) $(FLOORS) $(FLOORS)-onnx $(READERS) .coverage .pytest_cache .ruff_cache .hypothesis

# Made anew when it is missing, broken or of a version that we do not run on; else brought up to date in place.
$(READY): pyproject.toml constraints.txt
	@$(VENV)/bin/python -c '$(USABLE)' 2>/dev/null || { \
	  python="$(PYTHON)"; \
	  test -n "$$python" || { \
	    echo "error: no Python 3.11 to 3.14 with venv was found" >&2; \
	    echo "help: install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.12), or set PYTHON=/path/to/python" >&2; \
	    exit 1; }; \
	  echo "making $(VENV) with $$python"; \
	  "$$python" -m venv --clear $(VENV); }
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' constraints.txt)"
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --constraint constraints.txt --editable '.[dev]'
	@touch $@
