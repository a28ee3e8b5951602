# Carillon: `make demo` shows it, `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
PREFIX ?= /usr/local
SWIFT ?= swift
RELEASE := .build/release
FORMATTED := $(wildcard Sources Tests scenarios Examples/TestBench/Package.swift Examples/TestBench/Tests Fuzz Package.swift)
DEMO_LOAD ?= --rate 2000/s --for 10s
DEMO_FOLDER = reports/runs/$(shell date -u +%Y%m%dT%H%M%SZ)-demo

.DEFAULT_GOAL := help
.PHONY: help demo build test test-all simulate example fuzz lint bench bench-quick install uninstall clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{ printf "make %-12s %s\n", $$1, $$2 }'

demo: build ## ten seconds of calls between two parties in one process, with a report
	@folder=$(DEMO_FOLDER); \
	echo "carillon run basic-call $(DEMO_LOAD) --out $$folder"; \
	status=0; $(RELEASE)/carillon run basic-call $(DEMO_LOAD) --out "$$folder" || status=$$?; \
	echo; echo "The report is in $$folder"; ls -1 "$$folder" 2>/dev/null; exit $$status

build: ## release build of the carillon command
	@.ci/need build
	@$(SWIFT) build -c release --product carillon

test: ## every test, with SIPp, Kamailio, baresip, tshark and Python's hdrhistogram (below 15 minutes)
	@.ci/need build test
	@Tests/Oracles/install.sh >/dev/null || echo "Python's hdrhistogram cannot be installed: what needs it is skipped, and says so"
	@$(SWIFT) build --build-tests
	@$(SWIFT) test --skip-build

test-all: test ## also the long ones: many seeds of loss, minutes of fuzzing (an hour)
	@CARILLON_TEST_ALL=1 $(SWIFT) test -c release

simulate: ## ten seeds of 100,000 calls through a network that loses a fifth, judged by the wire alone (ten minutes)
	@.ci/need build
	@Benchmarks/simulation/run.sh $(SIMULATE)

example: ## the library door: a package of its own, built and run
	@cd Examples/TestBench && $(SWIFT) test

fuzz: ## ten minutes of libFuzzer on each thing that reads octets of others
	@Fuzz/run.sh $(or $(SECONDS_OF_FUZZING),600)
	@Fuzz/run-digest.sh $(or $(SECONDS_OF_FUZZING),600)
	@Fuzz/run-feeds.sh $(or $(SECONDS_OF_FUZZING),600)
	@Fuzz/run-media.sh $(or $(SECONDS_OF_FUZZING),600)
	@Fuzz/run-elements.sh $(or $(SECONDS_OF_FUZZING),600)

lint: ## the format of every Swift file, and a build in which warnings are errors
	@.ci/need build
	@$(SWIFT) format lint --strict -r $(FORMATTED)
	@$(SWIFT) build --build-tests

bench: build ## CPU per call beside SIPp and a plain C peer, load, memory, arrivals, honesty (an hour)
	@.ci/need bench
	@Benchmarks/bench $(BENCH)

bench-quick: build ## the same, short: shows that it runs
	@.ci/need bench
	@Benchmarks/bench --quick $(BENCH)

install: build ## copies the command and the scenario language to PREFIX (default /usr/local; DESTDIR is honoured)
	@install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/carillon/ScenarioDSL"
	@install -m 755 $(RELEASE)/carillon "$(DESTDIR)$(PREFIX)/bin/carillon"
	@install -m 644 Sources/ScenarioDSL/*.swift "$(DESTDIR)$(PREFIX)/share/carillon/ScenarioDSL/"
	@echo "installed $(DESTDIR)$(PREFIX)/bin/carillon"

uninstall: ## removes what install copied
	@rm -rf "$(DESTDIR)$(PREFIX)/bin/carillon" "$(DESTDIR)$(PREFIX)/share/carillon"

clean: ## removes what was built
	@rm -rf .build
