# The commands of this project. `make` alone lists them.
# The variant that .venv holds, else the one for machines without a GPU.
VARIANT ?= $(or $(patsubst .venv/ready-%,%,$(firstword $(wildcard .venv/ready-*))),cpu)
# The variant compat stands beside: whoever develops keeps the ordinary environment.
VENV := $(if $(filter compat,$(VARIANT)),.venv-compat,.venv)
BIN := $(VENV)/bin
# Two tests at a time, those of one file (or of one `xdist_group`) after each other.
PYTEST = $(BIN)/pytest -n $(or $(JOBS),2) --dist loadgroup --no-loadscope-reorder
# Keeps what Python compiles, also where PYTHONDONTWRITEBYTECODE is set, as in many containers: compiling the modules
# takes half the time of collecting the tests, in each process.
UNIT = env -u PYTHONDONTWRITEBYTECODE $(PYTEST) -m unit
COMPILED := dltk_runtime/tables/native/numbers.so
# Percent of dltk_runtime's lines and branches that the tests of `make quick` reach at least.
FLOOR := 72
# Of the image. podman's own format knows no HEALTHCHECK, hence BUILDAH_FORMAT below.
IMAGE ?= cpu
ENGINE ?= $(shell docker info >/dev/null 2>&1 && echo docker || command -v podman || echo docker)
# The image that it is made of, by a tag or by its digest: make image BASE_IMAGE=docker.io/library/python@sha256:…
BASE_IMAGE ?=
BASE = $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg BASE_DIGEST=$(or $(word 2,$(subst @, ,$(BASE_IMAGE))),unknown))
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: help setup demo lab check quick test test-compat coverage fuzz flows soak bench appinspect studio audit image image-test image-test-large sbom format tables docs browser pictures cluster-test cluster-figures objects clients lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1:/p' $(MAKEFILE_LIST) | awk -F: '{ printf "  make %-16s %s\n", $$1, substr($$0, length($$1) + 2) }'

setup: $(VENV)/ready-$(VARIANT) $(COMPILED) ## make .venv from locks/cpu.txt (VARIANT=gpu: from locks/gpu.txt; VARIANT=compat: .venv-compat)

demo: setup ## train and apply a PyTorch and a Keras model by the requests that Splunk sends
	$(BIN)/python tools/demo.py

lab: setup ## open JupyterLab on the notebooks
	$(BIN)/dltk lab

check: setup ## format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict dltk_runtime
	$(BIN)/lint-imports --no-logo

quick: check ## format, lint, types, import rules and all tests that start no process: the inner loop
	$(UNIT) --hypothesis-profile quick

# Two targets at a time: pip and mypy keep one core busy.
TWO = @$(MAKE) --no-print-directory --jobs 2

test: ## the gate: what `make quick` does, the documentation, all other tests, and four of those on a Ray cluster
	$(TWO) setup .venv-docs/ready .venv-clients/ready .venv-browser/ready .venv-objects/ready .node-azurite/ready .venv-cluster/ready
	$(TWO) check docs unit-tests
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q dltk_runtime  # read by each process that a test starts
	$(PYTEST) -m 'not unit'
	.venv-cluster/bin/pytest tests/cluster/test_ray.py -m cluster_gate -rs --timeout 900

.PHONY: unit-tests
unit-tests: setup
	$(UNIT) --cov --cov-report= --cov-fail-under $(FLOOR)

test-compat: BIN := .venv-compat/bin
test-compat: ## the tests of the variant compat, DSDL's library versions, in .venv-compat: under 20 minutes
	@$(MAKE) --no-print-directory setup VARIANT=compat
	$(PYTEST) @tests/compat/files.txt

coverage: setup ## run all tests and measure what they reach, in processes too, into htmlcov/
	$(BIN)/coverage erase
	$(PYTEST) --cov --cov-config=tools/coverage.toml --cov-report=html --cov-report=term

fuzz: setup ## the property tests, with new examples every time, and thirty times as many
	$(BIN)/pytest -m hypothesis --hypothesis-profile fuzz --timeout 7200

flows: setup ## rehearse every variant of flows, and twenty seeded faults; make mistakes in their apps, and measure how many `dltk flow check` finds (ARGS="SEED EACH")
	DLTK_TEST_ALL_FLOWS=1 $(PYTEST) --timeout 900 tests/flows/test_flow_variants.py tests/flows/test_flow_faults.py
	$(BIN)/python -m tests.flows.mutation $(ARGS)

