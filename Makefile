# make demo   sets up everything and takes one simulated patient from images to a prediction with pictures
# make review opens that patient in the browser: outline, correct, predict, sign
# make test   sets up everything and runs the tests
# A second run sets up nothing again.

PYTHON ?= python3
BIN := .venv/bin
DEMO := demo
SHELL := /bin/bash

.PHONY: demo review test bench ibsi clean
.DEFAULT_GOAL := demo

demo:
	@$(PYTHON) .ci/setup.py run
	@$(BIN)/nsclc-response phantom --patients 1 --seed 7 --out $(DEMO)/patient --overwrite
	@$(BIN)/nsclc-response predict --ct $(DEMO)/patient/patients/sim-0001/ct.nii.gz \
	    --pet $(DEMO)/patient/patients/sim-0001/pet.nii.gz --mask $(DEMO)/patient/patients/sim-0001/mask.nii.gz \
	    --patient-id sim-0001 --out $(DEMO)/result --overwrite

review:
	@$(PYTHON) .ci/setup.py run
	@[ -d $(DEMO)/patient ] || $(BIN)/nsclc-response phantom --patients 1 --seed 7 --out $(DEMO)/patient
	@$(BIN)/nsclc-response review $(DEMO)/patient/patients/sim-0001

# Three processes with one thread each keep two cores busy (threads of several processes wait for each other); then,
# alone and with all threads, what measures time.
test:
	@$(PYTHON) .ci/setup.py test
	@failed=0; OMP_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile -m "not alone" || failed=$$?; \
	    $(BIN)/python -m pytest -m alone && exit $$failed

bench:
	@$(PYTHON) .ci/setup.py test
	@$(BIN)/python Testing/bench_radiomics.py $(ARGS)
	@$(BIN)/python Testing/bench_click.py
	@$(BIN)/python Testing/bench_predict.py

ibsi:
	@$(PYTHON) .ci/setup.py run
	@$(BIN)/python Testing/ibsi_table.py $(ARGS)

clean:
	rm -rf .venv $(DEMO) build dist *.egg-info
