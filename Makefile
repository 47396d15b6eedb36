PYTHON ?= python3
BIN := .venv/bin

.PHONY: venv demo test test-all lint bench-speed clean

venv: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python >= 3.11 is needed, found " + sys.version.split()[0] + ": set PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: venv
	$(BIN)/bench demo --out demo

test: venv
	$(BIN)/python -m pytest -n 2

test-all: venv
	$(BIN)/python -m pytest -n 2 -m ''

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench-speed: venv
	$(BIN)/bench speed build

clean:
	rm -rf demo .venv
