# Carillon: `make demo` shows it, `make test` proves it. `make help` lists the rest.
.PHONY: help setup build

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort

build: ## release build of the carillon command
	swift build -c release
