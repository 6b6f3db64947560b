"""Keeping secrets out of records and messages: by value, in every spelling of the value.

`Redaction` searches every reading that `conformance.journal.spellings` has of a text, in either case, and replaces the
source of each protected value by a mark. So no escape of JSON, URLs, HTML, quoted-printable, base64 or gzip hides one,
nor do several on top of each other; and doing it twice changes nothing more. It does not find values that somebody
encrypts or reverses.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal
from unicodedata import normalize
from urllib.parse import unquote, unquote_plus, urlsplit

from conformance.contract.contract import Contract, is_of_contract
from conformance.journal.codings import FEWEST, Coded, Inflated, Sought
from conformance.journal.marks import MARKS, Span, mark_for, marked, marked_body
from conformance.journal.notations import Gaps
from conformance.journal.spellings import readings, says_more, unescaped
from conformance.model.errors import UsageError
from conformance.model.traffic import Headers

# Shorter values are not searched for: they are in every text by chance, and guessed in no time anyway. The credential
# made of them is protected all the same.
MINIMUM_LENGTH = 4

# The mark of the account's own credential, base64 of key:secret; spelled as the variable of a shell line.
AUTHORIZATION = "$STATUM_AUTHORIZATION"

CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization"})

# Words before a credential that may be shown; any other first word may be the credential itself.
SCHEMES = frozenset({"basic", "bearer", "digest", "token", "negotiate", "hmac", "apikey"})

# Texts of up to so many characters are cached after redaction, and so many of them.
SHORT, REMEMBERED = 256, 1024

# Smaller numbers count or measure something, and are in every record.
LEAST_NUMBER = 10**7

# How often a text is searched again after a replacement; once more than replacements can have an effect.
MOST_ROUNDS = 4

_CASES: tuple[Callable[[str], str], ...] = (str, str.swapcase, str.upper, str.lower)

# Gaps that a value may have within it; a reader of a folded header leaves a space there.
IN_TEXT = (Gaps.ZERO, Gaps.LINE_BREAK)
IN_HEADERS = (*IN_TEXT, Gaps.SPACE)

Replace = Callable[[bytes, Iterable[Span], bytes], bytes]
"""Puts a mark in place of spans."""


def _utf8(value: str) -> bytes:
    return value.encode(errors="surrogatepass")


def tokens_of(*urls: str) -> Iterator[str]:
    """Parts of these URLs that may be secret: the password, and values of query and fragment, also unnamed ones."""
    for url in urls:
        user = re.split("[/?#]", url.partition("//")[2] or url, maxsplit=1)[0].rpartition("@")[0]
        name, _, password = user.partition(":")
        tokens = [password or name]
        for part in re.split("[&;#]", url.partition("?")[2] or url.partition("#")[2]):
            name, equals, value = part.partition("=")
            tokens.append(value if equals else name)
        yield from dict.fromkeys(
            each for token in filter(None, tokens) for each in (token, unquote(token), unquote_plus(token))
        )


class Redaction:
    """Replaces protected values by a mark; thread-safe."""

    def __init__(self, protected: Iterable[str], credential: str = "", *, shows_credentials: bool = False) -> None:
        """Protects the `protected` values of at least `MINIMUM_LENGTH` characters, and the whole `credential`.

        `shows_credentials`: headers keep their credentials, which the suite has invented as evidence.
        """
        self._shows_credentials = shows_credentials
        self._credential_headers = frozenset[str]() if shows_credentials else CREDENTIAL_HEADERS
        self._protected = protected = tuple(protected)
        self._credential = credential
        values = [value for value in protected if len(value) >= MINIMUM_LENGTH]
        needles = {needle for value in values for needle in _needles(value)}
        unpadded = credential.rstrip("=")
        forms = {unpadded, unpadded.translate(_FOR_URLS)} if len(unpadded) >= MINIMUM_LENGTH else ()
        credentials = {_utf8(form.lower()) for form in forms}
        self._pattern = re.compile(b"|".join(filter(None, (_any_of(credentials, b"={0,2}"), _any_of(needles)))))
        # In a part of base64, the first and the last byte lack some bits.
        cores = {needle[1:-1] for needle in needles if len(needle) >= FEWEST + 2}
        self._cores = _minimal(cores)
        self._core_pattern = re.compile(_any_of(cores))
        needles |= credentials
        self._mark = mark_for(needles)
        self._needles = _minimal(needles)
        self._sought = Sought.of(needles or {b""})
        # Short texts recur: methods, URLs.
        self._short_text = lru_cache(REMEMBERED)(self._redacted)
        self._numbers: dict[str, int] = {}
        self._numbering = threading.Lock()

    @classmethod
    def of(cls, secret: str, consumer_key: str, *extra: str) -> Redaction:
        """For an account: its secret, its credential, and `extra` values (the token of a callback URL).

        Also the secret without its last character, which a credential probe sends and a gateway may echo.
        """
        return cls((secret, secret[:-1], *extra), credential_text(consumer_key, secret))

    @classmethod
    def of_values(cls, *values: str) -> Redaction:
        """For the certification of a client: these values (tokens of callback URLs), not the invented credential."""
        return cls(values, shows_credentials=True)

    @classmethod
    def none(cls) -> Redaction:
        """Protects the values of credential headers alone."""
        return cls(())

    def and_also(self, *values: str) -> Redaction:
        """A redaction that protects these values, too."""
        protected = (*self._protected, *values)
        return Redaction(protected, self._credential, shows_credentials=self._shows_credentials)

    def text(self, text: str) -> str:
        """`text` with a mark in place of every protected value."""
        return (self._short_text if len(text) <= SHORT else self._redacted)(text, IN_TEXT)

    def data(self, data: bytes) -> bytes:
        """`data` with a mark in place of every protected value; JSON stays JSON of the same form."""
        return self._data(data, IN_TEXT, marked_body)

    def headers(self, headers: Headers) -> Headers:
        """`headers` in the same order, with a number after the scheme in place of each credential.

        Each new credential gets the next number. Unlike a digest, a number says nothing about its credential.
        """
        changed = []
        for name, value in headers:
            if name.lower() in self._credential_headers:
                changed.append((self.text(name), self._without_credential(value)))
            else:
                # A reader of a folded header leaves a space in it.
                changed.append((self.text(name), self._redacted(value, IN_HEADERS)))
        return tuple(changed)

    def head(self, data: bytes) -> str:
        """The first bytes of an unreadable request, as Latin-1, without any credential."""
        text = self.data(data).decode("latin-1")
        return text if self._shows_credentials else without_credentials(text)

    def value(self, value: Any) -> Any:
        """`value`, made of mappings, sequences, text and plain values, with each of its texts redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(member) for key, member in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(element) for element in value]
        if isinstance(value, int) and abs(value) >= LEAST_NUMBER and self.text(str(value)) != str(value):
            return self.text(str(value))
        return value

    def _redacted(self, text: str, gaps: Collection[Gaps]) -> str:
        data = _utf8(text)
        hidden = self._data(data, gaps, marked)
        if hidden is data:
            return text
        try:
            return hidden.decode(errors="surrogatepass")
        except UnicodeDecodeError:  # the value ended within a character, as one in Latin-1 may
            return hidden.decode(errors="replace")

    def _data(self, data: bytes, gaps: Collection[Gaps], replaced: Replace) -> bytes:
        if not self._needles:
            return data
        for _ in range(MOST_ROUNDS):
            spans = self._spans(data, gaps)
            if not spans:
                break
            data = replaced(data, spans, self._mark)
        return data

    def _spans(self, data: bytes, gaps: Collection[Gaps]) -> list[Span]:
        """The places of protected values in `data`; they may overlap."""
        if not says_more(data, self._sought, gaps=gaps):
            return self._found(data)
        spans: set[Span] = set()
        for reading in readings(data, self._sought, gaps=gaps):
            if isinstance(reading, Inflated) and reading.bomb:
                spans.add(reading.span(0, 1))
            spans.update(reading.span(*found) for found in self._found(reading.data))
            if isinstance(reading, Coded):
                lower = reading.data.lower()
                if any(core in lower for core in self._cores):
                    spans.update(reading.around(*found.span()) for found in self._core_pattern.finditer(lower))
        return sorted(spans)

    def _found(self, data: bytes) -> list[Span]:
        lower = data.lower()
        for needle in self._needles:
            if needle in lower:
                return [found.span() for found in self._pattern.finditer(lower)]
        return []

    def _without_credential(self, value: str) -> str:
        scheme, space, credential = value.partition(" ")
        if scheme.lower() not in SCHEMES:
            scheme, space, credential = "", "", value
        mark = self._mark.decode()
        begin, end = mark[:-1] + " ", mark[-1]
        numbered = credential.startswith(begin) and credential.endswith(end) and credential[len(begin) : -1].isdecimal()
        if not credential.strip() or credential == AUTHORIZATION or numbered:
            return value
        if credential == self._credential:
            return scheme + space + AUTHORIZATION
        with self._numbering:
            number = self._numbers.setdefault(credential, len(self._numbers) + 1)
        return f"{scheme}{space}{begin}{number}{end}"


