"""No secret is written down, however it is spelled, and nothing else is touched."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random
from unicodedata import normalize
from urllib.parse import quote, quote_plus

import pytest
from hostile_writers import ALONE, CODINGS, FIRST, WRITERS, found_in, nested
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conformance.journal import Journal, Redaction, read_journal, spellings
from conformance.journal.notations import Gaps
from conformance.journal.redaction import AUTHORIZATION, MINIMUM_LENGTH
from conformance.model.traffic import Case, Headers, Kind, Request, Response

KEY = "2be989703d6de4ae"
SECRET = 'C4nary/S+cret"\\&=ü'  # noqa: S105 - a canary
TOKEN = "callback-Token~7"  # noqa: S105 - a canary
REDACTION = Redaction.of(SECRET, KEY, TOKEN)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _authorization(user: str, password: str) -> Headers:
    return (("Authorization", f"Basic {_base64(f'{user}:{password}')}"),)


SPELLED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "other-case": str.swapcase,
    "lower": str.lower,
    "percent-encoded": lambda value: quote(value, safe=""),
    "percent-encoded-lower": lambda value: re.sub("%..", lambda escape: escape[0].lower(), quote(value, safe="")),
    "form-encoded": quote_plus,
    "path-encoded": quote,
    "json": json.dumps,
    "json-unicode": lambda value: json.dumps(value, ensure_ascii=False),
    "json-php": lambda value: json.dumps(value).replace("/", "\\/"),
    "html": html.escape,
    "header-bytes": lambda value: value.encode().decode("latin-1"),
    "base64": _base64,
    "base64-after-key": lambda value: _base64(f"{KEY}:{value}"),
    "base64-before-key": lambda value: _base64(f"{value}:{KEY}"),
    "base64-within": lambda value: _base64(f"1{value}2"),
    "base64-within-2": lambda value: _base64(f"12{value}34"),
    "base64-url": lambda value: base64.urlsafe_b64encode(f"?>{value}?>".encode()).decode(),
    "base64-percent-encoded": lambda value: quote(_base64(f"{KEY}:{value}"), safe=""),
    "base64-of-other-case": lambda value: _base64(f"{KEY}:{value.swapcase()}"),
    "json-in-json": lambda value: json.dumps({"echo": quote(value, safe="")}),
}


def test_each_spelling_of_a_secret_is_hidden() -> None:
    """Of a protected value, spelled in any of these ways within other text, only a mark is left."""
    before, after = '{"a": "before ', '", "b": "after"}'
    wrong = []
    for name, spell in SPELLED.items():
        for value in (SECRET, TOKEN, SECRET[:-1]):  # the last is a near miss
            spelled = spell(value)
            around = f"{before}{spelled}{after}"
            for hidden in (REDACTION.text(around), REDACTION.data(around.encode()).decode()):
                kept = hidden.startswith(before) and hidden.endswith(after)
                if not kept or "REDACTED]" not in hidden or _core(spelled) in hidden:
                    wrong.append((name, value, hidden))
    assert [] == wrong


def _core(spelled: str) -> str:
    """A spelling without what its neighbours may determine: quotes, or the first and last characters of base64."""
    middle = len(spelled) // 2
    return spelled[middle - 4 : middle + 4]


def test_leaves_everything_else_as_it_is() -> None:
    """An answer and an address without a secret come out byte for byte, and no header is made up."""
    body = b'{"status_code": 200, "description": "Operation successful", "request_id": "9V7NcW1QMvWk"}\xff\x00'
    assert body == REDACTION.data(body)
    assert KEY in REDACTION.text(f"http://gateway.test/api/v2?key={KEY}")
    headers = (("X-Odd", "caf\xe9"), ("Content-Type", "application/json"), ("Content-Type", "application/json"))
    for each in (headers, ()):
        assert each == REDACTION.headers(each)


def test_a_short_secret_shreds_nothing() -> None:
    """Below the minimum a value is not searched for; the credential made of it is hidden, unless it is of nothing."""
    redaction = Redaction.of("200"[: MINIMUM_LENGTH - 1], "key", "a", "")
    assert '{"status_code": 200, "a": "tea"}' == redaction.text('{"status_code": 200, "a": "tea"}')
    assert "echo [REDACTED]" == redaction.text(f"echo {_base64('key:200')}")
    assert (("Authorization", f"Basic {AUTHORIZATION}"),) == redaction.headers(_authorization("key", "200"))
    assert "Og== Ogre" == Redaction.of("", "").text("Og== Ogre")


def test_without_secrets_only_credentials_are_hidden() -> None:
    """A run that has nothing to protect still shows no credential that somebody else sends to its callback."""
    redaction = Redaction.none()
    assert "text" == redaction.text("text")
    assert b"data" == redaction.data(b"data")
    assert (("authorization", "Basic [REDACTED 1]"),) == redaction.headers((("authorization", "Basic abc"),))


def test_different_credentials_have_different_marks() -> None:
    """The right one has a name, each other one a number: what was sent can be told apart, but not read."""
    right, swapped, near = _authorization(KEY, SECRET), _authorization(SECRET, KEY), _authorization(KEY, SECRET + "x")
    shown = [REDACTION.headers(headers)[0][1] for headers in (right, swapped, near, swapped, right)]
    assert [f"Basic {AUTHORIZATION}", shown[1], shown[2], shown[1], f"Basic {AUTHORIZATION}"] == shown
    assert shown[1] != shown[2]


def test_the_scheme_of_a_credential_is_shown() -> None:
    """What a probe did to the scheme can be seen; a word that is no known scheme may be the secret and is not shown."""
    rows = [
        ("", ""),
        ("Basic", "Basic"),
        ("basic ", "basic "),
        (f"Bearer {_base64(f'{KEY}:{SECRET}')}", f"Bearer {AUTHORIZATION}"),
        (f"{_base64(f'{KEY}:{SECRET}')}", AUTHORIZATION),
        (f"{SECRET} Basic", "[REDACTED 1]"),
        ("Digest username=x", "Digest [REDACTED 1]"),
        ("Basic  two spaces", "Basic [REDACTED 1]"),
        ("Basic a b", "Basic [REDACTED 1]"),
        ("whatever", "[REDACTED 1]"),
    ]
    wrong = []
    for sent, shown in rows:
        for name in ("Authorization", "authorization", "Proxy-Authorization"):
            hidden = Redaction.of(SECRET, KEY).headers(((name, sent), ("Accept", "*/*")))
            again = Redaction.of(SECRET, KEY).headers(hidden)
            if not ((name, shown), ("Accept", "*/*")) == hidden == again:
                wrong.append((sent, hidden, again))
    assert [] == wrong


def test_values_within_json_are_redacted() -> None:
    """Mappings, sequences, keys and texts at any depth; numbers and null are as they were."""
    value = {"a": [SECRET, {"b": (TOKEN, 1, None, True, 1.5)}], f"x{SECRET}": "y"}
    expected = {"a": ["[REDACTED]", {"b": ["[REDACTED]", 1, None, True, 1.5]}], "x[REDACTED]": "y"}
    assert expected == REDACTION.value(value)


SECRETS = st.text(min_size=MINIMUM_LENGTH, max_size=24) | st.text("abcXYZ0123456789+/=&%\\u;#", min_size=8, max_size=24)
LATER = sorted({*WRITERS} - FIRST - ALONE)


@settings(max_examples=40)
@given(secret=SECRETS, first=st.sampled_from(sorted(WRITERS)), later=st.lists(st.sampled_from(LATER), max_size=1))
def test_no_writer_hides_a_secret(secret: str, first: str, later: list[str]) -> None:
    """Nor do two, the one after the other; and what stands around it stays."""
    random = Random(0)
    spelled = nested([first] if first in ALONE else [first, *later], secret, random)
    hidden = Redaction.of(secret, "key").data(f'{{"a": "before {spelled} after"}}'.encode(errors="surrogatepass"))
    assert not found_in(hidden, secret)
    assert spelled.encode(errors="surrogatepass") not in hidden


def test_each_writer_is_read_within_another() -> None:
    """Of a secret with characters of one to four bytes, and of one in ASCII."""
    missed = []
    outer = ("plain", "JSON of Go", "form", "base64 behind a word", "bytes of C", "dump of xxd")
    for secret, around in product(("pä'ss wörd=€😀+9", "C4nary/S+cret&9<a>"), outer):
        redaction = Redaction.of(secret, "key")
        for name in sorted({*WRITERS} - ALONE):
            spelled = nested([name, around], secret, Random(7))
            hidden = redaction.data(f'{{"a": "before {spelled} after"}}'.encode())
            if b"REDACTED]" not in hidden or spelled.encode() in hidden or found_in(hidden, secret):
                missed.append((secret, around, name))
    assert [] == missed


@given(secret=SECRETS, names=st.lists(st.sampled_from(LATER), max_size=6))
def test_text_beside_a_secret_stays(secret: str, names: list[str]) -> None:
    """A JSON body is one still: the ends of its texts are no part of what was spelled in them."""
    spelled = {str(number): nested([name], secret, Random(number)) for number, name in enumerate(names)}
    hidden = Redaction.of(secret, "key").data(json.dumps({**spelled, "last": ["~~~~"]}).encode())
    assert ["~~~~"] == json.loads(hidden)["last"]


@settings(max_examples=40)
@given(secret=SECRETS, names=st.lists(st.sampled_from(sorted(WRITERS)), min_size=1, max_size=3))
def test_nothing_changes_the_second_time(secret: str, names: list[str]) -> None:
    """Whatever the secret is, even a piece of the mark."""
    redaction = Redaction.of(secret, "key")
    hidden = redaction.text(" ".join(nested([name], secret, Random(1)) for name in names))
    assert hidden == redaction.text(hidden)
    data = hidden.encode(errors="surrogatepass")
    assert data == redaction.data(data)


def test_no_coding_of_a_body_hides_a_secret() -> None:
    """A body that nobody could decode is kept as it came."""
    secret = "s3cr&t=v+r2m<9>"  # noqa: S105 - a canary
    redaction = Redaction.of(secret, "key")
    missed = []
    for writer in ("plain", "JSON of Go", "HTML, each escaped"):
        body = '{"description": "%s"}' % nested([writer], secret, Random(0))  # noqa: UP031 - braces
        hidden = {name: redaction.data(coded(body.encode())) for name, coded in CODINGS.items()}
        missed += [(writer, name, data) for name, data in hidden.items() if b"[REDACTED]" not in data]
    assert [] == missed


def test_a_bomb_is_taken_to_hold_the_secret() -> None:
    """What lies behind so much that is not read."""
    bomb = gzip.compress(b" " * 17 * 2**20 + SECRET.encode())
    assert b"[REDACTED]" == REDACTION.data(bomb)


def test_a_header_that_was_folded_hides_no_secret() -> None:
    """Who unfolds it leaves a space; elsewhere spaces part words."""
    headers = (("X-Echo", f"{TOKEN[:5]} {TOKEN[5:]}"),)
    assert (("X-Echo", "[REDACTED]"),) == REDACTION.headers(headers)
    assert "up or to" == Redaction.of("port", "key").text("up or to")


def test_a_secret_is_hidden_however_its_letters_are_composed() -> None:
    """Databases compose letters or take them apart; who reads UTF-8 as something else shows other letters."""
    spelled = {
        "composed": normalize("NFC", "pässwörd-Ünicode9"),
        "taken apart": normalize("NFD", "pässwörd-Ünicode9"),
        "taken apart, in capitals": normalize("NFD", "PÄSSWÖRD-ÜNICODE9"),
        "UTF-8 taken for Latin-1": "pässwörd-Ünicode9".encode().decode("latin-1"),
        "UTF-8 taken for Windows-1252": "pÃ¤sswÃ¶rd-Ãœnicode9",
    }
    for redaction in (Redaction.of_values(spelled["composed"]), Redaction.of_values(spelled["taken apart"])):
        hidden = {how: redaction.text(f"a {text} b") for how, text in spelled.items()}
        assert dict.fromkeys(spelled, "a [REDACTED] b") == hidden


def test_numbers_that_spell_no_secret_stay() -> None:
    """Dates, addresses and lists."""
    rows = ["[112,-61,-92]", "2026-11-30 07:00:00", "10.0.0.1, 10.0.0.2", "70-C3", "1, 2 and 3"]
    assert rows == [Redaction.of_values("päs-9 x").text(row) for row in rows]


def test_numbers_beside_a_secret_stay() -> None:
    """In a row that has more than the secret."""
    row = [*b"id=7;", *b"v%r2m-x9", *b"&z"]

    assert "[105, 100, 61, 55, 59, [REDACTED], 38, 122]" == Redaction.of_values("v%r2m-x9").text(str(row))


def test_a_number_that_is_secret_is_hidden_where_it_is_no_text() -> None:
    """As JSON has it."""
    redaction = Redaction.of("48151623", "key")
    assert {"a": "[REDACTED]", "b": 1, "c": True} == redaction.value({"a": 48151623, "b": 1, "c": True})


@pytest.mark.parametrize(
    "unit",
    [
        *(b"%25", b"\\\\", b"&amp;", b"\\u005c", b"QUFB", b"112,", b"=3D", b"\x1f\x8b\x08\0", b"\n"),
        *(b"\\41 ", b"%26\\u0026", b"71 ", b"0x71,", b'"1":113,', b"00000000  71 72 73 74 |abcd|\n"),
    ],
)
def test_a_body_full_of_escapes_is_searched_in_bounded_time(unit: bytes) -> None:
    """However they are nested; some seconds would hold up the run."""
    redaction = Redaction.of("s=cr&t%v\\r2m", "key")
    begun = time.process_time()
    redaction.data(unit * (2**16 // len(unit)))
    assert time.process_time() - begun < 10


@given(secret=st.text(min_size=MINIMUM_LENGTH, max_size=12), text=st.text(), data=st.binary())
def test_text_without_a_secret_stays(secret: str, text: str, data: bytes) -> None:
    """Text and bytes from which the secret cannot be read come out as they went in."""
    redaction = Redaction.of(secret, "key")
    near = {secret[:-1], *(change(secret[:-1]) for change in (str.upper, str.lower, str.swapcase))}
    assume(
        not any(found_in(text.encode(errors="surrogatepass"), each) or found_in(data, each) for each in near if each)
    )
    assert text == redaction.text(text)
    assert data == redaction.data(data)


@given(st.lists(st.sampled_from(["\0", "\0" * 300, " ", " " * 300, "0" * 64, *TOKEN, TOKEN]), max_size=40))
def test_gaps_undone_together_hide_the_same(parts: list[str]) -> None:
    """A row of zeros or spaces is one gap, for speed; byte by byte the result is the same."""
    text, values = "".join(parts), [(TOKEN,), (SECRET, "4711")]
    together = [Redaction.of_values(*each) for each in values]
    with pytest.MonkeyPatch.context() as patched:
        one_by_one = {Gaps.ZERO: re.compile(b"\0"), Gaps.SPACE: re.compile(b" ")}
        patched.setattr(spellings, "GAP_PATTERNS", {**spellings.GAP_PATTERNS, **one_by_one})
        expected = [(each.data(text.encode()), each.headers((("X", text),))) for each in together]

    assert expected == [(each.data(text.encode()), each.headers((("X", text),))) for each in together]


def test_a_secret_like_the_mark_is_hidden_too() -> None:
    """Another mark is taken then, so that neither the mark nor its edges look like the secret."""
    secrets = ["REDACTED", "[REDACTED]", "DACT", "x[RED", "acte", "<RED(A[C{", "]]]]"]
    assert [] == [each for each in secrets if each in Redaction.of(each, "key").text(f"x{each}x{each}{each}")]


def test_a_secret_is_found_in_a_url_however_it_is_escaped() -> None:
    """Any character may be; all else stays as it came."""
    rows = {
        "/hooks?token=callback-Token~7": "/hooks?token=[REDACTED]",
        "/hooks?token=%63allback-Token%7e7": "/hooks?token=[REDACTED]",
        "/%63allback%2DToken~7/sm%73": "/[REDACTED]/sm%73",
        "/hooks%2fsm%73": "/hooks%2fsm%73",
    }
    assert rows == {url: REDACTION.text(url) for url in rows}


def test_the_first_bytes_of_an_unreadable_request_hold_no_secret() -> None:
    """Not of the account, nor anybody's credential, on whatever lines it stands; but for the one that is made up."""
    for head in (
        f"POST /hooks?token={TOKEN} HTTP/1.1\r\nHost : h\r\n",
        "POST /hooks?token=%63allback-Token%7e7 HTTP/1.1\r\nHost : h\r\n",
        "GET / HTTP/1.1\r\nAuthorization: Basic bm90LXlvdXJz\r\nHost : h\r\n\r\n",
        "GET / HTTP/1.1\nauthorization : Basic bm90\nLXlvdXJz\nHost: h\n\n",
        "GET / HTTP/1.1\r\nProxy-Authorization: Basic\r\n bm90LXlvdXJz\r\n\r\n",
        "Authorization: bm90LXlvdXJz",
    ):
        shown = REDACTION.head(head.encode())
        assert "[REDACTED]" in shown
        assert [] == [part for part in ("bm90", "LXlv", "oken~7", "oken%7e7") if part in shown]
        assert ("Host" in head) == ("Host" in shown)

    in_certifications = b"GET / HTTP/1.1\r\nAuthorization: Basic bm90\nLXlvdXJz\r\n\r\n"
    assert in_certifications.decode() == Redaction.of_values(TOKEN).head(in_certifications)


