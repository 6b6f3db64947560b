"""The reason why there is no certificate, or why one is not to be relied on, or why that cannot be told."""

from __future__ import annotations

from conformance.model.errors import ConformanceError


class Refused(ConformanceError):
    """Not certified, or not to be relied on; the message is the reason."""

    exit_code = 1


class UnknownSigner(ConformanceError):
    """Nothing speaks against a certificate, but nobody said whose signature counts: neither valid nor refused."""

    exit_code = 3
