"""The suite as pytest sees it: `pytest --pyargs conformance.pytest --gateway URL`."""
