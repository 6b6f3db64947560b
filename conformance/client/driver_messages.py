"""The messages to and from a driver: checked by the driver protocol, and written to the journal.

    encoded, parsed, Hello          messages, as the schemas of the protocol have them
    read_lines, Stderr, write       the pipes of a driver, with limits
    DriverLog                       the lines on their way into the journal
    tokens_in, secrets_of           values in a driver's lines that may be secret

In the protocol, version 1, messages are lines, which `schemas/formats/driver/` describes in both directions. Those to a
driver are ASCII (anything else is escaped), so that no reader of lines takes a character of a text for the end of one.

A driver says in its hello where its receivers are, and a callback URL may hold a token. Each time the driver is
started, that may be another one. So the lines of a greeting are held back until their secrets are known.
"""

from __future__ import annotations

import json
import os
import queue
import re
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import IO, Any, Self

from conformance.contract.contract import Contract
from conformance.contract.schemas import FORMATS
from conformance.journal import Journal, Redaction
from conformance.journal.notations import Escapes
from conformance.journal.redaction import is_own_word, tokens_of
from conformance.journal.rows import LONGEST_STDERR
from conformance.journal.spellings import unescaped
from conformance.model.errors import SuiteError, UsageError
from conformance.model.traffic import SHOWN_LINES, Direction, last_lines
from conformance.model.untrusted import parse_json

PROTOCOL = 1

# Characters of an invalid line that are shown, and bytes of it that are redacted before.
SHOWN = 200
LOOKED_AT = 8 << 10

# A valid answer has less than a tenth of this. Comparing the elements of an array with each other takes the square of
# their number.
MOST_ELEMENTS = 1_000

LACKS = ("error-details", "request-id", "timeout")
"""Features that a client's API may lack under every contract, as it may any optional member of a request."""


class ProtocolError(Exception):
    """A line is not a valid answer to the last message; the text says why."""


def encoded(message: Mapping[str, Any]) -> str:
    """The message as a line without its end. Raises SuiteError if the schemas do not describe it."""
    broken = FORMATS.violation(f"driver/{message['cmd']}", dict(message))
    if broken is not None:
        raise SuiteError(f"the message {message!r} to the driver is not valid: {broken.pointer} {broken.message}")
    return json.dumps(message, separators=(",", ":"))


def beginning(line: bytes, redacted: Callable[[str], str]) -> str:
    """The beginning of a line, `redacted` before it is cut, which could leave half a secret."""
    return redacted(line[:LOOKED_AT].decode("utf-8", "backslashreplace"))[:SHOWN]


def parsed(cmd: str, line: bytes, redacted: Callable[[str], str]) -> dict[str, Any]:
    """The answer to a message `cmd`.

    Raises ProtocolError, `redacted`, for anything else, and UsageError for the hello of another version.
    """
    shown = beginning(line, redacted)
    try:
        answer = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"it wrote {shown!r}, which is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise ProtocolError(f"it wrote {shown!r}, which is not a JSON object")
    version = answer.get("protocol", PROTOCOL)
    if cmd == "hello" and isinstance(version, int) and version != PROTOCOL:
        raise UsageError(
            f"the driver speaks version {version} of the driver protocol; expected version {PROTOCOL}",
            hint="docs/driver-protocol.md describes it",
        )
    if any(isinstance(each, list | dict) and len(each) > MOST_ELEMENTS for each in (answer, *answer.values())):
        raise ProtocolError(f"it wrote {shown!r}, which has more than {MOST_ELEMENTS:,} elements in one place")
    if broken := FORMATS.violation(f"driver/{cmd}.answer", answer):
        message, where = redacted(broken.message), broken.pointer or "the answer"
        if len(message) > SHOWN:  # the fault is named at the end, behind the value
            message = f"{message[: SHOWN // 2]}…{message[-SHOWN // 2 :]}"
        raise ProtocolError(f"it wrote {shown!r}, which is not a valid answer to {cmd}: {where}: {message}")
    return answer


