"""Loads the plugin for runs from the checkout, where it need not be installed."""

from __future__ import annotations

# Under this very name the entry point registers it too, so an installed one is not loaded a second time.
pytest_plugins = ["conformance.pytest.plugin"]
