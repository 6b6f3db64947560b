"""The seed's own samples are judged in every run, and nothing is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.contract.contract import statum
from conformance.gateway import preflight
from conformance.judging.verdicts import Verdict
from conformance.model.errors import SuiteError
from conformance.reports.result import judge


def test_the_seeds_samples_keep_every_requirement_that_bears_on_them() -> None:
    """The envelope, the notification and what joins them; nothing is broken."""
    verdicts = {v.requirement.id: v.verdict for v in judge(preflight.sample_record(statum())).verdicts}
    kept = {id_ for id_, verdict in verdicts.items() if verdict is Verdict.PASS}
    assert {"ACC-01", "RSP-03", "RSP-15", "NTF-01", "NTF-08", "NTF-09", "NTF-12", "NTF-16"} <= kept
    assert {Verdict.PASS, Verdict.INCONCLUSIVE} == set(verdicts.values())


def test_a_suite_that_finds_fault_with_the_samples_says_so_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the suite that is wrong then, whatever the gateway does."""
    record = preflight.sample_record(statum())
    sent = record.notifications[0]
    wrong = replace(sent, request=replace(sent.request, body=b'{"result_code": 200}'))
    monkeypatch.setattr(preflight, "sample_record", lambda _: replace(record, notifications=(wrong,)))

    with pytest.raises(SuiteError, match="the contract's own samples break NTF-"):
        preflight.check_samples(statum())
