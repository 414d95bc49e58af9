"""Benchmarks: aresmon beside what a user would pick instead. `make bench` runs all; see docs/performance.md."""
