"""A gateway or a driver that writes secrets as other programs do, and values that nobody could keep out of a report."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from campaigns import free_address
from command_line import call
from hostile_writers import WRITERS, found_in
from planted_secrets import dying_driver
from seeded import fault

from conformance.client.driver_messages import SHOWN, DriverLog, ProtocolError, parsed, secrets_of, tokens_in
from conformance.contract.contract import statum
from conformance.journal import read_journal
from conformance.journal.redaction import tokens_of
from conformance.mock.account import Account
from conformance.mock.behaviour import BUILT_IN, Moment, Reply
from conformance.mock.serving import serve_mock
from conformance.model.traffic import has_userinfo, shown_url

Capsys = pytest.CaptureFixture[str]

KEY = "HostileKey2be9"
SECRET = "s3cr&t=v+r2m<9>/Z'q"  # noqa: S105 - a canary
TOKEN = "t0ken-of~th1s.run"  # noqa: S105 - a canary
CREDENTIAL = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
SPELLED = [write(value, Random(0)) for value in (SECRET, TOKEN, CREDENTIAL) for write in WRITERS.values()]
QUICK = ("--product=sms", "--max-examples=0", "--seed=7")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory; what fails shows where."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATUM_CONFORMANCE_DEBUG", "1")
    monkeypatch.setenv("STATUM_CONFORMANCE_CONSUMER_SECRET", SECRET)
    return tmp_path


def in_json(spelled: str) -> str:
    """Within a text of JSON: a writer of JSON has made one of it already."""
    try:
        json.loads(f'"{spelled}"', strict=True)
    except ValueError:
        return json.dumps(spelled)[1:-1]
    return spelled


# All spellings are 40 kB, and to redact so much takes longer than the rest of a run.
ECHO_EVERY, PARTS = 10, 5


def echoed(reply: Reply, moment: Moment) -> Reply:
    """A part of the spellings, in a text and as members, in one answer of many."""
    turn, silent = divmod(moment.count, ECHO_EVERY)
    if silent or turn > PARTS or not isinstance(reply.content, dict):
        return reply
    texts = ", ".join(f'"{in_json(spelled)}": "{in_json(spelled)}"' for spelled in SPELLED[turn % PARTS :: PARTS])
    plain = json.dumps({**reply.content, "status_code": str(reply.content.get("status_code"))})
    described = " ".join(in_json(spelled) for spelled in SPELLED[:8])
    return replace(reply, raw=f'{plain[:-1]}, "echo": {{{texts}}}, "told": "{described}"}}'.encode())


def test_no_writer_gets_a_secret_into_an_artefact(here: Path, capsys: Capsys) -> None:
    """Journal, every report, what is said, and the decoded values of findings."""
    address = free_address()
    callbacks = {product: f"{address.url}/callbacks/{product}?token={TOKEN}" for product in statum().products}
    account = replace(Account.sample(callbacks), consumer_key=KEY, consumer_secret=SECRET)
    behaviour = replace(fault("status-code-as-string").change(BUILT_IN), reply=(echoed,))
    with serve_mock(account, behaviour, seed=1) as server:
        given = ("--gateway", server.url, "--callback-listen", str(address), "--consumer-key", KEY)
        called = call(capsys, "run", *QUICK, *given, "--callback-token", TOKEN, "--save-corpus=corpus")

    assert 1 == called.code, called.err
    files = {path.name: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    said = {**files, "stdout": called.out.encode(), "stderr": called.err.encode()}
    long_enough = [spelled for spelled in SPELLED if len(spelled) < 400]
    assert {"journal.sqlite", "traffic.har", "junit.xml", "report.html", "report.json", "summary.md"} <= {*files}
    assert [] == [(name, s) for name, content in said.items() for s in long_enough if s.encode() in content]
    for name in ("report.json", "summary.md", "report.sarif", "junit.xml", "stdout"):
        assert [] == [value for value in (SECRET, TOKEN) if found_in(said[name][:40_000], value)], name


def test_a_secret_that_is_said_back_as_a_number_is_no_fault_of_the_gateway(here: Path, capsys: Capsys) -> None:
    """Bare, as Java writes it, and in a list of bytes: the recorded bodies are JSON still."""
    pin = "48151623"
    echo = {"pin": int(pin), "bytes": [*pin.encode()], SECRET: 1, SECRET.swapcase(): 2}

    def answered(reply: Reply, _: Moment) -> Reply:
        if not isinstance(reply.content, dict):
            return reply
        return replace(reply, raw=json.dumps({**reply.content, "echo": echo}).replace(pin, "4.8151623E7").encode())

    address = free_address()
    callbacks = {product: f"{address.url}/callbacks/{product}" for product in statum().products}
    account = replace(Account.sample(callbacks), consumer_key=KEY, consumer_secret=SECRET)
    with serve_mock(account, replace(BUILT_IN, reply=(answered,)), seed=1) as server:
        given = ("--gateway", server.url, "--callback-listen", str(address), "--consumer-key", KEY, "--redact", pin)
        called = call(capsys, "run", *QUICK, *given)

    assert 0 == called.code, called.out + called.err
    recorded = [exchange.response.body for exchange in read_journal(here / "reports" / "journal.sqlite").exchanges]
    echoes = [each for body in recorded if (each := json.loads(body).get("echo"))]
    hidden = {"pin": 0, "bytes": [0] * len(pin), "[REDACTED]": 1, "[REDACTED] 2": 2}
    assert (True, []) == (bool(echoes), [each for each in echoes if each != hidden])


REFUSED = {
    "host": ("127.0.0.1", "host"),
    "port": ("18431", "host"),
    "member": ("request_id", "contract"),
    "command": ("account-details", "contract"),
    "setting": ("products", "common word"),
    "record": ("preflight", "common word"),
    "common": ("Password", "common word"),
    "callback host": ("hooks.example", "host"),
    "number": ("47114711", "settings"),
}


@pytest.mark.parametrize("value", REFUSED)
def test_what_cannot_be_redacted_is_refused_before_anything_is_sent(value: str, here: Path, capsys: Capsys) -> None:
    """In one line that says why, with exit code 2; nobody listens at the gateway's address."""
    redacted, why = REFUSED[value]
    given = ("--gateway", "http://127.0.0.1:18431/api/v2", "--consumer-key", KEY, "--seed", "47114711")
    called = call(capsys, "run", *given, "--callback-url", "https://hooks.example/a", "--redact", redacted)

    assert (2, "") == (called.code, called.out)
    (line,) = [line for line in called.err.splitlines() if line.startswith("error: ")]
    assert why in line
    assert not (here / "reports").exists()


