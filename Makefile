# `make demo` and `make test` need nothing before them: both build the virtual environment first.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet

# Holds locomo/ and locomo_audit/, which some measurements and `make train-locomo` read.
export MEMLORA_DATA ?= ../shared/data

# The other pair of versions that is tested. It is no dependency: its langchain-core asks for a certifi that not every registry has.
LANGCHAIN := langchain==1.5.0 langchain-core==1.8.1
NEWER := $(abspath $(VENV))/langchain-1.5.0

.PHONY: help demo test check fuzz docs install format lint measure test-stores test-langchain screenshots train train-locomo clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 16

demo: install ## Play a scripted conversation through the real graph, model and experts
	$(BIN)/memlora demo

test: install ## Run the test suite (under 10 minutes)
	$(BIN)/python -m pytest -m "not slow"

check: install lint test-langchain ## Run the long tests, the examples and the docs, through the real model
	$(PIP_INSTALL) -c constraints.txt -e '.[dev,stores,ray,llama]'
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m pytest tests/stores

fuzz: install ## Run the property tests on examples drawn at random
	MEMLORA_EXAMPLES=random $(BIN)/python -m pytest -m hypothesis

docs: install ## Run the README's example, regenerate what docs take from the program, and build the site into site/
	$(BIN)/python -m docs.generate --example
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

install: $(INSTALLED) ## Make the virtual environment and install the package into it

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -c constraints.txt torch
	$(PIP_INSTALL) -c constraints.txt -e '.[dev]'
	@touch $@

format: install ## Fix style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: install ## Check style, types and generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@echo "$$(grep -rhoF 'type: ignore' --include='*.py' langchain_memlora | wc -l) 'type: ignore' comments"
	$(BIN)/python -m docs.generate --check

test-stores: install ## Run the suites for vector stores (10,000 entries) and ledgers on servers it starts itself
	$(PIP_INSTALL) -c constraints.txt -e '.[dev,stores]'
	MEMLORA_STORE_SIZE=10000 $(BIN)/python -m pytest tests/stores tests/ledger

test-langchain: $(NEWER) ## Run the integrations' tests on a newer langchain, laid over the installed one (a minute)
	PYTHONPATH=$(NEWER) $(BIN)/python -c "from importlib.metadata import version as v; print(v('langchain'), v('langchain-core'))"
	PYTHONPATH=$(NEWER) $(BIN)/python -m pytest tests/integrations -m "not slow and not model"

$(NEWER): $(INSTALLED)
	$(PIP_INSTALL) --no-deps --upgrade --target $@ $(LANGCHAIN)

screenshots: install ## Photograph the page of `memlora ui` for the docs (needs Chromium)
	$(BIN)/python tests/ui/screenshots.py docs/images

# -- measuring -------------------------------------------------------------------------------------------------------
# `make measure WHAT="speed scale"` runs each and writes its figures and pages. OPTIONS goes to search, speed, long-texts, reliability and engines.
MEASURES := figures benchmark benchmark-quick search speed engines scale long-texts reliability vision vision-costs
# `make measure WHAT=benchmark BASELINES=all` adds baselines that read thousands of tokens or fill memories of their own.
BASELINES ?= facts turns dense bm25 no-memory no-reader
LOCOMO := --bundle smollm2-135m-locomo --k 15 --budget 500

ifneq (,$(filter measure,$(MAKECMDGOALS)))
ifneq (,$(or $(if $(WHAT),,none),$(filter-out $(MEASURES),$(WHAT))))
$(error make measure WHAT=$(WHAT): WHAT is one or more of $(MEASURES))
endif
endif

.PHONY: $(MEASURES:%=measure-%)

measure: $(WHAT:%=measure-%) ## Measure on this machine; WHAT=figures, benchmark, benchmark-quick, search, speed, engines, scale, long-texts, reliability, vision or vision-costs

# The scripts, into docs/benchmark.md.
measure-figures: install
	@mkdir -p runs/scripts
	$(BIN)/memlora demo --script tests/scripts --json > runs/scripts/development.json
	$(BIN)/memlora demo --script tests/scripts/unseen --json > runs/scripts/unseen.json
	$(BIN)/python -m docs.generate --figures runs/scripts/development.json runs/scripts/unseen.json

