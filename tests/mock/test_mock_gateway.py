"""The mock gateway's rules: each alone, in their order, waived and crashing; and nothing that makes it raise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mock_rig import ACCOUNT, CALLBACKS, RIGHT, VALID, basic, headers, request, told, with_headers, without

from conformance.contract.contract import statum
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour, Callback, Moment, Reply
from conformance.mock.gateway import STEPS, Gateway
from conformance.mock.rules import LONGEST_MESSAGE, TAGS, refusal_of
from conformance.model.errors import SuiteError
from conformance.model.traffic import Request, header

COMMANDS = statum().commands
SCHEMAS = statum().schemas

KEY, SECRET = ACCOUNT.consumer_key, ACCOUNT.consumer_secret
SMS = request("sms")


def tag_of(asked: Request, behaviour: Behaviour | None = None) -> str | None:
    """The tag that a fresh gateway refuses `asked` with, None if it accepts it."""
    tags: list[str | None] = []

    def spy(reply: Reply, moment: Moment) -> Reply:
        tags.append(moment.refusal)
        return reply

    behaviour = behaviour or Behaviour()
    gateway = Gateway(ACCOUNT, replace(behaviour, reply=(*behaviour.reply, spy)))
    gateway.answer(asked, now=0.0)
    return tags[0]


def unpadded(text: str) -> str:
    """The text with its first letter in the other case: another base64 text of the same length."""
    return text[:6] + text[6:].swapcase()


TRANSITIONS: list[tuple[str, Request]] = [
    ("unknown-command.*", replace(SMS, url="/api/v2/fax")),
    ("unknown-command.*", replace(SMS, url="/api/v2")),
    ("unknown-command.*", replace(SMS, url="/sms")),
    ("unknown-command.*", replace(SMS, url="/api/v2/sms/")),
    ("unknown-command.*", replace(SMS, url="/api/v2/SMS")),
    ("unknown-command.*", replace(SMS, url="/api/v2/mpesa-online")),
    ("unknown-command.*", replace(SMS, url="*")),
    ("method.*", replace(SMS, method="GET")),
    ("method.*", replace(SMS, method="HEAD")),
    ("method.*", request("account-details", method="POST")),
    ("credential.absent", with_headers(SMS, authorization=None)),
    ("credential.other-scheme", with_headers(SMS, authorization=RIGHT.replace("Basic", "Bearer"))),
    ("credential.other-scheme", with_headers(SMS, authorization=RIGHT.removeprefix("Basic "))),
    ("credential.empty", with_headers(SMS, authorization="")),
    ("credential.empty", with_headers(SMS, authorization="Basic ")),
    ("credential.empty", with_headers(SMS, authorization=basic(":"))),
    ("credential.empty", with_headers(SMS, authorization=basic(f"{KEY}:"))),
    ("credential.empty", with_headers(SMS, authorization=basic(f":{SECRET}"))),
    ("credential.not-base64", with_headers(SMS, authorization=f"Basic {KEY}:{SECRET}")),
    ("credential.not-base64", with_headers(SMS, authorization="Basic !!!")),
    ("credential.not-base64", with_headers(SMS, authorization="Basic é")),
    ("credential.swapped", with_headers(SMS, authorization=basic(f"{SECRET}:{KEY}"))),
    ("credential.other-case", with_headers(SMS, authorization=basic(f"{KEY.upper()}:{SECRET}"))),
    ("credential.other-case", with_headers(SMS, authorization=basic(f"{KEY}:{SECRET.swapcase()}"))),
    ("credential.other-case", with_headers(SMS, authorization=unpadded(RIGHT))),
    ("credential.wrong-key", with_headers(SMS, authorization=basic(f"other:{SECRET}"))),
    ("credential.wrong-secret", with_headers(SMS, authorization=basic(f"{KEY}:other"))),
    ("credential.wrong-key", with_headers(SMS, authorization=basic("other:other"))),
    ("credential.wrong-key", with_headers(SMS, authorization=basic(b"\xff\xfe"))),
    ("malformed.absent-content-type", with_headers(SMS, content_type=None)),
    ("malformed.other-content-type", with_headers(SMS, content_type="text/plain")),
    ("malformed.other-content-type", with_headers(SMS, content_type="application/x-www-form-urlencoded")),
    ("malformed.other-content-type", with_headers(SMS, content_type="")),
    (
        "malformed.form-encoded",
        with_headers(request("sms", b"a=1&b=2"), content_type="application/x-www-form-urlencoded"),
    ),
    ("malformed.form-encoded", request("airtime", b"phone_number=254721553678&amount=50")),
    ("malformed.empty-body", request("sms", b"")),
    ("malformed.empty-body", request("sms", b" \n")),
    ("malformed.not-utf8", request("sms", json.dumps({"message": "é"}, ensure_ascii=False).encode("latin-1"))),
    ("malformed.not-utf8", request("sms", json.dumps(VALID["sms"]).encode("utf-16"))),
    ("malformed.cut-short", request("sms", SMS.body[: len(SMS.body) // 2])),
    ("malformed.cut-short", request("sms", SMS.body[:-1])),
    ("malformed.cut-short", request("sms", b'{"message": "\xf0\x9f')),
    ("malformed.cut-short", request("sms", b'{"message": "a \\')),
    ("malformed.not-json", request("sms", b"this is not JSON")),
    ("malformed.not-json", request("sms", b"{'message': 'single quotes'}")),
    ("malformed.not-json", request("sms", b'{"amount": NaN}')),
    ("malformed.not-json", request("sms", b"[" * 100_000)),
    ("malformed.array", request("sms", b"[" + SMS.body + b"]")),
    ("malformed.scalar", request("sms", b'"text"')),
    ("malformed.scalar", request("sms", b"null")),
    ("broken.missing", without("sms", "message")),
    ("broken.null", request("sms", message=None)),
    ("broken.type", request("sms", message={"text": "a"})),
    ("broken.type", request("airtime", amount=50)),
    ("broken.type", request("airtime", amount=False)),
    ("broken.empty", request("sms", message="")),
    ("broken.empty", request("airtime", amount="")),
    ("broken.pattern", request("sms", phone_number="25471234567a")),
    ("broken.pattern", request("airtime", amount="5.5")),
    ("broken.pattern", request("airtime", amount="0050")),
    ("broken.pattern", request("sms", message=" ")),
    ("broken.pattern", request("sms", message="\ud800")),
    ("broken.range", request("airtime", amount="4")),
    ("broken.range", request("airtime", amount="10001")),
    ("broken.range", request("airtime", amount="9" * 5000)),
    ("too-long", request("sms", message="m" * (LONGEST_MESSAGE + 1))),
    ("unregistered", request("sms", sender_id="Unknown")),
    ("unregistered", request("sms", sender_id="statum")),
    ("unregistered", request("mpesa-wallet", short_code="99999")),
    ("funds", request("airtime", phone_number="254799000402")),
    ("rate", request("airtime", phone_number="254799000429")),
]


def shown(asked: Request) -> tuple[object, ...]:
    """What tells a row of the table from the others; some bodies are long."""
    return (asked.method, asked.url, header(asked.headers, "Authorization"), asked.body[:99])


def test_a_request_that_breaks_a_rule_is_refused_in_the_envelope() -> None:
    """Each row breaks one rule: it is refused by that rule, with its status and description."""
    account = Account(KEY, SECRET, {"sender_id": ("Statum",), "short_code": ("174379",)}, callbacks=CALLBACKS)
    wrong = []
    for tag, asked in TRANSITIONS:
        answer = Gateway(account).answer(asked, 0.0)
        refusal, content = refusal_of(statum(), tag), answer.reply.content
        found = (tag_of(asked), told(answer), content["description"], answer.deliveries)
        broken = SCHEMAS.violations("response.error", content)
        if (tag, refusal.status, refusal.description, ()) != found or broken:
            wrong.append((tag, shown(asked), found, broken))
    assert [] == wrong


def test_every_rule_has_a_transition() -> None:
    """A refusal that no request of the table meets would be one that nobody has seen work."""
    elsewhere = {"window", "unknown-field"}  # in tests of their own: they need an earlier request, or a variant
    assert TAGS == {tag for tag, _ in TRANSITIONS} | elsewhere


LAWFUL: list[Request] = [
    *(request(command) for command in COMMANDS),
    replace(request("account-details"), url="/api/v2/account-details?format=json&x=%20"),
    replace(request("account-details"), body=b"not looked at"),
    with_headers(SMS, authorization=RIGHT.replace("Basic", "bAsIc")),
    with_headers(SMS, content_type="Application/JSON; charset=UTF-8"),
    request("sms", message="Habari 👋\r\n\tमस्ते"),
    request("sms", message="m" * 459),
    request("sms", message="m" * LONGEST_MESSAGE),
    request("sms", sender_id="20880"),
    request("sms", unheard_of="member", **{"": [None]}),
    request("airtime", amount="5"),
    request("airtime", amount="10000"),
    without("mpesa/online", "bill_ref_number"),
]


def test_a_request_that_keeps_every_rule_is_accepted() -> None:
    """The answer is 200 in the envelope, and the notification goes to the command's own callback."""
    wrong = []
    for asked in LAWFUL:
        product = COMMANDS[asked.url.partition("?")[0].removeprefix("/api/v2/")].product
        answer = Gateway(replace(ACCOUNT, callbacks=CALLBACKS)).answer(asked, 0.0)
        found = (told(answer), [delivery.url for delivery in answer.deliveries])
        if (200, [CALLBACKS[product]] if product else []) != found:
            wrong.append((shown(asked), found))
    assert [] == wrong


