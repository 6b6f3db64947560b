"""A server that is no gateway is reported before the run; a gateway at fault is judged."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trustme
from campaigns import free_address, settings, shortfalls
from pytest_httpserver import HTTPServer
from seeded import FAULTS
from sockets import NO_ANSWER, RawServer

from conformance.gateway import campaign, reaching
from conformance.gateway.reaching import ASKED_TO_WAIT, PreflightCheck, reached
from conformance.journal import read_journal
from conformance.judging.verdicts import Conclusion
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Moment, Reply
from conformance.mock.serving import serve_mock
from conformance.model.errors import EnvironmentFailure
from conformance.model.process import Silent
from conformance.reports.result import judge
from conformance.wire.asgi import AsgiThread, Tls
from conformance.wire.listening import Address
from conformance.wire.sender import LONGEST_WAIT_S

ENVELOPE = {"status_code": 200, "description": "Success", "request_id": "9V7NcW1QMvWkQcceMnn3MKfmczdBeE1a"}


@dataclass(frozen=True)
class Page:
    """An answer as a server of any kind gives it."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> bytes:
        """On the wire."""
        lines = [f"HTTP/1.1 {self.status} X", f"Content-Length: {len(self.body.encode())}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", self.body]).encode()


def enveloped(status: int, description: str = "No", **more: object) -> Page:
    """An answer in the envelope."""
    return Page(status, json.dumps({**ENVELOPE, "status_code": status, "description": description, **more}))


@contextmanager
def serving(answer: Callable[[str, str], Page], base: str = "/api/v2") -> Iterator[str]:
    """The base URL of a server that answers each method and path so."""

    def raw(request: bytes, _: int) -> bytes:
        method, target, _ = request.split(b" ", 2)
        return answer(method.decode(), target.decode()).raw

    with RawServer(raw) as server:
        yield server.url + base


def probes(tmp_path: Path, url: str, **changes: object) -> list[PreflightCheck]:
    """All probes of the gateway."""
    return list(reached(settings(tmp_path, gateway=url, **changes), url))


HTML = "<html><head><title>\n Sign in to\tStatum </title></head></html>"
LOGIN = {"Location": "/login?next=s3cret"}
ELSEWHERE = {"Location": "https://user:pw@api.example/v2/account-details?token=s3cret"}

NO_GATEWAYS: Mapping[str, tuple[Callable[[str, str], Page], str, str]] = {
    "redirect": (
        lambda *_: Page(301, headers=LOGIN),
        r"redirect \(301\), which leads to http://127.*/login$",
        "/api/v2",
    ),
    "redirect elsewhere": (
        lambda *_: Page(307, headers=ELSEWHERE),
        "which leads to https://api.example/v2/account-details$",
        "try --gateway https://api.example/v2$",
    ),
    "redirect to nowhere": (lambda *_: Page(302, headers={"Location": "http://[::1/"}), "leads to an invalid URL", ""),
    "redirect without a place": (lambda *_: Page(302), "302", ""),
    "login": (
        lambda method, _: Page(302, headers=LOGIN) if method == "GET" else Page(403, "csrf"),
        "302 or 403",
        "",
    ),
    "page": (lambda *_: Page(200, HTML), r"200 \(a page: Sign in to Statum\)", "/api/v2"),
    "page of an application": (lambda method, _: Page(200, HTML) if method == "GET" else Page(405), "200 or 405", ""),
    "not found": (lambda *_: Page(404, HTML), r"404 \(a page", "/api/v2"),
    "not found, as JSON": (lambda *_: Page(404, '{"detail":"Not Found"}'), "JSON of another kind", ""),
    "not found by an API proxy": (
        lambda *_: Page(404, '{"message":"no Route matched","request_id":"1f"}'),
        "JSON of another kind",
        "",
    ),
    "not found by the gateway": (lambda *_: enveloped(404, "Unknown command"), "404 .*Unknown command", "/api/v2"),
    "another API": (lambda *_: Page(200, '{"ok":true}'), "200", ""),
    "down": (lambda *_: Page(503, HTML), "503", "is it up"),
    "down, by its own words": (lambda *_: enveloped(500, "no database"), "500 .*no database", "is it up"),
    "down, but for its routes": (
        lambda _, target: enveloped(404) if "no-such" in target else enveloped(500),
        "500",
        "is it up",
    ),
    "closed to us": (lambda *_: enveloped(403, "Access denied"), "403", "may this machine"),
    "plain HTTP to TLS": (lambda *_: Page(400, "The plain HTTP request was sent to HTTPS port"), "400", "https://"),
    "nothing": (lambda *_: Page(204), r"204 \(no body\)", ""),
}