def credential_text(consumer_key: str, secret: str) -> str:
    """The credential in `Authorization`, after the scheme."""
    return base64.b64encode(_utf8(f"{consumer_key}:{secret}")).decode()


def without_credentials(head: str) -> str:
    """The text of a head without the values of credential headers, also folded or broken ones."""
    return _CREDENTIAL_LINES.sub(rf"\1: {MARKS[0]}", head)


# The header's line, and all lines up to the next header.
_CREDENTIAL_LINES = re.compile(
    rf"^({'|'.join(sorted(CREDENTIAL_HEADERS))})\b[^\r\n]*(?:\r?\n(?![!-9;-~]+[ \t]*:|\r?\n)[^\r\n]+)*",
    re.IGNORECASE | re.MULTILINE,
)


def _needles(value: str) -> Iterator[bytes]:
    """The forms to search readings for, in lower case: `value` in each case and each usual encoding.

    Also as a reader takes it who unescapes its own characters.
    """
    for cased in _cased(value):
        utf8 = _utf8(cased)
        yield from (utf8.lower(), cased.replace(" ", "+").encode(errors="surrogatepass").lower())
        yield _utf8(utf8.decode("latin-1")).lower()  # how HTTP headers show it
        if not cased.isascii():
            # Zeros are left out of readings.
            yield from (cased.encode(form, "surrogatepass").replace(b"\0", b"").lower() for form in _TWO_BYTES)
            latin_1 = cased.encode("latin-1", "ignore")
            yield latin_1.lower() if latin_1.decode("latin-1") == cased else utf8.lower()
            yield _utf8(utf8.decode("latin-1").translate(_OF_WINDOWS)).lower()
    yield from (read.lower() for read in unescaped(_utf8(value)) if len(read) >= MINIMUM_LENGTH)