def without_header(asked: Request, name: str) -> Request:
    """`asked`, all else as it is."""
    return replace(asked, headers=tuple(pair for pair in asked.headers if pair[0] != name))


ORDER: list[tuple[str, Callable[[Request], Request]]] = [
    ("unknown-command.*", lambda r: replace(r, url="/api/v2/fax")),
    ("method.*", lambda r: replace(r, method="PUT")),
    ("credential.absent", lambda r: without_header(r, "Authorization")),
    ("malformed.absent-content-type", lambda r: without_header(r, "Content-Type")),
    ("malformed.array", lambda r: replace(r, body=b"[" + r.body + b"]")),
]


def test_the_first_rule_broken_is_the_one_that_is_told() -> None:
    """A request that breaks a rule and all behind it is refused by the first: the order of the steps."""
    asked, tags = request("sms", message=""), []
    for _, spoil in reversed(ORDER):
        asked = spoil(asked)
        tags.append(tag_of(asked))
    assert [tag for tag, _ in reversed(ORDER)] == tags


def test_the_steps_come_in_the_documented_order() -> None:
    """From the cheapest to what needs the account: nothing of the body is read without a credential."""
    order = "rate known_command method credential content_type body members window names chosen_number funds"
    assert order.split() == [step.__name__ for step in STEPS]