@dataclass(frozen=True, slots=True)
class Hello:
    """A driver's description of its client. `callback_urls`: by product, empty without the feature `callback`."""

    name: str
    version: str | None = None
    language: str | None = None
    commands: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()
    callback_urls: Mapping[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()

    @classmethod
    def of(cls, answer: Mapping[str, Any], contract: Contract) -> Self:
        """Read a valid answer. Raises UsageError if it offers nothing, or has names unknown to the contract."""
        implementation = answer["implementation"]
        _check_names(answer, contract)
        features = frozenset(answer.get("features", ()))
        urls = answer.get("callback_urls", {}) if "callback" in features else {}
        hello = cls(
            implementation["name"],
            implementation.get("version"),
            implementation.get("language"),
            tuple(name for name in contract.commands if name in answer["commands"]),
            features,
            {product: urls[product] for product in contract.callbacks if product in urls},
            frozenset(answer.get("lacks", ())),
        )
        if not hello.commands and not hello.callback_urls:
            raise UsageError(
                f"driver of {hello.name} declares nothing to judge; expected a command, or the feature callback",
                hint='answer hello with "commands", or with "features" and "callback_urls"',
            )
        return hello

    @property
    def subject(self) -> str:
        """The client's name and version."""
        return f"{self.name} {self.version}" if self.version else self.name

    def recorded(self) -> dict[str, Any]:
        """As a note of the journal."""
        return {
            "implementation": {"name": self.name, "version": self.version, "language": self.language},
            "commands": list(self.commands),
            "features": sorted(self.features),
            "callback_urls": dict(self.callback_urls),
            "lacks": sorted(self.lacks),
        }


def _check_names(answer: Mapping[str, Any], contract: Contract) -> None:
    """Raise UsageError for a name that the contract does not know."""
    known: Mapping[str, Sequence[str]] = {
        "commands": tuple(contract.commands),
        "callback_urls": contract.callbacks,
        "lacks": (*LACKS, *optional_members(contract)),
    }
    for member, names in known.items():
        unknown = next((name for name in answer.get(member, ()) if name not in names), None)
        if unknown is not None:
            raise UsageError(
                f"driver of {answer['implementation']['name']} names {unknown[:SHOWN]!r} in {member}, "
                f"which is unknown to the contract {contract.name}; expected any of {', '.join(names)}"
            )


@cache
def optional_members(contract: Contract) -> tuple[str, ...]:
    """The members of requests that a client may leave out, in the order of the commands."""
    schemas = [contract.schemas.resolved(f"{c.folder}/request") for c in contract.commands.values()]
    optional = ((name, name in each.get("required", ())) for each in schemas for name in each.get("properties", ()))
    return tuple(dict.fromkeys(name for name, required in optional if not required))


# --- The lines of a driver, on their way into the journal

# Longer lines are not messages of the protocol; a driver that writes without end must not fill the memory.
MOST_LINE = 1 << 20

# Lines that nobody asked for: one is enough to know of them, more must not fill the memory.
MOST_WAITING = 64

# Lines of standard error that one process may have in the journal, beside its last ones.
MOST_LINES = 2_000
# Bytes that a driver may have there, however often it is started: those of its first lines, and those of its last.
MOST_FIRST_BYTES = 4 << 20
MOST_LAST_BYTES = 4 << 20

_AT_ONCE = 1 << 16

_URL = re.compile(r"https?://[^\s\"'<>\\]+")
# As in --api-token=… or PASSWORD=…; behind a dash also with a space instead of the equals sign.
_NAME = r"(?:token|secret|passw(?:or)?d|passphrase|api[-_.]?key|credentials?)"
_NAMED = re.compile(rf"(?:^|[\s'\"])(?:-[\w.-]*{_NAME}[= ]|\w*{_NAME}=)([^\s-]\S*)", re.IGNORECASE)


class DriverLog:
    """Lines to and from a driver, held back until the first `release`; thread-safe.

    `protected`: secret values, beside the tokens in the driver's own lines.
    """

    def __init__(self, contract: Contract, protected: Iterable[str] = ()) -> None:
        self.contract = contract
        self._protected = list(protected)
        self._lock = threading.Lock()
        self._held: list[tuple[str | None, Direction, str, bool]] = []
        self._journal: Journal | None = None

    def record(self, case_id: str | None, direction: Direction, line: str, *, cut: bool = False) -> None:
        """Record a line, or if `cut` its beginning; `case_id`: the current case, if any."""
        with self._lock:
            if self._journal is None:
                self._held.append((case_id, direction, line, cut))
            else:
                self._journal.said(case_id, direction, line, cut=cut)

    def hold(self) -> None:
        """Hold back lines from now on: the driver is about to say hello."""
        with self._lock:
            self._journal = None

    @property
    def tokens(self) -> Sequence[str]:
        """The tokens in the lines that are held back."""
        with self._lock:
            return list(tokens_in(self.contract, *(line for _, _, line, _ in self._held)))

    def redacted(self, text: str) -> str:
        """A part of a line without its secrets."""
        return Redaction.of_values(*self._protected, *self.tokens, *tokens_in(self.contract, text)).text(text)

    @property
    def last_lines(self) -> Sequence[str]:
        """The last held lines on standard error, which mostly say why a driver failed."""
        with self._lock:
            return last_lines(line for _, direction, line, _ in self._held if direction is Direction.STDERR)

    def release(self, journal: Journal) -> None:
        """Write the held lines to the journal, without their tokens, and further lines at once."""
        tokens = self.tokens
        journal.protect(*tokens)
        self._protected += tokens
        with self._lock:
            for case_id, direction, line, cut in self._held:
                journal.said(case_id, direction, line, cut=cut)
            self._held, self._journal = [], journal


class Stderr:
    """The standard error of one driver, process after process.

    It keeps the first lines of a process, and its last ones, which mostly say why it died; it counts those between.
    """

    def __init__(self) -> None:
        self._first_bytes = MOST_FIRST_BYTES
        self._last_bytes = MOST_LAST_BYTES

    def read(self, stream: IO[bytes], keep: Callable[[bytes], None]) -> None:
        """Read a stream to its end; call `keep` with each line to keep, cut at `LONGEST_STDERR`."""
        lines = left_out = dropped = 0
        last: deque[bytes] = deque(maxlen=SHOWN_LINES)
        while line := stream.readline(LONGEST_STDERR):
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(_AT_ONCE)
                dropped += len(rest)
            if lines < MOST_LINES and len(line) <= self._first_bytes:
                lines += 1
                self._first_bytes -= len(line)
                keep(line)
            else:
                left_out += 1
                if len(last) == last.maxlen:
                    dropped += len(last[0])
                last.append(line)
        while last and sum(map(len, last)) > self._last_bytes:
            dropped += len(last.popleft())
        self._last_bytes -= sum(map(len, last))
        if dropped:
            words = f"[{left_out - len(last):,} lines and {dropped:,} bytes were too many, and are left out here]"
            keep(words.encode())
        for line in last:
            keep(line)


def read_lines(stream: IO[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    """Read messages, or their beginnings, from standard output; None at its end."""
    with stream:
        while line := stream.readline(MOST_LINE):
            if lines.qsize() < MOST_WAITING:
                lines.put(line)
    lines.put(None)


def write(stream: IO[bytes], data: bytes, within_s: float) -> bool:
    """Write to a pipe; whether it took all in time: it may be full, and nobody reading. Raises OSError."""
    number, until = stream.fileno(), time.monotonic() + within_s
    os.set_blocking(number, False)
    with selectors.DefaultSelector() as ready:
        ready.register(number, selectors.EVENT_WRITE)
        while data:
            if not ready.select(max(0.0, until - time.monotonic())):
                return False
            with suppress(BlockingIOError):
                data = data[os.write(number, data) :]
    return True


def tokens_in(contract: Contract, *texts: str) -> Iterator[str]:
    """The values that may be secret in the URLs in these texts: passwords, and values in their queries.

    Words of the `contract` are not secret. URLs are found in any escaping, as in the JSON of some writers.
    """
    for text in texts:
        # An equals sign in a query is hardly ever one of quoted-printable.
        for read in unescaped(text.encode(errors="surrogatepass"), but=Escapes.QUOTED_PRINTABLE):
            urls = _URL.findall(read.decode(errors="replace"))
            yield from (token for token in tokens_of(*urls) if not is_own_word(token, contract))


def secrets_of(contract: Contract, command_line: str) -> Iterator[str]:
    """The values that may be secret in a driver's command line: tokens in URLs, and options named so."""
    yield from tokens_in(contract, command_line)
    named = (found[1].strip("'\"") for found in _NAMED.finditer(command_line))
    yield from (value for value in named if not is_own_word(value, contract))
