# Two commands are enough: `make run` and `make test`. Both set up what they need in .venv first.

PY := .venv/bin/python
UV := .cache/uv/bin/uv

# A Python that will do, by its real path. Asked from the root folder, so that no .python-version of a version
# manager turns a name that would work into one that does not.
define find_python
found=; others=; \
for name in python3.13 python3.12 python3.11 python3 python; do \
  said=$$(cd / && $$name -c 'import sys; v = sys.version_info; print("%d.%d" % v[:2], (3, 11) <= v[:2] < (3, 14), sys.executable)' 2>/dev/null) || continue; \
  case "$$said" in \
    *" True "*) found=$${said#* True }; break;; \
    *) others="$$others $${said%% *}";; \
  esac; \
done; \
if [ -z "$$found" ]; then \
  if [ -n "$$others" ]; then echo "Python 3.11, 3.12 or 3.13 is needed; found only:$$others" >&2; \
  else echo "Python is needed: install version 3.11, 3.12 or 3.13." >&2; fi; \
  exit 1; \
fi; \
if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
  echo "Python's venv module is missing: on Debian and Ubuntu install the package python3-venv." >&2; exit 1; \
fi
endef

# Where it is set, thousands of processes would compile the product and the tests anew, each for itself.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run check test lint bench soak mutants messages lock clean install install-test

help:
	@echo "make run     set everything up and start it: site, payment stand-in, mails"
	@echo "make check   the quick ones: style, types, import rules, the tests of the rules; within a minute"
	@echo "make test    every check: style, types, import rules, all tests"
	@echo "make lint    style, types and import rules only"
	@echo "make bench   the measurements of docs/benchmarks.md"
	@echo "make soak    the long proofs: simulations, chaos, races and crashes by the thousand, for hours"
	@echo "make mutants small changes to the code that moves money, signs and encrypts: how many the tests notice"
	@echo "make messages    bring the translations' catalogues up to date with what is said"
	@echo "make lock    make the lock files anew from pyproject.toml"
	@echo "make clean   remove what is made by the others (.data too)"

run: install
	@exec .venv/bin/inspired dev --data .data $(RUN_ARGS)

# What needs no server, and takes a moment.
QUICK := tests/domain tests/adapters/mongo/test_spellings.py tests/test_architecture.py tests/test_docs.py tests/test_settings.py

check: lint
	$(PY) -m pytest -n 2 -q -m "not slow" $(QUICK) $(PYTEST_ARGS)

test: lint
	$(PY) -m pytest -n 3 --dist loadgroup --no-loadscope-reorder --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

lint: install-test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

bench: install-test
	$(PY) -m bench $(BENCH_ARGS)

soak: install-test
	SIMULATION_EXAMPLES=$${SIMULATION_EXAMPLES:-20000} SIMULATION_STEPS=$${SIMULATION_STEPS:-100} \
		$(PY) -m pytest tests/simulation/test_machine.py -n0 $(PYTEST_ARGS)
	RACE_ROUNDS=$${RACE_ROUNDS:-1000} EVERY_SIDE=1 RECONCILED_ORDERS=1000 $(PY) -m pytest tests/faults/test_races.py \
		tests/faults/test_crash_points.py tests/flows/booking/test_reconciling_many.py -n 2 --dist loadgroup $(PYTEST_ARGS)
	# The suites that depend on a clock, at 32 moments.
	$(PY) -m tests.clocks
	# They wait most of the time, so several products are driven at once.
	CHAOS_SCHEDULES=$${CHAOS_SCHEDULES:-100} $(PY) -m pytest tests/faults/test_chaos.py -n 6 --dist load --maxschedchunk 1 $(PYTEST_ARGS)

mutants:
	@$(find_python); "$$found" inspired/dev/install.py mutants
	$(PY) tests/mutants.py

install:
	@$(find_python); "$$found" inspired/dev/install.py run

install-test:
	@$(find_python); "$$found" inspired/dev/install.py test

messages:
	$(PY) -m tests.messages

# Everything is resolved once, for all supported Pythons and platforms; the smaller locks are cut out of the large one.
# `make lock LOCK_ARGS=--upgrade` takes the newest.
# It does not need them installed: a new dependency is in none of them yet.
lock:
	@test -x $(UV) || { $(find_python); "$$found" -m venv .cache/uv && .cache/uv/bin/python -m pip install --quiet "uv>=0.13,<0.14"; }
	$(call compile,test,--group build --extra embedded --extra test)
	$(call compile,mutants,--group build --extra embedded --extra test --extra mutants -c requirements/test.txt)
	$(call compile,embedded,--group build --extra embedded -c requirements/test.txt)
	$(call compile,dev,--group build --extra dev -c requirements/test.txt)
	$(call compile,base,-c requirements/test.txt)

compile = $(UV) pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(2) $(LOCK_ARGS) --output-file requirements/$(1).txt

clean:
	rm -rf .venv .data .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
		mutants .coverage .coverage.* htmlcov build *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
