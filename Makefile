# Assay's commands. `make help` lists them. Everything that is built or installed stays
# in bin/ and node_modules/, and a second run does only what changed.

.DEFAULT_GOAL := help
MAKEFLAGS     += --no-print-directory
SHELL         := bash
.SHELLFLAGS   := -euo pipefail -c

GOLANGCI_VERSION := v2.15.0
NODE_MINIMUM     := 18

# No C compiler is needed to build, test or lint, so all three share one build cache.
# The race detector is the exception, see race.
export CGO_ENABLED ?= 0

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# --- running ---------------------------------------------------------------------

.PHONY: demo
demo: deps build ## settle real work on the real contracts (options: DEMO_ARGS="--exit")
	@bin/assay demo $(DEMO_ARGS)

.PHONY: build
build: ## build bin/assay
	@go build -trimpath -ldflags='-s -w' -o bin/assay ./cmd/assay

# npm ci installs exactly what package-lock.json says and checks every integrity hash in
# it. The copy of the lock file beside what it installed says when to do so again.
installed_lock := node_modules/.assay-lock.json

.PHONY: deps
deps: ## install the pinned npm packages: PoCo's contracts and the ClickHouse engine
	@if cmp -s package-lock.json $(installed_lock); then exit 0; fi; \
	if ! command -v node >/dev/null || ! command -v npm >/dev/null; then \
		echo "make deps: node and npm are needed (Node.js $(NODE_MINIMUM) or newer) and were not found in PATH" >&2; exit 1; fi; \
	major=$$(node -p 'process.versions.node.split(".")[0]'); \
	if [ "$$major" -lt $(NODE_MINIMUM) ]; then \
		echo "make deps: Node.js $(NODE_MINIMUM) or newer is needed, this is $$(node --version)" >&2; exit 1; fi; \
	echo "installing npm packages (about 180 MB, once)"; \
	npm ci --silent --no-progress; \
	cp package-lock.json $(installed_lock)

# --- testing ---------------------------------------------------------------------

# -vet=off: make check vets. Two packages at a time: most tests of the shells start a
# chain, a broker or a database of their own.
test_flags := -vet=off -p 2 -timeout 20m

.PHONY: test
test: deps ## run every test, with the race detector where there are goroutines
	@plain=$$(.ci/packages plain); racy=$$(.ci/packages race); failed=0; \
	if command -v $${CC:-gcc} >/dev/null; then race="env CGO_ENABLED=1 go test -race"; \
	else echo "make test: no C compiler, so these run without the race detector"; race="go test"; fi; \
	if [ -n "$$plain" ]; then go test $(test_flags) $$plain || failed=1; fi; \
	if [ -n "$$racy" ]; then $$race $(test_flags) $$racy || failed=1; fi; \
	exit $$failed

.PHONY: bench
bench: deps ## run the benchmarks (options: BENCH=regexp)
	@go test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem ./...

.PHONY: bench-index
bench-index: deps ## measure an index from process start to balances over GraphQL (options: EVENTS=1000000 BLOCKS=50000 LIVE=60)
	@ASSAY_BENCH_EVENTS=$(or $(EVENTS),100000) ASSAY_BENCH_BLOCKS=$(or $(BLOCKS),$(shell expr $(or $(EVENTS),100000) / 20)) ASSAY_BENCH_LIVE=$(or $(LIVE),30) \
		go test -count 1 -run 'TestBenchIndex|TestLive' -timeout 30m -v ./cmd/assay/cli | grep -v '^=== '

# What the profile counts as signature arithmetic; the yardstick's own is left out.
engine_signatures := crypto/ecdsa\.Verify$$|secp256k1/v4/ecdsa\.(RecoverCompact|SignCompact)$$|crypto/secp256k1\.(RecoverPubkey|Sign)$$
engine_work       := engine\.\(\*Core\)\.judge$$|engine\.\(\*Config\)\.open$$

.PHONY: bench-engine
bench-engine: ## measure the engine: contributions per second without enclaves, in sessions, one quote each
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	profile() { go tool pprof -top -nodefraction=0 -show_from='$(engine_work)' "$$@" "$$dir/engine.test" "$$dir/cpu" 2>/dev/null \
		| awk '/^Showing nodes/ {value = $$5; unit = (value ~ /ms,$$/) ? 1 : 1000; sub(/m?s,$$/, "", value); print value * unit}'; }; \
	for mode in no-enclave session quote-each dearest-refusal refusal-after-a-good-quote largest-refusal; do \
		go test ./consensus/engine -run '^$$' -bench "Engine/$$mode" -benchtime $(or $(ROUNDS),10)x -cpuprofile "$$dir/cpu" -o "$$dir/engine.test" | grep '^Benchmark'; \
		echo "$$(profile -focus='$(engine_signatures)') $$(profile)" | awk '{printf "  signature arithmetic: %.0f %% of the CPU\n", 100 * $$1 / $$2}'; \
	done

.PHONY: bench-api
bench-api: deps ## load the GraphQL endpoints with 32 clients (options: EVENTS=1000000 SECONDS=20)
	@ASSAY_BENCH_EVENTS=$(or $(EVENTS),10000000) ASSAY_BENCH_SECONDS=$(or $(SECONDS),20) ASSAY_BENCH_DIR=$(BENCH_DIR) \
		go test -vet=off -count=1 -timeout 60m -v -run TestPages ./graphql/loadtest

