# Thin names over cargo. `make` alone says what there is.

CARGO ?= cargo
# Rounds of kill -9 in `make test-kill`; `make test` does a few.
SYNOD_KILL_ROUNDS ?= 100
# Seeds of `make simulate`; `make test` runs as many as fit.
SYNOD_SIMULATE_SEEDS ?= 2000

.DEFAULT_GOAL := help
.PHONY: help test test-kill simulate lint bench demo cluster needs left-out

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

test: needs left-out ## run every test
	$(CARGO) test --workspace --no-fail-fast

test-kill: ## kill a node under load, SYNOD_KILL_ROUNDS times over (100)
	SYNOD_KILL_ROUNDS=$(SYNOD_KILL_ROUNDS) $(CARGO) test --test it kill -- --nocapture

simulate: ## whole nodes in simulated storms, SYNOD_SIMULATE_SEEDS of them (2000)
	SYNOD_SIMULATE_SEEDS=$(SYNOD_SIMULATE_SEEDS) $(CARGO) test --release --test simulation \
		many_storms -- --nocapture

lint: ## formatting, lints, documentation, licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny check; \
	else \
		echo "left out: licences and advisories, because cargo-deny is not installed" \
			"(cargo install cargo-deny)"; \
	fi

bench: ## print our figures beside the peers'
	$(CARGO) bench --package synod --bench "*"

demo: ## triage this machine's logs
	$(CARGO) run --release -- demo

cluster: ## run three nodes on this machine until Ctrl-C; their data is in ./data
	$(CARGO) build --release
	@trap 'kill 0' INT TERM EXIT; \
	for node in a:7966:7967 b:7976:7977 c:7986:7987; do \
		name=$${node%%:*}; ports=$${node#*:}; \
		$(CARGO) run --quiet --release -- node --config config/cluster.toml --name $$name \
			--data data/$$name --listen 127.0.0.1:$${ports%%:*} \
			--cluster-listen 127.0.0.1:$${ports##*:} & \
	done; wait

# Beside cargo the tests use python3, for a process agent in another language. It is installed only
# where that is allowed without asking: by root, from Debian's packages.
needs:
	@if ! command -v python3 >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing python3"; \
		apt-get install -y --no-install-recommends python3 >/dev/null || true; \
	fi

# What the tests do without, and what that leaves out. Nothing is skipped silently.
left-out:
	@command -v python3 >/dev/null 2>&1 || \
		echo "left out: the Python process agent, because python3 is not installed"
	@[ -d "$${SYNOD_LOGHUB:-../shared/data/loghub}" ] || \
		echo "left out: the miner against LogHub's ground truth, because its logs are not there" \
			"(set SYNOD_LOGHUB to their folder)"
	@[ "$$(uname -s)" = Linux ] || \
		echo "left out: process groups and disk faults, which are tested on Linux alone"
