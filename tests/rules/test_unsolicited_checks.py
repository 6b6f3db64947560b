"""What no request precedes is judged where its sender was told the address, and holds up nothing anywhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import campaigns
import pytest
from campaigns import settings
from other_contracts import parcel
from seeded import VARIANTS

from conformance.contract.contract import statum
from conformance.gateway import campaign
from conformance.journal import read_journal
from conformance.judging.terms import Terms
from conformance.judging.verdicts import Judged, Verdict
from conformance.mock.behaviour import BUILT_IN
from conformance.reports.result import judge


def test_an_address_is_secret_by_its_token_or_path() -> None:
    """A token, or a long part of its path; not the name of the callback, however long."""
    addresses = [("", ""), ("/hooks", ""), ("/4f1c9a7e2b8d4f1c9a7e2b8d", ""), ("", "?token=s3cret-of-mine")]
    for product in ("mpesa-c2b", "mpesa-c2b/validation"):
        targets = [f"{prefix}/callbacks/{product}{query}" for prefix, query in addresses]
        known = [Terms(targets={product: each}).is_known_only_to_the_gateway(product, each) for each in targets]
        assert [False, False, True, True] == known


def judged(directory: Path, variant: str | None) -> Judged:
    """A small run against the built-in mock gateway."""
    behaviour = VARIANTS[variant].change(BUILT_IN) if variant else BUILT_IN
    told = {"products": ("sms",), "notify_within_s": 2.0, "seed": 20261122, "shrink_requests": 0}
    return campaigns.judged(directory, behaviour, **told)


def test_conditional_requirements_do_not_hinder_where_nothing_happens(tmp_path: Path) -> None:
    """The requirements are conditional: they hinder no conformant verdict."""
    judgement = judged(tmp_path, None)
    of_it = {v.verdict: v.hinders for v in judgement.verdicts if v.requirement.id.startswith("UNS")}
    assert {Verdict.INCONCLUSIVE: False} == of_it


def test_inquiries_are_judged_like_their_notifications(tmp_path: Path) -> None:
    """Both come to the run, and are judged under the one name."""
    judgement = judged(tmp_path, "unsolicited")
    (form,) = (v for v in judgement.verdicts if v.requirement.id == "UNS-01")
    record = read_journal(tmp_path / "journal.sqlite")
    came = [n for n in record.notifications if statum().unsolicited_at(n.product) is not None]
    assert {"mpesa-c2b", "mpesa-c2b/validation"} == {n.product for n in came}
    assert (Verdict.PASS, "mpesa-c2b", len(came)) == (form.verdict, form.command, form.observations)


@pytest.mark.parametrize("taken", ["broken.empty", "malformed.not-json"])
def test_preflight_requests_leave_no_notification_behind(taken: str, tmp_path: Path) -> None:
    """By a contract without a read-only command, where the gateway accepts what it should refuse: it is blamed once."""
    told = {"consumer_key": "SampleKey", "consumer_secret": "SampleSecret", "contract": parcel()}
    given = settings(tmp_path, exclusive_account=True, notify_within_s=2.0, shrink_requests=0, **told)
    waived = frozenset({taken, "broken.pattern", "broken.range"})
    record = read_journal(campaign.run(given, behaviour=replace(BUILT_IN, waived=waived)))
    orphans = next(r.id for r in parcel().catalogue.requirements if str(r.judge).startswith("rule none-that-nobody"))
    verdicts = {v.requirement.id: v.verdict for v in judge(record, contract=parcel()).verdicts}

    assert Verdict.PASS is verdicts[orphans]
    assert Verdict.FAIL in verdicts.values()
