PYTHON ?= python3
BIN := .venv/bin

.PHONY: venv demo test test-all lint bench-speed clean

venv: .venv/.ready

# Where the digests of the pinned packages are known, pip takes no other file; elsewhere the versions alone are pinned.
LOCKED = import platform as p, sys; sys.exit(not ((sys.platform, p.machine(), p.python_implementation()) == \
	("linux", "x86_64", "CPython") and (3, 11) <= sys.version_info[:2] <= (3, 13) and p.libc_ver()[0] == "glibc"))

.venv/.ready: pyproject.toml constraints.txt locks/build.txt locks/linux-x86_64.txt
	$(PYTHON) -c 'import sys; sys.exit("Python >= 3.11 is needed, found " + sys.version.split()[0] + ": set PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	if $(BIN)/python -c '$(LOCKED)'; then \
	  $(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement locks/build.txt && \
	  $(BIN)/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation --requirement locks/linux-x86_64.txt && \
	  $(BIN)/python -m pip install --quiet --no-index --no-deps --no-build-isolation --editable . ; \
	else \
	  echo "locks/ has no digests for this system and Python: packages are pinned by version alone" && \
	  $(BIN)/python -m pip install --quiet --upgrade pip && \
	  $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' ; \
	fi
	$(BIN)/python -m pip check --quiet
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
