# Everything that people and CI do goes through here. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
DATE    ?= $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)
DAEMON  := github.com/fairlead-io/fairlead/deploy/daemon
LDFLAGS := -s -w -X $(DAEMON).version=$(VERSION) -X $(DAEMON).commit=$(COMMIT) -X $(DAEMON).date=$(DATE) -X main.version=$(VERSION)

# The largest package of whole-system tests needs up to 15 minutes on two busy
# cores; the bound is for one that hangs.
TEST_TIMEOUT ?= 25m
FUZZ_TIME    ?= 30s
KUBE         := test/kube

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## start everything, show kubectl working through the tunnel, stay up (ONESHOT=1: stop afterwards)
	@go build -o .cache/bin/demo ./test/demo && ONESHOT=$(ONESHOT) exec .cache/bin/demo

.PHONY: build
build: ## build the binaries into bin/: broker, bridge, agent, and the kubectl plugin
	CGO_ENABLED=$(CGO) go build $(BUILD_FLAGS) -ldflags '$(LDFLAGS)' -o $(OUT)/ \
		./broker/cmd/fairlead-broker ./bridge/cmd/fairlead-bridge ./agent/cmd/fairlead-agent \
		./bridge/cmd/kubectl-fairlead

# The flags of build; the tests' harness sets others.
OUT         := bin
BUILD_FLAGS := -trimpath
CGO         := 0

# Images: see docs/images.md.
DOCKER     ?= docker
IMAGE_REPO ?= ghcr.io/fairlead-io
HOST_ARCH  := $(shell go env GOARCH)
ARCHS      ?= $(HOST_ARCH)

.PHONY: images
images: image-engine image-binaries ## build the three images (ARCHS="amd64 arm64" for both, DOCKER=podman for another engine)
	@DOCKER='$(DOCKER)' IMAGE_REPO='$(IMAGE_REPO)' ARCHS='$(ARCHS)' HOST_ARCH='$(HOST_ARCH)' \
		VERSION='$(VERSION)' COMMIT='$(COMMIT)' DATE='$(DATE)' deploy/images/build.sh

.PHONY: image-engine
image-engine:
	@$(DOCKER) version >/dev/null 2>&1 || { echo "no container engine answers '$(DOCKER) version': start one (as root:" \
		"'make docker-deps', then 'make docker-engine'), or name another client, such as DOCKER=podman" >&2; exit 1; }

.PHONY: image-binaries
image-binaries: ## the contents of the images, into bin/: binaries for ARCHS, CA roots
	mkdir -p bin/image/data
	go run -C deploy/tools ./roots >bin/image/ca-certificates.crt
	@for arch in $(ARCHS); do GOOS=linux GOARCH=$$arch $(MAKE) --no-print-directory build OUT=bin/linux-$$arch; done
	chmod -R u=rwX,go=rX bin/image bin/linux-* # independent of the umask, since the images' user is not the builder

.PHONY: image-archives
image-archives: images ## save the images as .cache/images/*.tar, for machines without a registry
	@mkdir -p .cache/images
	@for image in agent broker bridge; do \
		$(DOCKER) save --output .cache/images/fairlead-$$image.tar $(IMAGE_REPO)/fairlead-$$image:dev; \
	done

.PHONY: docker-deps
docker-deps: ## install Debian's container engine and docker-compose (root)
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io docker-compose >/dev/null

.PHONY: docker-engine
docker-engine: ## run a container engine until Ctrl-C, if none runs (root)
	@go build -o .cache/bin/dockerup ./test/dockerup && exec .cache/bin/dockerup

.PHONY: test
test: lint test-unit test-charts test-ecosystem test-kube-unit test-e2e test-network test-install ## everything: lint, unit tests, whole-system tests on a real Kubernetes, hostile networks, installation

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, tidy go.mod, messages of new commits
	@bad=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$bad" || { echo "not formatted:"; echo "$$bad"; exit 1; }
	go test -count=1 -run TestCommitMessages ./test
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff
	cd $(KUBE) && go vet $$(go list ./... | grep -v /cmd/)
	cd deploy/helm && go vet ./... && go mod tidy -diff
	cd deploy/tools && go vet ./...
	cd test/ecosystem && go mod tidy -diff

.PHONY: test-unit
test-unit: ## all packages except the whole-system tests, race detector on
	go test -race -timeout 20m $$(go list ./... | grep -v -e /test/e2e -e /test/install/ -e /test/network)
	go test ./bench/guard # counts allocations, which the race detector changes
	go test -count=1 -timeout 5m -run '^(TestInventoryOfAThousand|TestFleetCallOfAThousand|TestFleetCallLeavesOthersTheirTurn)$$' ./bridge # they measure times, likewise
	go test -count=1 -timeout 10m -run '^(TestBrokerKilled|TestHungAgent)$$' ./bench/crowd # likewise, of real brokers and bridges
	go test -count=1 -timeout 5m -run '^TestAThousandSubscribers$$' ./bridge/events/feed # likewise
	go test -count=1 -run '^(TestIdleWatchMemory|TestStalledReadersCostLittleAndDelayNobody)$$' ./agent/serve # they measure memory, likewise

