# `make train` and `make test` are all a newcomer needs: each makes .venv and installs first.
# The studies have Makefiles of their own: make -C studies/NAME.

PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 3

# Whatever the shell says: every worker process would compile the same modules again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: train test tests check lint types docs bench campaign clean

train: .venv/installed
	$(BIN)/python -m afa_ray.train

test: lint
	$(MAKE) --jobs 2 types tests

tests: .venv/compiled
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone" --durations=25

check: lint types

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed
	$(BIN)/mypy

# The reference is written anew from the code first. The pages: docs/_build/docs/index.html.
docs: .venv/installed
	$(BIN)/python -m docs.generate
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -c docs . docs/_build

# The tests that measure time, on an otherwise idle machine: before a release.
bench: .venv/installed
	$(BIN)/python -m pytest -m alone

# Damage, kills, full disks and crowds, some hours: goes on where it was stopped (campaign.jsonl). CAMPAIGN="--kills 10".
campaign: .venv/installed
	$(BIN)/python -m tests.campaign $(CAMPAIGN)

# Python compiles what is imported, once; pip would compile all of it, which takes longer than to install.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --quiet --no-compile --constraint constraints.txt \
	  --editable ".[dev,docs]"
	touch $@

# What the tests import, compiled once; their processes start together, and each would do it.
.venv/compiled: .venv/installed
	-$(BIN)/python -m pytest --collect-only --quiet > /dev/null
	touch $@

clean:
	rm -rf .venv build docs/_build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
