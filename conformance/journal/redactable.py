"""Which values can be kept out of the evidence without taking it apart.

check_redactable    UsageError for a value that stands in every answer: a word of the contract
check_uncommon      UsageError for one that stands in the suite's own reports
check_readable      UsageError for a value without which the records of this run could not be read
is_own_word         whether a value is such a word
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from conformance.contract.contract import Contract, is_of_contract
from conformance.journal.redaction import MINIMUM_LENGTH, Redaction
from conformance.model.errors import UsageError

LEAVE_OUT = "leave it out: it tells nobody anything"

# What the suite's own records and messages are made of.
_OF_SUITE = """
accept-encoding address allowance alone answer answered arrived body broken burst callback callbacks chunked client
code command commands conformance conformant connected connection consumer content-length credential death deaths
deliver detail driver duration_s environment error exchange exchanges expected failed failure false finding finished
gateway gave-up given header headers heartbeat hello hidden hint host inconclusive interrupted invalid invoke
journal keep-alive last left-out left_out localhost malformed message messages method mock network no-traffic none
not_applicable notification null number numbers observe observed obstacle open passed password phone planned
precondition preflight probe product products reachable reached receiver redact redacted refused remark repeat
report reports request requirement response resumed sample samples secret seed sender sent_at settled short
silent_since stands_for statum strays subject suite timeout token transfer-encoding true undecodable unknown
unreadable until user-agent valid waited_s warning where witness
"""

# What takes one value for another, or a number for a text, before anything is sent.
_READ_LATER = ("products", "commands", "callback_listen", "observe")


@cache
def _own_words() -> frozenset[str]:
    return frozenset(re.findall(r"\S+", _OF_SUITE))


def is_own_word(value: str, contract: Contract) -> bool:
    """Whether `value`, in whatever case, is a word of the contract or of the suite, or a part of one."""
    return is_of_contract(value, contract) or any(value.casefold() in word for word in _own_words())


def check_redactable(
    values: Sequence[str], contract: Contract, option: str = "--redact", hint: str = LEAVE_OUT
) -> None:
    """UsageError if one of the `values` of an `option` stands in every answer; it is not shown."""
    if any(len(value) >= MINIMUM_LENGTH and is_of_contract(value, contract) for value in values):
        raise UsageError(
            f"{option} is a word of the contract or a part of one, which stands in every answer; it cannot be redacted",
            hint=hint,
        )
    if option == "--redact" and (short := [value for value in values if len(value) < MINIMUM_LENGTH]):
        raise UsageError(
            f"--redact is given a value of {len(short[0])} characters; expected {MINIMUM_LENGTH} or more",
            hint="shorter ones stand in every text by chance",
        )


def check_uncommon(values: Sequence[str], contract: Contract, option: str = "--redact", hint: str = LEAVE_OUT) -> None:
    """UsageError if one of the `values` of an `option` stands in the suite's own records and messages."""
    if any(len(value) >= MINIMUM_LENGTH and is_own_word(value, contract) for value in values):
        raise UsageError(
            f"{option} is a common word or a part of one, which stands in the suite's own reports; it cannot be "
            "redacted",
            hint=hint,
        )


def check_readable(
    values: Sequence[str], recorded: Mapping[str, Any], *urls: str | None, option: str = "--redact"
) -> None:
    """UsageError if without the `values` of an `option` the `recorded` settings or the hosts of `urls` are not read.

    Names of members, numbers and addresses are what the records of a run are found by.
    """
    redaction = Redaction.of_values(*values)
    hosts = [_address_of(url) for url in urls if url]
    if any(redaction.text(host) != host for host in hosts):
        raise UsageError(
            f"{option} is a part of the host of the gateway or of a callback URL, without which no record is read",
            hint="leave it out, or give a value that stands behind the host",
        )
    read_later = {name: recorded.get(name) for name in _READ_LATER}
    if redaction.value(read_later) != read_later or _skeleton(redaction.value(recorded)) != _skeleton(recorded):
        raise UsageError(
            f"{option} is a part of the settings without which a run cannot be read: a name, a number, an address",
            hint=LEAVE_OUT,
        )


def _address_of(url: str) -> str:
    """Scheme, host and port, without a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _skeleton(value: Any) -> Any:
    """`value` without its texts, of which any may be redacted."""
    if isinstance(value, Mapping):
        return {name: _skeleton(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_skeleton(element) for element in value]
    return None if isinstance(value, str) else value
