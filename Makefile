PYTHON ?= python3
IN := .venv/bin/python
DEMO := .venvs/demo/bin/python

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: demo-venv  ## static beside dynamic membership, on the embedded broker: needs Python only
	@$(DEMO) -m examples.demo

demo-real: demo-venv  ## the same on a real Kafka (Java >= 17, Maven)
	@$(DEMO) -m examples.demo --real

test: venv  ## every test, on the embedded broker, and on a real Kafka where Java >= 17 and Maven are
	@$(IN) -m pytest

check: dev  ## what needs no Kafka: style, types, layers, generated code, unit tests on every Python found
	@$(IN) -m tools.check

protocol: dev  ## write the generated protocol code again
	@$(IN) tools/generate.py

bench: venv  ## quick benchmarks beside the peers (Java >= 17, Maven); benchmarks/README.md tells the full ones
	@$(IN) -m benchmarks.guard --broker
	@$(IN) -m benchmarks.throughput --quick
	@$(IN) -m benchmarks.rebalance_latency
	@echo "The full run, up to 25 minutes: python -m benchmarks.throughput --json FILE --svg FILE; and: benchmarks.latency"

kafka: venv  ## a real Kafka to play with, until Ctrl-C (Java >= 17, Maven)
	@$(IN) -m tools.real_kafka

venv:
	@$(PYTHON) tools/environments.py test

demo-venv:
	@$(PYTHON) tools/environments.py demo

dev:
	@$(PYTHON) tools/environments.py dev

clean:  ## remove environments and caches
	rm -rf .venv .venvs .cache .hypothesis .import_linter_cache .pytest_cache .ruff_cache build dist *.egg-info
	rm -f kafkastatic/_records/*.so

.PHONY: help demo demo-real test check protocol bench kafka venv demo-venv dev clean
