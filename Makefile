# `make` lists what there is. Everything lives in .venv, whose contents follow pyproject.toml and constraints.txt.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
ARGS   ?=

BIN      := $(VENV)/bin
PIP      := $(BIN)/python -m pip --disable-pip-version-check --require-virtualenv
SOURCES  := convitro tests examples tools
EXPLORER := $(VENV)/.explorer-installed
TESTS    := $(VENV)/.tests-installed

.DEFAULT_GOAL := help
.PHONY: help explore test check format screenshots chromium clean
.DELETE_ON_ERROR:

help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z]+:.*  ## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

explore: $(EXPLORER)  ## open the embedded network in the browser (ARGS="my_nets:net --image cat.png")
	@$(BIN)/convitro explore $(ARGS)

test: $(TESTS) chromium  ## run all tests (ARGS="-k pictures" for some of them)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(TESTS)  ## formatting, lint, types, layer order, documentation
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_docs.py

format: $(TESTS)  ## rewrite the sources as `make check` wants them
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

screenshots: $(TESTS) chromium  ## take the pictures that the README shows
	$(BIN)/python tools/screenshots.py

clean:  ## remove the environment and all caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@tools/make-venv "$(PYTHON)" "$(VENV)"

$(EXPLORER): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[explorer]'
	@touch $@

$(TESTS): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[explorer,test]'
	@touch $@ $(EXPLORER)

chromium: $(TESTS)
	@tools/ensure-chromium "$(BIN)/playwright"
