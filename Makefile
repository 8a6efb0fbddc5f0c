# `make help` says what there is. Paths are relative: the clone may lie in a folder with spaces.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MODE ?= native
FLAVOUR := -c release
# Tests run on optimised code too, but see internal declarations, so they have a build folder of their own.
TESTS := -c release --scratch-path .build/tests -Xswiftc -enable-testing
# Six at a time: a test's time limit counts while it waits for a thread, and a thousand would wait at once.
RUN := $(TESTS) --skip-build --experimental-maximum-parallelization-width 6
INTEGRATION := 'BrokerTests|PipelineTests|ProgramTests|ServingTests|StoreTests|TerminalTests'
ON_KAFKA := 'PipelineTests|LibrdkafkaTests|ServingTests'

.PHONY: help packages build test test-apache test-unit test-integration bench profile format lint check docs up down status logs dashboard \
	pictures clean-data clean hooks conformance bench-broker bench-dashboard fuzz settings test-up mlflow

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' Makefile
	@echo "  make run-COMMAND       build, then run one command; ARGS=... are its options"

packages:  ## install the Debian packages that are missing
	@scripts/install-packages

build: packages  ## build the program (release)
	@swift build $(FLAVOUR) --product needletail

test: packages  ## run all tests, with servers of their own on free ports
	@swift build $(TESTS) --build-tests
	@swift test $(RUN)
	@$(MAKE) --no-print-directory test-apache

test-apache:  ## the same integration tests on Apache Kafka, where ../shared/kafka has it
	@if [ -x ../shared/kafka/bin/kafka-broker ] && command -v java >/dev/null; then \
		NEEDLETAIL_TEST_BROKER=apache swift test $(RUN) --filter $(ON_KAFKA); \
	else echo "skipped: the tests on Apache Kafka need ../shared/kafka and Java 17"; fi

test-unit: packages  ## run the tests that need no server
	@swift build $(TESTS) --build-tests
	@swift test $(RUN) --skip $(INTEGRATION)

test-integration: packages  ## run the tests on real servers
	@swift build $(TESTS) --build-tests
	@swift test $(RUN) --filter $(INTEGRATION)

test-up:  ## break `make up` at three moments, or NEEDLETAIL_UP_MOMENTS=20, and see it come back
	@[ -x .build/tests/release/needletail ] || $(MAKE) --no-print-directory build
	@Tests/Up/run

bench:  ## measure, beside peers of the same run: ARGS="case --json"
	@scripts/install-packages --bench
	@NEEDLETAIL_BENCHMARKS=1 swift run $(FLAVOUR) needletail-bench $(ARGS)

profile:  ## where processor time goes, by sampling: ARGS="serve serve-explain transform backfill"
	@scripts/install-packages --bench
	@swift build $(FLAVOUR) --product needletail
	@NEEDLETAIL_BENCHMARKS=1 swift run $(FLAVOUR) needletail-bench --profile $(ARGS)

format:  ## lay out all Swift files
	@swift format format -i -r -p Package.swift packages services pipelines Tests

lint:  ## complain about the layout of Swift files
	@swift format lint --strict -r -p Package.swift packages services pipelines Tests

check: packages lint  ## what CI runs: lint, build without warnings, all tests
	@CI=1 $(MAKE) --no-print-directory test

settings: build  ## write .env.example, the README's table and docs/definitions.md anew
	@scripts/write-settings

docs: packages  ## the libraries' pages, into var/docs
	@scripts/docs

up:  ## start everything (MODE=compose: with Docker)
ifeq ($(MODE),compose)
	@scripts/up-compose
else
	@$(MAKE) --no-print-directory build
	@setpriv --pdeathsig TERM scripts/up
endif

mlflow:  ## an MLflow server on port 5000, from PyPI into var/mlflow; MLFLOW_TRACKING_URI=http://127.0.0.1:5000 is it
	@[ -x var/mlflow/bin/mlflow ] || { python3 -m venv var/mlflow && var/mlflow/bin/pip install -q mlflow==3.17.2 xgboost==3.2.0; }
	@mkdir -p var/mlflow-data && cd var/mlflow-data && exec ../mlflow/bin/mlflow server --host 127.0.0.1 --port 5000 \
		--backend-store-uri sqlite:///mlflow.db --artifacts-destination artifacts

down:  ## stop everything and keep the data
	@scripts/down

status:  ## what runs
	@scripts/status

logs:  ## follow the logs
	@scripts/logs

dashboard:  ## watch it live
	@scripts/dashboard $(ARGS)

pictures:  ## take the pictures of images/ from what runs
	@scripts/pictures

clean-data:  ## stop everything and forget data and models
	@scripts/clean-data

clean:  ## forget what was built
	@rm -rf .build

hooks:  ## lint on every commit
	@git config core.hooksPath .githooks

conformance:  ## other people's Kafka clients against the broker
	@scripts/install-packages --bench
	@[ -x .build/tests/release/needletail ] || $(MAKE) --no-print-directory build
	@Tests/Conformance/run --needletail \
		"$$(ls -t .build/tests/release/needletail .build/release/needletail 2>/dev/null | head -n 1)" $(ARGS)

bench-dashboard:  ## what the dashboard costs, on what runs; ARGS=--down without any server
	@Tests/Benchmarks/dashboard/run $(ARGS)

bench-broker: build  ## the embedded broker beside Apache Kafka: ARGS="--rounds 3"
	@Tests/Benchmarks/broker/run $(ARGS)

fuzz:  ## each decoder under libFuzzer: ARGS="event-json -max_total_time=300"
	@Tests/Fuzz/run $(ARGS)

run-%: build
	@.build/release/needletail $* $(ARGS)