def test_a_server_that_is_no_gateway_is_described_in_one_line(tmp_path: Path) -> None:
    """The hint is another; neither shows a secret."""
    wrong = {}
    for name, (answer, detail, hint) in NO_GATEWAYS.items():
        with serving(answer) as url:
            *passed, last = probes(tmp_path, url)
        lines = (last.detail, last.hint or "")
        right = not last.ok and all(probe.ok for probe in passed)
        matches = re.search(detail, lines[0]) and re.search(hint, lines[1])
        if not (right and matches) or re.search(r"s3cret|pw@|\n", "".join(lines)):
            wrong[name] = lines
    assert {} == wrong


def of_commands(commands: Page, details: Page) -> Callable[[str, str], Page]:
    """A gateway that knows its commands, and gives account-details so."""

    def answer(method: str, target: str) -> Page:
        if target.endswith("/account-details"):
            return details
        return enveloped(404) if "no-such" in target else commands if method == "POST" else enveloped(405)

    return answer


GATEWAYS: Mapping[str, Callable[[str, str], Page]] = {
    "says 200 to all": lambda *_: enveloped(200),
    "has no account-details": of_commands(enveloped(422), enveloped(404)),
    "has no account-details, and says so in HTML": of_commands(enveloped(422), Page(404, HTML)),
    "crashes in account-details": of_commands(enveloped(400), Page(500, HTML)),
    "account-details moved": of_commands(enveloped(422), Page(301, headers=LOGIN)),
    "answers all in HTML, by status": lambda method, target: Page(
        of_commands(enveloped(422), enveloped(200))(method, target).status, HTML
    ),
    "crashes for what is incomplete": of_commands(Page(500, HTML), Page(404, HTML)),
    "without a description": lambda *_: Page(200, '{"status_code":200,"request_id":"1"}'),
    "with a status_code of text": lambda *_: Page(200, json.dumps({**ENVELOPE, "status_code": "200"})),
    "declares what is plain as gzip": lambda *_: replace(enveloped(200), headers={"Content-Encoding": "gzip"}),
    "too many": lambda *_: Page(429),
    "with a status_code that is none": lambda *_: Page(200, json.dumps({**ENVELOPE, "status_code": 1e300})),
}


def test_a_gateway_at_fault_is_left_to_be_judged(tmp_path: Path) -> None:
    """Though its account-details is not as it should be, all else may be right."""
    wrong = {}
    for name, answer in GATEWAYS.items():
        with serving(answer) as url:
            found = probes(tmp_path, url, products=("sms",))
        if not all(probe.ok for probe in found) or found[-1].name != "credential accepted":
            wrong[name] = found
    assert {} == wrong


def test_a_gateway_that_does_not_answer_account_details_is_left_to_be_judged(tmp_path: Path) -> None:
    """Its commands answer."""
    with RawServer(lambda request, _: enveloped(422).raw if request.startswith(b"POST") else NO_ANSWER) as server:
        (found,) = probes(tmp_path, f"{server.url}/api/v2", products=("sms",))
    assert (True, True, "account-details") == (found.ok, found.warning, found.name)


def test_a_server_that_speaks_no_http_cannot_be_reached(tmp_path: Path) -> None:
    """The hint says what it may be."""
    hints = {
        NO_ANSWER: "is it running",
        b"\x15\x03\x01\x00\x02\x02\x16\r\n": "https://",
        b"SSH-2.0\r\n\r\n": "is it running",
    }
    for answer, hint in hints.items():
        with RawServer(lambda *_: answer, closes=True) as server:  # noqa: B023 - called here
            (found,) = probes(tmp_path, f"{server.url}/api/v2")
        assert not found.ok
        assert hint in (found.hint or "")


def test_no_seeded_fault_is_taken_for_a_wrong_set_up(tmp_path: Path) -> None:
    """Whatever a gateway does wrong, it is one."""
    account = Account.sample()
    credential = {"consumer_key": account.consumer_key, "consumer_secret": account.consumer_secret}
    failed: dict[str, list[PreflightCheck]] = {}
    for name, fault in FAULTS.items():
        with serve_mock(account, fault.change(BUILT_IN)) as server:
            failed[name] = [probe for probe in probes(tmp_path, server.url, **credential) if not probe.ok]
    assert {} == {name: found for name, found in failed.items() if found}


def test_probes_name_neither_a_number_nor_an_amount(tmp_path: Path) -> None:
    """So nothing could reach anybody."""
    with RawServer(lambda *_: Page(404).raw) as server:
        probes(tmp_path, f"{server.url}/api/v2")
    bodies = [request.partition(b"\r\n\r\n")[2] for request in server.requests]
    assert len(bodies) == 7
    assert {b"", b"This is not JSON."} == set(bodies)