# LoCoMo's test split, the assistant histories and the update cases: an hour; needs MEMLORA_DATA.
measure-benchmark: install
	$(BIN)/memlora evaluate locomo --out runs/locomo $(LOCOMO) $(BASELINES:%=--baseline %)
	$(BIN)/memlora evaluate assistant --out runs/assistant $(BASELINES:%=--baseline %)
	$(BIN)/memlora evaluate updates --out runs/updates
	$(BIN)/memlora report runs/locomo runs/assistant runs/updates --out docs/benchmark
	$(BIN)/python -m docs.generate --benchmark runs/locomo runs/assistant runs/updates

# 40 questions about the first five sessions of LoCoMo's test conversations.
measure-benchmark-quick: install
	$(BIN)/memlora evaluate locomo --out runs/locomo-quick $(LOCOMO) --sessions 5 --limit 40 --baseline turns --baseline no-memory
	$(BIN)/memlora report runs/locomo-quick --out runs/locomo-quick/report

# Each stage of a search on and off, into docs/how-to/search.md: minutes; reads LoCoMo from MEMLORA_DATA.
measure-search: install
	$(BIN)/python -m benchmarks.search $(OPTIONS)
	$(BIN)/python -m docs.generate

# This package beside its peers: half an hour; fails if a promise in docs/speed.md is missed; needs MEMLORA_DATA.
measure-speed: install
	$(BIN)/python -m benchmarks.peers.growth
	$(BIN)/python -m benchmarks.peers $(OPTIONS); missed=$$?; $(BIN)/python -m docs.generate && exit $$missed

# Engines against each other, into docs/engines.md: minutes on an idle machine.
measure-engines: install
	$(BIN)/python -m benchmarks.engines.run $(OPTIONS)

# Adds and searches at growing sizes, on Chroma and pgvector, into docs/stores.md: half an hour.
measure-scale: install
	$(PIP_INSTALL) -c constraints.txt -e '.[dev,stores]'
	$(BIN)/python -m benchmarks.scale.run
	$(BIN)/python -m benchmarks.scale.run --only pgvector --sizes 200000
	$(BIN)/python -m benchmarks.scale.ingest
	$(BIN)/python -m docs.generate

# Messages of up to 50,000 characters, into docs/how-to/deploy.md: half an hour on an idle machine.
measure-long-texts: install
	$(BIN)/python -m benchmarks.scale.long_texts $(OPTIONS)
	$(BIN)/python -m docs.generate

# Breaks the memory on purpose, into docs/reliability.md: five minutes, or an hour and a half with OPTIONS=--full.
measure-reliability: install
	$(BIN)/python -m benchmarks.reliability $(OPTIONS)

# Trains a small vision-language model and its vision expert on drawings, into docs/vision.md.
measure-vision: install
	$(BIN)/python -m benchmarks.vision
	$(BIN)/python -m docs.generate

# Text experts on models that see, after WHAT=vision: about an hour.
measure-vision-costs: install
	$(BIN)/python -m benchmarks.vision.costs
	$(BIN)/python -m docs.generate

# -- training --------------------------------------------------------------------------------------------------------
# The LoCoMo bundle writes sentences and is trained further from itself; its licence (CC BY-NC 4.0) keeps it out of the package.
MORE := --bundle runs/locomo-experts --work runs/train-locomo --more
ON_LOCOMO := --stories runs/locomo-train.jsonl --validation runs/locomo-c1.jsonl --data "LoCoMo conversations 4-10 (CC BY-NC 4.0)"

train: install ## Train three text experts on the shipped data into runs/bundle (hours on two cores)
	$(BIN)/memlora train --all --bundle runs/bundle --work runs/train

train-locomo: install ## Train a copy of the LoCoMo experts further on LoCoMo, into runs/smollm2-135m-locomo (hours)
	$(BIN)/memlora stories $(MEMLORA_DATA)/locomo/locomo10.json --out runs/locomo-train.jsonl
	$(BIN)/memlora stories $(MEMLORA_DATA)/locomo/locomo10.json --conversations 1 --out runs/locomo-c1.jsonl
	test -d runs/locomo-experts || cp -r benchmarks/locomo/bundle/smollm2-135m-locomo runs/locomo-experts
	$(BIN)/memlora train extraction $(MORE) --epochs 0.75 --silence 0.3 $(ON_LOCOMO)
	$(BIN)/memlora train memory_update $(MORE) --epochs 0.35
	$(BIN)/memlora train generation $(MORE) --insert 1 --context 250 --context 500 $(ON_LOCOMO)
	$(BIN)/memlora bundle runs/smollm2-135m-locomo --licence CC-BY-NC-4.0 \
	  $(foreach role,extraction memory-update generation,--$(role) runs/locomo-experts)

clean: ## Remove the virtual environment and caches of tools
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
