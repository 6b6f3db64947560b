"""Keeping secrets out of what is written down: by value, however the value is written.

    Redaction.of(...)   knows the account's secret and whatever else must not be seen (a callback token)
    .text  .data        text and bytes with every protected value replaced by a mark
    .headers            the same for headers; credentials become a number, so that different ones stay apart
    .value              the same for anything that JSON can say
    .head               the same for the first bytes of a request that cannot be read as one
    tokens_of           what may be secret in a URL
    check_redactable, check_uncommon, check_readable    UsageError for a value without which no record can be read

Values are looked for in every reading that `conformance.journal.spellings` has of a text, in either case, and what the
value was read from is replaced. So no escape of JSON, URLs, HTML, quoted-printable, base64 or gzip hides one, nor do
several on top of each other; and doing it twice changes nothing more. What is not found is a value that somebody
enciphers or turns round.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Literal
from unicodedata import normalize
from urllib.parse import unquote, unquote_plus, urlsplit

from conformance.contract.contract import Contract, is_of_contract
from conformance.journal.escapes import Gaps
from conformance.journal.spellings import (
    FEWEST,
    Decoded,
    Inflated,
    Sought,
    readings,
    says_more,
    unescaped,
)
from conformance.model.errors import UsageError
from conformance.model.traffic import Headers

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

SHORT, REMEMBERED = 256, 1024
"""Texts of so many characters are remembered with what became of them, so many of them."""

LEAST_NUMBER = 10**7
"""Smaller numbers count or measure something, and stand in every record."""

MOST_ROUNDS = 4
"""How often a text is searched anew after something in it was replaced; once more than what was replaced can change."""

_CASES: tuple[Callable[[str], str], ...] = (str, str.swapcase, str.upper, str.lower)

IN_TEXT = (Gaps.ZERO, Gaps.LINE_BREAK)
IN_HEADERS = (*IN_TEXT, Gaps.SPACE)
"""Gaps that a value may have within it; a reader of a folded header leaves a space there."""

Span = tuple[int, int]


def _utf8(value: str) -> bytes:
    return value.encode(errors="surrogatepass")


def tokens_of(*urls: str) -> Iterator[str]:
    """Parts of these URLs that may be secret: the password, and values of query and fragment, also unnamed ones."""
    for url in urls:
        yield from dict.fromkeys(
            each for token in filter(None, _tokens_of(url)) for each in (token, unquote(token), unquote_plus(token))
        )


def _tokens_of(url: str) -> Iterator[str]:
    user, at, _ = re.split("[/?#]", url.partition("//")[2] or url, maxsplit=1)[0].rpartition("@")
    if at:
        name, _, password = user.partition(":")
        yield password or name
    for part in re.split("[&;#]", url.partition("?")[2] or url.partition("#")[2]):
        name, equals, value = part.partition("=")
        yield value if equals else name


class Redaction:
    """Replaces protected values by a mark; thread-safe."""

    def __init__(self, protected: Iterable[str], credential: str = "", *, shows_credentials: bool = False) -> None:
        """Protects the `protected` values of at least `MINIMUM_LENGTH` characters, and the whole `credential`.

        `shows_credentials`: headers keep their credentials, for these were made up by the suite and are evidence.
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
        # In base64 that somebody has cut, of the first and the last byte some bits are left.
        cores = {needle[1:-1] for needle in needles if len(needle) >= FEWEST + 2}
        self._cores = _minimal(cores)
        self._core_pattern = re.compile(_any_of(cores))
        needles |= credentials
        self._mark = next((mark for mark in MARKS if not _overlaps(_utf8(mark.lower()), needles)), MARKS[-1])
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
        return (self._short_text if len(text) <= SHORT else self._redacted)(text, IN_TEXT)

    def data(self, data: bytes) -> bytes:
        """`data` with a mark in place of every protected value."""
        return self._data(data, IN_TEXT)

    def headers(self, headers: Headers) -> Headers:
        """`headers` in the same order; of a credential only the scheme and a number are left.

        Numbers are given as credentials are first seen. Unlike a digest, a number tells nothing about its credential.
        """
        changed = []
        for name, value in headers:
            if name.lower() in self._credential_headers:
                changed.append((self.text(name), self._without_credential(value)))
            else:
                # Whoever reads a header that is folded leaves a space there.
                changed.append((self.text(name), self._redacted(value, IN_HEADERS)))
        return tuple(changed)

    def head(self, data: bytes) -> str:
        """The first bytes of something that is not a request, as Latin-1, without any credential."""
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
        hidden = self._data(data, gaps)
        if hidden is data:
            return text
        try:
            return hidden.decode(errors="surrogatepass")
        except UnicodeDecodeError:  # the value ended within a character, as one in Latin-1 may
            return hidden.decode(errors="replace")

    def _data(self, data: bytes, gaps: Collection[Gaps]) -> bytes:
        if not self._needles:
            return data
        for _ in range(MOST_ROUNDS):
            spans = self._spans(data, gaps)
            if not spans:
                break
            data = _replaced(data, spans, _utf8(self._mark))
        return data

    def _spans(self, data: bytes, gaps: Collection[Gaps]) -> list[Span]:
        """Where protected values stand in `data`; the spans may overlap."""
        if not says_more(data, self._sought, gaps=gaps):
            return self._found(data)
        spans: set[Span] = set()
        for reading in readings(data, self._sought, gaps=gaps):
            if isinstance(reading, Inflated) and reading.bomb:
                spans.add(reading.span(0, 1))
            spans.update(reading.span(*found) for found in self._found(reading.data))
            if isinstance(reading, Decoded):
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
        elif not credential.strip():
            return value
        return scheme + space + self._stand_in(credential)

    def _stand_in(self, credential: str) -> str:
        begin, end = self._mark[:-1] + " ", self._mark[-1]
        numbered = credential.startswith(begin) and credential.endswith(end) and credential[len(begin) : -1].isdecimal()
        if not credential or credential == AUTHORIZATION or numbered:
            return credential
        if credential == self._credential:
            return AUTHORIZATION
        with self._numbering:
            number = self._numbers.setdefault(credential, len(self._numbers) + 1)
        return f"{begin}{number}{end}"


