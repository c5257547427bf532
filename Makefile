# The words a developer types. Everything a fresh Debian 12 machine lacks is installed by package name.
VENV := .venv
BIN := $(VENV)/bin
DEMO_NEEDS := python3=python3 py:ensurepip=python3-venv restic=restic setpriv=util-linux
CHECK_NEEDS := $(DEMO_NEEDS) git=git
TEST_NEEDS := $(CHECK_NEEDS) mariadbd=mariadb-server-core mariadb=mariadb-client-core mariadb-dump=mariadb-client \
  mariadb-backup=mariadb-backup /usr/lib/postgresql/15/bin/postgres=postgresql-15 zstd=zstd sqlite3=sqlite3 \
  bacula-dir=bacula-director /usr/share/bacula-director/make_sqlite3_tables=bacula-director-sqlite3 bacula-sd=bacula-sd \
  bacula-fd=bacula-fd bconsole=bacula-console faketime=faketime mkfs.btrfs=btrfs-progs

.PHONY: demo test check long bench lock need-demo need-check need-test fetch-test
.DEFAULT_GOAL := demo

demo: need-demo $(VENV)/run.done
	$(BIN)/restorekit demo $(ARGS)

test: need-test fetch-test $(VENV)/dev.done
	$(BIN)/python -m pytest -m "not long" -n 3 --dist loadfile $(ARGS)

check: need-check $(VENV)/dev.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m "not long" tests/unit/test_architecture.py

long: need-test fetch-test $(VENV)/dev.done
	$(BIN)/python -m pytest -m long --timeout 3600 $(ARGS)

bench: need-test $(VENV)/dev.done
	$(BIN)/python -m bench $(ARGS)

# Pins every dependency with its hashes; no address of an index ends up in a file.
lock:
	python3 -m venv build/lock && build/lock/bin/pip install -q pip-tools
	for kind in run dev; do \
	  build/lock/bin/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-header \
	    -o requirements/$$kind.txt requirements/$$kind.in && sed -i '/^--/d' requirements/$$kind.txt || exit 1; \
	done

need-demo:
	@setup/need $(DEMO_NEEDS)

need-check:
	@setup/need $(CHECK_NEEDS)

need-test:
	@setup/need $(TEST_NEEDS)

# What a director needs for a catalog on PostgreSQL conflicts with what it needs for one on SQLite.
fetch-test: need-test
	@setup/fetch build/bacula-pgsql bacula-director bacula-common-pgsql bacula-director-pgsql

$(VENV)/run.done: requirements/run.txt pyproject.toml
	python3 -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	PYTHONWARNINGS=ignore $(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.done: $(VENV)/run.done requirements/dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