def test_one_request_suffices_for_a_lawful_gateway(tmp_path: Path) -> None:
    """Without a warning."""
    page = enveloped(200, "Success", organization={"name": "A"})
    with RawServer(lambda *_: page.raw) as server:
        found = probes(tmp_path, f"{server.url}/api/v2")
    assert [b"GET /api/v2/account-details HTTP/1.1"] == [request.split(b"\r\n")[0] for request in server.requests]
    assert [("gateway reachable", False), ("credential accepted", False)] == [(p.name, p.warning) for p in found]


# --- Waiting


def test_a_gateway_that_asks_for_an_hour_ends_the_preflight(tmp_path: Path) -> None:
    """How long it asks for is told at once."""
    with serving(lambda *_: Page(503, headers={"Retry-After": "3600"})) as url:
        (found,) = probes(tmp_path, url)
    assert not found.ok
    assert "asks for a pause of 60 minutes (503 with Retry-After); a run waits for 60 s at most" in found.detail


def test_the_preflight_waits_as_long_as_a_gateway_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and it goes on."""
    waited: list[float] = []
    monkeypatch.setattr(reaching.time, "sleep", waited.append)
    pages = iter([Page(503, headers={"Retry-After": "20"})])
    well = enveloped(200, "Success", organization={"name": "A"})
    with serving(lambda *_: next(pages, well)) as url:
        first, *others = probes(tmp_path, url)
    assert ([20.0], ASKED_TO_WAIT) == (waited, first.name)
    assert "asks to wait for 20 seconds" in first.detail
    assert [True, True] == [probe.ok for probe in others]


def test_a_minute_of_pauses_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of it is one line, then what every request was answered."""
    waited: list[float] = []
    monkeypatch.setattr(reaching.time, "sleep", waited.append)
    with serving(lambda *_: Page(503, headers={"Retry-After": "1"})) as url:
        found = probes(tmp_path, url)
    assert 60.0 <= sum(waited) <= LONGEST_WAIT_S
    assert [ASKED_TO_WAIT, "gateway reachable", "the gateway answers"] == [probe.name for probe in found]


def test_the_base_url_that_differs_least_is_proposed(tmp_path: Path) -> None:
    """For paths that people forget or misspell."""
    meant = {
        "": "/api/v2",
        "/v2": "/api/v2",
        "/api/v1/": "/api/v2",
        "/api": "/api/v2",
        "/statum/v2": "/statum/api/v2",
    }
    for base, tried in meant.items():
        with serving(lambda *_: Page(404, HTML), base) as url:
            *_, last = probes(tmp_path, url)
        assert f"try {url.removesuffix(base)}{tried}" == (last.hint or "").partition("? ")[2]


def test_a_redirect_to_a_trailing_slash_is_explained(tmp_path: Path) -> None:
    """It is the redirect of a framework, which no base URL does away with."""
    with serving(lambda _, target: Page(308, headers={"Location": f"{target}/"})) as url:
        *_, last = probes(tmp_path, url)
    assert "the contract has no slash behind a command; does a route or a proxy want one?" == last.hint


