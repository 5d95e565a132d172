# `make demo` and `make test` are all that a newcomer needs: each builds what it runs in.
PYTHON ?= python3
# Tests that run side by side: most of them wait most of the time.
PARALLEL ?= 4
VENV ?= .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test chaos bench bench-compare bench-pictures lint lock clean install uninstall

# Where `make install` puts things; see systemd/README.md. systemd looks for units in two places.
PREFIX ?= /usr/local
DESTDIR ?=
LIB = $(PREFIX)/lib/musterd
NEW = $(DESTDIR)$(LIB).new
SHARE = $(DESTDIR)$(PREFIX)/share/musterd
SYSTEMD = $(DESTDIR)$(if $(filter /usr,$(PREFIX)),/usr,/usr/local)/lib

help:
	@echo "make demo   watch agents at work, on a private Valkey of their own"
	@echo "make test   run every test, with coverage"
	@echo "make chaos  break things at random and hold musterd to its promises; SEED=7 SECONDS=60"
	@echo "make bench  measure it on this machine, in five minutes; TIMES=1 for less"
	@echo "make bench-compare    measure it beside its peers, each installed below .bench/; ROUNDS=3, PEERS=bullmq,saq"
	@echo "make bench-pictures   draw docs/pictures/bench-*.svg"
	@echo "make lint   format, lint, types, floors"
	@echo "make lock   pin the dependencies anew (needs uv)"
	@echo "make install, make uninstall   the service (PREFIX, DESTDIR, PYTHON); see systemd/README.md"
	@echo "make clean  remove the environment and what tools left behind"

demo: $(VENV)/.installed
	@$(BIN)/musterd demo

test: $(VENV)/.installed-dev
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest --numprocesses $(PARALLEL) --dist loadscope --tb=native
	@$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

SEED ?= 1
SECONDS ?= 60

chaos: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.chaos $(SEED) $(SECONDS)

TIMES ?= 3

bench: $(VENV)/.installed-dev
	@$(BIN)/python -m bench --times $(TIMES)

ROUNDS ?= 3
PEERS ?=

bench-compare: $(VENV)/.installed-dev
	@$(BIN)/python -m bench.compare --rounds $(ROUNDS) --peers "$(PEERS)"

bench-pictures: $(VENV)/.installed-dev
	@$(BIN)/python -m bench.pictures

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock:
	uv pip compile pyproject.toml $(LOCKING) --group build --output-file requirements.lock
	uv pip compile pyproject.toml $(LOCKING) --group dev --output-file requirements-dev.lock
	for pins in bench/pins/*.in; do \
		uv pip compile $$pins $(PINNING) --output-file $${pins%.in}.txt || exit; done
	cd bench/pins/bullmq && npm install --package-lock-only --omit-lockfile-registry-resolved

PINNING = --universal --python-version 3.11 --quiet --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'
LOCKING = $(PINNING) --generate-hashes

clean:
	rm -rf $(VENV) .bench .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
	find daemon docs tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV) (once)"
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "installing what the tests need (once)"
	$(INSTALL) --require-hashes --requirement requirements-dev.lock
	@touch $@

# The environment is built beside the old one, so that a failure leaves that in place, and must not
# remember where: not in its programs, not in what a traceback shows.
install:
	rm -rf $(NEW)
	$(PYTHON) -m venv $(NEW)
	$(INTO_NEW) --require-hashes --requirement requirements.lock
	$(INTO_NEW) --no-deps --no-build-isolation .
	grep -rlIF $(NEW) $(NEW) | xargs sed -i 's#$(NEW)#$(LIB)#g'
	$(NEW)/bin/python -m compileall -qf -s $(NEW) -p $(LIB) $(NEW)/lib
	rm -rf $(DESTDIR)$(LIB)
	mv $(NEW) $(DESTDIR)$(LIB)
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/drop-ins $(DESTDIR)/etc/musterd
	ln -sfn $(LIB)/bin/musterd $(DESTDIR)$(PREFIX)/bin/musterd
	for unit in musterd.service musterd@.service; do \
		sed 's,^ExecStart=/usr/local,ExecStart=$(PREFIX),' systemd/$$unit | \
		install -D -m 0644 /dev/stdin $(SYSTEMD)/systemd/system/$$unit || exit; done
	install -D -m 0644 systemd/musterd.sysusers $(SYSTEMD)/sysusers.d/musterd.conf
	install -D -m 0644 systemd/musterd.tmpfiles $(SYSTEMD)/tmpfiles.d/musterd.conf
	install -m 0644 systemd/drop-ins/*.conf $(SHARE)/drop-ins
	install -m 0644 systemd/valkey-users.acl $(SHARE)
	test -e $(DESTDIR)/etc/musterd/musterd.env || install -m 0640 .env.example $(DESTDIR)/etc/musterd/musterd.env

INTO_NEW = $(NEW)/bin/python -m pip --quiet --disable-pip-version-check --no-input install --no-compile

uninstall:
	rm -rf $(DESTDIR)$(LIB) $(SHARE)
	rm -f $(DESTDIR)$(PREFIX)/bin/musterd $(SYSTEMD)/sysusers.d/musterd.conf $(SYSTEMD)/tmpfiles.d/musterd.conf
	rm -f $(SYSTEMD)/systemd/system/musterd.service $(SYSTEMD)/systemd/system/musterd@.service
	@echo "left: $(DESTDIR)/etc/musterd, $(DESTDIR)/var/lib/musterd, the user musterd"
