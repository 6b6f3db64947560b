"""What excuses the refusal of a valid request, and what does not, on records made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from run_verdicts import verdict
from runs import Run

from conformance.judging.judgement import Reason
from conformance.judging.verdicts import Verdict
from conformance.model.traffic import Case, Kind

SAMPLE = "254712345678"
IDS = iter(f"{number:032}" for number in range(10_000))


def sent(run: Run, status: int = 200, aspect: str = "random", command: str = "sms", **members: str) -> Case:
    """A request of the sender id `Statum` to the sample's number, but for what is said otherwise."""
    plain = {"sms": {"sender_id": "Statum", "message": "Habari"}, "airtime": {"amount": "50"}}[command]
    payload = json.dumps({"phone_number": SAMPLE, **plain, **members}).encode()
    return run.invoke(next(IDS), status, command=command, aspect=aspect, payload=payload)


def drawn(number: int, begins: str = "25471") -> str:
    """A phone number of a range."""
    return f"{begins}{number:0{12 - len(begins)}}"


# --- 403: names and numbers


@pytest.mark.parametrize(
    ("aspect", "id_", "expected"),
    [("unicode", "ACC-03", Verdict.FAIL), ("long", "ACC-04", Verdict.WARN), ("line-breaks", "ACC-05", Verdict.FAIL)],
)
def test_a_403_is_no_excuse_where_the_same_names_were_accepted(aspect: str, id_: str, expected: Verdict) -> None:
    """It is the message that is refused, whatever the status says."""
    run = Run()
    sent(run)
    sent(run, 403, aspect, message="Habari 👋")

    assert expected is verdict(run, id_).verdict


def test_a_403_speaks_of_a_sender_id_that_was_never_accepted() -> None:
    """It is named; what was accepted is enough for the rest."""
    run = Run()
    sent(run)
    sent(run, 403, sender_id="Other")
    assert (Verdict.PASS, 1) == (verdict(run, "ACC-02").verdict, verdict(run, "ACC-02").unobserved)

    sent(run, 403, "unicode", sender_id="Other")
    judged = verdict(run, "ACC-03")
    assert (Verdict.INCONCLUSIVE, Reason.PRECONDITION) == (judged.verdict, judged.reason)
    assert "sender id 'Other' was not accepted" in (judged.detail or "")


def test_a_403_speaks_of_a_number_that_was_given_and_never_accepted() -> None:
    """The documented sample's number, which many payloads have, is as good as given."""
    run = Run()
    sent(run, phone_number=drawn(1))
    sent(run, 403)

    assert (Verdict.PASS, 1) == (verdict(run, "ACC-02").verdict, verdict(run, "ACC-02").unobserved)


def test_a_number_that_was_drawn_is_on_no_list() -> None:
    """Others that were drawn like it were accepted, so it is something else that is refused."""
    run = Run(commands=("airtime",))
    for number in range(5):
        sent(run, command="airtime", phone_number=drawn(number))
    sent(run, 403, "boundary", "airtime", phone_number=drawn(9), amount="10000")

    assert Verdict.FAIL is verdict(run, "ACC-06", "airtime").verdict


def test_a_range_of_which_nothing_was_accepted_is_never_green() -> None:
    """The account may not reach that network, or the gateway may be wrong: it is said, and left open."""
    run = Run()
    for number in range(5):
        sent(run, phone_number=drawn(number, "25471"))
        sent(run, 403, phone_number=drawn(number, "25411"))

    judged = verdict(run, "ACC-02")
    assert (Verdict.INCONCLUSIVE, Reason.PRECONDITION, 5) == (judged.verdict, judged.reason, judged.observations)
    assert "begins with 2541" in (judged.detail or "")
    assert judged.hinders


def test_a_list_of_numbers_is_the_accounts() -> None:
    """Nearly nothing else was accepted."""
    run = Run()
    sent(run)
    for number in range(20):
        sent(run, 403, phone_number=drawn(number))

    judged = verdict(run, "ACC-02")
    assert (Verdict.INCONCLUSIVE, Reason.PRECONDITION) == (judged.verdict, judged.reason)
    assert "--phone-number" in (judged.detail or "")


# --- 402: funds


def test_funds_that_suffice_for_more_later_are_no_excuse() -> None:
    """Nobody paid in, and nothing was paid back."""
    run = Run(commands=("airtime",))
    sent(run, 402, "boundary", "airtime", amount="5")
    sent(run, command="airtime", amount="6")

    assert Verdict.FAIL is verdict(run, "ACC-06", "airtime").verdict


