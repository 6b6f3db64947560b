"""Certifications over real HTTP with a process of a client: the campaign, the journal, the reports, the command."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from command_line import call

from conformance.client import certification, settings
from conformance.client.calling import Bench
from conformance.client.certification import proxies_in
from conformance.client.plan import AGAIN, FIRST, Cases, account_of, calls_of
from conformance.client.settings import ClientSettings
from conformance.client.witness import SENDING
from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.journal import Record, read_journal
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.errors import UsageError
from conformance.model.traffic import LONGEST_LINE, SHOWN_LINES, Direction, Kind, last_lines
from conformance.reports.files import write_reports
from conformance.reports.result import Result, judge
from conformance.wire.listening import Address

DRIVER = Path(__file__).parents[1] / "flawed_clients" / "driver.py"
Capsys = pytest.CaptureFixture[str]

# A client that has no time-out, and says that it cannot be given one.
WAITS_FOR_EVER = f"""
import sys
sys.path.insert(0, {str(DRIVER.parents[1])!r})
from flawed_clients import driver, reading, table
reading.WaitsForEver.lacks = ("timeout",)
sys.exit(driver.main("waits-for-ever"))
"""

# What has to be waited for is waited for in each of these.
QUICK = {
    "max_examples": 0,
    "seed": 7,
    "timeout_s": 0.3,
    "resend_window_s": 0.3,
    "advised_delay_s": 0.5,
    "patience_s": 5.0,
}


def driver(name: str) -> str:
    """The command line of a reference client."""
    return shlex.join((sys.executable, "-S", "-E", str(DRIVER), name))


def held(directory: Path, name: str) -> Record:
    """The record of its certification."""
    return read_journal(certification.certify(ClientSettings(driver=driver(name), report_dir=directory, **QUICK)))


@pytest.fixture(scope="module")
def lawful(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The certification of a lawful client with one command."""
    return held(tmp_path_factory.mktemp("lawful"), "only-sms")


def test_a_lawful_client_is_conformant(lawful: Record) -> None:
    """Whatever it declares is exercised; the rest is not applicable."""
    judged = judge(lawful)

    assert Conclusion.CONFORMANT == judged.conclusion
    assert {Verdict.PASS, Verdict.NOT_APPLICABLE} == set(judged.counts())
    assert {"sms", None} == {v.command for v in judged.by(Verdict.PASS)}


def test_the_journal_holds_messages_and_requests(lawful: Record) -> None:
    """Each call with its message, its answer, and the request that came of it; the credential as it was."""
    calls = [case for case in lawful.cases if case.kind is Kind.INVOKE and case.command]
    lines = [message for message in lawful.messages if message.case_id == calls[0].id]
    first = next(exchange for exchange in lawful.exchanges if exchange.case_id == calls[0].id)

    assert (FIRST, AGAIN, calls[0].id) == (calls[0].aspect, calls[-1].aspect, calls[-1].earlier)
    assert [Direction.TO, Direction.FROM] == [line.direction for line in lines]
    assert json.loads(calls[0].request.body) == json.loads(lines[0].line)["params"] == json.loads(first.request.body)
    assert lawful.settings["credential"]["key"] in lines[0].line
    assert not any("REDACTED" in value for _, value in first.request.headers)
    assert {"hello", "settled", "finished"} == {note.kind for note in lawful.notes}


def test_base_urls_and_ids_reveal_no_scenario(lawful: Record) -> None:
    """Two calls share a base URL where the second is to find a connection open."""
    told = [json.loads(message.line) for message in lawful.messages if message.direction is Direction.TO]
    invoked = [message for message in told if message["cmd"] == "invoke"]
    shapes = {(len(message["base_url"]), len(message["id"])) for message in invoked}

    assert 1 == len(shapes)
    assert len(invoked) == len({message["id"] for message in invoked})
    base_urls = Counter(message["base_url"] for message in invoked)
    pairs = [(one, other) for one, other in pairwise(invoked) if one["base_url"] == other["base_url"]]
    assert 0 < len(pairs) == len([count for count in base_urls.values() if count > 1])


