"""Receivers under examination over real HTTP, without a driver: the requests, and the verdicts on them."""

from __future__ import annotations

import json
import shlex
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from command_line import call
from flawed_clients.inbox import Inbox, Posted
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from conformance.client import examination, examiner
from conformance.client.certification import certify
from conformance.client.posting import check_reachable
from conformance.client.rules.inbox import RequestKind, kind_of
from conformance.client.settings import ClientSettings
from conformance.contract.contract import Contract, statum
from conformance.contract.requirements import ByRule, Catalogue
from conformance.journal import Record, read_journal
from conformance.judging.reading import Content
from conformance.judging.verdicts import Conclusion, Verdict
from conformance.model.errors import EnvironmentFailure
from conformance.model.traffic import Kind
from conformance.payloads.probes import FORMS
from conformance.reports.page import html
from conformance.reports.result import Result, judge
from conformance.wire.streams import client_tls

DRIVER = Path(__file__).parents[1] / "flawed_clients" / "driver.py"
SEED = 7
TOKEN = "s3cret"  # noqa: S105 - that of `Inbox`
Capsys = pytest.CaptureFixture[str]


class Recorder(Inbox):
    """A lawful receiver that keeps its requests."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        super().__init__()

    def close(self) -> None:
        """No more is taken."""
        self.server.shutdown()
        self.server.server_close()

    def respond(self, posted: Posted) -> int:
        """Remember it, and answer it as ever."""
        self.posted.append(posted)
        return super().respond(posted)


def settings(url: str, directory: Path, *products: str, **more: Any) -> ClientSettings:
    """Of the examination of the receiver of these products' notifications, or of sms, at that address."""
    return ClientSettings(callback_url=url, products=products or ("sms",), seed=SEED, report_dir=directory, **more)


def examined(inbox: Inbox, directory: Path, *products: str) -> Record:
    """The record of its examination; all notifications go to one address."""
    return read_journal(certify(settings(inbox.urls(("sms",))["sms"], directory, *products)))


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """A receiver of the notifications of all products."""
    inbox = Recorder()
    yield inbox
    inbox.close()


@pytest.fixture
def inbox() -> Iterator[Recorder]:
    """A receiver of a test's own."""
    inbox = Recorder()
    yield inbox
    inbox.close()