def credential_text(consumer_key: str, secret: str) -> str:
    """The credential in `Authorization`, after the scheme."""
    return base64.b64encode(_utf8(f"{consumer_key}:{secret}")).decode()


def without_credentials(head: str) -> str:
    """The text of a head, of whose credential headers only the names are left, however they are folded or broken."""
    return _CREDENTIAL_LINES.sub(rf"\1: {MARKS[0]}", head)


# The header's line, and those after it that name no other header.
_CREDENTIAL_LINES = re.compile(
    rf"^({'|'.join(sorted(CREDENTIAL_HEADERS))})\b[^\r\n]*(?:\r?\n(?![!-9;-~]+[ \t]*:|\r?\n)[^\r\n]+)*",
    re.IGNORECASE | re.MULTILINE,
)


def _needles(value: str) -> Iterator[bytes]:
    """The forms to search readings for, in lower case: `value` in each case and each usual encoding.

    Also as it is read by somebody who takes its own characters for escapes.
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

# What Windows-1252 has in place of some control characters of Latin-1: who takes UTF-8 for it shows these.
_OF_WINDOWS = {byte: shown for byte in range(0x80, 0xA0) if (shown := bytes([byte]).decode("cp1252", "ignore"))}
_TWO_BYTES = ("utf-16-le", "utf-16-be")


def _overlaps(mark: bytes, needles: Iterable[bytes]) -> bool:
    """Whether a value could be seen in a text because of the `mark` put into it: within the mark or across its edge."""
    return any(needle in mark or mark[:1] in needle or mark[-1:] in needle for needle in needles)


def _minimal(needles: Iterable[bytes]) -> tuple[bytes, ...]:
    """The needles that contain no other: a text with none of these has none at all."""
    kept: list[bytes] = []
    for needle in sorted(needles, key=lambda needle: (len(needle), needle)):
        if not any(shorter in needle for shorter in kept):
            kept.append(needle)
    return tuple(kept)


def _replaced(data: bytes, spans: Iterable[Span], mark: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for begin, end in spans:
        if begin >= at:
            pieces += (data[at:begin], mark)
        at = max(at, end)
    return b"".join((*pieces, data[at:]))


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

# Settings that must be read back exactly.
_READ_LATER = ("products", "commands", "callback_listen", "observe")


@cache
def _own_words() -> frozenset[str]:
    return frozenset(re.findall(r"\S+", _OF_SUITE))


def is_own_word(value: str, contract: Contract) -> bool:
    """Whether `value`, in whatever case, is a word of the contract or of the suite, or a part of one."""
    return is_of_contract(value, contract) or any(value.casefold() in word for word in _own_words())


def check_redactable(
    values: Sequence[str], contract: Contract, option: str = "--redact", hint: str = LEAVE_OUT
) -> None:
    """UsageError if one of the `values` of an `option` stands in every answer; it is not shown."""
    if any(len(value) >= MINIMUM_LENGTH and is_of_contract(value, contract) for value in values):
        raise UsageError(
            f"{option} is a word of the contract or a part of one, which stands in every answer; it cannot be redacted",
            hint=hint,
        )
    if option == "--redact" and (short := [value for value in values if len(value) < MINIMUM_LENGTH]):
        raise UsageError(
            f"--redact is given a value of {len(short[0])} characters; expected {MINIMUM_LENGTH} or more",
            hint="shorter ones stand in every text by chance",
        )


def check_uncommon(values: Sequence[str], contract: Contract, option: str = "--redact", hint: str = LEAVE_OUT) -> None:
    """UsageError if one of the `values` of an `option` stands in the suite's own records and messages."""
    if any(len(value) >= MINIMUM_LENGTH and is_own_word(value, contract) for value in values):
        raise UsageError(
            f"{option} is a common word or a part of one, which stands in the suite's own reports; it cannot be "
            "redacted",
            hint=hint,
        )


def check_readable(
    values: Sequence[str], recorded: Mapping[str, Any], *urls: str | None, option: str = "--redact"
) -> None:
    """UsageError if without the `values` of an `option` the `recorded` settings or the hosts of `urls` are not read.

    Names of members, numbers and addresses are what the records of a run are found by.
    """
    redaction = Redaction.of_values(*values)
    parts = [urlsplit(url) for url in urls if url]
    hosts = [f"{each.scheme}://{each.netloc.rpartition('@')[2]}" for each in parts]  # without a password
    if any(redaction.text(host) != host for host in hosts):
        raise UsageError(
            f"{option} is a part of the host of the gateway or of a callback URL, without which no record is read",
            hint="leave it out, or give a value that stands behind the host",
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
