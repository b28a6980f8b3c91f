# `make` lists what there is. Everything lives in .venv, whose contents follow pyproject.toml and constraints.txt.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores < 8 ? cores : 8)))
ARGS   ?=

BIN      := $(VENV)/bin
PIP      := $(BIN)/python -m pip --disable-pip-version-check --require-virtualenv
SOURCES  := convitro tests examples tools docs
EXPLORER := $(VENV)/.explorer-installed
TESTS    := $(VENV)/.tests-installed
BENCH    := $(VENV)/.bench-installed
SPHINX   := $(BIN)/python -m sphinx --quiet --nitpicky --keep-going

.DEFAULT_GOAL := help
.PHONY: help explore test test-all check format docs pictures bench screenshots chromium clean
.DELETE_ON_ERROR:

help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

explore: $(EXPLORER)  ## open the embedded network in the browser (ARGS="my_nets:net --image cat.png")
	@$(BIN)/convitro explore $(ARGS)

test: $(TESTS) chromium  ## run all tests (ARGS="-k pictures" for some of them)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

test-all: $(TESTS) chromium  ## the same with thousands of random layers instead of a few (an hour)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --hypothesis-profile thorough $(ARGS)

check: $(TESTS)  ## formatting, lint, types, layer order, documentation
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_docs.py -k "not code_on_the_page"
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(SPHINX) --fail-on-warning docs "$$folder"

format: $(TESTS)  ## rewrite the sources as `make check` wants them
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

docs: $(TESTS)  ## the documentation as pages: docs/_build/index.html
	$(SPHINX) docs docs/_build

pictures: $(TESTS)  ## make the pictures of the documentation anew, by the code on its pages
	$(BIN)/python -m tools.pages

bench: $(BENCH)  ## measure everything against its peers and write docs/speed.md (an hour, on a quiet machine)
	$(BIN)/convitro bench --threads 1 --output benchmarks/results/one-thread.json
	$(BIN)/convitro bench --threads 2 --output benchmarks/results/two-threads.json
	$(BIN)/convitro bench --report benchmarks/results/one-thread.json \
		--report benchmarks/results/two-threads.json --page docs/speed.md

screenshots: $(TESTS) chromium  ## take the pictures that the README shows
	$(BIN)/python tools/screenshots.py

clean:  ## remove the environment and all caches
	rm -rf $(VENV) docs/_build docs/reference build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@tools/make-venv "$(PYTHON)" "$(VENV)"

$(EXPLORER): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[explorer]'
	@touch $@

$(TESTS): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[docs,explorer,keras,lab,onnx,plots,tensorboard,test]'
	@touch $@ $(EXPLORER)

$(BENCH): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@

chromium: $(TESTS)
	@tools/ensure-chromium "$(BIN)/playwright"
