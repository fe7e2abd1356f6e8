PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/installed

.PHONY: demo test install fast

demo: install
	$(BIN)/fedfer run quickstart

test: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -m "" -q

fast: install
	$(BIN)/pytest -q

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)