soak: setup .venv-objects/ready .node-azurite/ready .venv-cluster/ready ## the kill tests, 500 fits long and over three replicas, 10,000 races and 200 kills of servers over an object store, 200 fits on a Ray cluster and eight nodes' rate of fits, and 2,000 clients without a token
	DLTK_SOAK_FITS=500 $(BIN)/pytest --timeout 7200 tests/pool/test_kills.py
	DLTK_SOAK_KILLS=500 $(BIN)/pytest --timeout 20000 tests/jobs/test_replica_kills.py
	DLTK_SOAK_RACES=10000 $(BIN)/pytest --timeout 7200 tests/store/objects/test_races.py
	DLTK_SOAK_WIRE_RACES=600 DLTK_SOAK_WIRE_KILLS=500 $(BIN)/pytest --timeout 20000 tests/store/objects/test_wire.py
	DLTK_SOAK_FRONT_KILLS=200 $(BIN)/pytest --timeout 20000 tests/store/objects/test_front_kills.py
	.venv-cluster/bin/pytest --timeout 7200 tests/cluster/test_ray_gang.py
	DLTK_SOAK_CLUSTER_FITS=200 .venv-cluster/bin/pytest --timeout 7200 tests/cluster/test_ray.py -k each_fit
	DLTK_SOAK_CLUSTER_SLEEP=90 .venv-cluster/bin/pytest --timeout 3600 -s tests/cluster/test_ray_rate.py
	DLTK_SOAK_STRANGERS=2000 $(BIN)/pytest --timeout 7200 tests/server/test_strangers.py -k every_kind

bench: setup ## measure the service, beside a naive server, into bench/results/ (ARGS=--quick: only to see that it works)
	$(BIN)/python -m bench $(ARGS)

appinspect: setup .venv-appinspect/ready ## Splunk's AppInspect and slim over the apps of every flow and the acceptance app
	$(BIN)/python tools/appinspect.py

studio: setup ## Splunk's own schemas over the dashboards of every flow (needs Node and npm)
	$(BIN)/python tools/studio.py

audit: .venv-audit/ready ## look for known weaknesses of what is locked; says so where no advisory database is reachable
	@.venv-audit/bin/python tools/audit.py .venv-audit/bin/pip-audit

image: ## build the image dltk:cpu with docker or podman (IMAGE=runtime, IMAGE=gpu, IMAGE=compat: the other variants)
	BUILDAH_FORMAT=docker $(ENGINE) build --build-arg VARIANT=$(IMAGE) --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$$(git rev-parse HEAD) $(BASE) --tag dltk:$(IMAGE) .

image-test: setup .venv-tools/ready ## build the image and run it in every way that it promises to stand (root; some minutes)
	$(BIN)/pytest image_tests --ignore-glob 'image_tests/test_large_*' --timeout 3600 -rA

image-test-large: setup ## build the images compat and gpu, and the cpu image twice, and compare (root; 30 minutes, 65 GB of disk)
	$(BIN)/pytest image_tests/test_large_* --timeout 7200 -rA

sbom: .venv-tools/ready ## write the list of everything in the image dltk:cpu (IMAGE=…) to dltk-cpu.spdx.json
	@set -e; trap 'rm -f dltk-$(IMAGE).tar' EXIT; \
	$(ENGINE) save --output dltk-$(IMAGE).tar dltk:$(IMAGE); \
	SYFT_CHECK_FOR_APP_UPDATE=false .venv-tools/bin/syft scan docker-archive:dltk-$(IMAGE).tar --output spdx-json=dltk-$(IMAGE).spdx.json; \
	$(ENGINE) image inspect --format '{{json .Config.Labels}}' dltk:$(IMAGE) | .venv-tools/bin/python tools/base_in_sbom.py dltk-$(IMAGE).spdx.json

format: setup ## put all code into the one format, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tables: setup ## write the generated tables of docs/reference: settings, algorithms, command line, /v1
	$(BIN)/python tools/reference_tables.py
	$(BIN)/python -m tools.compat

docs: .venv-docs/ready ## build the pages of docs/ into build/docs; a broken link or an address outside fails
	.venv-docs/bin/mkdocs build --strict

browser: setup .venv-browser/ready ## drive the console in a real browser (Debian: chromium), by playwright
	$(BIN)/pytest tests/console/test_browser.py tests/console/test_browser_cluster.py tests/console/test_browser_crowd.py -rs

pictures: setup .venv-browser/ready ## drive it through each page, and write what it sees into docs/console/, for the pages of docs/
	DLTK_PICTURES=docs/console $(BIN)/pytest tests/console/test_browser.py tests/console/test_browser_cluster.py -rs

cluster-test: setup .venv-cluster/ready ## fits on a Ray cluster of four logical nodes: placement, lost nodes, a lost head; TLS, the token, and a network that is cut; one fit by two nodes
	.venv-cluster/bin/pytest tests/cluster/test_ray.py -rs --timeout 900
	.venv-cluster/bin/pytest tests/cluster/test_ray_gang.py -rs --timeout 900
	.venv-cluster/bin/pytest tests/cluster/test_ray_security.py -rs --timeout 900  # Ray reads how it is kept once in a process
	.venv-cluster/bin/pytest tests/cluster/test_ray_partition.py -rs --timeout 900  # root: makes a network namespace

