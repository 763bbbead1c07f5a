# make demo   set everything up and run the pipeline on the embedded synthetic cohort
# make test   set everything up and pass the tests
# `make help` lists the rest.
SHELL := bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test test-fast lint docs schema pull dag lock clean
.DEFAULT_GOAL := help

help:
	@echo "make setup   virtual environment in $(VENV) from requirements.lock"
	@echo "make demo    the whole pipeline on the embedded cohort (minutes), then the scores"
	@echo "make test    the tests, and how much of the code the fast ones reach"
	@echo "make test-fast   the fast ones alone"
	@echo "make lint    ruff, mypy, snakefmt, codespell, snakemake --lint"
	@echo "make docs    the documentation as a site that opens offline: site/index.html"
	@echo "make schema  workflow/schemas/params.schema.json, for editors"
	@echo "make pull    fetch DVC's data so that dvc and snakemake both have nothing to do"
	@echo "make dag     reports/rulegraph.svg and Snakemake's own report"
	@echo "make lock    renew requirements.lock (needs uv)"
	@echo "make clean   remove what the pipeline made"

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15) and "Python 3.11 to 3.14 is needed; name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	snakemake --cores all
	@cat logs/evaluate/summarize.log
	@echo "The report: $(abspath reports/index.html)"

test: setup
	pytest --numprocesses 2 --dist loadfile -m "not slow" --cov --cov-report term:skip-covered
	pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m slow

test-fast: setup
	pytest --numprocesses 2 --dist loadfile -m "not slow"

lint: setup
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	codespell src tests workflow docs benchmarks README.md CHANGELOG.md Snakefile
	snakemake --lint

# A broken link fails (with --quiet it would not). The variable stops an advertisement.
docs: setup
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict
	@echo "$(abspath site/index.html)"

# The keys of params.yaml for editors, made from the typed model.
schema: setup
	python -m lacaf.params.reference > workflow/schemas/params.schema.json

# DVC brings files back with new modification times. Once its checksums prove that all is as
# recorded, Snakemake is told so. A study has a file of its own and may never have been run.
pull: setup
	dvc pull dvc.yaml
	test -z "$$(dvc status dvc.yaml --json | grep -v '^{}$$')" || { dvc status dvc.yaml; exit 1; }
	snakemake --touch --cores all all

dag: setup
	snakemake --rulegraph dot | tee reports/rulegraph.dot | head -c 0
	snakemake --report reports/snakemake.html

# What is locked stays at its version unless it has to move; `make lock UPGRADE=--upgrade` moves all.
lock:
	cp requirements.lock requirements.lock.new
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 $(UPGRADE) \
	  --extra dev --extra docs --no-header --no-annotate pyproject.toml -o requirements.lock.new
	{ echo "# Every dependency at an exact version with hashes, for Python 3.11 and newer. Made by \`make lock\`."; \
	  cat requirements.lock.new; } > requirements.lock
	rm requirements.lock.new

clean:
	rm -rf data/raw data/truth data/convert data/crop data/harmonize data/prepare data/checkpoints data/embed data/train \
	  data/infer data/evaluate data/study logs reports/index.html reports/study.html reports/cohort.html reports/manifest.json \
	  reports/lacaf.ctbl reports/figures reports/cases reports/inspect .snakemake