def test_the_report_describes_a_client(lawful: Record, tmp_path: Path) -> None:
    """It is valid against its schema, with the declared commands; JUnit skips requirements that do not apply."""
    result = Result.of(lawful)
    write_reports(result, tmp_path)

    document = json.loads((tmp_path / "report.json").read_text())
    cases = ET.parse(tmp_path / "junit.xml").getroot().iter("testcase")  # noqa: S314 - our own file
    skipped = [case for case in cases if case.find("skipped") is not None]

    assert [] == FORMATS.violations("report", document)
    assert {"kind": "client", "name": "reference 1.0.0", "url": None} == document["subject"]
    assert ["sms"] == document["client"]["commands"]
    assert document["client"]["waited_s"] >= QUICK["resend_window_s"]
    assert len(result.judged.by(Verdict.NOT_APPLICABLE)) == len(skipped)
    assert "the client does not declare airtime" in {entry.get("not_applicable") for entry in document["requirements"]}


def test_a_client_that_dies_over_a_case_is_judged_by_the_others(tmp_path: Path) -> None:
    """It is started again, and its death is in the report."""
    record = held(tmp_path, "crashes-on-html")
    judged = judge(record)
    failed = {v.requirement.id for v in judged.by(Verdict.FAIL)}

    assert ({"DRV-01"}, Conclusion.NON_CONFORMANT) == (failed, judged.conclusion)
    assert {"crash"} == {death["how"] for death in Result.of(record).document["client"]["deaths"]}
    assert 1 < sum(message.line.startswith('{"cmd":"hello"') for message in record.messages)


@pytest.mark.parametrize(("name", "how"), [("crashes-after-hello", "crash"), ("answers-twice", "twice")])
def test_three_deaths_in_a_row_end_the_certification(tmp_path: Path, name: str, how: str) -> None:
    """Inconclusive: too little was seen of the client. A second answer counts though the first one seemed well."""
    record = held(tmp_path, name)

    assert [how] * 3 == [note.detail["how"] for note in record.notes if note.kind == "death"]
    assert Conclusion.INCONCLUSIVE == judge(record).conclusion


def test_an_interrupted_certification_is_judged_as_far_as_it_got(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver is ended without being blamed for it."""
    calls = iter(range(20))

    def interrupted(bench: Bench, *_: object) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return asked(bench, *_)

    asked = Bench.invoke
    monkeypatch.setattr(Bench, "invoke", interrupted)

    judged = judge(held(tmp_path, "only-sms"))

    assert Conclusion.INCONCLUSIVE == judged.conclusion
    assert [] == judged.by(Verdict.FAIL)
    assert "SND-02" in {v.requirement.id for v in judged.by(Verdict.PASS)}


def test_the_command_certifies_and_judges_again(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Output, exit code and reports; `judge` says the same of the journal, and `replay` declines it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(certification, "watch", lambda bench: bench.journal.note("settled", {"at": 1e10}))
    options = ("--driver", driver("only-details"), "--timeout", "0.3", "--max-examples", "0", "--seed", "7")

    certified = call(capsys, "certify", *options)
    report = json.loads((tmp_path / "reports" / "report.json").read_text())
    again = call(capsys, "judge", "reports/journal.sqlite")
    replayed = call(capsys, "replay", report["requirements"][0]["id"])

    assert (0, 0, 2) == (certified.code, again.code, replayed.code)
    assert certified.out.splitlines()[-1].startswith("conformant: ")
    assert certified.out == again.out
    assert report == json.loads((tmp_path / "reports" / "report.json").read_text())
    assert f"repeat with: statum-conformance certify {shlex.join(options)}" in certified.out
    assert "is the journal of a certification" in replayed.only_line


BAD_INPUT = (
    (("certify",), 2, "nothing is given to certify"),
    (("certify", "--driver", "no-such-program"), 2, "was not found"),
    (("certify", "--driver", driver("has-nothing")), 2, "declares nothing to judge"),
    (("certify", "--driver", driver("speaks-another-protocol")), 2, "speaks version 2"),
    (("certify", "--driver", driver("crashes-at-start")), 3, "did not say hello"),
    (("certify", "--driver", driver("only-sms"), "--timeout", "0"), 2, "--timeout is 0"),
    (("certify", "--driver", driver("only-sms"), "--max-examples", "-1"), 2, "--max-examples is -1"),
    (("doctor", "--driver", "no-such-program"), 2, "was not found"),
    (("doctor", "--driver", driver("crashes-at-stop")), 3, "it ended with exit code 70 on stop"),
)


def test_bad_input_is_one_clear_line(capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exit code that goes with it."""
    monkeypatch.chdir(tmp_path)
    called = [(call(capsys, *arguments), code, words) for arguments, code, words in BAD_INPUT]

    assert [] == [each for each, code, words in called if each.code != code or words not in each.only_line]


OBSERVED = {"observe": Address("127.0.0.1", 0)}
NO_URL = "is not a URL; expected http:// or https://"
UNUSABLE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"driver": "no-such-program-anywhere"}, "was not found"),
    ({"driver": "./no-such-file"}, "was not found"),
    ({"driver": ""}, "--driver is empty"),
    ({"driver": "python 'x"}, "not a command line"),
    ({"driver": "/"}, "is a directory"),
    ({"callback_url": "127.0.0.1:8080/hook"}, NO_URL),
    ({"callback_url": "ftp://127.0.0.1/hook"}, NO_URL),
    ({"callback_url": "http:///hook"}, NO_URL),
    ({"callback_url": "http://127.0.0.1:port/hook"}, "is not a URL: "),
    ({"callback_url": "http://127.0.0.1/a hook"}, "white space"),
    ({**OBSERVED, "callback_url": "http://127.0.0.1:9/"}, "--observe watches a client that is run by hand"),
    ({**OBSERVED, "observe_for_s": 0.0}, "--observe-for is 0; expected more than 0 seconds"),
    ({**OBSERVED, "observe_for_s": 1e300}, "--observe-for is 1e+300; expected at most"),
    ({**OBSERVED, "observe_idle_s": float("inf")}, "--observe-idle is inf; expected at most"),
    ({**OBSERVED, "observe_idle_s": -1.0}, "--observe-idle is -1; expected more than 0 seconds"),
    ({"timeout_s": 1e-300}, "--timeout is 1e-300; expected from 0.001 to 3600 seconds"),
)


