"""A contract folder is cross-checked when it is loaded: each fault is one line, with its place and what is expected."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from other_contracts import changed_json, copied, edited, text_edited, with_others

from conformance.cli.command import ENGINE
from conformance.contract.checking import Engine, faults_of
from conformance.contract.command import Flow, Inquiry, Money, Unsolicited
from conformance.contract.contract import MOST_FAULTS, Contract, statum
from conformance.contract.folder import ContractFolder
from conformance.contract.schemas import built_in
from conformance.model.errors import UsageError

Capsys = pytest.CaptureFixture[str]

CONTRACTS = Path(__file__).parents[1] / "contracts"
CATALOGUE = "requirements.toml"
PRACTICE = 'basis = "practice"'
UNSOLICITED = '[[unsolicited]]\nsource = "docs"\n'


def told(folder: Path, engine: Engine | None = ENGINE) -> list[str]:
    """The faults of a folder, each as `file:line: words`."""
    return [f"{fault.file}:{fault.line}: {fault.message}" for fault in faults_of(ContractFolder.at(folder), engine)]


def place_of(folder: Path, fault: str) -> str:
    """The line of a file in which a fault is."""
    file, number, _ = fault.split(":", 2)
    return (folder / file).read_text("utf-8").splitlines()[int(number) - 1]


def line_with(folder: Path, file: str, words: str) -> int:
    """The line in which these words first are."""
    lines = (folder / file).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if words in line)


def test_a_contract_of_ours_has_no_fault() -> None:
    """The one that comes with the suite, which is not checked when it is loaded, and those of the tests."""
    ours = [ContractFolder(built_in("statum"), None, "statum"), *map(ContractFolder.at, sorted(CONTRACTS.iterdir()))]
    assert [[]] * len(ours) == [faults_of(each, ENGINE) for each in ours]


def test_a_copy_is_the_same_contract(tmp_path: Path) -> None:
    """By name and digest; only where it is from differs."""
    copy = Contract.load(copied(tmp_path))
    assert (statum().name, statum().digest) == (copy.name, copy.digest)
    assert (None, tmp_path / "statum") == (statum().folder, copy.folder)


# file, words, what is put in their place, the words that the line of the fault has, what is told
EDITS = [
    # Tables that are not well-formed
    ("contract.toml", 'scheme = "Basic"', "", "[authentication]", "scheme is missing; expected the word"),
    ("contract.toml", 'scheme = "Basic"', 'schema = "Basic"', "schema =", "did you mean scheme?"),
    ("contract.toml", 'scheme = "Basic"', "scheme = 5", "scheme =", "authentication.scheme is 5; expected the word"),
    ("contract.toml", 'token = "base64(key:secret)"', 'token = "base64"', "token =", "expected base64(key:secret) or"),
    ("contract.toml", "success = 200", "success = 404", "success = 404", "answer.success is 404; expected the code of"),
    ("contract.toml", 'method = "GET"', 'method = "FETCH"', "FETCH", "method is 'FETCH'; expected GET or"),
    ("contract.toml", "seconds = 300", "seconds = 0", "seconds = 0", "a number of seconds above 0"),
    ("contract.toml", 'flow = "out"', 'flow = "away"', '"away"', "money.flow is 'away'; expected out or in"),
    ("contract.toml", "/api/v2", "/api/v2/", "base_url", "without a slash, query or fragment"),
    ("contract.toml", 'phone_number = "number"', 'phone_number = "digits"', '"digits"', "expected amount or number or"),
    ("contract.toml", "[answer]", "[answer", "[answer", "expected TOML"),
    (CATALOGUE, 'level = "MUST"', 'level = "MAY"', '"MAY"', "level is 'MAY'; expected MUST or SHOULD"),
    (CATALOGUE, 'id = "ANS-01"', 'id = "ANS-1"', '"ANS-1"', "id is 'ANS-1'; expected"),
    (CATALOGUE, 'commands = "all"', 'commands = "every"', '"every"', "expected all, posts"),
    (CATALOGUE, PRACTICE, 'basis = "docs"\nfancy = 1', "fancy", "fancy is not a key of this table"),
    (CATALOGUE, PRACTICE, f'{PRACTICE}\nquote = "So."', "quote =", "quote cannot be there"),
    # Roles that lead nowhere
    ("contract.toml", 'code = "status_code"', 'code = "status_kode"', "status_kode", "did you mean status_code?"),
    ("contract.toml", 'errors = "validation_errors"', 'errors = "errors"', '"errors"', "has no member 'errors'"),
    ("contract.toml", 'outcome = "result_code"', 'outcome = "result"', '"result"', "has no member 'result'"),
    ("contract.toml", 'receipt = "third_', 'receipt = "fourth_', '"fourth_', "has the member 'fourth_party_trans_id'"),
    ("contract.toml", 'charge = "amount"', 'charges = "amount"', "charges =", "has the member 'charges'"),
    ("contract.toml", 'recipient = "phone_number"', 'recipient = "phone"', '"phone"', "has the member 'phone'"),
    ("contract.toml", 'sender_id = ["Statum"', 'sender = ["Statum"', "sender =", "has the member 'sender'"),
    ("contract.toml", '["phone_number", "amount"]', '["phone_number", "amounts"]', "amounts", "did you mean amount?"),
    ("contract.toml", 'command = "account-details"', 'command = "account"', '"account"', "is none of this contract"),
    ("contract.toml", "details/available_balance", "details/balance", "details/balance", "has no 'balance' at"),
    ("contract.toml", 'success = "200"', 'success = "OK"', '"OK"', "'OK' is not a result_code of"),
    ("contract.toml", 'name = "airtime"', 'name = "sms"', 'name = "sms"', "name 'sms' is taken by a row before"),
    ("contract.toml", 'product = "airtime"', 'product = "airtimes"', '"airtimes"', "there is no airtimes/request.json"),
    # What comes to an address is told by the address alone
    ("contract.toml", 'product = "mpesa-c2b"', 'product = "sms"', 'product = "sms"', "callback 'sms' has another use"),
    *(
        (
            "contract.toml",
            "[[unsolicited]]",
            f"{UNSOLICITED}{rows}\n\n[[unsolicited]]",
            " = ",
            "has another use already;",
        )
        for rows in (
            'product = "account-details"',
            f'product = "tips"\n{UNSOLICITED}product = "tips"',
            'product = "tips"\ninquiry = { callback = "tips", seconds = 8 }',
            'product = "tips"\ninquiry = { callback = "sms", seconds = 8 }',
        )
    ),
    # Requirements that nothing can come of
    (CATALOGUE, 'commands = ["airtime"]', 'commands = ["airtim"]', '"airtim"', "did you mean airtime?"),
    (CATALOGUE, 'id = "ENC-01"', 'id = "ANS-01"', 'id = "ANS-01"', "ANS-01 is also at line"),
]


def test_a_fault_of_a_table_is_reported_with_its_line(tmp_path: Path) -> None:
    """First of all that it brings about, and with what is expected there."""
    folder, wrong = copied(tmp_path), []
    for file, words, others, line, expected in EDITS:
        with edited(folder, file, with_others(folder / file, words, others)):
            found = [each for each in told(folder) if expected in each]
            if not found or not found[0].startswith(f"{file}:") or line not in place_of(folder, found[0]):
                wrong.append((expected, found or told(folder)))
            elif "; expected " not in found[0]:
                wrong.append((expected, found))

    assert [] == wrong


JUDGED: list[tuple[str, str]] = [
    ('{ message = "answer", at = "/status_code", keyword = "required" }', "there is no message 'answer'; expected one"),
    ('{ message = "response", at = "/status", keyword = "required" }', "no required at /status; expected a place"),
    ('{ message = "response", at = "/status_code", keyword = "maxItems" }', "no maxItems at /status_code; expected"),
    ('{ probe = "credential.absent" }', "judge.expect is missing; expected what must become of the probes"),
    ('{ rule = "unique", probe = "x.y", expect = "401" }', "judge.rule is not a key of this table; expected probe, ex"),
    ('{ probe = "credential", expect = "401" }', "judge.probe is 'credential'; expected KIND.ASPECT of a probe"),
    ('{ message = "response", at = "code", keyword = "type" }', "judge.at is 'code'; expected a JSON pointer"),
    ('{ message = "response", on = "/code" }', "judge.on is not a key of this table; expected message, "),
    ('{ probe = "valid.sample", expect = "happiness" }', "judge.expect is 'happiness'; expected one of accepted, 401"),
    ("{ rule = 7 }", "judge.rule is 7; expected the name of a written rule"),
    ('{ message = "response", at = "/status_code" }', "judge.keyword is missing; expected a keyword of the schema"),
    ('{ message = "response", keyword = "type" }', "judge.keyword cannot be there; expected none"),
    ('{ names = "response" }', "judge.rule is missing; expected the name of a written rule"),
    ('{ rule = "every-request-is-answered", often = true }', "answered' does not take this"),
    ('{ rule = "no-such-rule" }', "there is no rule 'no-such-rule'; expected a written one"),
]


def test_a_requirement_judged_by_something_unknown_is_reported(tmp_path: Path) -> None:
    """A message and a place in its schema, a probe, or a written rule: first its form, then what it refers to."""
    folder = copied(tmp_path)
    unjudged = re.sub(r"(?m)^judge = .*\n", "", (folder / CATALOGUE).read_text("utf-8"))
    head, *entries = re.split(r"(?m)^(?=\[\[requirement\]\])", unjudged)
    left = JUDGED
    for _step in ("form", "references"):
        judged = [f"{entry.rstrip()}\njudge = {judge}\n\n" for entry, (judge, _) in zip(entries, left, strict=False)]
        with edited(folder, CATALOGUE, "".join((head, *judged, *entries[len(left) :]))):
            found = [(each, place_of(folder, each)) for each in told(folder) if "neither" not in each]
        known = [row for row in left if any(row[1] in each and row[0] in line for each, line in found)]
        assert len(known) == len(found), found
        left = [row for row in left if row not in known]

    assert [] == left


def test_a_requirement_without_a_judge_is_excluded(tmp_path: Path) -> None:
    """Or else it would be neither judged nor told of."""
    folder = copied(tmp_path)
    text = re.sub(r"(?m)^judge = .*\n", "", (folder / "requirements.toml").read_text("utf-8"))
    (folder / "requirements.toml").write_text(text, "utf-8")
    found = told(folder, None)

    judged = [each for each in statum().catalogue.requirements if each.excluded is None]
    assert [f"{each.id} has neither judge nor excluded; expected one of them" for each in judged] == [
        each.partition(": ")[2] for each in found
    ]


def changed(member: str, **keywords: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A change of what a schema says of a member."""

    def change(document: dict[str, Any]) -> dict[str, Any]:
        document["properties"][member] |= keywords
        return document

    return change


