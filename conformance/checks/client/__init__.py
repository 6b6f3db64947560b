"""The checks of clients and of receivers of notifications, as `conformance.checks` has those of gateways.

    evidence        what happened, correlated: calls, what was seen and said of them, deliveries
    judging         what a check yields
    sending         DRV, SND, ROB
    answers         RDG
    resending       RTY
    receiving       RCV

`CLIENT_CHECKS` maps each requirement whose actor is a client or a receiver to its check.
"""

from __future__ import annotations

from conformance.checks.client import answers, receiving, resending, sending
from conformance.checks.client.judging import ClientCheck

CLIENT_CHECKS: dict[str, ClientCheck] = {
    **sending.CHECKS,
    **answers.CHECKS,
    **resending.CHECKS,
    **receiving.CHECKS,
}

__all__ = ["CLIENT_CHECKS"]
