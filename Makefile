# crmgate. `make` alone explains the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION = $(shell git describe --always --dirty 2>/dev/null || echo dev)
BENCH ?= .
FUZZTIME ?= 30s
SEEDS ?= 100000
RUN ?= .
SOAK ?= ./e2e ./proxy/token ./storage ./wasmhost/...
say = @printf '%-10s %s\n' '$(1)' '$(2)'

# A connector is a folder of connectors-wasm that has a manifest of its own name. It is written in Go, or needs no build.
CONNECTORS := $(foreach n,$(notdir $(wildcard connectors-wasm/*)),$(if $(wildcard connectors-wasm/$n/$n.json),$n))
GUESTS := $(foreach n,$(CONNECTORS),$(if $(wildcard connectors-wasm/$n/*.go),$n))

# What a binary is made of: all but tests, what was built, and what make run left. Embedded files count too.
SERVER_FILES := $(shell find cmd connector edge manifest project proxy storage wasmhost *.go -type f -not -name '*_test.go' -not -path '*/testdata/*')
GUEST_FILES := $(shell find connectors-wasm -type f '(' -name '*.go' -o -name '*.json' -o -name go.mod ')' -not -name '*_test.go')

.PHONY: help build connectors run test lint bench soak fuzz clean

help: ## Explain the targets
	@echo 'make TARGET:'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: bin/crmgate connectors ## Build bin/crmgate and the connectors

bin/crmgate: go.mod go.sum $(SERVER_FILES)
	$(call say,build,$@)
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/crmgate

connectors: $(GUESTS:%=bin/connectors/%.wasm) ## Build the connectors into bin/connectors
	@cp -p $(foreach n,$(filter-out $(GUESTS),$(CONNECTORS)),$(wildcard connectors-wasm/$n/$n.*)) bin/connectors/

bin/connectors/%.wasm bin/connectors/%.json: $(GUEST_FILES)
	$(call say,build,bin/connectors/$*.wasm)
	@cd connectors-wasm && GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags '-s -w' -o ../bin/connectors/$*.wasm ./$*
	@cp connectors-wasm/$*/$*.json $(wildcard connectors-wasm/$*/$*.vectors.json) bin/connectors/

# Ctrl-C goes to the shell and to crmgate alike: the shell waits for it to end, so that make has nothing to complain of.
run: build ## Show two sign-ins against a practice CRM, and stay up
	$(call say,run,bin/crmgate demo)
	@trap '' INT; (trap - INT; exec bin/crmgate demo)

test: ## Run all tests with the race detector (needs a C compiler)
	@command -v "$$(go env CC)" >/dev/null || { echo 'The race detector needs a C compiler: install gcc, or set CC.'; exit 1; }
	CGO_ENABLED=1 go test -race -timeout 40m ./...
	cd connectors-wasm && go test ./...

lint: ## Check formatting, vet, staticcheck, and that each go.mod is tidy
	@files=$$(gofmt -l .); [[ -z $$files ]] || { printf 'not formatted (gofmt -w):\n%s\n' "$$files"; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...
	go mod tidy -diff
	cd connectors-wasm && go vet ./...
	cd connectors-wasm && GOOS=wasip1 GOARCH=wasm go vet ./...
	cd connectors-wasm && $(STATICCHECK) ./...
	cd connectors-wasm && go mod tidy -diff
	cd bench && go vet ./...
	cd bench && $(STATICCHECK) ./...
	cd bench && go mod tidy -diff

bench: ## Run the benchmarks that match BENCH (default all), one package after the other
	go test -p 1 -timeout 60m -run '^$$' -bench '$(BENCH)' -benchmem ./...
	cd bench && go test -timeout 30m -run '^$$' -bench '$(BENCH)' ./...

soak: ## Run the long form of the tests (hours): more seeds, callers and kills; SEEDS, SOAK (packages) and RUN bound it
	@command -v "$$(go env CC)" >/dev/null || { echo 'The race detector needs a C compiler: install gcc, or set CC.'; exit 1; }
	CGO_ENABLED=1 CRMGATE_SOAK=1 CRMGATE_SEEDS=$(SEEDS) go test -race -timeout 4h -run '$(RUN)' $(SOAK)

fuzz: ## Fuzz every target for FUZZTIME each (default 30s)
	@for module in . connectors-wasm; do \
		cd $(CURDIR)/$$module; \
		go test -list '^Fuzz' ./... | awk '/^Fuzz/ { f[n++] = $$1 } /^ok/ { while (n > 0) print $$2, f[--n] }' | \
		while read -r package target; do \
			printf '%-10s %s %s\n' fuzz "$$package" "$$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s "$$package" </dev/null; \
		done; \
	done

clean: ## Remove what was built; what make run stored stays, in demo-data
	rm -rf bin