# --- TLS


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Address, Path]]:
    """A server by https whose authority nobody knows, and the file that names it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key, ca_file = (tmp_path / name for name in ("server.pem", "server.key", "ca.pem"))
    issued.private_key_pem.write_to_path(key)
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(ca_file)

    async def application(_scope: object, _receive: object, send: Callable[..., object]) -> None:
        page = enveloped(200, "Success", organization={"name": "A"})
        headers = [(b"content-length", b"%d" % len(page.body)), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[misc]
        await send({"type": "http.response.body", "body": page.body.encode()})  # type: ignore[misc]

    with AsgiThread(application, Address("127.0.0.1", 0), tls=Tls.of(certificate, key)) as server:  # type: ignore[arg-type]
        yield server.address, ca_file


def test_a_private_certificate_authority_has_to_be_named(secure: tuple[Address, Path], tmp_path: Path) -> None:
    """The hint names the option; with it all is well, also where each answer closes its connection."""
    address, ca_file = secure
    url = f"https://{address.host}:{address.port}/api/v2"
    (unknown,) = probes(tmp_path, url)
    known = probes(tmp_path, url, ca_file=ca_file)
    assert not unknown.ok
    assert "--ca-file" in (unknown.hint or "")
    assert ["gateway reachable", "certificate", "credential accepted"] == [probe.name for probe in known]


def test_a_wrong_scheme_is_explained(secure: tuple[Address, Path], tmp_path: Path, httpserver: HTTPServer) -> None:
    """Either way."""
    address, ca_file = secure
    (plain,) = probes(tmp_path, f"http://{address.host}:{address.port}/api/v2")
    (tls,) = probes(tmp_path, httpserver.url_for("/api/v2").replace("http:", "https:"), ca_file=ca_file)
    assert (False, False) == (plain.ok, tls.ok)
    assert "scheme" in (plain.hint or "")
    assert "begins with http://" in (tls.hint or "")


# --- What becomes of a run


def test_a_wrong_set_up_keeps_the_reports_of_the_run_before(tmp_path: Path) -> None:
    """To the byte; in an empty directory it is recorded."""
    report = tmp_path / "report.json"
    kept = campaign.run(settings(tmp_path, products=("sms",)))
    report.write_text("{}", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with serving(lambda *_: Page(404)) as url:
        given = settings(tmp_path, gateway=url, callback_listen=free_address())
        with pytest.raises(EnvironmentFailure, match=r"every request with 404.*are those of an earlier run"):
            campaign.run(given)
        assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        anew = campaign.run(replace(given, report_dir=tmp_path / "anew"))
        # That one is nothing to be kept.
        assert anew == campaign.run(replace(given, report_dir=tmp_path / "anew"))
    assert Conclusion.CONFORMANT == judge(read_journal(kept)).conclusion
    assert Conclusion.INCONCLUSIVE == judge(read_journal(anew)).conclusion


def test_a_wrong_set_up_keeps_a_report_without_its_journal(tmp_path: Path) -> None:
    """Somebody may have put the evidence elsewhere."""
    (tmp_path / "report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(EnvironmentFailure):
        campaign.run(settings(tmp_path, gateway=f"{free_address().url}/api/v2"))
    assert ["report.json"] == [path.name for path in tmp_path.iterdir()]


def away(reply: Reply, moment: Moment) -> Reply:
    """The gateway is away for an hour, from the fortieth request on."""
    if moment.count < 40:
        return reply
    content = {**ENVELOPE, "status_code": 503, "description": "Back in an hour", "request_id": f"away-{moment.count}"}
    return replace(reply, status=503, content=content, headers=(("Retry-After", "3600"), *reply.headers))


AWAY = replace(BUILT_IN, additional_refusals=(lambda moment: "rate" if moment.count >= 40 else None,), reply=(away,))


@pytest.fixture(scope="module")
def put_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a run against that gateway."""
    return campaign.run(settings(tmp_path_factory.mktemp("away"), products=("sms",)), behaviour=AWAY)


def test_a_gateway_that_asks_for_an_hour_ends_the_run(put_off: Path) -> None:
    """At once; the run is judged as far as it went."""
    record = read_journal(put_off)
    (obstacle,) = (note.detail for note in record.notes if note.kind == "obstacle")
    judgement = judge(record)
    assert "a pause of 60 minutes (503 with Retry-After)" in obstacle["message"]
    assert len(record.exchanges) < len(record.cases)
    assert Conclusion.INCONCLUSIVE == judgement.conclusion, shortfalls(judgement)


def test_a_run_that_was_put_off_can_be_resumed(put_off: Path, tmp_path: Path) -> None:
    """It sends nothing twice."""
    path = Path(shutil.copy(put_off, tmp_path))
    before = {exchange.case_id for exchange in read_journal(path).exchanges}
    record = read_journal(campaign.resume(path, settings(tmp_path, products=("sms",))))
    judgement = judge(record)

    assert Conclusion.CONFORMANT == judgement.conclusion, shortfalls(judgement)
    sent = [exchange.case_id for exchange in record.exchanges]
    assert before < set(sent)
    assert len(set(sent)) == len(sent)


def test_a_run_that_cannot_be_resumed_keeps_its_journal(put_off: Path, tmp_path: Path) -> None:
    """For the next time."""
    path = Path(shutil.copy(put_off, tmp_path))
    before = path.read_bytes()
    down = replace(BUILT_IN, reply=(lambda reply, _: replace(reply, status=500, content="down"),))
    with pytest.raises(EnvironmentFailure, match="every request with 500"):
        campaign.resume(path, settings(tmp_path, products=("sms",)), behaviour=down)
    assert before == path.read_bytes()


def test_a_pause_that_the_gateway_asks_for_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests it meets."""
    monkeypatch.setattr("conformance.wire.sender.WORTH_TELLING_S", 1.0)
    progress = Silent()
    remarks: list[str] = []
    monkeypatch.setattr(progress, "remark", remarks.append, raising=False)
    refused: list[int] = []

    def busy(reply: Reply, moment: Moment) -> Reply:
        if moment.count < 40 or len(refused) > 0:
            return reply
        refused.append(moment.count)
        return replace(away(reply, moment), headers=(("Retry-After", "1"), *reply.headers))

    campaign.run(settings(tmp_path, products=("sms",)), progress, behaviour=replace(BUILT_IN, reply=(busy,)))
    assert ["the gateway answered 503: nothing is sent for 1 seconds"] == remarks
