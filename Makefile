# `make` alone prints the targets. Everything is installed into $(VENV); nothing else is touched.

VENV ?= .venv
BENCH_VENV ?= .venv-bench
# Best first: the newest Python that all wheels are known for, then the others.
PYTHONS ?= 3.13 3.12 3.14 3.11
# TensorFlow's and PyTorch's wheels come later to a new Python, so the peers prefer an older one.
BENCH_PYTHONS ?= 3.11 3.12 3.13
JOBS ?= 2
ARGS ?=

bin := $(VENV)/bin
bench_install = @tools/venv.sh $(BENCH_VENV) "$(BENCH_PYTHONS)"

.PHONY: help demo test lint format bench size clean distclean
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F '|' '{printf "%-18s%s\n", $$1, $$2}'

demo: ## train on handwritten digits and write a report (ARGS="--seed 3 --out FOLDER")
	@tools/venv.sh $(VENV) "$(PYTHONS)" -e ".[demo]"
	@$(bin)/kerata demo digits $(ARGS)

test: ## run all tests and the docstrings' examples (ARGS="-k pooling", JOBS=4)
	@tools/venv.sh $(VENV) "$(PYTHONS)" -e ".[test]"
	@$(bin)/python -m pytest -q -n $(JOBS) $(ARGS)

lint: ## check style, format and types
	@tools/venv.sh $(VENV) "$(PYTHONS)" -e ".[lint]"
	@$(bin)/ruff check .
	@$(bin)/ruff format --check .
	@$(bin)/mypy

format: ## put all files into the house format
	@tools/venv.sh $(VENV) "$(PYTHONS)" -e ".[lint]"
	@$(bin)/ruff check --fix .
	@$(bin)/ruff format .

bench: ## measure kerata beside its peers (ARGS="--quick --json FILE"); needs gigabytes
	@tools/venv.sh $(VENV) "$(PYTHONS)" -e ".[bench]"
	$(bench_install) "keras>=3.15,<3.16" "jax>=0.10"
	$(bench_install) tensorflow || echo "TensorFlow could not be installed: left out."
	$(bench_install) torch==2.13.0 pillow || echo "PyTorch could not be installed: left out."
	@$(bin)/python benchmarks/fit.py --peer-python $(BENCH_VENV)/bin/python $(ARGS)

size: ## count the lines of each room
	@tools/venv.sh $(VENV) "$(PYTHONS)" -e .
	@$(bin)/python tools/size.py

clean: ## remove what was built and cached, and the demo's report
	rm -rf build dist *.egg-info digits-report .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean ## the same, and remove the environments
	rm -rf $(VENV) $(BENCH_VENV)
