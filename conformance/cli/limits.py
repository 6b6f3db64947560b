"""The options that limit what a run may cost and at what pace it goes.

limit_options       the options
limits_from         options → RunLimits
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from conformance.cli.command import option
from conformance.gateway.settings import DEFAULT_MAX_ACCEPTED, DEFAULT_RATE_PER_S, RunLimits
from conformance.wire.failures import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S
from conformance.wire.sender import CONCURRENCY

F = TypeVar("F", bound=Callable[..., Any])

LIMITS = "Cost and pace"

_OPTIONS = (
    option(
        LIMITS,
        "--max-accepted",
        type=int,
        metavar="N",
        help="Requests that may be accepted, at most; each that is sent counts unless it is refused. Default: "
        f"{DEFAULT_MAX_ACCEPTED}; none for a gateway on this machine.",
    ),
    option(
        LIMITS,
        "--max-spend",
        type=int,
        metavar="AMOUNT",
        help="What accepted requests may move, at most, in whole units of the contract's currency. Needed for products "
        "that move money, of a gateway that is not on this machine.",
    ),
    option(
        LIMITS,
        "--rate",
        type=float,
        metavar="N",
        help=f"Requests per second, at most. Default: {DEFAULT_RATE_PER_S:g}; no limit for a gateway on this machine.",
    ),
    option(
        LIMITS,
        "--concurrency",
        type=int,
        metavar="N",
        default=CONCURRENCY,
        show_default=True,
        help="Requests under way at once, at most.",
    ),
    option(
        LIMITS,
        "--connect-timeout",
        type=float,
        metavar="SECONDS",
        default=CONNECT_TIMEOUT_S,
        show_default=True,
        help="How long a connection may take.",
    ),
    option(
        LIMITS,
        "--read-timeout",
        type=float,
        metavar="SECONDS",
        default=ANSWER_TIMEOUT_S,
        show_default=True,
        help="How long an answer may take.",
    ),
)


def limit_options(function: F) -> F:
    """All of them; they appear in the help in this order."""
    for decorator in reversed(_OPTIONS):
        function = decorator(function)
    return function


def limits_from(options: dict[str, Any]) -> RunLimits:
    """The limits that are given; those of a command without these options are the defaults."""
    if "max_accepted" not in options:
        return RunLimits()
    return RunLimits(
        options["max_accepted"],
        options["max_spend"],
        options["rate"],
        options["concurrency"],
        options["connect_timeout"],
        options["read_timeout"],
    )