cluster-figures: setup .venv-cluster/ready ## what fits and applies cost on a node of a Ray cluster, against here, and the helper process at rest: some minutes, on an idle machine
	.venv-cluster/bin/python -m tests.cluster.figures

objects: setup .venv-objects/ready .node-azurite/ready ## races of clients and kills of servers over an object store: moto's S3 server and Azurite behind a proxy that loses answers
	DLTK_SOAK_FRONT_KILLS=2 $(BIN)/pytest tests/store/objects -rs

clients: setup .venv-clients/ready ## score by unmodified clients of other projects: Triton's, KServe's, MLflow's, MCP's, pyarrow, polars
	$(BIN)/pytest tests/doors/test_clients.py -rs

lock: .venv-tools/ready ## resolve pyproject.toml into locks/, and write the hashes (UPGRADE=1: newest versions)
	.venv-tools/bin/python -m tools.lock $(if $(UPGRADE),--upgrade)

clean: ## remove everything that these targets made, .dltk (models, jobs) excepted
	rm -rf $(COMPILED) .venv .venv-compat .venv-tools .venv-appinspect .node-azurite .node-studio .venv-browser .venv-clients .venv-cluster .venv-objects .venv-docs .venv-audit .mypy_cache .pytest_cache .ruff_cache .import_linter_cache htmlcov .coverage* \
	  .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are made last, so that an interrupted setup is taken up again.
$(VENV)/ready-$(VARIANT): locks/$(VARIANT).txt locks/hashed/$(VARIANT).txt pyproject.toml tools/setup.sh
	@test -z "$(filter-out $@,$(wildcard $(VENV)/ready-*))" || rm -rf $(VENV)  # cpu and gpu exclude each other
	@sh tools/setup.sh $(VENV) locks/$(VARIANT).txt .
	@touch $@

# Without a compiler there is none: this says so, and the runtime works without it.
$(COMPILED): dltk_runtime/tables/native/numbers.cpp dltk_runtime/tables/native/build.py | $(VENV)/ready-$(VARIANT)
	@$(BIN)/python -m dltk_runtime.tables.native.build

# Tools whose own dependencies must not reach ours.
.venv-tools/ready: locks/tools.txt tools/setup.sh
	@sh tools/setup.sh .venv-tools locks/tools.txt
	@touch $@

# Splunk's own tools: old pins, and a licence of their own.
.venv-appinspect/ready: locks/appinspect.txt tools/setup.sh
	@sh tools/setup.sh .venv-appinspect locks/appinspect.txt
	@touch $@

# Drives a real browser in tests/console.
.venv-browser/ready: locks/browser.txt tools/setup.sh
	@sh tools/setup.sh .venv-browser locks/browser.txt
	@touch $@

# Ray, and the runtime with it: the ordinary tests show that nothing else needs it. What notebooks import is .venv's.
.venv-cluster/ready: locks/cluster.txt locks/hashed/cluster.txt pyproject.toml tools/setup.sh
	@sh tools/setup.sh .venv-cluster locks/cluster.txt .
	@.venv-cluster/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib", vars={"base": "$(abspath $(VENV))"}))' \
	  > .venv-cluster/beside.pth && mv .venv-cluster/beside.pth .venv-cluster/lib/python3.*/site-packages/
	@touch $@

# moto's S3 server, for tests/store/objects.
.venv-objects/ready: locks/objects.txt locks/hashed/objects.txt tools/setup.sh
	@sh tools/setup.sh .venv-objects locks/objects.txt
	@touch $@

# Microsoft's stand-in for Azure Blob Storage; the newest release that Node 20 runs. Without npm its tests are left out.
AZURITE := 3.35.0
.node-azurite/ready:
	@if npm install --prefix .node-azurite --ignore-scripts --no-audit --no-fund --silent azurite@$(AZURITE); then touch $@; \
	else echo "Azurite could not be installed: nothing is tried over az://."; fi

# Clients of other projects, for tests/doors: kserve wants an older pandas.
.venv-clients/ready: locks/clients.txt tools/setup.sh
	@sh tools/setup.sh .venv-clients locks/clients.txt
	@touch $@

# mkdocs, which pins some packages that ours need in other versions.
.venv-docs/ready: locks/docs.txt tools/setup.sh
	@sh tools/setup.sh .venv-docs locks/docs.txt
	@touch $@

# What asks an advisory database.
.venv-audit/ready: locks/audit.txt tools/setup.sh
	@sh tools/setup.sh .venv-audit locks/audit.txt
	@touch $@