@pytest.mark.parametrize("later", ["4", None])
def test_funds_that_suffice_for_less_later_are_an_excuse(later: str | None) -> None:
    """Or for nothing."""
    run = Run(commands=("airtime",))
    sent(run, command="airtime", amount="50")
    sent(run, 402, "boundary", "airtime", amount="5")
    if later is not None:
        sent(run, command="airtime", amount=later)

    judged = verdict(run, "ACC-06", "airtime")
    assert (Verdict.INCONCLUSIVE, Reason.PRECONDITION) == (judged.verdict, judged.reason)


def test_a_look_at_the_account_needs_no_funds() -> None:
    """Where one is answered 402, and the next is not."""
    run = Run(commands=("account-details",))
    for status in (402, 200):
        run.invoke(next(IDS), status, command="account-details", payload=b"")

    assert Verdict.FAIL is verdict(run, "ACC-02", "account-details").verdict


def test_money_that_came_back_excuses_what_plain_requests_meet_as_well() -> None:
    """And nothing that only emoji meet, again and again; once may be chance."""
    run = Run()
    run.invoke("f" * 32)
    run.notify("f" * 32, result_code="500", result_desc="Operator error")
    for expected in (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.FAIL):
        sent(run, 402, "unicode", message="👋")
        sent(run)
        assert expected is verdict(run, "ACC-03").verdict

    sent(run, 402)
    sent(run)
    assert Verdict.INCONCLUSIVE is verdict(run, "ACC-03").verdict
    assert Verdict.INCONCLUSIVE is verdict(run, "ACC-02").verdict


# --- 429: pace


def test_a_429_to_the_last_is_no_excuse_where_plain_requests_meet_none() -> None:
    """It is the message, not the pace, if it is more than one."""
    run = Run()
    sent(run)
    for expected in (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.FAIL):
        sent(run, 429, "unicode", message="👋")
        assert expected is verdict(run, "ACC-03").verdict

    sent(run, 429)
    judged = verdict(run, "ACC-03")
    assert (Verdict.INCONCLUSIVE, Reason.ENVIRONMENT) == (judged.verdict, judged.reason)


# --- A text: an earlier run


def refused(run: Run, said: str, **known: Any) -> Case:
    """An airtime request that is refused in these words."""
    envelope = {"status_code": 422, "description": said, "request_id": next(IDS)}
    return run.invoke(command="airtime", http_status=422, envelope=envelope, **known)


def with_a_repeat(said: str, of_others: str) -> Run:
    """Airtime is accepted, and refused when it is repeated; a broken one is refused in the words `of_others`."""
    run = Run(commands=("airtime",))
    first = sent(run, command="airtime")
    refused(run, said, kind=Kind.REPEAT, aspect="window", earlier=first.id)
    refused(run, of_others, kind=Kind.BROKEN, aspect="missing", twin=first.id)
    return run


def test_words_that_only_repeats_meet_tell_of_an_earlier_run() -> None:
    """One with the same seed."""
    run = with_a_repeat("Sent before.", "Validation failed.")
    refused(run, "Sent before.")

    judged = verdict(run, "ACC-02", "airtime")
    assert (Verdict.PASS, 1) == (judged.verdict, judged.unobserved)


def test_words_that_all_refusals_have_excuse_nothing() -> None:
    """Unless all that every run sends is refused in them."""
    run = with_a_repeat("Validation failed.", "Validation failed.")
    refused(run, "Validation failed.")
    assert Verdict.FAIL is verdict(run, "ACC-02", "airtime").verdict

    refused(run, "Validation failed.", aspect="sample")
    assert Verdict.PASS is verdict(run, "ACC-02", "airtime").verdict

    sent(run, 200, "boundary", "airtime", amount="5")
    assert Verdict.FAIL is verdict(run, "ACC-02", "airtime").verdict


def crashed(run: Run, **known: Any) -> Case:
    """An airtime request that is answered with a 500."""
    return run.invoke(next(IDS), 500, command="airtime", **known)


@pytest.mark.parametrize("answer", [partial(refused, said="Validation failed."), crashed], ids=["refused", "crashed"])
def test_a_request_after_a_wrong_credential_is_not_failed_for_what_ordinary_ones_meet(
    answer: Callable[..., Case],
) -> None:
    """One misbehaviour breaks one requirement; a crash may be intermittent."""
    run = Run(commands=("airtime",))
    twin = sent(run, command="airtime")
    probe = run.invoke(next(IDS), 401, command="airtime", kind=Kind.CREDENTIAL, aspect="absent", twin=twin.id)
    answer(run, kind=Kind.REPEAT, aspect="after-refusal", twin=twin.id, earlier=probe.id)
    assert Verdict.FAIL is verdict(run, "AUT-10", "airtime").verdict

    answer(run)
    assert Verdict.FAIL is verdict(run, "ACC-02", "airtime").verdict
    assert 0 == verdict(run, "AUT-10", "airtime").failed