def _cased(value: str) -> set[str]:
    """The value in each case; as it is, and with its characters composed or taken apart, as databases may do."""
    normal = {value} if value.isascii() else {value, *(normalize(form, value) for form in _NORMAL_FORMS)}
    return {change(each) for change in _CASES for each in normal}


def _any_of(needles: Iterable[bytes], then: bytes = b"") -> bytes:
    """An expression for every one of them, the longest first."""
    longest_first = map(re.escape, sorted(needles, key=len, reverse=True))
    return b"|".join(needle + then for needle in longest_first)


_FOR_URLS = str.maketrans("+/", "-_")
_NORMAL_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")

# The characters of Windows-1252 in place of control characters of Latin-1, seen where UTF-8 is read as Windows-1252.
_OF_WINDOWS = {byte: shown for byte in range(0x80, 0xA0) if (shown := bytes([byte]).decode("cp1252", "ignore"))}
_TWO_BYTES = ("utf-16-le", "utf-16-be")


def _minimal(needles: Iterable[bytes]) -> tuple[bytes, ...]:
    """The needles that contain no other: a text with none of these has none at all."""
    minimal: list[bytes] = []
    for needle in sorted(needles, key=lambda needle: (len(needle), needle)):
        if not any(shorter in needle for shorter in minimal):
            minimal.append(needle)
    return tuple(minimal)


