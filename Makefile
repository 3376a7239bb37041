# `make run` and `make test` do all the set-up on a fresh Debian 12 with Rust, Python 3.11 and a C++ compiler.
# What is downloaded or built is kept in the cache folder and shared between clones; see ./setup.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
DORA := .venv/bin/dora
GRAPHS := dataflow.yml $(wildcard dataflows/*.yml)
CARGO_FLAGS := --release --workspace --locked

.PHONY: run test lint bench bless evaluate fuzz models build setup

# Only what the sink prints, without dora's prefix, and what goes wrong.
PLAIN := sed -uE 's/^[0-9:]{8} STDOUT sink: ?//; t; /^([0-9:]{8} )?[^ ]*:? ?(DEBUG|INFO) /d; /run_inner.*INFO|INFO.*run_inner/d'

run: build ## Runs the recorded session through the default graph.
	@source .venv/bin/activate; \
	dora run dataflow.yml --log-format compact --log-level warn --log-filter sink=stdout 2>&1 | $(PLAIN)

test: build ## Proves that it works: unit, property, end-to-end and Python tests.
	@./setup test
	.venv/bin/python -m unittest discover --start-directory models/tests
	evaluate/setup
	evaluate/.venv/bin/python -m unittest discover --buffer --start-directory evaluate/tests
	cargo test $(CARGO_FLAGS)
	tests/page/setup
	tests/page/.venv/bin/python -m unittest discover --start-directory tests/page

lint: setup ## Formatting, clippy, and every graph validated with its types and drawn.
	cargo fmt --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	for graph in $(GRAPHS); do $(DORA) validate --strict-types $$graph; $(DORA) graph --mermaid $$graph > /dev/null; done

bench: build ## Measures every stage on this machine.
	cargo bench --workspace --locked --bench '*'

bless: build ## Records the golden recordings again and shows what has changed.
	recordings/bless

# make evaluate DATA=labels.csv OUTPUT=out/evaluation [GRAPH=dataflows/mfcc.yml] [OPTIONS="--batch 20"]
# make evaluate OPTIONS="--ravdess FOLDER" OUTPUT=out/evaluation
GRAPH ?= dataflow.yml
OUTPUT ?= out/evaluation
evaluate: build ## Runs labelled recordings through a graph and reports how well it did.
	evaluate/run $(if $(DATA),--labels $(DATA)) --graph $(GRAPH) --output $(OUTPUT) $(OPTIONS)

# Needs a nightly compiler and cargo-fuzz (`cargo install cargo-fuzz`).
FUZZ_SECONDS ?= 600
fuzz: ## Feeds the readers of recordings and messages with whatever they may meet.
	mkdir -p fuzz/corpus/recording
	cargo +nightly run --quiet --manifest-path fuzz/Cargo.toml --example seeds -- fuzz/corpus/recording
	for target in $$(cargo +nightly fuzz list --fuzz-dir fuzz); do \
	    cargo +nightly fuzz run --fuzz-dir fuzz $$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=10; \
	done

models: setup ## Lists the models and checks their hashes.
	.venv/bin/python models/models list
	.venv/bin/python models/models verify

build: setup
	cargo build $(CARGO_FLAGS)

setup:
	@./setup
