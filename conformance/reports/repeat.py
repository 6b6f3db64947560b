"""The commands that make the same run again, or send one case of it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.client.settings import DEFAULT_MAX_EXAMPLES as DEFAULT_CALLS
from conformance.client.settings import DEFAULT_TIMEOUT_S
from conformance.contract.contract import Contract
from conformance.gateway.limits import is_loopback
from conformance.gateway.settings import (
    DEFAULT_CORPUS,
    DEFAULT_MAX_EXAMPLES,
    DEFAULT_NOTIFY_WITHIN_S,
    default_shrink_requests,
)
from conformance.journal import Record
from conformance.wire.failures import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S
from conformance.wire.sender import CONCURRENCY


def repeat_command(settings: Mapping[str, Any], contract: Contract) -> str:
    """A line for a shell that sends the same requests at the same pace.

    It has the recorded settings of a run by `contract` that differ from the defaults, and the seed.
    The secret is not in it (STATUM_CONFORMANCE_CONSUMER_SECRET gives it); what was redacted has to be filled in.
    """
    if settings.get("subject_kind") == "client":
        return shlex.join(["statum-conformance", "certify", *_options_of_certify(settings, contract)])
    return shlex.join(["statum-conformance", "run", *_options(settings, contract)])


def replay_command(case_id: str, journal: Path, settings: Mapping[str, Any]) -> str:
    """A line for a shell that sends one recorded case again, to the same gateway."""
    return shlex.join(
        ["statum-conformance", "replay", case_id, "--journal", str(journal), *_contract(settings), *_named(settings)]
    )


def _contract(settings: Mapping[str, Any]) -> Iterator[str]:
    """The contract, where it is not the one that comes with the suite."""
    if folder := settings.get("contract", {}).get("folder"):
        yield from ("--contract", folder)


def _named(settings: Mapping[str, Any]) -> Iterator[str]:
    """The gateway, where it has to be named for a credential to be sent to it: not on this machine."""
    if settings["subject_name"] == settings["gateway"] and not is_loopback(settings["gateway"]):
        yield from ("--gateway", settings["gateway"])


def _options_of_certify(settings: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    yield from _contract(settings)
    for name in ("driver", "callback_url"):
        if settings.get(name):
            yield from (f"--{name.replace('_', '-')}", settings[name])
    if settings.get("observe"):
        yield from ("--observe", "--listen", settings["observe"])
    yield from _repeated("--product", settings["products"], contract.products)
    if settings["max_examples"] != DEFAULT_CALLS:
        yield from ("--max-examples", str(settings["max_examples"]))
    if settings["timeout_s"] != DEFAULT_TIMEOUT_S:
        yield from ("--timeout", f"{settings['timeout_s']:g}")
    if settings.get("expectations"):
        yield from ("--expectations", settings["expectations"])
    if settings.get("strict"):
        yield "--strict"
    yield from ("--seed", str(settings["seed"]))


def resume_command(journal: Path, settings: Mapping[str, Any]) -> str:
    """A line for a shell that goes on with a run that was cut off."""
    return shlex.join(["statum-conformance", "run", "--resume", str(journal), *_contract(settings), *_named(settings)])


def was_cut_off(record: Record) -> bool:
    """Whether a run had begun to send, and was ended before it had listened."""
    kinds = {note.kind for note in record.latest_notes}
    return "settled" not in kinds and any(note.kind == "planned" for note in record.notes)


def _options(settings: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    yield from _contract(settings)
    # The built-in mock gateway has a name of its own; a gateway that was given is called by its URL.
    if settings["subject_name"] == settings["gateway"]:
        yield from _addresses(settings)
    yield from _repeated("--product", settings["products"], contract.products)
    yield from _repeated("--callback-path", [f"{p}={at}" for p, at in settings.get("callback_paths", {}).items()], ())
    for member, values in contract.members.registered.items():
        yield from _repeated(f"--{member.replace('_', '-')}", settings.get(f"{member}s", values[:1]), values[:1])
    yield from _repeated("--phone-number", settings["phone_numbers"], ())
    yield from _measured("--notify-within", settings["notify_within_s"], DEFAULT_NOTIFY_WITHIN_S)
    yield from _measured("--max-examples", settings["max_examples"], DEFAULT_MAX_EXAMPLES)
    requests = 0 if settings.get("over_network") else default_shrink_requests(settings["gateway"])
    yield from _measured("--shrink-requests", settings.get("shrink_requests", requests), requests)
    yield from _limits(settings)
    if settings["exclusive_account"]:
        yield "--exclusive-account"
    if settings.get("cases"):
        yield from ("--cases", settings["cases"])
    elif settings.get("corpus") and settings["corpus"] != DEFAULT_CORPUS:
        yield from ("--corpus", settings["corpus"])
    if settings.get("expectations"):
        yield from ("--expectations", settings["expectations"])
    if settings.get("strict"):
        yield "--strict"
    yield from ("--seed", str(settings["seed"]))


def _addresses(settings: Mapping[str, Any]) -> Iterator[str]:
    yield from ("--gateway", settings["gateway"], "--consumer-key", settings["consumer_key"])
    for name in ("callback_listen", "callback_url"):
        if settings.get(name):
            yield from (f"--{name.replace('_', '-')}", settings[name])
    if settings.get("over_network") is not None:
        yield "--over-network" if settings["over_network"] else "--no-network"


def _measured(option: str, value: float, default: float) -> Iterator[str]:
    if value != default:
        yield from (option, str(value) if isinstance(value, int) else f"{value:g}")


def _limits(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in ("max_accepted", "max_spend"):
        if settings.get(name) is not None:
            yield from (f"--{name.replace('_', '-')}", str(settings[name]))
    if settings.get("rate_per_s") is not None:
        yield from ("--rate", f"{settings['rate_per_s']:g}")
    for option, name, usual in (
        ("--concurrency", "concurrency", CONCURRENCY),
        ("--connect-timeout", "connect_timeout_s", CONNECT_TIMEOUT_S),
        ("--read-timeout", "read_timeout_s", ANSWER_TIMEOUT_S),
    ):
        yield from _measured(option, settings.get(name, usual), usual)


def _repeated(option: str, values: list[str], default: tuple[str, ...]) -> Iterator[str]:
    if tuple(values) != default:
        for value in values:
            yield from (option, value)
