"""statum-conformance: does a Statum-style gateway, or a client of one, keep its contract?

Data flows one way, and each part imports only from those before it (`tests/test_architecture.py`):
contract → generation → journal → exchange, callbacks → checks → verdicts → mock_gateway →
gateway_under_test → reporting → certificate → cli → pytest_plugin, suite.
"""

__version__ = "0.1.0"
