PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/installed
SHARED_OUT = --numprocesses 2 --dist worksteal

.PHONY: demo test install fast hooks

demo: install
	$(BIN)/fedfer benchmark quick

test: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -m "" -q $(SHARED_OUT) --durations=25

fast: install
	$(BIN)/pytest -q $(SHARED_OUT)

hooks: install
	$(BIN)/pre-commit install

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)
