"""Credentials as labels, for where the value must not stand: `right`, or a wrong one by aspect and number.

    credential_label    case → label
    credential_value    label → the value of the header for an account, None for no such header
    with_credential     headers with that value in them; without_credential: without any

The number is that of the probe among those of its aspect, as in the id of the case that sends it (`…/wrong-key/2`).
"""

from __future__ import annotations

from conformance.contract.contract import Contract
from conformance.model.errors import UsageError
from conformance.model.traffic import Case, Headers, Kind
from conformance.payloads.probes import credential_probes

RIGHT = "right"


def credential_label(case: Case) -> str:
    """Which credential a case is sent with."""
    if case.kind is not Kind.CREDENTIAL:
        return RIGHT
    number = case.id.rpartition("/")[2]
    return f"{case.aspect}/{number if number.isdecimal() and int(number) else 1}"


def credential_value(contract: Contract, label: str, key: str, secret: str) -> str | None:
    """The value of the header. Numbers go round: a second look at a probe has one beyond the last.

    Raises UsageError for an aspect that no wrong credential of this account has.
    """
    if label == RIGHT:
        return contract.authentication.value(key, secret)
    aspect, _, number = label.rpartition("/")
    probes = credential_probes(contract, key, secret)
    of_aspect = [probe.header_value for probe in probes if probe.aspect == aspect]
    if not of_aspect:
        known = dict.fromkeys(probe.aspect for probe in probes)
        raise UsageError(
            f"credential {label!r} is none that this account can be probed with; expected {RIGHT}, "
            f"or {', '.join(known)} with a number, such as wrong-key/1"
        )
    return of_aspect[(int(number) - 1) % len(of_aspect)]


def with_credential(contract: Contract, headers: Headers, value: str | None) -> Headers:
    """`headers` with that credential: in the place of the one that is there, else as the first."""
    others, name = without_credential(contract, headers), contract.authentication.header
    if value is None:
        return others
    place = next((i for i, (each, _) in enumerate(headers) if each.lower() == name.lower()), 0)
    return (*others[:place], (name, value), *others[place:])


def without_credential(contract: Contract, headers: Headers) -> Headers:
    """`headers` without the one that holds a credential."""
    return tuple(pair for pair in headers if pair[0].lower() != contract.authentication.header.lower())