.PHONY: conformance
conformance: deps ## compare the subgraph endpoint with its reference in every case (options: TRIES=5)
	@ASSAY_CONFORMANCE=$(or $(TRIES),1) go test -vet=off -count=1 -timeout 60m -v ./graphql/subgraph/conformance

.PHONY: reorgs
reorgs: ## fork a chain thousands of times before an index that is killed now and then (options: FORKS=5000)
	@ASSAY_REORGS=$(or $(FORKS),5000) go test -vet=off -count 1 -timeout 60m -run TestReorgsLeaveNoTrace -v ./indexer/source

.PHONY: kills
kills: deps ## kill `assay index` at random moments before a chain that forks, and compare all its rows (options: KILLS=200)
	@ASSAY_KILLS=$(or $(KILLS),100) go test -vet=off -count 1 -timeout 60m -run TestKills -v ./cmd/assay/cli

.PHONY: differential
differential: deps ## compare PoCo's rules with the real contracts for as long as asked (DURATION=30m)
	@DURATION=$(or $(DURATION),10m) go test -vet=off -count=1 -timeout 0 -v ./consensus/poco/differential

# A module of its own: the other verifiers and what they depend on stay out of ours.
.PHONY: differential-attest
differential-attest: ## compare the verifier of quotes with oasis-core, go-tdx-guest and @phala/dcap-qvl
	@cd consensus/attest/differential && { [ -d node_modules/@phala/dcap-qvl ] || npm ci --silent --no-progress; } && go test -vet=off -count=1 .

.PHONY: bench-subgraph
bench-subgraph: deps ## measure an explorer's pages one by one, by the processor's time (options: TASKS=200000)
	@ASSAY_BENCH_TASKS=$(TASKS) go test -run '^$$' -bench BenchmarkPages -benchtime 50x -timeout 30m ./graphql/subgraph

.PHONY: bench-project
bench-project: deps ## measure the projection, from the chain log to ClickHouse, and its parts (options: EVENTS=1000000)
	@ASSAY_BENCH_EVENTS=$(or $(EVENTS),100000) go test -run '^$$' -bench BenchmarkProject -benchtime 1x -timeout 60m ./indexer/sink

.PHONY: bench-state
bench-state: ## measure what a fold keeps in memory over many events, with its state on disk (options: EVENTS=1000000)
	@ASSAY_STATE_EVENTS=$(or $(EVENTS),10000000) go test -count 1 -run TestMemoryStaysFlat -timeout 120m -v ./indexer/sink | grep -v '^==='

.PHONY: bench-poco
bench-poco: ## measure the rules: events, snapshots, memory (options: EVENTS=100000000 ORDERS=keep)
	@ASSAY_EVENTS=$(EVENTS) ASSAY_ORDERS=$(ORDERS) go test -count 1 -timeout 60m -v -run TestMemoryIsBoundedByLiveTasks \
		-bench 'Evolve' -benchmem -benchtime 2000000x ./consensus/poco
	@go test -run '^$$' -bench 'Snapshot' -benchmem -benchtime 3x ./consensus/poco

# --- checking --------------------------------------------------------------------

.PHONY: check
check: format-check vet lint generated-check ego-check house-check ## format, vet, lint, generated code, ego's files, architecture, compose file

.PHONY: format-check
format-check: bin/golangci-lint-$(GOLANGCI_VERSION)
	@$< fmt --diff || { echo "make check: not formatted; run 'make format'" >&2; exit 1; }

.PHONY: vet
vet:
	@go vet ./...

.PHONY: lint
lint: bin/golangci-lint-$(GOLANGCI_VERSION)
	@$< run

# Files with the build tag ego need Open Enclave; here they are compiled and tested
# against a stand-in of our own.
.PHONY: ego-check
ego-check:
	@.ci/ego

# What must hold between the folders, go.mod, the documents and docker-compose.yml is
# told by the tests at the root.
.PHONY: house-check
house-check:
	@go test -vet=off .

.PHONY: generated-check
generated-check:
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; \
	.ci/generated | xargs -r cp --parents -t "$$before"; \
	$(MAKE) generate; \
	for file in $$(.ci/generated); do \
		cmp -s "$$file" "$$before/$$file" || { stale=1; echo "make check: $$file was out of date and is now generated anew" >&2; }; \
	done; exit $${stale:-0}

.PHONY: format
format: bin/golangci-lint-$(GOLANGCI_VERSION) ## format the code
	@$< fmt

.PHONY: generate
generate: deps ## generate code from schema/ and the contracts' ABIs
	@go run ./internal/tools/protogen schema/proto schema/assaypb
	@go run ./internal/tools/bindgen node_modules contracts/bindings
	@go run ./internal/tools/entitygen schema/graphql/subgraph/poco.graphql subgraph \
		schema/clickhouse/0005_subgraph.sql indexer/projection/subgraph/rows.go
	@go run ./internal/tools/entitygen schema/graphql/subgraph/dataprotector.graphql dataprotector \
		schema/clickhouse/0006_dataprotector.sql indexer/projection/dataprotector/rows.go
	@go generate ./graphql/...

bin/golangci-lint-$(GOLANGCI_VERSION):
	@echo "installing golangci-lint $(GOLANGCI_VERSION) (once)"
	@GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/golangci-lint $@

.PHONY: clean
clean: ## remove what was built and installed, and the demo's data
	@rm -rf bin node_modules data

# --- studies ---------------------------------------------------------------------

.PHONY: study
study: ## compute and draw everything in docs/studies again (a few minutes)
	@go run ./docs/studies/sarmenta -out docs/studies/sarmenta
