# Every command sets up what it needs in .venv. PYTHON is the Python to make it with, 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo stack check test test-slow test-engines test-kubernetes lint bench bench-time bench-agreement bench-against bench-injectors bench-console bench-neighbours bench-growth bench-in-flight bench-at-rest bench-soak pictures tables dist lock clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.tests: tests/requirements.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

# The demo gets its own foreground process group (-m), so that Ctrl-C stops the demo and not make.
demo: $(VENV)/.run ## run the default pipeline until Ctrl-C
	@bash -mc '$(BIN)/python run_web_service.py run; exit $$?'

stack: $(VENV)/.run ## the same, with real Prometheus and Jaeger if they are installed
	@bash -mc '$(BIN)/python run_web_service.py run --stack; exit $$?'

# Without processes a test only computes, so there is a worker per core, and properties get fewer examples.
check: lint ## lint, and every test that starts no process
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not processes and not long" --hypothesis-profile=check tests/unit tests/virtual $(PYTEST_ARGS)

# The tests with real containers have their own targets.
ENGINES_APART := --ignore tests/engines --ignore tests/kubernetes

# Where the tests that measure time are, so that nothing else is collected to find them.
TIMED := tests/pipeline tests/backends

# Most tests spend their time waiting for a process, so there is one worker more than the smallest machine has cores. Not
# so those that measure time: one that waits for a core measures that.
test: $(VENV)/.tests ## run every test
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not alone and not calm" $(ENGINES_APART) $(PYTEST_ARGS)
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m calm $(TIMED) $(PYTEST_ARGS)
	$(BIN)/python -m pytest -m alone $(TIMED) $(PYTEST_ARGS)

test-slow: $(VENV)/.tests ## run the tests that take minutes each: many restarts and messages, and a million of them in virtual time
	$(BIN)/python -m pytest -n auto --dist worksteal --slow tests/virtual tests/pipeline $(PYTEST_ARGS)

# A machine that can't run containers skips these tests by name; their tools are built outside the checkout.
test-engines: $(VENV)/.tests ## run the stages in real containers: Linux, as root
	-@.ci/engines >/dev/null
	$(BIN)/python -m pytest tests/engines -o log_cli=true -o log_cli_level=INFO $(PYTEST_ARGS)

# Kubernetes is built from source once, which takes up to 25 minutes, so CI does not run these tests.
test-kubernetes: $(VENV)/.tests ## run the stages on a real cluster: Linux, as root, with Go
	-@.ci/jaeger && .ci/engines >/dev/null && .ci/kubernetes >/dev/null
	$(BIN)/python -m pytest tests/kubernetes -o log_cli=true -o log_cli_level=INFO $(PYTEST_ARGS)

lint: $(VENV)/.tests ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.tests ## measure against the plainest program with the same function, and compare with the last landing
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-time: $(VENV)/.tests ## measure how well a delay is a stage's own time, and how fast virtual time passes
	$(BIN)/python -m benchmarks.time $(BENCH_ARGS)

bench-agreement: $(VENV)/.tests ## compare the latencies of the ready-made topologies, live and in virtual time
	$(BIN)/python -m benchmarks.agreement $(BENCH_ARGS)

bench-against: $(VENV)/.tests ## measure a stage in turns with that of another commit: BENCH_ARGS=HEAD~5
	$(BIN)/python -m benchmarks.against $(BENCH_ARGS)

bench-injectors: $(VENV)/.tests ## measure how the injector keeps a rate, beside k6 and vegeta if they are installed
	$(BIN)/python -m benchmarks.injectors $(BENCH_ARGS)

# Without Go, or without a network, what can't be built is told by name and left out.
bench-neighbours: $(VENV)/.tests ## measure a stage beside Go services that do the same job, built outside the checkout
	-@.ci/neighbours >/dev/null
	$(BIN)/python -m benchmarks.neighbours $(BENCH_ARGS)

bench-growth: $(VENV)/.tests ## measure how the cost of a message grows with body, calls, depth, operations, stages and cores
	$(BIN)/python -m benchmarks.growth $(BENCH_ARGS)

bench-in-flight: $(VENV)/.tests ## measure ten thousand messages in flight in one stage
	$(BIN)/python -m benchmarks.in_flight $(BENCH_ARGS)

bench-at-rest: $(VENV)/.tests ## measure a thousand stages in one process that get no messages
	$(BIN)/python -m benchmarks.at_rest $(BENCH_ARGS)

bench-soak: $(VENV)/.tests ## load three stages for ten minutes at 70 % of their highest rate: nothing grows, nothing is lost
	$(BIN)/python -m benchmarks.soak $(BENCH_ARGS)

bench-console: $(VENV)/.tests ## measure the console for ten minutes at 100 messages a second
	$(BIN)/python -m benchmarks.console $(BENCH_ARGS)

pictures: $(VENV)/.tests ## take the pictures of the console in docs/ again
	$(BIN)/python -m tests.pictures

tables: $(VENV)/.tests ## write the tables of the documents, and the schema of a topology file, from the catalogues
	$(BIN)/python -m tests.readme_tables
	$(BIN)/python run_web_service.py schema > topologies/schema.json

dist: $(VENV)/.tests ## build the wheel and the source distribution into dist/
	$(BIN)/uv build --quiet --clear --out-dir dist
	@ls dist/*.whl dist/*.tar.gz

lock: $(VENV)/.tests ## write requirements.txt, and those of deploy/ and tests/, from pyproject.toml: LOCK_ARGS=--upgrade
	$(BIN)/python tests/lock.py $(LOCK_ARGS)

clean: ## remove everything that the commands created
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis runs dist
