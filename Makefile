# Needs make, pip and Python 3.11 or newer; everything else is installed into .venv from requirements/.
.DEFAULT_GOAL := help
.PHONY: help demo demo-clean test lint unit dbt integration lock clean

SHELL := /bin/sh
BIN := .venv/bin
DBT := $(BIN)/dbt

# dbt and TensorFlow both talk too much, and neither needs to phone home from a build.
export DBT_SEND_ANONYMOUS_USAGE_STATS ?= false
export TF_CPP_MIN_LOG_LEVEL ?= 2
export PYTHONUNBUFFERED := 1

help: ## Say what there is to run
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## From raw tables to scores on a year of real shopping (about six minutes)
	@sh scripts/venv.sh demo
	@$(BIN)/purchasing-power demo

demo-clean: ## Remove what the demo made, .venv excepted
	@rm -rf demo/warehouse.duckdb demo/warehouse.duckdb.wal demo/warehouse.duckdb.tmp demo/onnx \
		demo/target demo/dbt_packages demo/logs demo/package-lock.yml demo/.purchasing_power
	@echo "The demo's warehouse, models and build folders are gone; 'make demo' makes them again."

test: lint unit dbt integration ## Everything: lint, Python tests, dbt unit and data tests, the package as a dependency

lint: ## ruff, mypy --strict, the import layers, sqlfluff
	@sh scripts/venv.sh dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint models

unit: ## The Python tests
	@sh scripts/venv.sh dev
	$(BIN)/pytest

dbt: ## dbt's unit tests and data tests
	@sh scripts/venv.sh dev
	$(DBT) deps --quiet
	$(DBT) build

integration: ## The package installed into another project, the way a user installs it
	@sh scripts/venv.sh dev
	cd integration_tests && ../$(DBT) deps --quiet && ../$(DBT) build

# dev.txt first: demo.txt then takes the same versions, so that one .venv serves both.
LOCK_FLAGS := --quiet --universal --no-strip-extras --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command 'make lock'

lock: ## Write requirements/*.txt again from pyproject.toml
	@sh scripts/venv.sh dev
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra dev $(LOCK_FLAGS) $(LOCK_UPGRADE) -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra demo -c requirements/dev.txt $(LOCK_FLAGS) -o requirements/demo.txt

clean: demo-clean ## Remove every file that git does not track, .venv included
	@rm -rf .venv target dbt_packages logs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		integration_tests/target integration_tests/dbt_packages integration_tests/logs python/*.egg-info