LEAVE_OUT = "leave it out: it tells nobody anything"

# Words of the suite's own records and messages.
_OF_SUITE = """
accept-encoding address allowance alone answer answered arrived body broken burst callback callbacks chunked client
code command commands conformance conformant connected connection consumer content-length credential death deaths
deliver detail driver duration_s environment error exchange exchanges expected failed failure false finding finished
gateway gave-up given header headers heartbeat hello hidden hint host inconclusive interrupted invalid invoke
journal keep-alive last left-out left_out localhost malformed message messages method mock network no-traffic none
not_applicable notification null number numbers observe observed obstacle open passed password phone planned
precondition preflight probe product products reachable reached receiver redact redacted refused remark repeat
report reports request requirement response resumed sample samples secret seed sender sent_at settled short
silent_since stands_for statum strays subject suite timeout token transfer-encoding true undecodable unknown
unreadable until user-agent valid waited_s warning where witness
"""
_OWN_WORDS = frozenset(_OF_SUITE.split())

# Settings that must be read back exactly.
_READ_LATER = ("products", "commands", "callback_listen", "observe")


def is_own_word(value: str, contract: Contract) -> bool:
    """Whether `value`, in whatever case, is a word of the contract or of the suite, or a part of one."""
    return is_of_contract(value, contract) or any(value.casefold() in word for word in _OWN_WORDS)


def check_redactable(
    values: Sequence[str], contract: Contract, option: str = "--redact", hint: str = LEAVE_OUT
) -> None:
    """UsageError, without the value, if one of the `values` of an `option` is in every answer."""
    if any(len(value) >= MINIMUM_LENGTH and is_of_contract(value, contract) for value in values):
        raise UsageError(
            f"{option} is a word of the contract or a part of one, which is in every answer; it cannot be redacted",
            hint=hint,
        )
    if option == "--redact" and (short := [value for value in values if len(value) < MINIMUM_LENGTH]):
        raise UsageError(
            f"--redact is given a value of {len(short[0])} characters; expected {MINIMUM_LENGTH} or more",
            hint="shorter ones are in every text by chance",
        )


def check_uncommon(values: Sequence[str], contract: Contract, option: str = "--redact", hint: str = LEAVE_OUT) -> None:
    """UsageError if one of the `values` of an `option` is in the suite's own records and messages."""
    if any(len(value) >= MINIMUM_LENGTH and is_own_word(value, contract) for value in values):
        raise UsageError(
            f"{option} is a common word or a part of one, which is in the suite's own reports; it cannot be redacted",
            hint=hint,
        )


def check_readable(
    values: Sequence[str], recorded: Mapping[str, Any], *urls: str | None, option: str = "--redact"
) -> None:
    """UsageError if redacting the `values` of an `option` makes `recorded` settings or hosts of `urls` unreadable.

    Reading the records of a run takes names of members, numbers and addresses.
    """
    redaction = Redaction.of_values(*values)
    parts = [urlsplit(url) for url in urls if url]
    hosts = [f"{each.scheme}://{each.netloc.rpartition('@')[2]}" for each in parts]  # without a password
    if any(redaction.text(host) != host for host in hosts):
        raise UsageError(
            f"{option} is a part of the host of the gateway or of a callback URL, without which no record is read",
            hint="leave it out, or give a value that is not in the host",
        )
    read_later = {name: recorded.get(name) for name in _READ_LATER}
    if redaction.value(read_later) != read_later or _skeleton(redaction.value(recorded)) != _skeleton(recorded):
        raise UsageError(
            f"{option} is a part of the settings without which a run cannot be read: a name, a number, an address",
            hint=LEAVE_OUT,
        )


def _skeleton(value: Any) -> Any:
    """`value` without its texts, of which any may be redacted."""
    if isinstance(value, Mapping):
        return {name: _skeleton(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_skeleton(element) for element in value]
    return None if isinstance(value, str) else value
