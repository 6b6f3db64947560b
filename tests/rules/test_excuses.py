"""What excuses the refusal of a valid request, and what does not, on records made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from run_records import Run, verdict

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


def ask(status: int = 200, aspect: str = "random", command: str = "sms", **members: str) -> Callable[[Run], Case]:
    """A request as `sent` makes it, for a run to come."""
    return partial(sent, status=status, aspect=aspect, command=command, **members)


def look(status: int) -> Callable[[Run], Case]:
    """A look at the account."""
    return lambda run: run.invoke(next(IDS), status, command="account-details", payload=b"")


FAIL, WARN, PASS, OPEN = Verdict.FAIL, Verdict.WARN, Verdict.PASS, Verdict.INCONCLUSIVE
PLAIN, EMOJI, OTHER_ID = ask(), ask(403, "unicode", message="Habari 👋"), ask(403, sender_id="Other")
EMOJI_OF_OTHER = ask(403, "unicode", sender_id="Other")
CHEAP, TOO_DEAR = ask(command="airtime", amount="50"), ask(402, "boundary", "airtime", amount="5")
CHEAPER = ask(command="airtime", amount="4")
DRAWN = [ask(command="airtime", phone_number=drawn(number)) for number in range(5)]
DEAR_TO_DRAWN = ask(403, "boundary", "airtime", phone_number=drawn(9), amount="10000")
REACHED = [ask(phone_number=drawn(number, "25471")) for number in range(5)]
NOT_REACHED = [ask(403, phone_number=drawn(number, "25411")) for number in range(5)]
UNLISTED = [ask(403, phone_number=drawn(number)) for number in range(20)]

# Requests; the verdict on a requirement, how many of its observations are excused, and a part of the reason.
EXCUSES: dict[str, tuple[list[Callable[[Run], Case]], str, Verdict, int, str]] = {
    # 403: names and numbers
    "403 to emoji, under accepted names": ([PLAIN, EMOJI], "ACC-03", FAIL, 0, ""),
    "403 to a long text, under accepted names": ([PLAIN, ask(403, "long")], "ACC-04", WARN, 0, ""),
    "403 to line breaks, under accepted names": ([PLAIN, ask(403, "line-breaks")], "ACC-05", FAIL, 0, ""),
    "403 to one of two sender ids": ([PLAIN, OTHER_ID], "ACC-02", PASS, 1, ""),
    "403 to a sender id": ([PLAIN, EMOJI_OF_OTHER], "ACC-03", OPEN, 1, "sender id 'Other' was not accepted"),
    # many payloads have the sample's number: it is as good as given
    "403 to the number of the sample": ([ask(phone_number=drawn(1)), ask(403)], "ACC-02", PASS, 1, ""),
    # a drawn number is on no list, and others like it were accepted
    "403 to a drawn number": ([*DRAWN, DEAR_TO_DRAWN], "ACC-06", FAIL, 0, ""),
    # the account may not reach that network, or the gateway may be wrong
    "403 to a whole range": ([*REACHED, *NOT_REACHED], "ACC-02", OPEN, 5, "begins with 2541"),
    "403 to all but one number": ([PLAIN, *UNLISTED], "ACC-02", OPEN, 20, "--phone-number"),
    # 402: funds; nobody paid in, and nothing was paid back
    "402, and enough for more later": ([TOO_DEAR, ask(command="airtime", amount="6")], "ACC-06", FAIL, 0, ""),
    "402, and enough for less later": ([CHEAP, TOO_DEAR, CHEAPER], "ACC-06", OPEN, 1, "funds"),
    "402, and nothing later": ([CHEAP, TOO_DEAR], "ACC-06", OPEN, 1, "funds"),
    "402 to a look at the account": ([look(402), look(200)], "ACC-02", FAIL, 0, ""),
}


def test_a_refusal_is_excused_by_the_rest_of_the_run_alone() -> None:
    """Whatever the status says, the same names, numbers or prices must never have been accepted."""
    wrong = []
    for name, (requests, id_, *expected) in EXCUSES.items():
        run = Run(commands=("sms", "airtime", "account-details"))
        command = [request(run) for request in requests][-1].command
        found = verdict(run, id_, command)
        said = expected[-1] if expected[-1] in (found.detail or "") else found.detail
        if expected != [found.verdict, found.unobserved, said]:
            wrong.append((name, expected, found))

    assert [] == wrong


def test_money_that_came_back_excuses_what_plain_requests_meet_as_well() -> None:
    """And nothing that only emoji meet, again and again; once may be chance."""
    run = Run()
    run.invoke("f" * 32)
    run.notify("f" * 32, result_code="500", result_desc="Operator error")
    for expected in (OPEN, OPEN, FAIL):
        sent(run, 402, "unicode", message="👋")
        sent(run)
        assert expected is verdict(run, "ACC-03").verdict

    sent(run, 402)
    sent(run)
    assert [OPEN, OPEN] == [verdict(run, id_).verdict for id_ in ("ACC-03", "ACC-02")]


def test_a_429_to_the_last_is_no_excuse_where_plain_requests_meet_none() -> None:
    """It is the message, not the pace, if it is more than one."""
    run = Run()
    sent(run)
    for expected in (OPEN, OPEN, FAIL):
        sent(run, 429, "unicode", message="👋")
        assert expected is verdict(run, "ACC-03").verdict

    sent(run, 429)
    judged = verdict(run, "ACC-03")
    assert (OPEN, Reason.ENVIRONMENT) == (judged.verdict, judged.reason)


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


def test_a_text_that_only_repeats_get_points_to_an_earlier_run() -> None:
    """One with the same seed."""
    run = with_a_repeat("Sent before.", "Validation failed.")
    refused(run, "Sent before.")

    judged = verdict(run, "ACC-02", "airtime")
    assert (Verdict.PASS, 1) == (judged.verdict, judged.unobserved)


def test_words_that_all_refusals_have_excuse_nothing() -> None:
    """Unless all that every run sends is refused in them."""
    run = with_a_repeat("Validation failed.", "Validation failed.")
    refused(run, "Validation failed.")
    assert FAIL is verdict(run, "ACC-02", "airtime").verdict

    refused(run, "Validation failed.", aspect="sample")
    assert PASS is verdict(run, "ACC-02", "airtime").verdict

    sent(run, 200, "boundary", "airtime", amount="5")
    assert FAIL is verdict(run, "ACC-02", "airtime").verdict


def crashed(run: Run, **known: Any) -> Case:
    """An airtime request that is answered with a 500."""
    return run.invoke(next(IDS), 500, command="airtime", **known)


@pytest.mark.parametrize("answer", [partial(refused, said="Validation failed."), crashed], ids=["refused", "crashed"])
def test_a_request_after_a_wrong_credential_does_not_fail_for_faults_of_ordinary_ones(
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
