# Needs Python 3.11 or newer, git and make. Everything else is installed into .venv, once, in the versions of
# constraints.txt; `make PYTHON=python3.13 test` chooses another interpreter.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DATA := rules templates deployadvisor/catalog/data docs/examples
PYTEST := $(BIN)/python -m pytest -q

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types imports rules diff docs fresh slow hostile meta parsers e2e bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(READY) ## recommend for a shipped example, write its folder and show it
	@$(BIN)/deployadvisor recommend docs/examples/contract-review.yaml --hardware "2x A100 80GB" --out demo --force
	@echo && ls -RA demo
	@echo && head -n 40 demo/README.md

test: $(READY) ## run the tests that need nothing but Python
	@$(PYTEST) -n 2 -m "not slow and not tool"

check: lint types imports rules diff fresh slow bench ## run everything else that must hold before a merge

lint: $(READY) ## style of Python, YAML and shell
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/yamllint --strict $(DATA) .yamllint.yaml
	@$(BIN)/shellcheck .ci/run

types: $(READY) ## static types
	@$(BIN)/mypy

imports: $(READY) ## the order of the rooms
	@$(BIN)/lint-imports --no-cache --no-logo

rules: $(READY) ## tests beside the rules, the scenarios, and what is proven about all profiles
	@$(BIN)/deployadvisor rules test
	@$(BIN)/deployadvisor rules check

diff: $(READY) ## answers that changed since the last tag, and whether the rules' versions say so
	@tag=$$(git describe --tags --abbrev=0 2>/dev/null) || tag=; \
	if [ -n "$$tag" ]; then $(BIN)/deployadvisor rules diff "$$tag" rules; else echo "no tag yet to compare the rules with"; fi

docs: $(READY) ## rewrite the generated parts of the documentation
	@$(BIN)/python docs/generate.py

fresh: $(READY) ## the generated parts of the documentation are current
	@$(BIN)/python docs/generate.py --check

meta: $(VENV)/.meta ## compare counts and caches with the models that transformers builds (installs PyTorch)
	@OMP_NUM_THREADS=1 $(PYTEST) -n 2 -m meta tests/meta

$(VENV)/.meta: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[meta]'
	@touch $@

parsers: .venv-parsers/.ready ## ask the engines' own parsers about every command line (installs SGLang and LMDeploy)
	@$(PYTEST) -rs -m parsers tests/parsers

.venv-parsers/.ready: tests/parsers/requirements.txt $(VENV)/.meta
	@$(PYTHON) -m venv .venv-parsers
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$$(.venv-parsers/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/shared.pth"
	@.venv-parsers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/parsers/requirements.txt
	@touch $@

e2e: $(VENV)/.e2e ## start what is rendered for real, chat with it, tune it and serve the result (installs PyTorch)
	@$(PYTEST) -rs -m e2e $(E2E_OPTIONS) tests/e2e

$(VENV)/.e2e: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[e2e]'
	@wheel=$$($(BIN)/python -m pip cache list --format=abspath llama_cpp_python 2>/dev/null | head -n 1); \
	if [ -z "$$wheel" ]; then echo "llama-cpp-python was not compiled here before; what it would serve is skipped"; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "$$wheel" -e '.[gguf]'; fi
	@touch $@

slow: $(READY) ## tests that build the wheel or call other programs
	@$(PYTEST) -n 2 -rs --durations=25 -m "(slow or tool) and not meta and not parsers and not e2e"

hostile: $(READY) ## put ten thousand hostile texts through whole bundles (takes a quarter of an hour)
	@HOSTILE_BUNDLES=130 $(PYTEST) -n 2 tests/generated/test_hostile.py

bench: $(READY) ## print the benchmarks
	@$(PYTEST) --benchmark-enable --benchmark-only --benchmark-max-time=0.3 --benchmark-sort=name --benchmark-columns=min,median,max,rounds tests/benchmarks

clean: ## remove everything that is not in git's care
	@rm -rf $(VENV) .venv-parsers demo dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
