"""`--callback-path`: the results of one product at the callback of another, where customers' payments come to, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import campaigns
import pytest
from command_line import call
from seeded import FAULTS, VARIANTS

from conformance.contract.contract import statum
from conformance.gateway.rig import RunIntake
from conformance.journal import Record, read_journal
from conformance.judging.verdicts import Judged, Verdict
from conformance.mock.behaviour import BUILT_IN, Behaviour
from conformance.model.traffic import Request
from conformance.reports.reproduce import repeat_command
from conformance.reports.result import judge
from conformance.wire.receiver import CallbackPaths

AT_C2B = {"mpesa-online": "mpesa-c2b"}
PAYING = VARIANTS["unsolicited"].change(BUILT_IN)


def held(directory: Path, behaviour: Behaviour, callback_paths: Mapping[str, str] = AT_C2B) -> Record:
    """A small run of two products against the built-in mock gateway."""
    given = {"products": ("sms", "mpesa-online"), "notify_within_s": 1.0, "shrink_requests": 0}
    return read_journal(campaigns.held(directory, behaviour, callback_paths=callback_paths, **given))


def short(judgement: Judged) -> dict[tuple[str, str | None], Verdict]:
    """What fell short."""
    fell = (Verdict.FAIL, Verdict.WARN)
    return {(v.requirement.id, v.command): v.verdict for v in judgement.verdicts if v.verdict in fell}


def test_results_and_payments_of_customers_can_share_a_callback(tmp_path: Path) -> None:
    """The line that repeats the run has the option."""
    record = held(tmp_path, PAYING)
    judgement = judge(record)
    assert {} == short(judgement)
    verdicts = {(v.requirement.id, v.command): v.verdict for v in judgement.verdicts}
    for name in (("NTF-01", "mpesa/online"), ("NTF-17", "mpesa/online"), ("UNS-01", "mpesa-c2b")):
        assert Verdict.PASS == verdicts[name]
    assert AT_C2B == record.settings["callback_paths"]
    assert "--callback-path mpesa-online=mpesa-c2b" in repeat_command(record.settings, statum())


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ("no-notifications", {("NTF-01", "sms"), ("NTF-01", "mpesa/online")}),
        ("notification-without-result-code", {("NTF-07", "sms"), ("NTF-07", "mpesa/online")}),
        ("notification-off-the-registered-url", {("NTF-18", "sms"), ("NTF-18", "mpesa/online")}),
    ],
)
def test_a_shared_callback_hides_no_fault(tmp_path: Path, fault: str, broken: set[tuple[str, str]]) -> None:
    """Results are judged alike wherever they arrive."""
    assert broken == set(short(judge(held(tmp_path, FAULTS[fault].change(BUILT_IN)))))


def test_without_the_option_a_result_at_the_callback_of_payments_is_misdirected(tmp_path: Path) -> None:
    """It breaks NTF-17."""
    found = short(judge(held(tmp_path, FAULTS["result-to-unsolicited"].change(BUILT_IN), {})))
    assert {"NTF-17"} == {requirement for requirement, _ in found}


WRONG = {
    ("--callback-path", "mpesa-online"): "is not PRODUCT=PRODUCT",
    ("--callback-path", "mpesa=mpesa-c2b"): "there is no product 'mpesa'",
    ("--callback-path", "mpesa-online=mpesa-cb2"): "there is no callback 'mpesa-cb2'",
    ("--callback-path", "mpesa-c2b=mpesa-online"): "there is no product 'mpesa-c2b'",
    ("--callback-path", "mpesa-online=mpesa-c2b/validation"): "there is no callback",
    ("--product", "mpesa-c2b"): "no request precedes mpesa-c2b: a run judges it whenever it comes",
}


def test_an_unknown_product_or_callback_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is sent."""
    called = {options: call(capsys, "run", *options) for options in WRONG}

    assert {2} == {each.code for each in called.values()}
    assert [] == [each.only_line for options, each in called.items() if WRONG[options] not in each.only_line]


def test_the_url_to_register_is_that_of_the_other_product() -> None:
    """With its prefix and query; what comes there is the other's until it is known what it is about."""
    paths = CallbackPaths("/hooks", "token=t", ("mpesa-online", "mpesa-c2b"), shared=AT_C2B)
    assert "/hooks/callbacks/mpesa-c2b?token=t" == paths.target("mpesa-online")
    assert "mpesa-c2b" == paths.product_of(paths.target("mpesa-online"))


def test_a_notification_of_the_preflight_belongs_to_the_run_once_an_answer_has_its_id() -> None:
    """A gateway may give one id for all; what was notified until that is known is not lost."""
    intake = RunIntake(lambda request: request.body.decode())
    taken: list[bytes] = []
    intake.disown("1")
    intake.disown("2")
    intake.hand_to(lambda _product, request, _at, _wall: taken.append(request.body))
    for body in (b"1", b"2", b"3"):
        intake.on_arrival("sms", Request("POST", "/callbacks/sms", (), body), 0.0, 0.0)
    assert [b"3"] == taken

    intake.claim("2")
    intake.on_arrival("sms", Request("POST", "/callbacks/sms", (), b"2"), 0.0, 0.0)

    assert [b"3", b"2", b"2"] == taken