# --- Headers and bodies of refusals


def test_a_401_carries_a_challenge() -> None:
    """RFC 2616 §10.4.2 has a 401 name the scheme."""
    answer = Gateway(ACCOUNT).answer(with_headers(SMS, authorization=None), 0.0)
    assert (header(answer.reply.headers, "WWW-Authenticate") or "").startswith("Basic realm=")


def test_a_405_names_the_method_that_the_command_has() -> None:
    """RFC 2616 §10.4.6 has a 405 carry Allow."""
    answer = Gateway(ACCOUNT).answer(replace(SMS, method="DELETE"), 0.0)
    assert "POST" == header(answer.reply.headers, "Allow")


def test_a_422_names_every_member_at_fault() -> None:
    """validation_errors map each member to its messages."""
    answer = Gateway(ACCOUNT).answer(request("sms", b'{"sender_id": "", "phone_number": "x"}'), 0.0)
    errors = answer.reply.content["validation_errors"]
    assert {"sender_id", "phone_number", "message"} == set(errors)
    assert all(member in message for member, messages in errors.items() for message in messages)


def test_with_another_validation_status_no_validation_errors_are_told() -> None:
    """A gateway that answers 400 to invalid input has no place for them."""
    answer = Gateway(ACCOUNT, Behaviour(validation_status=400)).answer(request("sms", message=""), 0.0)
    assert 400 == told(answer)
    assert "validation_errors" not in answer.reply.content


# --- A refused request leaves no trace


def test_a_refused_request_changes_nothing_but_the_count() -> None:
    """Balance, window and number of accepted requests stay as they were."""
    wrong = []
    for tag, asked in TRANSITIONS:
        gateway = Gateway(ACCOUNT)
        gateway.answer(asked, 0.0)
        state = (gateway.count, gateway.accepted, gateway.balance)
        following = told(gateway.answer(request("airtime"), 0.0))
        if ((1, 0, ACCOUNT.balance), 200) != (state, following):
            wrong.append((tag, shown(asked), state, following))
    assert [] == wrong


# --- The switches of behaviour


def test_a_waived_rule_is_not_enforced() -> None:
    """What breaks one rule only goes on as if it were kept, and is accepted."""
    both_wrong = {basic("other:other"), basic(b"\xff\xfe")}
    wrong = []
    for tag, asked in TRANSITIONS:
        further = {"credential.wrong-secret"} if header(asked.headers, "Authorization") in both_wrong else set()
        refused_by = tag_of(asked, Behaviour(waived=frozenset({tag, *further})))
        if refused_by is not None:
            wrong.append((tag, shown(asked), refused_by))
    assert [] == wrong


