# A thin front for meson: the commands of the README. Everything real is in meson.build,
# scripts/ and tests/run.
#
# B is the build directory; `make test` adds B-test, B-sanitize and B-fuzz.

B ?= build
PREFIX ?= /usr/local
DESTDIR ?=
KEEP ?=
BENCH ?=
# Debian's own, whatever else is on the PATH: scripts and tests need nothing beyond its library.
PYTHON = /usr/bin/python3

.PHONY: all build deps run run-stop test bench bench-quick bench-baseline install clean help

all: build

help:
	@echo 'make               build the daemon and its tools in $(B)/'
	@echo 'make run           a small network in namespaces: a client, the gateway, a host behind it'
	@echo 'make run KEEP=1    the same, and leave it up to play with; make run-stop ends it'
	@echo 'make test          everything that is checked, on plain, sanitizer and fuzz builds'
	@echo 'make bench         measure in ten minutes, and write report/index.html'
	@echo '                   (BENCH="path --filter encrypt/*": only that, as a table)'
	@echo 'make bench-quick   in two minutes: is anything slower than in the last release?'
	@echo 'make install       to PREFIX=$(PREFIX), under DESTDIR'
	@echo 'make deps          install what is missing from Debian 12 (the others do it themselves)'
	@echo 'make clean         remove every build directory'

deps:
	@scripts/deps

build:
	@scripts/deps build
	@test -f $(B)/build.ninja || meson setup $(B) --prefix $(PREFIX)
	@ninja -C $(B)

run: build
	@scripts/deps run
	@$(PYTHON) scripts/run.py --build $(B) $(if $(filter-out 0 no,$(KEEP)),--keep)

run-stop:
	@$(PYTHON) scripts/run.py --stop

test:
	@scripts/deps build run test
	@$(PYTHON) tests/run --builds $(B)

bench: build
ifeq ($(strip $(BENCH)),)
	@scripts/deps bench
	@$(PYTHON) scripts/bench.py --build $(B)
else
	@$(B)/bench/wgdp-bench $(BENCH)
endif

bench-quick: build
	@$(PYTHON) scripts/bench_quick.py --build $(B)

# Of a release, on a machine with nothing else to do: what later ones are compared with.
bench-baseline: build
	@$(PYTHON) scripts/bench_quick.py --build $(B) --baseline

install: build
	@meson configure $(B) -Dprefix=$(PREFIX)
	@DESTDIR=$(DESTDIR) meson install -C $(B)

clean:
	rm -rf $(B) $(B)-test $(B)-sanitize $(B)-fuzz
