# Everything that a fresh Debian-like machine with Python 3.11 or newer needs is installed by these targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SPARK := $(VENV)/spark/.ready
SERVERS := $(VENV)/.servers
# Tests and Airflow start hundreds of processes; each would compile all of it again.
unexport PYTHONDONTWRITEBYTECODE
APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get

.PHONY: help setup spark demo airflow test faults soak check format bench docs lock audit clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## install Tierline and what it needs into .venv, as pinned in requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed; found $$($(PYTHON) --version)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { $(APT) update -q && $(APT) install -y -q python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps --no-compile \
	    -r requirements.lock
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib  # on all cores, which pip does on one
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(SERVERS): $(READY) sftp_fixtures/install-servers
	bash sftp_fixtures/install-servers
	@touch $@

spark: $(SPARK) ## Spark for `engine: spark`, as pinned in requirements-spark.lock; it needs Java 17 or newer

# In a directory of its own: whatever finds PySpark in its environment imports it, Great Expectations too.
$(SPARK): $(READY) requirements-spark.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-build-isolation \
	    --upgrade --target $(VENV)/spark -r requirements-spark.lock
	@touch $@

demo: $(READY) ## a small operator on local servers, run through once
	$(BIN)/tierline demo

airflow: $(READY) ## Airflow with everything scheduled, on local servers; says where and how to log in
	$(BIN)/python -m sftp_fixtures.show_airflow

test: $(READY) $(SERVERS) $(SPARK) ## all tests, real servers included
	$(BIN)/python -m pytest

faults: $(READY) $(SERVERS) ## the tests of the 26 faults that docs/engineers/faults.md names
	$(BIN)/python -m pytest -m fault

soak: $(READY) $(SERVERS) ## 10,000 batches with faults at random through one process; half an hour
	PYTHONPATH=tests $(BIN)/python tests/bench/soak.py

check: $(READY) ## style, types, SQL, contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint -q warehouse pipelines/reporting
	$(BIN)/tierline feeds > /dev/null

format: $(READY) ## put the code into the project's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) $(SERVERS) $(SPARK) ## everything measured beside its bound and other tools: build/bench/report.md, report.svg
	$(BIN)/python tests/bench/report.py

docs: $(READY) ## the manual as a site in build/site; with search: python3 -m http.server -d build/site
	$(BIN)/python -m pipelines.reference docs
	$(BIN)/zensical build --strict

lock: $(READY) ## pin every dependency anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	    --no-emit-index-url --no-emit-find-links --extra dev pyproject.toml -o requirements.lock
	echo 'pyspark>=4.3,<4.4' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --no-header --no-emit-index-url --no-emit-find-links - -o requirements-spark.lock

# Strict: a package that could not be looked up is a failure, never a pass.
audit: $(READY) ## pinned versions with known advisories, by PyPI's service; needs the network
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements.lock \
	    || { echo "audit failed: versions above are known to be vulnerable, or could not be looked up at PyPI"; exit 1; }

clean: ## remove what setup and tests made
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