@pytest.mark.parametrize("secret", ["secret", "password", "gateway", "conformance"])
def test_of_a_secret_that_is_a_common_word_a_warning_tells_in_words_that_can_be_read(
    secret: str, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redacted, it would take the suite's own sentences apart, this one first. Local gateways have such secrets."""
    monkeypatch.setenv("STATUM_CONFORMANCE_CONSUMER_SECRET", secret)
    called = call(capsys, "doctor", "--gateway", f"{free_address().url}/api/v2", "--consumer-key", KEY)
    assert 3 == called.code
    assert "warning: --consumer-secret is a common word or a part of one, so it is not redacted in texts" in called.err


@pytest.mark.parametrize(
    ("options", "leaked"),
    [
        (("run", "--gateway", "http://ann:hunter2@h.example/api/v2"), "hunter2"),
        (("run", "--gateway", "ann:hunter2@h.example/api/v2"), "hunter2"),
        (("run", "--gateway", "http://ann:hunt/er2@h.example/api/v2"), "hunt"),
        (("run", "--gateway", "http://h.example:hunter2/api/v2"), "hunter2"),
        (("run", "--gateway", "http://h.example/api/v2?token=hunter2"), "hunter2"),
        (("run", "--gateway", "http://h.example/api/v2#hunter2"), "hunter2"),
        (("run", "--gateway", "http://h.example/api v2?token=hunter2"), "hunter2"),
        (("run", "--callback-url", "http://ann:hunter2@h.example/hooks"), "hunter2"),
        (("run", "--callback-url", "http://ann:hunt/er2@h.example/hooks"), "hunt"),
        (("doctor", "--callback-url", "http://ann:hunter2@h.example/hooks"), "hunter2"),
        (("certify", "--product=sms", "--callback-url", "http://ann:hunter2@127.0.0.1:9/hooks"), "hunter2"),
        (("certify", "--product=sms", "--callback-url", "http://127.0.0.1:hunter2/hooks"), "hunter2"),
        (("openapi", "--server", "http://ann:hunter2@h.example/api/v2"), "hunter2"),
    ],
)
def test_a_password_or_token_of_a_url_is_refused_and_not_shown(
    options: tuple[str, ...], leaked: str, here: Path, capsys: Capsys
) -> None:
    """In no error line, no traceback and no file."""
    given = ("--consumer-key", KEY) if options[0] in {"run", "doctor"} else ()
    called = call(capsys, *options, *given)
    assert 2 == called.code, called.err
    assert leaked not in called.out + called.err
    assert [] == [path for path in here.rglob("*") if path.is_file() and leaked.encode() in path.read_bytes()]


def test_a_url_is_shown_without_what_may_be_secret() -> None:
    """Whether or not it is one."""
    assert "http://h/a?…" == shown_url("http://h/a?b=c")
    assert "http://…" == shown_url("http://u:p?x@h/a")
    assert ["…", "http://…", "http://…"] == [*map(shown_url, ("u:p@h", "http://u:p", "http://[::1]:p/a"))]
    assert "http://[::1]:80/a" == shown_url("http://[::1]:80/a")
    assert [True, True, False, False] == [*map(has_userinfo, ("http://u:p@h/", "u:p@h/a", "http://h/@a", "http://h?@"))]


def test_what_is_secret_in_a_url_is_known() -> None:
    """Passwords, names without one, values of query and fragment, and what has no name; decoded, too."""
    urls = ("http://u:p%40ss@h/a?t=v1&n2#f=v3", "https://alone@h/", "http://h/a;x?b=%7E4")
    assert {"p%40ss", "p@ss", "v1", "n2", "v3", "alone", "%7E4", "~4"} == {*tokens_of(*urls)}


@pytest.mark.parametrize(
    "line",
    [
        '{"callback_urls": {"sms": "http://127.0.0.1:1/hook?token=abcd-1234"}}',
        '{"callback_urls": {"sms": "http:\\/\\/127.0.0.1:1\\/hook?token=abcd-1234"}}',
        '{"callback_urls": {"sms": "http://127.0.0.1:1/hook?token\\u003dabcd-1234\\u0026a=b"}}',
        '{"callback_urls": {"sms": "http://u:abcd-1234@127.0.0.1:1/hook"}}',
        "listening at http%3A%2F%2F127.0.0.1%3A1%2F%3Ft%3Dabcd-1234",
    ],
)
def test_a_token_is_found_however_a_driver_writes_its_url(line: str) -> None:
    """PHP escapes each slash, Gson signs of equality."""
    assert "abcd-1234" in {*tokens_in(statum(), line)}


@pytest.mark.parametrize(
    "command",
    [
        "java -jar d.jar --api-token=abcd-1234",
        "python d.py --password abcd-1234 --verbose",
        "env CLIENT_SECRET=abcd-1234 node d.js",
        "java -Dacme.apiKey='abcd-1234' -jar d.jar",
        "python d.py http://h/?abcd-1234",
    ],
)
def test_what_a_driver_is_started_with_is_known_for_a_secret(command: str) -> None:
    """By the name of its option, or within a URL."""
    assert {"abcd-1234"} == {*secrets_of(statum(), command)}


def test_no_token_of_a_driver_is_in_an_artefact_however_it_writes(here: Path, capsys: Capsys) -> None:
    """Not of its command line, nor of a callback URL that it names when it is started again."""
    as_php_and_gson = {"/": "\\/", "=": "\\u003d", "&": "\\u0026"}
    (here / "driver.py").write_text(dying_driver("h0stile={number}=Driver8z&b=c", as_php_and_gson), encoding="utf-8")
    line = f"{sys.executable} -S -E driver.py {free_address()} --api-token=c0mmand-Line9x"
    called = call(capsys, "certify", "--driver", line, "--product=sms", "--max-examples=0", "--seed=7")
    (here / "driver.py").unlink()

    said = [path.read_bytes() for path in here.rglob("*") if path.is_file()] + [(called.out + called.err).encode()]
    tokens = [*(f"h0stile={number}=Driver8z" for number in range(3)), "c0mmand-Line9x"]
    forms = [form for token in tokens for form in (token, token.replace("=", "%3D"), token.replace("=", "\\u003d"))]
    assert 1 == called.code, called.err
    assert [] == [form for form in forms for content in said if form.encode() in content]


# It greets, and breaks the protocol with a line in which a secret stands where lines are cut to be shown.
CARELESS = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message["cmd"] != "hello":
        break
    print(json.dumps({{"protocol": 1, "implementation": {{"name": "tiny"}}, "commands": ["sms"]}}), flush=True)
print({line!r}, flush=True)
input()
"""
BREACHES = (
    "{} no JSON",
    '["{}"]',
    '{{"id": "{}"}}',
    '{{"id": "1", "outcome": "{}"}}',
    '{{"id": "1", "outcome": "accepted", "request_id": "1", "url": "http://127.0.0.1/?token={}", "status_code": "?"}}',
)
CUT_THROUGH = "h0stile+cut-Thr0ugh=8z"


@pytest.mark.parametrize("breach", BREACHES)
def test_no_part_of_a_secret_is_left_where_a_line_is_cut_to_be_shown(breach: str) -> None:
    """Wherever the cut is, in the line itself or in what is wrong with it."""
    protected = () if "token=" in breach else (CUT_THROUGH,)
    for before in range(SHOWN // 2 - len(CUT_THROUGH), SHOWN + 2):
        line = breach.format("-" * (before - breach.index("{}")) + CUT_THROUGH + "-" * SHOWN)
        with pytest.raises(ProtocolError) as raised:
            parsed("invoke", line.encode(), DriverLog(statum(), protected).redacted)
        assert CUT_THROUGH[:4] not in str(raised.value)
        assert CUT_THROUGH[-4:] not in str(raised.value)


def test_no_part_of_a_secret_of_a_driver_is_in_an_artefact(here: Path, capsys: Capsys) -> None:
    """Of the line that fails its case the beginning is shown."""
    line = "-" * (SHOWN - 10) + CUT_THROUGH
    (here / "driver.py").write_text(CARELESS.format(line=line), encoding="utf-8")
    driver = f"{sys.executable} -S -E driver.py"
    called = call(capsys, "certify", "--driver", driver, "--product=sms", "--max-examples=0", f"--redact={CUT_THROUGH}")
    (here / "driver.py").unlink()

    said = [path.read_bytes() for path in here.rglob("*") if path.is_file()] + [(called.out + called.err).encode()]
    assert "FAIL DRV-01" in called.out
    assert [] == [content for content in said if CUT_THROUGH[:4].encode() in content]
