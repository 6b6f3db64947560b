"""Callbacks without an invocation, as a contract states them."""

from __future__ import annotations

from pathlib import Path

import pytest
from other_contracts import copied

from conformance.contract.checking import faults_of
from conformance.contract.command import Flow, Inquiry, Money, Unsolicited
from conformance.contract.contract import statum
from conformance.contract.folder import ContractFolder


def test_customers_start_payments() -> None:
    """Statum's contract has one such product, and asks before a payment goes through."""
    assert {
        "mpesa-c2b": Unsolicited(
            "mpesa-c2b", "docs", Inquiry("mpesa-c2b", "mpesa-c2b/validation", 8.0), Money("amount", "KES", Flow.IN)
        )
    } == statum().unsolicited


def test_its_callbacks_come_after_those_of_the_commands() -> None:
    """A receiver has an address for each; the products to exercise are those of commands alone."""
    contract = statum()
    assert ("mpesa-c2b", "mpesa-c2b/validation") == contract.callbacks[len(contract.products) :]
    assert "mpesa-c2b" not in contract.products


@pytest.mark.parametrize("callback", ["mpesa-c2b", "mpesa-c2b/validation"])
def test_what_comes_to_a_callback_is_known(callback: str) -> None:
    """Confirmations and inquiries are of the one product; each has its schema, which the contract has an example of."""
    contract = statum()
    row = contract.unsolicited_at(callback)
    assert row is not None
    schema = contract.schemas.resolved(row.schema_at(callback))
    assert [] == contract.schemas.violations(row.schema_at(callback), schema["examples"][0])
    assert row is contract.notified(row.name)


@pytest.mark.parametrize("callback", ["sms", None, "nothing"])
def test_nothing_else_comes_without_an_invocation(callback: str | None) -> None:
    """At the callback of a command a request precedes each notification."""
    assert statum().unsolicited_at(callback) is None


@pytest.mark.parametrize(
    "rows",
    [
        'product = "sms"',
        'product = "account-details"',
        'product = "tips"\n[[unsolicited]]\nsource = "docs"\nproduct = "tips"',
        'product = "tips"\ninquiry = { callback = "tips", seconds = 8 }',
        'product = "tips"\ninquiry = { callback = "sms", seconds = 8 }',
    ],
)
def test_a_callback_has_one_use(tmp_path: Path, rows: str) -> None:
    """What comes to an address is told by the address alone."""
    folder = copied(tmp_path)
    text = (folder / "contract.toml").read_text("utf-8")
    (folder / "contract.toml").write_text(f'{text}\n[[unsolicited]]\nsource = "docs"\n{rows}\n', "utf-8")
    faults = [fault.message for fault in faults_of(ContractFolder.at(folder))]

    assert 1 == len([each for each in faults if "has another use already; expected a name of its own" in each])
