"""The rows of `probes.toml`: what each may say, and that the suite can make all of them."""

from __future__ import annotations

import pytest

from conformance.contract.contract import statum
from conformance.contract.probes import MAKERS, Outcome, Probe, Probes
from conformance.mock.rules import TAGS, refusal_of
from conformance.payloads.invalid import OPEN, SYSTEMATIC
from conformance.payloads.json_defects import MALFORMED, OPEN_BODIES

# Makers of open bodies, and those that stand for no table of their own.
OPEN_MAKERS = {"body", "unknown-member", "huge-text", "huge-beside", "careful-number"}

ROW = {
    "kind": "method",
    "aspect": "*",
    "outcome": "refused",
    "made": [{"by": "method", "method": "PUT", "aspect": "x"}],
}


def test_a_row_is_read() -> None:
    """Its makings have its aspect, or one of their own."""
    probe = Probe.from_entry(ROW)

    assert ("method.*", Outcome.REFUSED) == (probe.name, probe.outcome)
    assert [("method", "x", "PUT")] == [(each.by, each.aspect, each.text("method")) for each in probe.made]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "credentials"}, "kind is 'credentials'; expected one of credential, headers"),
        ({"aspect": ""}, "aspect is ''; expected a text"),
        ({"outcome": "denied"}, "outcome is 'denied'; expected one of accepted, refused, open"),
        ({"made": []}, "made is missing; expected tables"),
        ({"made": [{"by": "verb"}]}, "made has by = 'verb'; expected one of method for kind method"),
        ({"made": [{"by": "method", "verb": "PUT"}]}, "made has verb for method; expected of its parameters (method)"),
        ({"made": [{"by": "method", "method": "PUT"}]}, "made has no aspect for method"),
        ({"expect": "401"}, "expect is no key of a probe"),
    ],
)
def test_what_is_no_row_is_told_in_one_line(change: dict[str, object], told: str) -> None:
    """With what is expected."""
    with pytest.raises(ValueError, match="expected") as refused:
        Probe.from_entry({**ROW, **change})

    assert told in str(refused.value)


def test_a_name_is_there_once() -> None:
    """Requirements, faults and the mock gateway mean one probe by it."""
    row = '[[probe]]\nkind = "broken"\naspect = "null"\noutcome = "refused"\nmade = [{ by = "null" }]\n'

    with pytest.raises(ValueError, match=r"broken\.null is there twice"):
        Probes.read(row * 2)


def test_the_suite_has_every_maker() -> None:
    """The vocabulary of rows is that of the code that makes requests of them."""
    assert MAKERS["malformed"].keys() - {"header", "cut"} == MALFORMED.keys()
    assert MAKERS["broken"].keys() == SYSTEMATIC.keys()
    assert MAKERS["open"].keys() - OPEN_MAKERS == OPEN.keys()
    bodies = [each.shows for probe in statum().probes.of("open") for each in probe.made if each.by == "body"]
    assert bodies == list(OPEN_BODIES)


def test_the_mock_gateway_refuses_each_in_its_words() -> None:
    """Under the very name of the probe."""
    refused = [probe for probe in statum().probes if probe.outcome is Outcome.REFUSED]

    assert {probe.name for probe in refused} <= TAGS
    assert [probe.reason for probe in refused] == [refusal_of(statum(), probe.name).description for probe in refused]


def test_without_a_row_the_words_are_those_of_the_contracts_examples() -> None:
    """Or of HTTP, where no example has the status."""
    assert "Insufficient funds" == refusal_of(statum(), "funds").description
    assert 429 == refusal_of(statum(), "rate").status
