# One command a verb. `make demo` and `make test` need nothing but Python (3.11 or newer) and make.
#
#   make demo                 see it work                     make bench ONLY=client    measure, beside the peers
#   make test                 the suite, on each CPython      make docs                 build the site into site/
#   make lint                 ruff, mypy                      make names                pin the public names anew
#   make soak                 ten minutes of all that can go wrong with requests through the gateway; ONLY=pool: with
#                             200,000 requests through the pool
#   make corpus               ask the gateway, nginx, haproxy and Envoy what becomes of bad input, and write the page
#   make simulate             draw anew which balancer does what, on virtual time
#   make screenshots          take the pictures of the status page anew; needs chromium
#
# PYTHON=python3.12 chooses the interpreter of .venv, TESTS="tests/limit -x" what `make test` gives to pytest,
# SOAK="--seconds 60 --seed 7" what `make soak` does.

PYTHON ?= python3
OTHERS ?= 3.12 3.13
TESTS ?= -n 2 --dist worksteal

BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DELETE_ON_ERROR:
.PHONY: demo test lint bench soak corpus simulate screenshots docs names clean

demo: .venv/.demo
	$(BIN)/python -m examples.demo

test: .venv/.test
	@sh .ci/test "$(OTHERS)" $(TESTS)

lint: .venv/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(if $(wildcard tests/typing),$(BIN)/mypy tests/typing)

bench: .venv/.bench
	$(BIN)/python -m benchmarks $(ONLY)

soak: .venv/.test
	$(BIN)/python -m tests.$(if $(filter pool,$(ONLY)),upstream,gateway).soak $(SOAK)

corpus: .venv/.test
	$(BIN)/python -m tests.gateway.corpus

simulate: .venv/.demo
	$(BIN)/python -m examples.simulate

screenshots: .venv/.test
	$(BIN)/python -m tests.gateway.status.screenshots

# Not --quiet: mkdocs would then not count the warnings that make it fail.
docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site/index.html"

names: .venv/.test
	$(BIN)/python -c "import meshkit; print(*meshkit.__all__, sep='\n')" > tests/public_names.txt

clean:
	rm -rf .venv .venvs .meshkit site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find meshkit tests docs examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Each group of dependencies is installed once, in one pass with meshkit itself; its stamp is younger than pyproject.toml.
.PRECIOUS: .venv/.%
.venv/.%: pyproject.toml | .venv/bin/python
	@echo "installing into .venv what make $* needs"
	@$(BIN)/python -m pip install --quiet --editable . --group $*
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "meshkit needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`. Try: make PYTHON=python3.12" >&2; exit 1; }
	@echo "making .venv with `$(PYTHON) --version`"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet 'pip>=25.1'