def referring(reference: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A change of what the message of an SMS refers to."""
    return changed("message", **{"$ref": reference})


SCHEMAS: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]], str, str]] = [
    ("sms/request.json", changed("message", maxlength=5), '"maxlength"', "did you mean maxLength"),
    ("sms/request.json", referring("../comon.json"), '"$ref": "../comon', "leads to no file"),
    ("sms/request.json", referring("../common.json#/$defs/mesage"), "/mesage", "did you mean message?"),
    ("sms/request.json", referring("../../formats/report.json"), "report.json", "leads to no file"),
    ("sms/request.json", changed("sender_id", minLength=-1), '"minLength": -1', "expected a schema of JSON Schema"),
    ("sms/request.json", changed("sender_id", const="X"), "    {", "the example breaks its schema at"),
    ("sms/request.json", lambda schema: schema | {"examples": []}, "{", "it has no examples; expected at least one"),
    ("sms/request.json", changed("message", multipleOf=3), "{", "no values can be made of it"),
    ("sms/request.json", lambda schema: schema | {"$ref": "request.json"}, "{", "leads into itself"),
    ("common.json", lambda schema: schema | {"$defs": {}}, "{", "has no 'phone_number' there"),
]


def test_a_fault_of_a_schema_is_reported_with_its_line(tmp_path: Path) -> None:
    """References, keywords, examples, and what no values can be made of."""
    folder, wrong = copied(tmp_path), []
    for file, change, line, expected in SCHEMAS:
        with edited(folder, file, changed_json(folder / file, change)):
            found = [each for each in told(folder) if expected in each]
            if not found or line not in place_of(folder, found[0]) or "; expected " not in found[0]:
                wrong.append((expected, found or told(folder)))

    assert [] == wrong


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    """With the line where reading ended, if that is known; before anything else is looked at."""
    twice = b'{"type": "object", "type": "object"}'
    absent = ":1: there is no such file; expected one in every contract folder"
    rows: list[tuple[str, bytes | None, str]] = [
        ("sms/request.json", b"{\n\n  nothing", "sms/request.json:3: "),
        ("sms/request.json", b"[]", "sms/request.json:1: it is not an object; expected a JSON Schema"),
        ("sms/request.json", twice, "the member 'type' is there more than once"),
        ("sms/request.json", b"\xff", "it is not UTF-8"),
        *((name, None, f"{name}{absent}") for name in ("contract.toml", CATALOGUE)),
    ]
    folder = copied(tmp_path)
    for file, content, expected in rows:
        with edited(folder, file, content):
            (found,) = told(folder)
        assert expected in found


def test_a_quote_is_in_its_source(tmp_path: Path) -> None:
    """Where the contract has that as a file, letter for letter but for white space."""
    folder = text_edited(tmp_path, "contract.toml", "[sources.docs]", 'file = "guide.txt"\n[sources.docs]')
    quotes = [each.quote for each in statum().catalogue.requirements if each.quote]
    (folder / "guide.txt").write_text("\n".join(quote.replace(" ", "\n  ", 1) for quote in quotes[1:]), "utf-8")
    once = [each for each in statum().catalogue.requirements if each.quote == quotes[0]]
    expected = [] if quotes[0] in quotes[1:] else [f"the quote of {each.id} is not in guide.txt" for each in once]

    assert expected == [each.partition(": ")[2].partition(";")[0] for each in told(folder)]
    (folder / "guide.txt").write_text("\n".join(quotes).replace("JSON", "XML"), "utf-8")
    assert all("is not in guide.txt; expected the words as they are there" in each for each in told(folder))
    assert len([quote for quote in quotes if "JSON" in quote]) == len(told(folder))


# --- Callbacks without an invocation


def test_customers_start_payments() -> None:
    """Statum's contract has one such product, and asks before a payment goes through."""
    asks, paid = Inquiry("mpesa-c2b", "mpesa-c2b/validation", 8.0), Money("amount", "KES", Flow.IN)

    assert {"mpesa-c2b": Unsolicited("mpesa-c2b", "docs", asks, paid)} == statum().unsolicited


def test_a_receiver_has_an_address_for_each_callback() -> None:
    """Those without an invocation come after those of the commands, which alone can be exercised."""
    contract = statum()
    assert ("mpesa-c2b", "mpesa-c2b/validation") == contract.callbacks[len(contract.products) :]
    assert "mpesa-c2b" not in contract.products
    assert [None] * 3 == [contract.unsolicited_at(callback) for callback in ("sms", None, "nothing")]
    for callback in ("mpesa-c2b", "mpesa-c2b/validation"):
        row = contract.unsolicited_at(callback)
        assert row is not None
        (example, *_) = contract.schemas.resolved(row.schema_at(callback))["examples"]
        assert [] == contract.schemas.violations(row.schema_at(callback), example)
        assert row is contract.notified(row.name)


# --- At the command line


def test_one_fault_is_the_error(capsys: Capsys, tmp_path: Path) -> None:
    """In one line, with the path as it was given, and exit code 2."""
    folder = text_edited(tmp_path, "contract.toml", 'scheme = "Basic"', 'schem = "Basic"')
    text = (folder / "contract.toml").read_text("utf-8").replace('schem = "Basic"', 'scheme = "Basic"\nschem = 1')
    (folder / "contract.toml").write_text(text, "utf-8")
    called = call(capsys, "requirements", "--contract", str(folder))

    assert (2, "") == (called.code, called.out)
    line = line_with(folder, "contract.toml", "schem =")
    assert called.only_line.startswith(f"error: {folder}/contract.toml:{line}: authentication.schem is not a key")
    assert "did you mean scheme?" in called.only_line


def test_several_faults_are_lines_below_the_error_and_not_without_end(capsys: Capsys, tmp_path: Path) -> None:
    """All of one step, so that they can be mended together."""
    folder = copied(tmp_path)
    text = (folder / "requirements.toml").read_text("utf-8")
    count = text.count('level = "MUST"')
    (folder / "requirements.toml").write_text(text.replace('level = "MUST"', 'level = "MAY"'), "utf-8")
    called = call(capsys, "openapi", "--contract", str(folder))
    first, *lines, last = called.err.splitlines()

    assert 2 == called.code
    assert first.startswith(f"error: the contract folder {folder} has ")
    assert MOST_FAULTS == len(lines)
    assert count > MOST_FAULTS
    assert last.endswith("more")


def test_a_missing_folder_is_an_error(capsys: Capsys, tmp_path: Path) -> None:
    """With what is expected."""
    called = call(capsys, "openapi", "--contract", str(tmp_path / "nothing"))
    assert "there is no contract folder" in called.only_line
    assert "a folder with contract.toml" in called.only_line


def test_a_contract_is_read_once(tmp_path: Path) -> None:
    """What becomes of the folder later does not show."""
    folder = copied(tmp_path)
    contract = Contract.load(folder)
    digest = contract.digest
    (folder / "sms" / "request.json").write_text(json.dumps({}), "utf-8")

    assert digest == contract.digest
    assert contract.schemas.schema("sms/request")
    with pytest.raises(UsageError, match="it has no examples"):
        Contract.load(folder)
