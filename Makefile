# `make demo` and `make test` are all a newcomer needs; both build the virtual environment first.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Where the benchmark finds locomo/ and locomo_audit/, and what it compares with; `make benchmark BASELINES=all` adds those
# that read thousands of tokens or fill memories of their own.
export MEMLORA_DATA ?= ../shared/data
BASELINES ?= facts turns dense bm25 no-memory no-reader
LOCOMO ?= --bundle smollm2-135m-locomo --k 15 --budget 500

# The LoCoMo bundle is trained further from the default one; its licence keeps it out of the package.
MORE := --bundle runs/locomo-experts --work runs/train-locomo --more
ON_LOCOMO := --stories runs/locomo-train.jsonl --validation runs/locomo-c1.jsonl --data "LoCoMo conversations 4-10 (CC BY-NC 4.0)"

# The other pair of versions that is tested. It is no dependency: its langchain-core asks for a certifi that not every registry has.
LANGCHAIN := langchain==1.5.0 langchain-core==1.8.1
NEWER := $(abspath $(VENV))/langchain-1.5.0

.PHONY: help install demo test test-stores test-langchain check lint format figures docs reliability benchmark benchmark-quick bench bench-engines bench-scale train train-locomo vision vision-costs screenshots clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 17

install: $(INSTALLED) ## Make the virtual environment and install the package into it

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: install ## Play a scripted conversation through the real graph, model and experts
	$(BIN)/memlora demo

test: install ## Run the test suite (under 10 minutes)
	$(BIN)/python -m pytest -m "not slow"

test-stores: install ## Run the suites for vector stores (10,000 entries) and ledgers on servers it starts itself
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev,stores]'
	MEMLORA_STORE_SIZE=10000 $(BIN)/python -m pytest tests/stores tests/ledger

test-langchain: $(NEWER) ## Run the integrations' tests on a newer langchain, laid over the installed one (a minute)
	PYTHONPATH=$(NEWER) $(BIN)/python -c "from importlib.metadata import version as v; print(v('langchain'), v('langchain-core'))"
	PYTHONPATH=$(NEWER) $(BIN)/python -m pytest tests/integrations -m "not slow and not model"

$(NEWER): $(INSTALLED)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --upgrade --target $@ $(LANGCHAIN)

check: install lint test-langchain ## Run the long tests, the examples and the docs, through the real model
	-$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev,stores,ray,llama]' # else they are skipped
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m pytest tests/stores

reliability: install ## Inject faults and write docs/reliability.md (FULL=1: an hour and a half)
	$(BIN)/python -m benchmarks.reliability $(if $(FULL),--full)

lint: install ## Check style and generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m docs.generate --check

format: install ## Fix style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

figures: install ## Play the held-out scripts again and write what they scored into README
	@mkdir -p runs
	$(BIN)/memlora demo --script tests/scripts --json > runs/scripts.json
	$(BIN)/python -m docs.generate --figures runs/scripts.json

docs: install ## Regenerate what README and docs take from the program, and build the site into site/
	$(BIN)/python -m docs.generate
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

benchmark: install ## LoCoMo's test split, the assistant histories and the update cases (an hour; needs MEMLORA_DATA)
	$(BIN)/memlora evaluate locomo --out runs/locomo $(LOCOMO) $(BASELINES:%=--baseline %)
	$(BIN)/memlora evaluate assistant --out runs/assistant $(BASELINES:%=--baseline %)
	$(BIN)/memlora evaluate updates --out runs/updates
	$(BIN)/memlora report runs/locomo runs/assistant runs/updates --out docs/benchmark
	$(BIN)/python -m docs.generate --benchmark runs/locomo runs/assistant runs/updates

benchmark-quick: install ## 40 questions about the first five sessions of LoCoMo's test conversations
	$(BIN)/memlora evaluate locomo --out runs/locomo-quick $(LOCOMO) --sessions 5 --limit 40 --baseline turns --baseline no-memory
	$(BIN)/memlora report runs/locomo-quick --out runs/locomo-quick/report

bench: install ## This package beside its peers on this machine; writes docs/speed.md, fails if a promise is missed (half an hour)
	$(BIN)/python -m benchmarks.peers.growth
	$(BIN)/python -m benchmarks.peers $(BENCH)

bench-scale: install ## Adds and searches at growing sizes, on Chroma and pgvector; writes the table of docs/stores.md (half an hour)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev,stores]'
	$(BIN)/python -m benchmarks.scale.run
	$(BIN)/python -m benchmarks.scale.run --only pgvector --sizes 200000
	$(BIN)/python -m benchmarks.scale.ingest
	$(BIN)/python -m docs.generate

bench-engines: install ## Engines against each other on this machine; writes docs/engines.md (minutes on an idle machine)
	$(BIN)/python -m benchmarks.engines.run

vision: install ## Train a small vision-language model and its vision expert on drawings, measure them, write docs/vision.md
	$(BIN)/python -m benchmarks.vision
	$(BIN)/python -m docs.generate

vision-costs: install ## Text experts on models that see, after `make vision`; writes its table in docs/vision.md (about an hour)
	$(BIN)/python -m benchmarks.vision.costs
	$(BIN)/python -m docs.generate

screenshots: install ## Photograph the page of `memlora ui` for the docs (needs Chromium)
	$(BIN)/python tests/ui/screenshots.py docs/images

train: install ## Train three text experts on the shipped stories into runs/bundle (hours on two cores)
	for role in extraction memory_update generation; do \
	  $(BIN)/memlora train $$role --bundle runs/bundle --work runs/train || exit 1; done

train-locomo: install ## Train a copy of the default experts further, and on LoCoMo, into runs/smollm2-135m-locomo (hours)
	$(BIN)/memlora stories $(MEMLORA_DATA)/locomo/locomo10.json --out runs/locomo-train.jsonl
	$(BIN)/memlora stories $(MEMLORA_DATA)/locomo/locomo10.json --conversations 1 --out runs/locomo-c1.jsonl
	test -d runs/locomo-experts || cp -r langchain_memlora/bundles/smollm2-135m runs/locomo-experts
	$(BIN)/memlora train extraction $(MORE) --epochs 0.75 --silence 0.3 $(ON_LOCOMO)
	$(BIN)/memlora train memory_update $(MORE) --epochs 0.35
	$(BIN)/memlora train generation $(MORE) --insert 1 --context 250 --context 500 $(ON_LOCOMO)
	$(BIN)/memlora bundle runs/smollm2-135m-locomo --licence CC-BY-NC-4.0 \
	  $(foreach role,extraction memory-update generation,--$(role) runs/locomo-experts)

clean: ## Remove the virtual environment and caches of tools
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
