"""statum-conformance: does a Statum-style gateway, or a client of one, keep its contract?

The public Python API is `__all__`, with the pytest fixtures of `conformance.pytest.plugin`; all else is private, and
may change with any release. Its names are imported when they are first asked for, so `import conformance` is cheap.

Data flows one way, and each part imports only from those before it (`tests/docs/test_architecture.py`):
model → options → contract → payloads → journal → wire → mock → judging → diagnosis → gateway → client → load →
reports → certificate → register → cli → api → pytest
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.api import (
        ConformanceError,
        EnvironmentFailure,
        MockGateway,
        Report,
        RunOutcome,
        SuiteError,
        UsageError,
        certify,
        judge,
        run,
    )

__version__ = "0.1.0"

__all__ = [
    "ConformanceError",
    "EnvironmentFailure",
    "MockGateway",
    "Report",
    "RunOutcome",
    "SuiteError",
    "UsageError",
    "__version__",
    "certify",
    "judge",
    "run",
]

NOT_ON_WINDOWS = (
    "statum-conformance does not run on Windows: a journal is locked, and drivers are ended, as POSIX has it"
    " (hint: run it in WSL or in a Linux container)"
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """A name of the API, imported now (PEP 562). Raises ImportError on Windows."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if sys.platform == "win32":
        raise ImportError(NOT_ON_WINDOWS)
    from conformance import api  # noqa: PLC0415 - it imports the whole suite

    return getattr(api, name)