def refusal(unusable: dict[str, Any]) -> str:
    """The error of these settings."""
    try:
        ClientSettings(**unusable)
    except UsageError as error:
        return str(error)
    return "none"


def test_unusable_settings_are_refused() -> None:
    """Before anything is started, sent or served."""
    found = [(refusal(unusable), words) for unusable, words in UNUSABLE]

    assert [] == [(error, words) for error, words in found if words not in error]


def test_the_same_seed_asks_for_the_same_calls() -> None:
    """To the byte; another one asks for others."""

    def planned(seed: int) -> list[tuple[object, ...]]:
        calls = calls_of(Cases(statum(), seed, "http://x"), ("airtime", "account-details"), 2, seed)
        return [(call.case, call.nonce, call.message_id) for call in calls]

    assert planned(7) == planned(7) != planned(8)
    assert len(planned(7)) == len({case for case, *_ in planned(7)})


def test_failing_calls_come_between_accepted_ones() -> None:
    """No circuit breaker opens that counts failures in a row."""
    calls = calls_of(Cases(statum(), 7, "http://x"), tuple(statum().commands), 0, 7)
    troubled = "".join("x" if call.troubles else "." for call in calls)

    assert "xx" not in troubled
    assert "x" in troubled


def test_a_client_gets_no_calls_with_members_that_it_lacks() -> None:
    """Nor two that are equal without them."""
    cases = Cases(statum(), 7, "http://x")
    calls = calls_of(cases, ("mpesa/online",), 0, 7, ["bill_ref_number"])
    sending = [json.dumps(call.params, sort_keys=True) for call in calls if call.scenario is SENDING]

    assert not any("bill_ref_number" in call.params for call in calls)
    assert len(set(sending)) == len(sending)


