# Each line after `##` is printed by `make help`. On a bare machine everything sets itself up: only python3 and a
# package index are needed. Variables: PYTHON=..., PORT=8000, ONLY=3.12-5.2 (of the matrix),
# ONLY=layers (of bench), DJANGO=5.2 (of django-tests), DO=start|stop|status.

BOOT = python3
VENV = .venv/bin/python
DO ?= start

.PHONY: help run test test-mysql acceptance check matrix django-tests bench kafka kafka-stop kafka-status \
        postgres postgres-stop postgres-status install clean

help: ## print these lines
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 18

run: ## install, migrate, load the quotes and serve http://127.0.0.1:8000/ (PORT=...)
	@$(BOOT) -m tools.run

test: install ## run all tests, the short acceptance runs included, and show the coverage of the core
	@$(VENV) -m tools.test

test-mysql: install ## run the tests of the database on MariaDB, once mysqlclient can be compiled: it says what is missing
	@$(VENV) -m tools.mysql_tests

acceptance: install ## run the acceptance tests in their long forms
	@ACCEPTANCE=long $(VENV) -m pytest -m acceptance

check: install ## run what needs no server and ends in seconds: format, lint, types, imports, migrations, house rules
	@$(VENV) -m tools.check

matrix: ## run the tests that need no server on each Python and Django we support (ONLY=3.12-5.2)
	@$(BOOT) -m tools.matrix

django-tests: install ## run Django's own tests of its ASGI handler against ours (DJANGO=5.2)
	@$(VENV) -m tools.django_tests $(DJANGO)

bench: install ## measure against the alternatives, into benchmarks/results (ONLY=layers, sqlite, postgres or servers)
	@$(VENV) -m benchmarks $(ONLY)

kafka: ## start a one-node Apache Kafka 4 (DO=stop, DO=status)
	@$(BOOT) -m tools.kafka $(DO)

kafka-stop: ## stop it
	@$(BOOT) -m tools.kafka stop

kafka-status: ## tell whether it runs, and where
	@$(BOOT) -m tools.kafka status

postgres: ## start a private PostgreSQL (DO=stop, DO=status)
	@$(BOOT) -m tools.postgres $(DO)

postgres-stop: ## stop it
	@$(BOOT) -m tools.postgres stop

postgres-status: ## tell whether it runs, and where
	@$(BOOT) -m tools.postgres status

install: ## make .venv with everything a developer needs
	@$(BOOT) -m tools.install dev

clean: ## stop our servers and remove what can be made again: .venv, .run, caches, builds, databases
	@$(BOOT) -m tools.clean
