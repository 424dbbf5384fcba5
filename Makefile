# Set-up, checks and the image. Everything is installed into $(VENV), nothing outside it.
#
#   PYTHON=python3.11               the interpreter that the environment is made from
#   VENV=.venv                      where the environment lies
#   ARGS="..."                      handed on to bench run (make run) or pytest (make test, perf)
#   STORE=store                     whose published victims make victims meets
#   IMAGE_FLAGS="..."               handed on to bench image build (make image)
#
# On Linux, PyPI's torch brings several GB of CUDA libraries that nothing here needs. The CPU build:
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make test

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
COMPARE ?=
IMAGE_FLAGS ?=
STORE ?= store

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test lint perf perf-compare perf-summary schemas victims fidelity check check-training coverage board kills again leaderboard findings studies lock image clean

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Make the virtual environment, if it is not there and current

run: $(STAMP) ## Train the attack "ours", harden the victim by retraining, print the scores
	$(BIN)/bench run --attack ours --defense retrain $(ARGS)

test: $(STAMP) ## Run the tests, as many at once as there are cores
	$(BIN)/python -m pytest --numprocesses auto --dist loadscope $(ARGS)

lint: $(STAMP) ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

perf: $(STAMP) ## Run the speed tests (build/perf.json); warn where a ratio is 25 % worse
	@mkdir -p build
	$(BIN)/python -m pytest tests/perf -o addopts= --benchmark-only \
	  --benchmark-json build/perf.json $(ARGS)
	@$(MAKE) --no-print-directory perf-compare

perf-compare: $(STAMP) ## Compare build/perf.json with the committed summary (COMPARE=--strict fails)
	$(BIN)/python -m tests.perf.compare build/perf.json $(COMPARE)

perf-summary: $(STAMP) ## Commit build/perf.json as the summary, and its table to docs/speed.md
	$(BIN)/python -m tests.perf.summary build/perf.json

schemas: $(STAMP) ## Write the JSON Schemas under docs/schema
	@mkdir -p docs/schema
	@set -e; for each in record policy submission; do \
	  $(BIN)/bench schema --what $$each > docs/schema/$$each.schema.json; \
	done

victims: $(STAMP) ## Play every shipped victim against all at hand; write cards and docs/victims.md
	$(BIN)/python -m tests.victims.measure $(STORE)

fidelity: $(STAMP) ## Play the imported zoo in both physics and print the tables of docs/fidelity.md
	$(BIN)/python -m tests.zoo_fidelity $(ARGS)

check: $(STAMP) ## Play and train again what must give what it gave; check leaderboard.md
	$(BIN)/bench check $(ARGS)

check-training: $(STAMP) ## Train new seeds, compare win rates with the baseline's; minutes
	@mkdir -p build
	@status=0; $(BIN)/bench check training --store build/check-store $(ARGS) \
	  > build/check-training.txt 2>&1 || status=$$?; \
	  cat build/check-training.txt; exit $$status

coverage: $(STAMP) ## Simulate how often intervals hold the truth: the tables of docs/statistics.md
	$(BIN)/python -m tests.interval_coverage $(ARGS)

board: $(STAMP) ## Run what is missing of the published board, then render all
	$(BIN)/bench board $(or $(ARGS),--run)
	$(BIN)/bench leaderboard
	$(MAKE) --no-print-directory studies
	$(BIN)/bench findings || \
	  { echo "make: read again what is named above in docs/*.template.md" >&2; exit 1; }

kills: $(STAMP) ## Kill runs a hundred times at random; what they leave must be as undisturbed
	$(BIN)/python -m tests.runs.kills $(ARGS)

again: $(STAMP) ## Draw rows of the board and make them again from nothing (ARGS="--seed 7")
	$(BIN)/python -m tests.made_again $(ARGS)

leaderboard: $(STAMP) ## Render leaderboard.md from the records under results/
	$(BIN)/bench leaderboard

findings: $(STAMP) ## Render docs/findings.md, evidence.md, reproduction.md and the README's head of the board
	$(BIN)/bench findings $(ARGS)

# STUDY:GAME:VICTIM:TIER:REFERENCE, each a page and a figure under docs/studies.
STUDIES := attacks:you-shall-not-pass-v1:zoo-runner-v1:lite:baseline \
  attacks:you-shall-not-pass-v1:house-runner:lite:baseline \
  attacks:you-shall-not-pass-v1:zoo-runner-v1:lite:dense \
  paid:you-shall-not-pass-v1:zoo-runner-v1:lite:baseline \
  paid:you-shall-not-pass-v1:house-runner:lite:baseline \
  counterfactual:you-shall-not-pass-v1:zoo-runner-v1:lite:baseline \
  counterfactual:you-shall-not-pass-v1:house-runner:lite:baseline \
  attacks:pong-v1:may1:full:baseline attacks:pong-v1:may1:full:dense \
  eta:pong-v1:may1:lite:baseline eta:you-shall-not-pass-v1:zoo-runner-v1:lite:baseline \
  parts:pong-v1:may1:lite:whole parts:you-shall-not-pass-v1:zoo-runner-v1:lite:whole