def test_waiving_the_key_does_not_waive_the_secret() -> None:
    """A wrong pair is still refused."""
    asked = with_headers(SMS, authorization=basic("other:other"))
    assert "credential.wrong-secret" == tag_of(asked, Behaviour(waived=frozenset({"credential.wrong-key"})))


def test_waiving_a_rule_about_a_member_leaves_the_others() -> None:
    """Another member that breaks another rule is still refused, and alone named."""
    gateway = Gateway(ACCOUNT, Behaviour(waived=frozenset({"broken.missing"})))
    answer = gateway.answer(request("sms", b'{"sender_id": "Statum", "phone_number": "x"}'), 0.0)
    assert 422 == told(answer)
    assert ["phone_number"] == list(answer.reply.content["validation_errors"])


def test_a_crash_is_answered_500_in_the_envelope() -> None:
    """And it changes as little as a refusal does."""
    wrong = []
    for tag, asked in TRANSITIONS:
        gateway = Gateway(ACCOUNT, Behaviour(crashes=frozenset({tag})))
        answer = gateway.answer(asked, 0.0)
        found = (told(answer), gateway.accepted, gateway.balance)
        broken = SCHEMAS.violations("response.error", answer.reply.content)
        if (500, 0, ACCOUNT.balance) != found or broken:
            wrong.append((tag, shown(asked), found, broken))
    assert [] == wrong


def test_numbers_are_coerced_only_on_demand() -> None:
    """A JSON number is the string of its digits; other types stay what they are."""
    coercing = Behaviour(coerces_numbers=True)
    for amount in (50, 50.0):
        assert tag_of(request("airtime", amount=amount), coercing) is None
    for amount in (True, [50]):
        assert "broken.type" == tag_of(request("airtime", amount=amount), coercing)


def test_a_number_is_refused_for_what_it_says() -> None:
    """Whether or not numbers are taken at all: so a gateway without a range check is faulted for that alone."""
    aspects = {4: "range", 10_001: "range", 10**20: "range", 50.5: "pattern", -50: "pattern", 1e300: "pattern"}
    for coerces in (False, True):
        behaviour = Behaviour(coerces_numbers=coerces)
        tags = {amount: tag_of(request("airtime", amount=amount), behaviour) for amount in aspects}
        assert {amount: f"broken.{aspect}" for amount, aspect in aspects.items()} == tags


def test_a_coerced_amount_is_similar_to_the_same_as_text() -> None:
    """The window sees what the gateway took."""
    gateway = Gateway(ACCOUNT, Behaviour(coerces_numbers=True))
    assert [200, 400] == [told(gateway.answer(request("airtime", amount=amount), 0.0)) for amount in (50, "50")]


def test_unknown_members_are_refused_only_on_demand() -> None:
    """And named in the validation errors, whatever characters they are of."""
    asked = request("sms", **{"extra\ud800": 1})
    assert tag_of(asked) is None
    assert "unknown-field" == tag_of(asked, Behaviour(refuses_unknown_fields=True))


def test_phone_numbers_are_lenient_only_on_demand() -> None:
    """10 to 15 digits with or without a plus sign."""
    taken, refused = ["+254712345678", "0712345678", "1" * 15], ["1" * 9, "1" * 16, "x"]
    asked = {number: request("sms", phone_number=number) for number in (*taken, *refused)}
    lenient = Behaviour(lenient_phone_numbers=True)
    assert dict.fromkeys(asked, "broken.pattern") == {number: tag_of(each) for number, each in asked.items()}
    assert taken == [number for number, each in asked.items() if tag_of(each, lenient) is None]
    assert refused == [number for number, each in asked.items() if tag_of(each, lenient) == "broken.pattern"]


def test_additional_refusals_come_last_and_see_the_request() -> None:
    """They are asked only about what would be accepted, with the number that it would have."""
    seen: list[tuple[int, int, str | None]] = []

    def every_second(moment: Moment) -> str | None:
        seen.append((moment.count, moment.accepted, moment.command))
        return "funds" if moment.accepted == 2 and len(seen) == 2 else None

    gateway = Gateway(ACCOUNT, Behaviour(additional_refusals=(every_second,)))
    asked = [SMS, with_headers(SMS, authorization=None), SMS, SMS]
    assert [200, 401, 402, 200] == [told(gateway.answer(each, 0.0)) for each in asked]
    assert [(1, 1, "sms"), (3, 2, "sms"), (4, 2, "sms")] == seen


