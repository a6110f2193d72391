# Everything runs in .venv, made from pyproject.toml with the exact versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The stages are started as `python -m stages...`: the virtual environment's python must come first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

# CPU=1: PyTorch without CUDA, of the very versions of constraints.txt. Only Linux has two builds to choose from.
CPU ?=
ifneq ($(CPU),)
ifeq ($(shell uname -s),Linux)
CPU_TORCH := $(shell sed -nE 's/^(torch|torchvision)==([0-9.]+)$$/\1==\2+cpu/p' constraints.txt)
endif
endif

.DEFAULT_GOAL := help
.PHONY: help setup repro default report dfc celeba verify page-setup test test-page test-slow photographs light lint format deps schema graph pictures page clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.installed  ## Make the virtual environment with the pinned dependencies (CPU=1: without CUDA)

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, $(PYTHON) is %d.%d: make PYTHON=python3.11 ..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
ifdef CPU_TORCH
	@$(BIN)/python -m pip install --disable-pip-version-check -qqq --no-compile --no-deps $(CPU_TORCH) || \
		{ echo 'CPU=1: found no $(CPU_TORCH); name a package index that has it in PIP_EXTRA_INDEX_URL, or leave CPU=1 out' >&2; exit 1; }
endif
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile -c constraints.txt -e '.[pipeline,dev]'
	@touch $@

# How many stages at once. None given: on a CPU as many as have cores for their threads, up to 4, on a GPU 1.
JOBS ?=

# Afterwards, until the run is committed, how to keep it.
define run_pipeline
	python -m facevae.app.reproduce$(if $(JOBS), --jobs $(JOBS))
	@echo "results/: faces in evaluate_dae/, evaluate_vae/pictures/, explore_latents/pictures/; models/: what was trained."
	@echo "The figures: dvc metrics show. Curves and pictures in a browser: dvc plots show."
	@test -z "$$(git status --porcelain dvc.lock)" || echo 'This run is not committed yet: git commit -am "First run" keeps it, and dvc metrics diff then compares with it.'
endef

repro: setup  ## Run the whole pipeline, as far as anything changed (JOBS=1: one stage after the other)
	$(run_pipeline)

default: setup  ## Bring the default settings into params.yaml and run the pipeline
report: setup  ## The same with the report's settings, on CelebA
dfc: setup  ## The same with those of Hou et al. 2017, on CelebA
celeba: setup  ## The same with those for all of CelebA on a GPU

default report dfc celeba:
	python -m facevae.app.presets $@
	$(run_pipeline)

verify: setup  ## Run the pipeline twice from nothing and compare every output
	python -m bench.verify

page-setup: setup  ## Add what `facevae page` and its tests need (Gradio, selenium)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile --no-deps -r constraints-page.txt

test: setup  ## Run the tests
	OMP_NUM_THREADS=1 pytest -n 2 --dist loadfile --no-loadscope-reorder

test-page: setup  ## Run the tests of facevae page, in a browser where there is one (after make page-setup)
	OMP_NUM_THREADS=1 pytest tests/test_page.py tests/test_browser.py

test-slow: setup  ## Run slow tests: trainings killed under dvc exp run, all of docs/reruns.md, pipelines on one's own data
	FACEVAE_TEST_SLOW=1 OMP_NUM_THREADS=1 pytest tests/test_interruptions.py tests/test_own_pipeline.py tests/test_reruns.py

lint: setup  ## Check style and imports
	ruff check .
	ruff format --check .

format: setup  ## Bring the code into shape
	ruff check --fix .
	ruff format .

photographs: setup  ## Measure the models that come with facevae on CelebA's files: CELEBA=DIR
	@test -n "$(CELEBA)" || { echo 'name the directory with the files: make photographs CELEBA=DIR' >&2; exit 1; }
	python -m bench.shipped --celeba "$(CELEBA)"

light: setup  ## Install facevae without the pipeline in a new environment, edit a photograph there, print its size
	python -m bench.light

deps: setup  ## Write each stage's code dependencies into dvc.yaml, from the imports
	python -m bench.rooms --deps

schema: setup  ## Write params.schema.json, from the typed sections
	python -m facevae.app.parameters --schema

graph: setup  ## Write the pipeline's graph into README.md, from dvc dag
	python docs/graph.py

pictures:  ## Make the pictures of README.md and docs/ from results/
	$(BIN)/python docs/pictures.py

page:  ## Write docs/results.md from what was measured
	$(BIN)/python docs/results.py

clean:  ## Remove the virtual environment and unfinished trainings; data, models and results stay
	rm -rf $(VENV) .checkpoints logs