# STUDY:GAME:VICTIM:TIER:ATTACK
DEFENSE_STUDIES := mixture:pong-v1:house-relu:lite:ours mixture:pong-v1:may1:lite:ours

studies: $(STAMP) ## Render the pages under docs/studies from the records under results/
	@set -e; for each in $(STUDIES); do \
	  set -- $$(echo $$each | tr : ' '); page=docs/studies/$$2-$$3-$$1-against-$$5; \
	  $(BIN)/bench sweep --study $$1 --game $$2 --victim $$3 --tier $$4 --reference $$5 \
	    --results results --out $$page.md --figure $$page.svg; \
	done
	@set -e; for each in $(DEFENSE_STUDIES); do \
	  set -- $$(echo $$each | tr : ' '); page=docs/studies/$$2-$$3-$$1-against-$$5; \
	  $(BIN)/bench sweep --study $$1 --game $$2 --victim $$3 --tier $$4 --attack $$5 \
	    --results results --out $$page.md --figure $$page.svg; \
	done

image: $(STAMP) ## Build the container image and pin it (needs Docker or Podman)
	$(BIN)/bench image build $(IMAGE_FLAGS)

clean: ## Remove caches and build outputs; keeps the store, the next make sets up again
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	rm -f $(STAMP)
	find benchmark attacks defenses tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: Python 3.11 or newer is needed, $(PYTHON) is" \
	    "$$($(PYTHON) --version 2>&1); name another: make PYTHON=python3.11" >&2; exit 1; }
	@echo "setup: virtual environment in $(VENV), $$($(PYTHON) --version)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	  { echo "make: $(PYTHON) cannot make one; on Debian: apt install python3-venv" >&2; exit 1; }
	@echo "setup: $$(grep -c '^[^#]*==' requirements.lock) pins of requirements.lock;" \
	  "torch alone is a download of hundreds of MB"
	@$(PIP) install --quiet --requirement requirements.lock
	@echo "setup: this project, editable"
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Two resolutions, without installing: all that is needed, and what a run needs of it.
define RENDER_LOCK
import json, sys

def pins(report):
    with open(report) as file:
        found = [item["metadata"] for item in json.load(file)["install"]]
    return {
        m["name"].lower(): m["name"] + "==" + m["version"].partition("+")[0]
        for m in found if m["name"] != "competitive-rl-bench"
    }

needed, run = pins("build/lock/test.json"), pins("build/lock/run.json")
if not run.items() <= needed.items():
    sys.exit(f"lock: the two resolutions differ: {sorted(run.items() - needed.items())}")
python = ".".join(map(str, sys.version_info[:2]))
print(f"""# Every direct and transitive dependency, exactly. Made by `make lock` with Python
# {python} on {sys.platform}; do not edit. A raised version can move results: replay the records after it.
# Without hashes, because torch's wheel differs by registry: its pin is satisfied by PyPI's build
# and by the CPU build (+cpu). PyPI's build for Linux also brings CUDA packages; torch pins those
# itself, so they are not listed. setuptools is required by torch, and builds this project.
""")
print("# --- what a run needs")
print("\n".join(run[name] for name in sorted(run)))
print("# --- what the tests need besides (the image leaves out all below this line)")
print("\n".join(needed[name] for name in sorted(needed.keys() - run.keys())))
endef

lock: export RENDER_LOCK := $(value RENDER_LOCK)
lock: ## Resolve all dependencies anew into requirements.lock
	@rm -rf build/lock && mkdir -p build/lock
	@echo "lock: resolving anew with $$($(PYTHON) --version), nothing is installed"
	@$(PYTHON) -m venv build/lock/venv
	@build/lock/venv/bin/pip install --quiet --dry-run --ignore-installed \
	  --report build/lock/test.json '.[test]'
	@build/lock/venv/bin/pip install --quiet --dry-run --ignore-installed \
	  --report build/lock/run.json .
	@build/lock/venv/bin/python -c "$$RENDER_LOCK" > build/lock/requirements.lock
	@mv build/lock/requirements.lock requirements.lock
	@echo "lock: $$(grep -c '^[^#]*==' requirements.lock) pins in requirements.lock"
