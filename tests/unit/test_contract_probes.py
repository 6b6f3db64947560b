"""The rows of `probes.toml`: what each may say, and that the suite can make all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from contract_edits import copy_of_statum

from conformance.contract.checking import faults_of
from conformance.contract.command import Outcome
from conformance.contract.contract import statum
from conformance.contract.folder import ContractFolder
from conformance.contract.tables import MAKERS, Probes
from conformance.mock.rules import TAGS, refusal_of
from conformance.payloads.invalid import OPEN, SYSTEMATIC
from conformance.payloads.json_defects import MALFORMED, OPEN_BODIES

# Makers of open bodies, and those that stand for no table of their own.
OPEN_MAKERS = {"body", "unknown-member", "huge-text", "huge-beside", "careful-number"}

ROW = """
[[probe]]
kind = "method"
aspect = "*"
outcome = "refused"
made = [{ by = "method", method = "PUT", aspect = "x" }]
"""


def test_a_row_is_read() -> None:
    """Its makings have its aspect, or one of their own."""
    (probe,) = Probes.read(ROW)

    assert ("method.*", Outcome.REFUSED) == (probe.name, probe.outcome)
    assert [("method", "x", "PUT")] == [(each.by, each.aspect, each.text("method")) for each in probe.made]


@pytest.mark.parametrize(
    ("words", "others", "told"),
    [
        ('kind = "method"', 'kind = "methods"', "kind is 'methods'; expected one of credential, headers"),
        ('aspect = "*"', 'aspect = ""', "aspect is ''; expected the aspect of its cases"),
        ('"refused"', '"denied"', "outcome is 'denied'; expected accepted or refused or open"),
        ('[{ by = "method", method = "PUT", aspect = "x" }]', "[]", "made is []; expected a table for each request"),
        ('by = "method"', 'by = "tags"', "made has by = 'tags'; expected one of method for kind method"),
        ('by = "method"', 'by = "verb"', "by is 'verb'; expected one of credential, header"),
        ('method = "PUT"', 'text = "PUT"', "made has text for method; expected of its parameters (method)"),
        ('method = "PUT"', 'verb = "PUT"', "verb is no key of this table; expected by, aspect"),
        (', aspect = "x"', "", "made has no aspect for method; expected one where the probe's is '*'"),
        ('outcome = "refused"', "", "outcome is missing; expected what must become of it"),
        ('outcome = "refused"', 'outcome = "refused"\nexpect = "401"', "expect is no key of this table"),
        (ROW, ROW * 2, "aspect of method.* is there twice; expected one row for each kind and aspect"),
        ("[[probe]]", "[[probes]]", "probes is no key of this table; expected probe (hint: did you mean probe?)"),
    ],
)
def test_what_is_no_row_is_told_in_one_line(tmp_path: Path, words: str, others: str, told: str) -> None:
    """With its place, and what is expected."""
    folder = copy_of_statum(tmp_path)
    (folder / "probes.toml").write_text(ROW.replace(words, others), "utf-8")
    faults = [fault.message for fault in faults_of(ContractFolder.at(folder)) if fault.file == "probes.toml"]

    assert [told] == [each[: len(told)] for each in faults]


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