def test_a_certification_ends_when_its_time_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requirements that the client never reached are inconclusive; the rest is judged."""
    monkeypatch.setattr(settings, "CALLS_WITHIN_S", 6.0)
    program = shlex.join((sys.executable, "-S", "-E", "-c", WAITS_FOR_EVER))
    record = read_journal(certification.certify(ClientSettings(driver=program, report_dir=tmp_path, **QUICK)))
    verdicts = judge(record).verdicts

    assert ["out-of-time"] == [note.kind for note in record.notes if note.kind in {"out-of-time", "death", "gave-up"}]
    assert {"settled", "finished"} <= {note.kind for note in record.notes}
    assert [] == [v.requirement.id for v in verdicts if v.verdict is Verdict.FAIL]
    assert Verdict.INCONCLUSIVE == next(v.verdict for v in verdicts if v.requirement.id == "RDG-08")


PROXIES: tuple[tuple[dict[str, str], list[str]], ...] = (
    ({}, []),
    ({"HTTP_PROXY": ""}, []),
    ({"HTTP_PROXY": "http://proxy:8080", "all_proxy": "socks5://proxy"}, ["HTTP_PROXY", "all_proxy"]),
    ({"http_proxy": "http://proxy:8080", "NO_PROXY": "example.org, localhost"}, ["http_proxy"]),
    ({"http_proxy": "http://proxy:8080", "no_proxy": "example.org, 127.0.0.1"}, []),
    ({"https_proxy": "http://proxy:8080", "NO_PROXY": "*"}, []),
)


def test_proxies_of_the_environment_are_named() -> None:
    """By their variables, unless this machine is excepted."""
    assert list(PROXIES) == [(environ, proxies_in(environ)) for environ, _ in PROXIES]


SLOW = {
    ("sms", "account-details"): {"dripping": ["sms"], "kept-alive-reset": [], "kept-alive-closed": ["sms"]},
    ("sms", "airtime", "mpesa-wallet", "account-details"): {
        "dripping": ["mpesa-wallet"],
        "kept-alive-reset": ["mpesa-wallet"],
        "kept-alive-closed": ["sms", "airtime", "mpesa-wallet"],
    },
}


def test_slow_scenarios_are_played_to_the_command_with_most_at_stake() -> None:
    """And a connection dies under nothing that may be sent again."""
    for commands, expected in SLOW.items():
        calls = calls_of(Cases(statum(), 7, "http://x"), commands, 0, 7)

        met = {
            name: sorted((call.case.command or "" for call in calls if call.scenario.name == name), key=commands.index)
            for name in expected
        }
        assert expected == met


def test_the_credential_tells_the_alphabets_of_base64_apart() -> None:
    """It is made up from the seed."""
    accounts = [account_of(seed, statum()) for seed in (7, 7, 8)]

    assert accounts[0] == accounts[1] != accounts[2]
    assert ":" not in accounts[0].consumer_key


# --- The last lines of a driver's standard error

TRACE = [f"    at frame {number} (/app/index.js:{number})" for number in range(1, 21)] + ["", "Node.js v20.11.0"]

CRASHES = """\
import json, sys
trace = json.loads(sys.argv[1])
for line in sys.stdin:
    message = json.loads(line)
    if message["cmd"] == sys.argv[2]:
        print(*trace, sep="\\n", file=sys.stderr, flush=True)
        sys.exit(1)
    if message["cmd"] == "hello":
        print(json.dumps({"protocol": 1, "implementation": {"name": "crashing", "version": "1", "language": "python"},
            "commands": ["sms"], "features": [], "callback_urls": {}}), flush=True)
    if message["cmd"] == "stop":
        sys.exit(0)
"""


def crashing(directory: Path, on: str) -> str:
    """The command line of a driver that writes a stack trace and ends at that message."""
    file = directory / "crashing.py"
    file.write_text(CRASHES, encoding="utf-8")
    return shlex.join([sys.executable, "-S", "-E", str(file), json.dumps(TRACE), on])


@pytest.mark.parametrize("command", ["doctor", "certify"])
def test_a_driver_that_dies_at_hello_is_shown_with_its_last_lines(
    command: str, capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the line with the error; a blank line between them stays."""
    monkeypatch.chdir(tmp_path)
    called = call(capsys, command, "--driver", crashing(tmp_path, "hello"))

    shown = [line for line in called.err.splitlines() if line.startswith("  |")]
    assert 3 == called.code
    assert [f"  | {line}" for line in TRACE[-SHOWN_LINES:]] == shown


def test_a_driver_that_dies_over_a_case_is_shown_with_its_last_lines(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the terminal, in report.json and on the page."""
    monkeypatch.chdir(tmp_path)
    called = call(capsys, "certify", "--driver", crashing(tmp_path, "invoke"), "--max-examples", "0")

    report = json.loads((tmp_path / "reports" / "report.json").read_text(encoding="utf-8"))
    page = (tmp_path / "reports" / "report.html").read_text(encoding="utf-8")
    assert TRACE[-SHOWN_LINES:] == report["client"]["deaths"][0]["stderr"]
    for line in filter(None, TRACE[-SHOWN_LINES:]):
        assert f"  | {line}" in called.out.splitlines()
        assert line in page


def test_long_lines_are_cut() -> None:
    """And blanks at the end take no room."""
    assert ("a", "b" * LONGEST_LINE + "…") == last_lines(["a", "b" * 10_000, "", " "])
    assert () == last_lines(["", ""])
