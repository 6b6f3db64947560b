"""Keeping secrets out of what is written down: by value, in each way that a value is commonly spelled.

    Redaction.of(...)   knows the account's secret and whatever else must not be seen (a callback token)
    .text  .data        text and bytes with every protected value replaced by a mark
    .headers            the same for headers; credentials become a number, so that different ones stay apart
    .value              the same for anything that JSON can say
    .url                the same for a URL, in which any character may be escaped
    .head               the same for the first bytes of a request that cannot be read as one
    tokens_of           what may be secret in the query of a URL

What is guaranteed: no spelling that `spellings` and `within_base64` make of a protected value is left in what comes
out, and doing it twice changes nothing more. What is not: a value that somebody enciphers or turns round.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

from conformance.traffic import Headers, plainly_escaped

MINIMUM_LENGTH = 4
"""Shorter values are not searched for: every text would be full of them and the evidence shredded, while three
characters are guessed in no time, shown or not. The credential made of them is protected all the same."""

AUTHORIZATION = "$STATUM_AUTHORIZATION"
"""Stands for the account's own credential, base64 of key:secret; spelled as the variable of a shell line."""

CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization"})

SCHEMES = frozenset({"basic", "bearer", "digest", "token", "negotiate", "hmac", "apikey"})
"""Words before a credential that may be shown; any other first word may be the credential itself."""

MARKS = ("[REDACTED]", "<REDACTED>", "(REDACTED)", "{hidden}", "[*]", "<*>", "…REDACTED…")
"""The first one that no protected value overlaps is used: else a value could be seen anew across the mark's edge."""

_CASES: tuple[Callable[[str], str], ...] = (str, str.swapcase, str.upper, str.lower)


def _utf8(value: str) -> bytes:
    return value.encode(errors="surrogatepass")


def _percent_encoded(value: str) -> str:
    return quote(_utf8(value), safe="")


_WRITINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda value: _utf8(value).decode("latin-1"),  # how HTTP headers show it when it is not ASCII
    lambda value: json.dumps(value)[1:-1],
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),  # as PHP writes JSON
    _percent_encoded,
    lambda value: re.sub("%..", lambda escape: escape[0].lower(), _percent_encoded(value)),
    lambda value: quote(_utf8(value)),
    lambda value: quote_plus(_utf8(value)),
    html.escape,
)


def spellings(value: str) -> Iterator[str]:
    """`value` plain and escaped in the ways of JSON, URLs and HTML; also in the other case, which tells as much."""
    for change in _CASES:
        for write in _WRITINGS:
            yield write(change(value))