def test_no_file_of_a_journal_holds_a_secret(tmp_path: Path) -> None:
    """Canaries in every place of every row: the raw bytes of the database and its log hold no spelling of them."""
    headers: Headers = (*_authorization(KEY, SECRET), *_authorization(SECRET, KEY), ("X-Echo", "\xfc" + TOKEN))
    spelled = [spell(value) for value in (SECRET, TOKEN) for spell in SPELLED.values()]
    body = "\n".join(spelled).encode()
    url = "http://gateway.test/callbacks/sms?token=" + "&t=".join(spelled)
    request, response = Request("POST", url, headers, body), Response(401, headers, body)
    path = tmp_path / "journal.sqlite"
    with Journal.create(
        path, {"callbacks": {"sms": url}, "secret": SECRET}, Redaction.of(SECRET, KEY, TOKEN)
    ) as journal:
        journal.plan([Case("a", "sms", Kind.CREDENTIAL, "swapped", "g", request)])
        journal.answered(journal.sent("a", 1, request, 1.0, 2.0), response, 3.0)
        journal.failed(journal.sent("a", 2, request, 1.0, 2.0), f"connection to {url} refused", 3.0)
        told = journal.notified("sms", request, 4.0, 5.0)
        journal.note("preflight", {"echo": spelled, SECRET: {"deep": [TOKEN]}})
        journal.flush()
        assert request == told.request, "the run itself goes on with what came"
        _assert_clean(tmp_path)
    _assert_clean(tmp_path)
    record = read_journal(path)
    assert ((401, "[REDACTED]"), 2) == (
        (record.exchanges[0].response.status, record.settings["secret"]),
        len(record.exchanges),
    )
    assert "Basic $STATUM_AUTHORIZATION" == record.cases[0].request.headers[0][1]


def _assert_clean(directory: Path) -> None:
    searched = [entry.read_bytes() for entry in directory.iterdir()]
    assert 1 <= len(searched)
    assert any(b"[REDACTED]" in raw for raw in searched)
    for value in (SECRET, TOKEN):
        forms = {spell(value) for spell in SPELLED.values()}
        assert [] == [form for form in forms if any(form.encode() in raw for raw in searched)]