def test_an_additional_refusal_with_an_unknown_tag_is_a_bug_of_the_suite() -> None:
    """It says which tag."""
    gateway = Gateway(ACCOUNT, Behaviour(additional_refusals=(lambda _: "no-such-tag",)))
    with pytest.raises(SuiteError, match="no-such-tag"):
        gateway.answer(SMS, 0.0)


def test_reply_and_delivery_functions_are_applied_in_order_to_every_request() -> None:
    """Also to refused ones, which have no delivery; the moment knows the account's callbacks."""

    def stamp(mark: str) -> Callable[[Reply, Moment], Reply]:
        return lambda reply, _: replace(reply, content={**reply.content, "marks": marks(reply) + mark})

    def marks(reply: Reply) -> str:
        return str(reply.content.get("marks", ""))

    def add(deliveries: tuple[Callback, ...], moment: Moment) -> tuple[Callback, ...]:
        return (*deliveries, Callback("airtime", moment.callbacks["airtime"], moment.request_id))

    behaviour = Behaviour(reply=(stamp("a"), stamp("b")), deliveries=(add, add))
    gateway = Gateway(replace(ACCOUNT, callbacks=CALLBACKS), behaviour)
    accepted, refused = gateway.answer(SMS, 0.0), gateway.answer(request("sms", b""), 0.0)
    assert ["ab", "ab"] == [marks(answer.reply) for answer in (accepted, refused)]
    assert ["sms", "airtime", "airtime"] == [delivery.product for delivery in accepted.deliveries]
    assert [refused.reply.content["request_id"]] * 2 == [delivery.content for delivery in refused.deliveries]


def test_ids_are_unique_and_the_seed_settles_them() -> None:
    """32 letters and digits, also for equal requests; the same seed, the same ids."""

    def ids(seed: int) -> list[str]:
        gateway = Gateway(ACCOUNT, seed=seed)
        return [gateway.answer(SMS, 0.0).reply.content["request_id"] for _ in range(300)]

    assert 300 == len(set(ids(0)))
    assert {32} == {len(each) for each in ids(0)}
    assert ids(0) == ids(0)
    assert set(ids(0)).isdisjoint(ids(1))


# --- Nothing that a client sends makes it raise


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBER_NAMES = st.sampled_from(["phone_number", "sender_id", "message", "amount", "short_code", "bill_ref_number", "x"])
BODIES = (
    st.binary(max_size=80)
    | st.dictionaries(MEMBER_NAMES, JSON, max_size=6).map(lambda payload: json.dumps(payload).encode())
    | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.integers(0, len(SMS.body)).map(lambda length: SMS.body[:length])
)
LATIN = st.text(st.characters(max_codepoint=255), max_size=60)
AUTHORIZATIONS = st.none() | st.just(RIGHT) | LATIN | st.binary(max_size=60).map(basic)
ANY_BEHAVIOUR = st.builds(
    Behaviour,
    waived=st.just(frozenset[str]()) | st.sets(st.sampled_from(sorted(TAGS))).map(frozenset),
    coerces_numbers=st.booleans(),
    refuses_unknown_fields=st.booleans(),
    lenient_phone_numbers=st.booleans(),
    failure_rate=st.sampled_from([0.0, 0.5]),
)


@given(
    behaviour=ANY_BEHAVIOUR,
    command=st.sampled_from([*COMMANDS, "fax", ""]),
    method=st.sampled_from(["POST", "GET", "PUT", "HEAD"]) | LATIN,
    authorization=AUTHORIZATIONS,
    content_type=st.sampled_from(["application/json", None, "application/x-www-form-urlencoded"]) | LATIN,
    body=BODIES,
)
@example(Behaviour(), "sms", "POST", RIGHT, "application/json", b'{"\\' * 200_000)
@example(Behaviour(), "sms", "POST", RIGHT, "application/json", b'{"a":' * 50_000)
def test_whatever_is_sent_is_answered_in_the_envelope(  # noqa: PLR0913, PLR0917 - one per place that bytes can be in
    behaviour: Behaviour,
    command: str,
    method: str,
    authorization: str | None,
    content_type: str | None,
    body: bytes,
) -> None:
    """Any bytes in any place, under any lawful or waived behaviour: an envelope, and never a 5xx."""
    sent = tuple(headers(authorization, content_type).items())
    gateway = Gateway(replace(ACCOUNT, callbacks=CALLBACKS), behaviour)
    answer = gateway.answer(Request(method, f"/api/v2/{command}", sent, body), 0.0)
    content: Any = answer.reply.content
    assert 200 == told(answer) or 400 <= told(answer) < 500
    assert content["description"]
    assert content["request_id"]
    assert 0 <= gateway.balance
