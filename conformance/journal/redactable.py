"""Which values can be kept out of the evidence without taking it apart.

check_redactable    UsageError for those that cannot
"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.contract.words import is_of_contract
from conformance.errors import UsageError
from conformance.journal.redaction import MINIMUM_LENGTH


def check_redactable(
    values: Sequence[str], option: str = "--redact", hint: str = "leave it out: it tells nobody anything"
) -> None:
    """UsageError if one of the `values` of an `option` stands in every answer; it is not shown."""
    if any(len(value) >= MINIMUM_LENGTH and is_of_contract(value) for value in values):
        raise UsageError(
            f"{option} is a word of the contract or a part of one, which stands in every answer; it cannot be redacted",
            hint=hint,
        )
    if option == "--redact" and (short := [value for value in values if len(value) < MINIMUM_LENGTH]):
        raise UsageError(
            f"--redact is given a value of {len(short[0])} characters; expected {MINIMUM_LENGTH} or more",
            hint="shorter ones stand in every text by chance",
        )
