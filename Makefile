# Fresh machine to result: Python 3.11 or newer, git and make are all that is needed; of another
# Python than 3.11, `make test PYTHON=python3.14`.
PYTHON ?= python3.11
VENV := .venv
# Processes that tests run in; tests/conftest.py says what stays together.
WORKERS ?= 2
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# No telemetry, and no look at a model hub: weights come from params.yaml or from a file.
export DVC_NO_ANALYTICS := 1
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: repro test lint fuzz faults mutants scale bench peers lock clean

repro: $(VENV)/.installed
	dvc repro
	@for name in $$(python -c "from aura import config; print(*config.load().study)"); do \
		echo; cat reports/$$name/report/summary.md; \
		echo; echo "Report: reports/$$name/report/index.html"; done

test: $(VENV)/.installed lint
	pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

lint: $(VENV)/.installed
	ruff check .
	ruff format --check .
	python -m numpydoc lint $$(git ls-files "aura/*.py" "pipeline/*.py" "bench/*.py")
	mypy

fuzz: $(VENV)/.installed
	python -m tests.fuzz
	python -m tests.fuzz --inputs 100000 --target vrs timesync pose

# Every kind of fault, at every moment: hours on an idle machine. `python -m tests.faults long --folder
# /tmp/l --hours 2` goes round the whole pipeline with random kills; docs/reliability.md has all.
faults: $(VENV)/.installed
	python -m tests.faults

# Small changes to the core, each run against its tests; see docs/mutation.md.
mutants: $(VENV)/.installed
	pip install -q --disable-pip-version-check -c constraints.txt -e '.[mutation]'
	python -m tests.mutation --sample 150

scale: $(VENV)/.installed
	python -m bench.memory 50 500 5035

# Hot paths beside their limits and peers, into docs/; half an hour on an idle machine.
bench: $(VENV)/.installed
	aura bench

# The environment of the peers that `aura bench` compares with, 7 GB; without it they are skipped.
# FFmpeg's libraries inside PyAV get the names under which torchcodec looks for them.
PEERS := bench/peers
peers:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install -q --disable-pip-version-check -r $(PEERS)/requirements.txt
	.venv-peers/bin/pip install -q --disable-pip-version-check --no-deps \
		-r $(PEERS)/requirements-alone.txt
	cd .venv-peers/lib/python3.11/site-packages/av.libs && for file in libav*-* libsw*-*; do \
		ln -sf $$file $$(echo $$file | sed -E 's/-[0-9a-f]+(\.so\.[0-9]+).*/\1/'); done

# Versions come from constraints.txt; projectaria-tools, the tests' oracle for VRS files, comes
# without its dependencies (a viewer of 1.5 GB), and has no wheel beyond Python 3.12.
ORACLE := "projectaria-tools; python_version < '3.13'"
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	pip install -q --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	pip install -q --disable-pip-version-check --no-compile --no-deps -c constraints.txt $(ORACLE)
	touch $@

# Rewrites constraints.txt from the newest versions that pyproject.toml allows.
lock:
	rm -rf $(VENV).lock && $(PYTHON) -m venv $(VENV).lock
	$(VENV).lock/bin/pip install -q -e '.[dev,viz,mutation]'
	$(VENV).lock/bin/pip install -q --no-deps $(ORACLE)
	$(VENV).lock/bin/pip freeze --all --exclude pip --exclude-editable > constraints.txt
	rm -rf $(VENV).lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