def within_base64(value: str) -> Iterator[str]:
    """What base64 of any text that has `value` in it must contain, whichever place in a group of bytes it begins at.

    Only the characters that `value` determines alone; the ones beside them hold up to four bits of it.
    """
    for change in _CASES:
        plain = _utf8(change(value))
        for before in range(3):
            first = -(-before * 8 // 6)
            last = (before + len(plain)) * 8 // 6
            yield from _base64_alphabets(base64.b64encode(b"\0" * before + plain + b"\0\0").decode()[first:last])


def _base64_alphabets(text: str) -> Iterator[str]:
    """`text` in the usual alphabet, in the one for URLs, and in the usual one with its signs percent-encoded."""
    yield text
    yield text.translate({ord("+"): "-", ord("/"): "_"})
    yield quote(text, safe="")


def tokens_of(*urls: str) -> Iterator[str]:
    """What may be secret in the queries of these URLs: values, and what stands there without a name."""
    for url in urls:
        for part in url.partition("?")[2].partition("#")[0].split("&"):
            name, equals, value = part.partition("=")
            token = value if equals else name
            yield from dict.fromkeys((token, unquote_plus(token)))


class Redaction:
    """Replaces protected values by a mark; thread-safe."""

    def __init__(self, protected: Iterable[str], credential: str = "", *, shows_credentials: bool = False) -> None:
        """Protects the `protected` values of at least `MINIMUM_LENGTH` characters, and the whole `credential`.

        `shows_credentials`: headers keep their credentials, for these were made up by the suite and are evidence.
        """
        self._shows_credentials = shows_credentials
        self._credential_headers = frozenset[str]() if shows_credentials else CREDENTIAL_HEADERS
        self._protected = protected = tuple(protected)
        values = [value for value in protected if len(value) >= MINIMUM_LENGTH]
        forms = {form for value in values for form in spellings(value)}
        cores = {core for value in values for core in within_base64(value)}
        if len(unpadded := credential.rstrip("=")) >= MINIMUM_LENGTH:
            whole = (credential, unpadded)
            forms |= {form for text in whole for cased in (text, text.swapcase()) for form in _base64_alphabets(cased)}
        self._credential = credential
        self._mark = next((mark for mark in MARKS if not _overlaps(mark, forms | cores)), MARKS[-1])
        self._text_needles = _minimal(forms | cores)
        self._data_needles = tuple(_utf8(needle) for needle in self._text_needles)
        pattern = _pattern(forms, cores)
        self._in_text = re.compile(pattern)
        self._in_data = re.compile(_utf8(pattern))
        self._numbers: dict[str, int] = {}
        self._numbering = threading.Lock()

    @classmethod
    def of(cls, secret: str, consumer_key: str, *extra: str) -> Redaction:
        """For an account: its secret, its credential, and `extra` values (the token of a callback URL).

        Also the secret without its last character, which a credential probe sends and a gateway may echo.
        """
        return cls((secret, secret[:-1], *extra), base64.b64encode(_utf8(f"{consumer_key}:{secret}")).decode())

    @classmethod
    def of_values(cls, *values: str) -> Redaction:
        """For the certification of a client: these values (tokens of callback URLs), and not the made-up credential."""
        return cls(values, shows_credentials=True)

    @classmethod
    def none(cls) -> Redaction:
        """Nothing to protect but the values of credential headers, which are never shown."""
        return cls(())

    def and_also(self, *values: str) -> Redaction:
        """One that protects these, too."""
        protected = (*self._protected, *values)
        return Redaction(protected, self._credential, shows_credentials=self._shows_credentials)

    def text(self, text: str) -> str:
        """`text` with a mark in place of every protected value."""
        for needle in self._text_needles:
            if needle in text:
                return self._in_text.sub(lambda _: self._mark, text)
        return text

    def data(self, data: bytes) -> bytes:
        """`data` with a mark in place of every protected value."""
        for needle in self._data_needles:
            if needle in data:
                return self._in_data.sub(lambda _: _utf8(self._mark), data)
        return data

    def headers(self, headers: Headers) -> Headers:
        """`headers` in the same order; of a credential only the scheme and a number are left.

        Numbers are given as credentials are first seen. Unlike a digest, a number tells nothing about its credential.
        """
        changed = []
        for name, value in headers:
            if name.lower() in self._credential_headers:
                changed.append((self.text(name), self._without_credential(value)))
            else:
                changed.append((self.text(name), self.text(value)))
        return tuple(changed)

    def head(self, data: bytes) -> str:
        """The first bytes of what is no request, as Latin-1; where they name a credential, without it."""
        text = data.decode("latin-1")
        return self.url(text if self._shows_credentials else without_credentials(text))

    def url(self, url: str) -> str:
        """`url` redacted as text is; where characters that need no escape are escaped, it is spelled without these."""
        shown = self.text(url)
        if "%" not in shown:
            return shown
        plain = plainly_escaped(shown)
        hidden = self.text(plain)
        return shown if hidden == plain else hidden

    def value(self, value: Any) -> Any:
        """`value`, made of mappings, sequences, text and plain values, with each of its texts redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(member) for key, member in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(element) for element in value]
        return value

    def _without_credential(self, value: str) -> str:
        scheme, space, credential = value.partition(" ")
        if scheme.lower() not in SCHEMES:
            scheme, space, credential = "", "", value
        elif not credential.strip():
            return value
        return scheme + space + self._stand_in(credential)

    def _stand_in(self, credential: str) -> str:
        if not credential or credential == AUTHORIZATION or self._is_stand_in(credential):
            return credential
        if credential == self._credential:
            return AUTHORIZATION
        with self._numbering:
            number = self._numbers.setdefault(credential, len(self._numbers) + 1)
        return f"{self._mark[:-1]} {number}{self._mark[-1]}"

    def _is_stand_in(self, credential: str) -> bool:
        begin, end = self._mark[:-1] + " ", self._mark[-1]
        return credential.startswith(begin) and credential.endswith(end) and credential[len(begin) : -1].isdecimal()


def without_credentials(head: str) -> str:
    """The text of a head, of whose credential headers only the names are left, however they are folded or broken."""
    return _CREDENTIAL_LINES.sub(rf"\1: {MARKS[0]}", head)


# The header's line, and those after it that name no other header.
_CREDENTIAL_LINES = re.compile(
    rf"^({'|'.join(sorted(CREDENTIAL_HEADERS))})\b[^\r\n]*(?:\r?\n(?![!-9;-~]+[ \t]*:|\r?\n)[^\r\n]+)*",
    re.IGNORECASE | re.MULTILINE,
)


def _overlaps(mark: str, forms: Iterable[str]) -> bool:
    """Whether a form could be seen in a text because of the `mark` put into it: within the mark or across its edge."""
    return any(form in mark or mark[0] in form or mark[-1] in form for form in forms)


def _minimal(forms: Iterable[str]) -> tuple[str, ...]:
    """The forms that contain no other: a text with none of these has none at all."""
    kept: list[str] = []
    for form in sorted(forms, key=lambda form: (len(form), form)):
        if not any(shorter in form for shorter in kept):
            kept.append(form)
    return tuple(kept)


def _pattern(forms: Iterable[str], cores: Iterable[str]) -> str:
    """An expression for every form (the longest first), and every core together with the characters beside it."""
    whole, within = _any_of(forms), _any_of(cores)
    beside = "[A-Za-z0-9+/_-]?"
    return "|".join(filter(None, (whole, f"{beside}(?:{within}){beside}" if within else ""))) or "(?!)"


def _any_of(texts: Iterable[str]) -> str:
    return "|".join(re.escape(text) for text in sorted(texts, key=lambda text: (-len(text), text)))
