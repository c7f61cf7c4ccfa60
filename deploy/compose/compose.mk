# The targets around docker-compose.yml; the Makefile includes this file.

# Recursive, so that only a target that needs it asks.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
COMPOSE_DIR := .cache/compose

.PHONY: compose
compose: ## the whole system in containers, and how to use it (docs/compose.md)
	@$(MAKE) --no-print-directory compose-nginx
	@$(MAKE) --no-print-directory compose-images
	$(COMPOSE) up -d
	@$(MAKE) --no-print-directory compose-kubeconfig
	@echo "Try:  kubectl --kubeconfig fairlead.kubeconfig get namespaces"

# This comes before minutes of building, so that a machine that cannot reach Docker
# Hub fails at once. Compose has the image's name, from the environment, .env or the
# file.
.PHONY: compose-nginx
compose-nginx: ## pull the image of nginx unless the engine has it
	@image=$$($(COMPOSE) config | sed -n '/^  nginx:/,/^  [a-z]/s/^    image: *//p') && test -n "$$image" || exit 1; \
	$(DOCKER) image inspect "$$image" >/dev/null 2>&1 && exit; \
	echo "Pulling $$image ..."; \
	said=$$($(DOCKER) pull --quiet "$$image" 2>&1) || { \
		echo "cannot pull $$image: set NGINX_IMAGE to an image of nginx that is here or can be pulled ($$(echo "$$said" | tail -n 1))" >&2; exit 1; }

.PHONY: compose-kubeconfig
compose-kubeconfig: ## fairlead.kubeconfig for the private cluster of docker-compose.yml
	@(umask 077 && $(COMPOSE) run --rm -T kubeconfig > fairlead.new.kubeconfig) && mv fairlead.new.kubeconfig fairlead.kubeconfig

.PHONY: compose-down
compose-down: ## take it down, keys and all
	$(COMPOSE) --profile monitoring --profile admin down --volumes --remove-orphans
	rm -f fairlead.kubeconfig

# The image of init is made from the broker's.
.PHONY: compose-images
compose-images: kube images ## the images that only docker-compose.yml needs: init and a control plane (10 minutes cold)
	rm -rf $(COMPOSE_DIR)
	mkdir -p -m 755 $(COMPOSE_DIR)/setup $(COMPOSE_DIR)/privatecluster
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(COMPOSE_DIR)/setup/ ./deploy/compose/setup
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(COMPOSE_DIR)/privatecluster/ ./deploy/compose/privatecluster
	cp "$$(go run -C $(KUBE) ./kubeup build)/kubernetes" $(COMPOSE_DIR)/privatecluster/
	chmod 755 $(COMPOSE_DIR)/setup/setup $(COMPOSE_DIR)/privatecluster/privatecluster $(COMPOSE_DIR)/privatecluster/kubernetes
	mkdir -p -m 700 $(addprefix $(COMPOSE_DIR)/setup/volumes/,keys broker-1 broker-2 broker-3 bridge nginx agent)
	mkdir -p -m 700 $(addprefix $(COMPOSE_DIR)/privatecluster/folders/,data access)
	$(DOCKER) build --quiet $(DOCKER_BUILD_FLAGS) --tag fairlead/compose-setup:dev --file deploy/compose/setup/Dockerfile $(COMPOSE_DIR)/setup
	$(DOCKER) build --quiet $(DOCKER_BUILD_FLAGS) --tag fairlead/test-kubernetes:dev --file deploy/compose/privatecluster/Dockerfile $(COMPOSE_DIR)/privatecluster
