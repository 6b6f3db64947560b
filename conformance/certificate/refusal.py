"""The reason why there is no certificate, or why one is not to be relied on."""

from __future__ import annotations

from conformance.errors import ConformanceError


class Refused(ConformanceError):
    """Not certified, or not to be relied on; the message is the reason."""

    exit_code = 1
