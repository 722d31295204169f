# Everything a developer or an operator runs here. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
export SAM_CLI_TELEMETRY := 0
export PYTHONDONTWRITEBYTECODE := 1
VENV := .venv/bin
TOOLS := .venv-build/bin
FUNCTIONS := api-health secrets-backup rotation-checker audit-runner
CARGO_DENY := 0.20.2

.PHONY: help demo test check bench local-aws build package deploy docs fmt rust-test e2e clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/ready build ## Show every function at work on a local AWS (first run some minutes, then seconds)
	@$(VENV)/python dev/demo/demo.py

test: .venv/ready ## Run all tests: Rust, then the real functions and the command line on the local AWS
	@$(MAKE) rust-test e2e

rust-test: ## Run the Rust tests alone; they need neither Python nor a server
	cargo test --workspace --locked

e2e: .venv/ready build ## Run the end-to-end tests alone
	$(VENV)/python -m pytest -q -p no:cacheprovider dev/local-aws
	$(VENV)/python -m pytest -q -p no:cacheprovider dev/e2e

check: .venv-build/ready .tools/bin/cargo-deny ## What CI checks: format, lints, docs, dependencies, generated files, template
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items
	cargo fetch --locked --quiet
	.tools/bin/cargo-deny --offline check bans licenses sources
	dev/tools/generated-files-are-clean
	$(TOOLS)/sam validate --lint
	$(TOOLS)/cfn-lint template.yaml

bench: .venv/ready ## Compare cold starts and a backup with hello-world and boto3; prints ratios
	cargo build --release --workspace --locked
	$(VENV)/python dev/bench/bench.py

local-aws: .venv/ready ## Start the local AWS with the sample account on port 4566
	PYTHONPATH=dev/local-aws $(VENV)/python -m local_aws --port 4566 --scenario goal-mandala-prod

# All targets, tests included, so that the features of the SDK crates resolve as they do for `cargo test`: built once.
build: ## Build functions and command line for this machine (debug)
	cargo build --workspace --all-targets --locked

package: .venv-build/ready ## Build the functions for Lambda (AL2023, x86_64; ARCH=arm64 for the other) into target/lambda/
	PATH="$(CURDIR)/$(TOOLS):$$PATH" cargo lambda build --release --locked $(if $(filter arm64,$(ARCH)),--arm64) $(addprefix --bin ,$(FUNCTIONS))
	dev/tools/glibc-is-al2023s $(FUNCTIONS)

deploy: .venv-build/ready ## Build with SAM and deploy to the AWS account of your credentials
	PATH="$(CURDIR)/$(TOOLS):$$PATH" sam build
	PATH="$(CURDIR)/$(TOOLS):$$PATH" sam deploy --guided

docs: ## Write the generated documents and snapshots anew
	UPDATE_DOCS=1 INSTA_UPDATE=always cargo test --workspace --locked --quiet

fmt: ## Format the Rust code
	cargo fmt --all

clean: ## Remove everything that was built or installed here
	rm -rf target .venv .venv-build .tools .aws-sam

# Without --no-deps, pip before 24 refuses extras in hashed requirements; the files list every dependency.
.venv/ready: dev/requirements.txt
	@echo "setting up .venv"
	@$(PYTHON) -m venv .venv
	@$(VENV)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

.venv-build/ready: dev/requirements-build.txt
	@echo "setting up .venv-build"
	@$(PYTHON) -m venv .venv-build
	@$(TOOLS)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

# Unoptimised: it runs for a second and would build for many minutes.
.tools/bin/cargo-deny:
	CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false \
		cargo install cargo-deny --version $(CARGO_DENY) --locked --root .tools