@pytest.fixture(scope="module")
def record(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The record of its examination."""
    return examined(recorder, tmp_path_factory.mktemp("examined"), *statum().products)


def test_a_lawful_receiver_is_conformant(recorder: Recorder, record: Record) -> None:
    """All that can be seen from outside is exercised, for each product, at the very URL; no thread is left."""
    judged = judge(record)

    assert Conclusion.CONFORMANT == judged.conclusion
    assert {Verdict.PASS, Verdict.NOT_APPLICABLE} == set(judged.counts())
    assert {"sms": 18, "airtime": 18, "mpesa/online": 18, "mpesa-wallet": 18} == Counter(
        str(v.command) for v in judged.by(Verdict.PASS)
    )
    assert {f"/hooks/sms?token={TOKEN}"} == {posted.path for posted in recorder.posted}
    assert 0 < len(record.exchanges) == len(recorder.posted)
    assert [] == [thread.name for thread in threading.enumerate() if thread.name.startswith("delivery")]


def test_the_token_is_neither_in_the_journal_nor_on_the_page(record: Record) -> None:
    """Although the transcript shows the requests to the receiver."""
    page = html(Result.of(record)).decode()

    assert not [e for e in record.exchanges if TOKEN in e.request.url]
    assert TOKEN not in json.dumps(record.settings)
    assert "The suite notifies" in page
    assert TOKEN not in page


def test_every_kind_of_request_is_sent(record: Record) -> None:
    """Read off the bytes, for each product; twenty, and two hundred of them, at the same moment.

    What only a client that is asked afterwards tells about is not.
    """
    met: dict[str, set[RequestKind]] = {}
    moments: Counter[float] = Counter()
    for case, exchange, _ in record.attempts():
        assert Kind.DELIVER is case.kind
        command = statum().commands[str(case.command)]
        what = kind_of(exchange.request, Content.of(exchange.request.body), command, statum())
        met.setdefault(command.name, set()).add(what)
        moments[exchange.sent_at] += 1

    kinds = set(RequestKind) - {RequestKind.OPEN, RequestKind.OTHER_CODE}
    assert dict.fromkeys(("sms", "airtime", "mpesa/online", "mpesa-wallet"), kinds) == met
    sizes = Counter(moments.values())
    assert 1 == sizes[examiner.CROWD] == sizes[examiner.THRONG]


def test_notifications_of_a_product_have_its_members(record: Record) -> None:
    """Those that its schema documents."""
    members: dict[str, set[str]] = {}
    for case, exchange, _ in record.attempts():
        content = Content.of(exchange.request.body).members
        members.setdefault(str(case.command), set()).update(content or ())

    assert "charge" in members["airtime"]
    assert "customer_name" in members["mpesa/online"]
    assert {"charge", "customer_name"}.isdisjoint(members["sms"])


def test_the_same_seed_sends_the_same(tmp_path: Path) -> None:
    """Byte for byte; requests of the same moment arrive in any order."""
    sent = []
    for name in ("one", "two"):
        inbox = Recorder()
        examined(inbox, tmp_path / name)
        inbox.close()
        sent.append(Counter((posted.method, posted.body) for posted in inbox.posted))

    assert sent[0] == sent[1]


def hurried(contract: Contract, seconds: float) -> Contract:
    """The contract with another time within which notifications are answered, and nothing else."""
    requirements = [
        replace(each, judge=ByRule("answered-within", {"seconds": seconds})) if each.id == "RCV-02" else each
        for each in contract.catalogue.requirements
        if each.id != "RCV-20"
    ]
    return replace(contract, catalogue=Catalogue(tuple(requirements), "sha256:hurried"))


def test_a_receiver_that_does_not_answer_gets_no_further_notification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer
) -> None:
    """After the first notification, which is waited for as long as it may take."""
    released = threading.Event()

    def hang(_: Request) -> Response:
        released.wait()
        return Response(status=204)

    monkeypatch.setattr(examination, "SURELY_S", 0.05)
    httpserver.expect_request("/hook").respond_with_handler(hang)
    contract = hurried(statum(), 0.05)
    record = read_journal(certify(settings(httpserver.url_for("/hook"), tmp_path, contract=contract)))
    released.set()
    verdicts = {v.requirement.id: v for v in judge(record, contract=contract).verdicts}

    assert ["success"] == [case.aspect for case in record.cases if case.kind is Kind.DELIVER]
    assert Verdict.FAIL == verdicts["RCV-02"].verdict
    assert Verdict.INCONCLUSIVE == verdicts["RCV-22"].verdict
    assert "the receiver did not answer its first notification" == verdicts["RCV-22"].detail


def test_an_examination_ends_in_time(inbox: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requirements that need later requests are inconclusive, with the reason."""
    monkeypatch.setattr(examiner, "EXAMINED_WITHIN_S", 0.0)
    verdicts = judge(examined(inbox, tmp_path)).verdicts

    assert [] == inbox.posted
    assert {examination.TIME_IS_UP} == {v.detail for v in verdicts if v.verdict is Verdict.INCONCLUSIVE}


def test_a_receiver_without_concurrency_is_lawful(tmp_path: Path, httpserver: HTTPServer) -> None:
    """Nothing is done at the same time, and answers are 200 with a body."""

    def answer(request: Request) -> Response:
        if request.method != "POST" or request.mimetype != "application/json":
            return Response(status=405)
        content: Any = request.get_json(silent=True)
        texts = content if isinstance(content, dict) else {}
        sound = all(isinstance(texts.get(name), str) for name in ("result_code", "result_desc", "request_id"))
        return Response('{"ok": true}', 200 if sound else 400, mimetype="application/json")

    httpserver.expect_request("/hook").respond_with_handler(answer)
    record = read_journal(certify(settings(httpserver.url_for("/hook"), tmp_path)))

    assert Conclusion.CONFORMANT == judge(record).conclusion


def test_a_receiver_apart_from_its_client_gets_the_ids_of_its_requests(inbox: Recorder, tmp_path: Path) -> None:
    """The driver makes the calls, and the receiver is where the user says."""
    program = shlex.join((sys.executable, "-S", "-E", str(DRIVER), "only-sms"))
    quick = {"max_examples": 0, "timeout_s": 0.3, "resend_window_s": 0.3, "advised_delay_s": 0.3}
    record = read_journal(certify(settings(inbox.urls(("sms",))["sms"], tmp_path, driver=program, **quick)))
    verdicts = {v.requirement.id: v for v in judge(record).verdicts if v.command == "sms"}

    assert Verdict.PASS == verdicts["RCV-01"].verdict
    assert Verdict.NOT_APPLICABLE == verdicts["RCV-07"].verdict
    assert "the client does not declare the feature results" == verdicts["RCV-07"].detail
    assert [case for case in record.cases if case.aspect == "success" and case.earlier]


def test_an_address_where_nothing_listens_is_one_line(tmp_path: Path, capsys: Capsys) -> None:
    """And exit code 3; the token is not shown."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/hook?token={TOKEN}"
    called = call(capsys, "certify", "--callback-url", url, "--product", "sms", "--report-dir", str(tmp_path))

    assert 3 == called.code
    assert (
        f"error: callback URL http://127.0.0.1:{port}/hook?… cannot be reached: Connection refused" in called.only_line
    )
    assert TOKEN not in called.err + called.out
    assert not list(tmp_path.iterdir())


def test_an_unknown_host_name_is_reported() -> None:
    """Not every machine says it in the same words."""
    with pytest.raises(EnvironmentFailure, match=r"callback URL http://nobody\.invalid/hook\?… cannot be reached: "):
        check_reachable("http://nobody.invalid/hook?token=s3cret", client_tls(None))


def test_a_callback_url_is_for_products_that_are_named(capsys: Capsys) -> None:
    """Else nobody knows what to send there."""
    called = call(capsys, "certify", "--callback-url", "http://127.0.0.1:9/hook")

    assert 2 == called.code
    assert "expected --product NAME" in called.only_line


def test_notifications_come_in_every_form(recorder: Recorder, record: Record) -> None:
    """Of ids, of HTTP and of JSON; to the first product at an address all of them, to the others some."""
    sms = [posted for posted in recorder.posted if posted.method == "POST"]
    forms = {case.keyword for case in record.cases if case.aspect in {"id", "wire"} and case.command == "sms"}

    assert {f"a request_id of {what}" for what in FORMS} <= forms
    assert {"Expect: 100-continue", "HTTP/1.0", "indented JSON", "header names in lower case"} <= forms
    assert {'application/json;charset="UTF-8"', "application/json; charset=utf-8"} <= {each.declared for each in sms}
    assert {"HTTP/1.0", "HTTP/1.1"} == {each.version for each in sms}
    assert "a chunked body" not in forms  # the receiver answers in HTTP/1.0, which has no chunks (RFC 9112, 6.1)
    for command in ("airtime", "mpesa/online", "mpesa-wallet"):
        assert "a request_id of a UUID" in {case.keyword for case in record.cases if case.command == command}


MORTAL = """
import sys, time
sys.path.insert(0, {tests!r})
from flawed_clients.malformed import DiesOfNull
print(DiesOfNull().urls(("sms",))["sms"], flush=True)
sys.stdin.read()
"""


def test_a_receiver_that_dies_gets_no_further_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding names the request that killed it; the rest is inconclusive."""
    monkeypatch.setattr(examination, "BACK_WITHIN_S", 0.1)
    program = MORTAL.format(tests=str(Path(__file__).parents[1]))
    arguments = (sys.executable, "-S", "-E", "-c", program)
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip() if process.stdout else ""
        record = read_journal(certify(settings(url, tmp_path)))
    found = {v.requirement.id: v for v in judge(record).verdicts}

    assert b"null" in [exchange.request.body for exchange in record.exchanges[-2:]]
    assert ["RCV-23"] == [name for name, v in found.items() if v.verdict in {Verdict.FAIL, Verdict.WARN}]
    assert "(null) was not answered" in found["RCV-23"].findings[0].message
    assert "no longer there afterwards" in found["RCV-23"].findings[0].message
    assert str(found["RCV-18"].detail).startswith("the receiver was no longer there after receiver/sms/incomplete/")


def test_a_private_certificate_authority_has_to_be_named(inbox: Recorder, tmp_path: Path) -> None:
    """An untrusted certificate is no fault of the receiver."""
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    inbox.server.socket = context.wrap_socket(inbox.server.socket, server_side=True, do_handshake_on_connect=False)
    url = inbox.urls(("sms",))["sms"].replace("http:", "https:")

    with pytest.raises(EnvironmentFailure, match=r"certificate that is not trusted: .*--ca-file"):
        certify(settings(url, tmp_path))
    record = read_journal(certify(settings(url, tmp_path, ca_file=ca_file)))
    assert Conclusion.CONFORMANT == judge(record).conclusion
