"""statum-conformance: does a Statum-style gateway, or a client of one, keep its contract?

Data flows one way, and each part imports only from those before it (`tests/docs/test_architecture.py`):
model → options → contract → payloads → journal → wire → mock → judging → diagnosis → gateway → client → reports →
certificate → cli → pytest
"""

__version__ = "0.1.0"
