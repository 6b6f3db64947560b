"""The rows of probes.toml and behaviours.toml: each fault of one is a line, and the suite does what each word says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from mock_rig import CALLBACKS, request
from other_contracts import copied, edited

from conformance.contract.checking import faults_of
from conformance.contract.command import Outcome
from conformance.contract.contract import Contract, statum
from conformance.contract.folder import ContractFolder
from conformance.contract.schemas import FORMATS
from conformance.contract.tables import CHOOSING, MAKERS, Change, Probes
from conformance.mock.account import Account
from conformance.mock.behaviour import Behaviour, Ending, Form
from conformance.mock.faults import changed_by
from conformance.mock.gateway import Gateway, Reaction
from conformance.mock.rules import TAGS, refusal_of
from conformance.model.errors import UsageError
from conformance.payloads.invalid import OPEN, SYSTEMATIC
from conformance.payloads.json_defects import MALFORMED, OPEN_BODIES

# --- Probes


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
    (probe,) = Probes.from_table(tomllib.loads(ROW))

    assert ("method.*", Outcome.REFUSED) == (probe.name, probe.outcome)
    assert [("method", "x", "PUT")] == [(each.by, each.aspect, each.text("method")) for each in probe.made]


FAULTY_PROBES = [
    ('kind = "method"', 'kind = "methods"', "kind is 'methods'; expected one of credential, headers"),
    ('aspect = "*"', 'aspect = ""', "aspect is ''; expected the aspect of its cases"),
    ('"refused"', '"denied"', "outcome is 'denied'; expected accepted or refused or open"),
    ('[{ by = "method", method = "PUT", aspect = "x" }]', "[]", "made is []; expected a table for each request"),
    ('by = "method"', 'by = "tags"', "made has by = 'tags'; expected one of method for kind method"),
    ('by = "method"', 'by = "verb"', "by is 'verb'; expected one of credential, header"),
    ('method = "PUT"', 'text = "PUT"', "made has text for method; expected of its parameters (method)"),
    ('method = "PUT"', 'verb = "PUT"', "verb is not a key of this table; expected by, aspect"),
    (', aspect = "x"', "", "made has no aspect for method; expected one where the probe's is '*'"),
    ('outcome = "refused"', "", "outcome is missing; expected what must become of it"),
    ('outcome = "refused"', 'outcome = "refused"\nexpect = "401"', "expect is not a key of this table"),
    (ROW, ROW * 2, "aspect of method.* is there twice; expected one row for each kind and aspect"),
    ("[[probe]]", "[[probes]]", "probes is not a key of this table; expected probe (hint: did you mean probe?)"),
]


def test_a_fault_of_a_probe_is_one_line(tmp_path: Path) -> None:
    """With its place, and what is expected."""
    folder, wrong = copied(tmp_path), []
    for words, others, told in FAULTY_PROBES:
        with edited(folder, "probes.toml", ROW.replace(words, others)):
            found = [each.message for each in faults_of(ContractFolder.at(folder)) if each.file == "probes.toml"]
        if [told] != [each[: len(told)] for each in found]:
            wrong.append((told, found))

    assert [] == wrong


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


# --- Behaviours


WORDS = frozenset(FORMATS.schema("behaviours")["$defs"]["change"]["properties"])

OWN = '[[behaviour]]\nname = "own"\nsummary = "of its own"\n'
BROKEN = f'{OWN}breaks = ["RSP-01"]\n'
SCENARIO = '[[scenario]]\nname = "a"\nsummary = "b"\n'

WRONG: list[tuple[str, str]] = [
    (f'{BROKEN}changes = [{{ remov = "code" }}]\n', "remov is not a key of this table; expected a word of docs/contra"),
    (f'{BROKEN}changes = [{{ remov = "code" }}]\n', "(hint: did you mean remove"),
    (f"{BROKEN}changes = [{{ every = 3 }}]\n", "a table that changes nothing"),
    (f'{BROKEN}changes = [{{ to = "all", remove = "id" }}]\n', "to is 'all'; expected one of request"),
    (f'{BROKEN}changes = [{{ ending = "later" }}]\n', "ending is 'later'; expected one of before"),
    (f'{BROKEN}changes = [{{ retype = {{ id = "text" }} }}]\n', "retype.id is 'text'; expected array or string"),
    (f"{BROKEN}changes = [{{ also = {{ ofter = 1 }} }}]\n", "also.ofter is not a key of this table"),
    (f'{BROKEN}changes = [{{ matches = {{ a = "(" }}, wrap = true }}]\n', "matches.a is '(', which is not a regular"),
    (f"{OWN}lawful = true\n", "changes is missing"),
    (f'{OWN}breaks = ["RSP-01", "RSP-02"]\n', "changes is missing"),
    (f"{OWN}changes = [{{ wrap = true }}]\n", "breaks is missing; expected the requirements that fall with it"),
    (f'{OWN}breaks = ["RSP-1"]\n', "breaks names 'RSP-1'; expected a requirement of requirements.toml"),
    (f"{BROKEN}lawfull = false\n", "lawfull is not a key of this table; expected name, summary, lawful"),
    (f"{BROKEN}{BROKEN}", "name of a behaviour is 'own' twice"),
    (f'{SCENARIO}waits = "long"\nchanges = [{{ status = 429 }}]\n', "waits is 'long'; expected seconds or date"),
    (f"{SCENARIO}changes = [{{ status = 429 }}]\n" * 2, "name of a scenario is 'a' twice"),
    (SCENARIO, "changes is missing; expected what becomes of the answers"),
    ('[[failure]]\noutcome = "1"\n', "reason is missing"),
    ('[[numbers]]\nending = "1"\n', "numbers is not a key of this table; expected failure, behaviour, number"),
]


def test_a_fault_of_a_behaviour_is_one_line(tmp_path: Path) -> None:
    """The file, the line, what is there and what is expected."""
    folder, wrong = copied(tmp_path), []
    for text, told in WRONG:
        with edited(folder, "behaviours.toml", f"# rows\n{text}"):
            try:
                found = str(Contract.load(folder).behaviours)
            except UsageError as error:
                found = str(error)
        if not re.search(rf"behaviours.toml:\d+: .*{re.escape(told)}", found):
            wrong.append((told, found))

    assert [] == wrong


def answered(*changes: dict[str, Any], behaviour: Behaviour | None = None) -> Reaction:
    """What a gateway with these changes answers to the documented sms."""
    change = changed_by([Change.from_entry(each) for each in changes])
    return Gateway(Account.sample(CALLBACKS), change(behaviour or Behaviour())).answer(request("sms"), 0.0)


DONE: dict[str, tuple[dict[str, Any], Any]] = {
    "set": ({"set": {"reason": "x", "/a": 1}}, lambda reply: reply.content["a"] == 1),
    "set, as JSON": ({"set": '{"/a": null}'}, lambda reply: reply.content["a"] is None),
    "remove": ({"remove": ["reason", "id"]}, lambda reply: list(reply.content) == ["status_code"]),
    "keep": ({"keep": ["id"]}, lambda reply: list(reply.content) == ["request_id"]),
    "retype": ({"retype": {"code": "array"}}, lambda reply: reply.content["status_code"] == [200]),
    "respell": ({"respell": {"reason": "upper"}}, lambda reply: reply.content["description"].isupper()),
    "rename": ({"rename": {"id": "/requestId"}}, lambda reply: "requestId" in reply.content),
    "wrap": ({"wrap": True}, lambda reply: isinstance(reply.content, list)),
    "empty": ({"empty": True}, lambda reply: reply.content == {}),
    "twice": ({"twice": {"/a": [1, 2]}}, lambda reply: reply.raw.count(b'"a"') == 2),
    "body": ({"body": "{id}"}, lambda reply: len(reply.raw) == 32),
    "cut": ({"cut": "half"}, lambda reply: not reply.raw.endswith(b"}")),
    "quotes": ({"quotes": True}, lambda reply: reply.raw.startswith(b"{'")),
    "mark": ({"mark": True}, lambda reply: reply.raw.startswith(b"\xef\xbb\xbf{")),
    "layout": ({"layout": "indented"}, lambda reply: b"\n" in reply.raw),
    "page": ({"status": 502, "page": True}, lambda reply: b"502 Bad Gateway" in reply.raw),
    "media_type": ({"media_type": "text/x"}, lambda reply: ("Content-Type", "text/x") in reply.headers),
    "header": ({"header": {"X": "1", "Content-Type": ""}}, lambda reply: reply.headers == (("X", "1"),)),
    "status": ({"status": 418}, lambda reply: reply.status == 418),
    "ending": ({"ending": "never"}, lambda reply: reply.ending is Ending.NEVER),
    "drip_every_s": ({"ending": "dripping", "drip_every_s": 9}, lambda reply: reply.drip_every_s == 9),
    "followed": ({"followed": True}, lambda reply: b"second-1" in reply.beyond),
    "after_s": ({"after_s": 2.0}, lambda reply: reply.after_s == 2.0),
}


def test_a_word_changes_an_answer() -> None:
    """The others stay as they were: a refused one is none of the successes."""
    wrong = []
    for word, (entry, done) in DONE.items():
        reply = answered({"to": "response.success", **entry}).reply
        other = answered({"to": "response.error", **entry}).reply
        if not done(reply) or answered().reply != other:
            wrong.append((word, reply, other))
    assert [] == wrong


TOLD: dict[str, tuple[dict[str, Any], Any]] = {
    "drop": ({"drop": True}, lambda sent: not sent),
    "also": ({"also": {"after_s": 1.0}}, lambda sent: [0.0, 1.0] == [d.after_s for d in sent]),
    "also, twice": ({"also": [{}, {}]}, lambda sent: len(sent) == 3),
    "before": ({"before": {"method": "GET"}}, lambda sent: ["GET", "POST"] == [d.method for d in sent]),
    "contradict": ({"contradict": True}, lambda sent: sent[0].content["result_code"] == "500"),
    "before_answer": ({"before_answer": True}, lambda sent: sent[0].before_answer),
    "method": ({"method": "PUT"}, lambda sent: sent[0].method == "PUT"),
    "in_query": ({"in_query": True}, lambda sent: "result_code=200" in sent[0].url),
    "callback": ({"callback": "another product"}, lambda sent: sent[0].url == CALLBACKS["airtime"]),
    "form": ({"form": "chunked"}, lambda sent: sent[0].form is Form.CHUNKED),
}


def test_a_word_changes_notifications() -> None:
    """Those of successes; there is none of a failure here."""
    wrong = []
    for word, (entry, done) in TOLD.items():
        deliveries = answered({"to": "notification.success", **entry}).deliveries
        others = answered({"to": "notification.failure", **entry}).deliveries
        if not done(deliveries) or answered().deliveries != others:
            wrong.append((word, deliveries, others))
    assert [] == wrong


def test_every_word_is_in_use() -> None:
    """What nobody tries and no row of Statum's has is not part of the vocabulary; the documentation has its meaning."""
    contract = statum().behaviours
    rows = (*contract.rows, *contract.numbers, *contract.scenarios)
    used = {word for row in rows for change in row.changes for word in change.actions}
    assert WORDS - {*CHOOSING} <= used | {word.partition(",")[0] for word in (*DONE, *TOLD)}
    assert set() == {*CHOOSING} - WORDS


def test_texts_are_filled_in() -> None:
    """In whatever is text, however deep."""
    change = changed_by([Change.from_entry({"set": {"reason": "[{nonce}]", "/a": ["{nonce}"]}})], {"nonce": "7f"})
    content = Gateway(Account.sample(), change(Behaviour())).answer(request("sms"), 0.0).reply.content
    assert ("[7f]", ["7f"]) == (content["description"], content["a"])


def test_each_behaviour_counts_from_one() -> None:
    """A change is data: two gateways that have it do not count together."""
    change = changed_by([Change.from_entry({"every": 2, "status": 418})])
    gateways = [Gateway(Account.sample(), change(Behaviour())) for _ in range(2)]
    assert [200, 200, 418, 418] == [g.answer(request("sms"), 0.0).reply.status for _ in range(2) for g in gateways]