.PHONY: test-charts
test-charts: .cache/bin/helm ## the Helm charts, offline: lint, schemas, Pod Security
	cd deploy/helm && go test ./...

# go vet would analyse all of Argo CD and Flux first, which takes longer than to compile them.
.PHONY: test-ecosystem
test-ecosystem: ## the examples of docs/ecosystem.md, read by the code of Argo CD and Flux
	cd test/ecosystem && go test -vet=off ./...

.PHONY: test-kube-unit
test-kube-unit: ## the parts of test/kube that need no Kubernetes
	cd $(KUBE) && go test -race $$(go list ./... | grep -v /cmd/)

.PHONY: kube
kube: ## build the real Kubernetes of the whole-system tests (about 10 minutes cold, cached)
	go run -C $(KUBE) ./kubeup build

.PHONY: kube-node-deps
kube-node-deps: ## install the Debian packages that a real node needs (root)
	go run -C $(KUBE) ./kubeup node-deps

.PHONY: test-e2e
test-e2e: kube ## the whole system with real binaries, a real broker cluster and a real Kubernetes
	FAIRLEAD_E2E=$${FAIRLEAD_E2E:-1} go test -race -count=1 -timeout $(TEST_TIMEOUT) ./test/e2e/...

.PHONY: test-network
test-network: kube ## agents behind real forward proxies and web servers, in network namespaces (root)
	FAIRLEAD_E2E=$${FAIRLEAD_E2E:-1} go test -race -count=1 -p 1 -timeout $(TEST_TIMEOUT) ./test/network/...

# Debian starts services when it installs them, unless a policy forbids it.
.PHONY: network-deps
network-deps: ## install the Debian packages of test-network, and start none of them (root)
	@policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod +x $$policy; fi; \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(NETWORK_PACKAGES) >/dev/null

NETWORK_PACKAGES := nginx-light libnginx-mod-stream squid-openssl cntlm tinyproxy-bin microsocks dante-server dnsmasq-base openssl iproute2 iptables faketime

.PHONY: test-install
test-install: kube .cache/bin/helm ## installation as users do it: images, charts on a real node, compose, every command of the documents
	@go build -o .cache/bin/dockerup ./test/dockerup
	@FAIRLEAD_E2E=$${FAIRLEAD_E2E:-1}; export FAIRLEAD_E2E; \
	if .cache/bin/dockerup true; then exec .cache/bin/dockerup sh -c "$(INSTALL_TESTS)"; fi; \
	if [ "$$FAIRLEAD_E2E" = require ]; then exit 1; fi; \
	sh -c "$(INSTALL_TESTS)" # tests that need a container engine are skipped with a message

# One engine for all of them, one package at a time: they use the documents' ports.
INSTALL_TESTS = go test -race -count=1 -timeout $(TEST_TIMEOUT) -run TestKubeServices ./test/harness && \
	go test -race -count=1 -p 1 -timeout $(TEST_TIMEOUT) ./test/install/...

# Helm is a tool of a separate module: see deploy/tools/go.mod.
.cache/bin/helm: deploy/tools/go.mod deploy/tools/go.sum
	go build -modfile=deploy/tools/go.mod -o $@ helm.sh/helm/v4/cmd/helm

# The nats tool, of whose commands docs/store.md makes use: see deploy/tools/nats.mod.
.cache/bin/nats: deploy/tools/nats.mod deploy/tools/nats.sum
	go build -modfile=deploy/tools/nats.mod -o $@ github.com/nats-io/natscli/nats

.PHONY: fuzz
fuzz: ## fuzz what a peer can send, FUZZ_TIME (30s) a target
	@go list ./... | while read -r pkg; do \
		for f in $$(go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
			echo "== $$pkg $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZ_TIME) "$$pkg"; \
		done; \
	done

.PHONY: bench
bench: ## the tunnel beside direct, a plain reverse proxy and bare NATS (PEER=name=url adds another tunnel)
	go run ./bench $(if $(PEER),-peer $(PEER)) -out bench/README.md $(BENCH_FLAGS)

.PHONY: bench-kube
bench-kube: kube ## client-go at a real Kubernetes, directly and through the tunnel (root, for exec and cp)
	go run ./bench -kube -out bench/README.md $(BENCH_FLAGS)

.PHONY: crowd
crowd: ## 1,000 agents lose a broker: of one, which restarts, and of three with two bridges (two minutes; needs two cores to itself)
	FAIRLEAD_CROWD=1 go test -count=1 -v ./bench/crowd

CROWD ?= 10000
.PHONY: crowd10k
crowd10k: ## 10,000 agents (CROWD=3000: as many as that) on one broker: memory, lists, latency, and a restart (ten minutes; needs two cores to itself)
	FAIRLEAD_CROWD_AGENTS=$(CROWD) go test -count=1 -v -timeout 30m -run '^TestScale$$' ./bench/crowd

.PHONY: clean
clean: ## remove everything that was built here except the cached Kubernetes
	rm -rf bin .demo

include deploy/compose/compose.mk
