"""Heavy runs of what can go wrong around a run: see `python -m benchmarks.chaos`."""
