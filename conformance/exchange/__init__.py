"""Sending requests: concurrently, at a pace that the gateway bears, exactly the bytes of the plan.

    wire        bytes over a socket, within one deadline; close_all ends every connection
    proxies     the way to a host
    coding      what a body was encoded in
    failures    why there is no answer, in words
    connection  one request out, one answer in
    allowance   Allowance: how many may be accepted, and for how much
    pacing      Pace: when the next request may go out
    sender      Sender: groups of cases through several connections into the journal

What a campaign needs is a `Sender` with its `Manners`, a `Pace` and an `Allowance`.
"""

from __future__ import annotations

from conformance.exchange.allowance import Allowance
from conformance.exchange.pacing import Pace
from conformance.exchange.sender import Manners, Sender

__all__ = ["Allowance", "Manners", "Pace", "Sender"]
