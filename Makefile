# Every target sets up what it needs: a fresh machine wants Python 3.11 and make, nothing else.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready-$(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)

.PHONY: setup demo test lint benchmark docs sbom clean

setup: $(READY)

# torch first and exactly: its CPU build must be settled before anything else asks for "some torch".
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
	@rm -f $(VENV)/.ready-*
	@touch $@

# Twelve virtual patients with images, sixty with clinical data and outcomes alone: prognosis needs events.
demo: $(READY)
	$(BIN)/python -m tumorboard phantom demo/cohort --patients 72 --imaged 12
	$(BIN)/python -m tumorboard run demo/cohort --out demo/run --set segmentation.steps=300 --set segmentation.folds=3 \
	  --set segmentation.mirror=false --set segmentation.overlap=0.25 --set bodypart.steps=60 \
	  --set prognosis.models=kaplan-meier,sign-sum,ridge-cox,survival-forest --set prognosis.trees=50 \
	  --set prognosis.across_centres=kaplan-meier,ridge-cox --set prognosis.inner_folds=3 --set prognosis.resamples=200 \
	  --set classification.trees=50 --set classification.inner_folds=3 --set classification.resamples=200 \
	  --set anomaly.steps=20 --set anomaly.folds=2 --set anomaly.insertions=false

# Two test processes with one thread each: more threads than cores only get in each other's way.
test: $(READY) lint
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

lint: $(READY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

benchmark: $(READY)
	$(BIN)/python benchmarks/run.py

docs: $(READY)
	$(BIN)/python docs/build.py

sbom: $(READY)
	$(BIN)/python docs/sbom.py

clean:
	rm -rf $(VENV) demo out
