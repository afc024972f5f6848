"""Benchmarks beside the peers, each a script: `python -m benchmarks.NAME`. README.md says what each measures."""
