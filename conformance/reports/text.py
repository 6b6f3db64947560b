"""Text in reports: escaped for the place where it is shown, shortened, and with phone numbers masked.

A gateway may send anything, even terminal commands. A character that cannot be shown becomes an escape, so that a
reader sees that it was there.

A phone number that the run was given is shown as `2547*****678`, because reports are passed around; the journal keeps
it for replays. It is found in every reading of a text (`conformance.journal.spellings`), also with spaces, hyphens,
dots and brackets between its digits. Numbers that the suite made up are shown whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Self

from conformance.journal.codings import Reading, Sought
from conformance.journal.spellings import readings, says_more
from conformance.model.traffic import Headers, Request, Response

# All but XML 1.0's production 2 (Char), which a document cannot hold even escaped, and the carriage return, which a
# parser turns into a line feed.
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Unicode's general categories Cc (but tab and line feed), Cf, Cs, Zl and Zp, non-characters, and tags.
_INVISIBLE = re.compile(
    r"["
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff0-\ufffb\ufffe-\uffff\U000110bd\U000110cd"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
    r"]"
)
# To GitHub's runner a line that begins with two colons is a command, and so is what follows ##[ anywhere.
_RUNNER_COMMAND = re.compile(r"(?:^|(?<=[\r\n]))(\s*)(:)(?=:)|(#)(?=#\[)")


def for_terminal(text: str) -> str:
    """Escape everything that is not printable: line breaks, controls, lone surrogates."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def visible(text: str) -> str:
    """Escape what is invisible or changes the direction of text, but neither tabs nor line feeds."""
    return _INVISIBLE.sub(lambda found: _escaped(found[0]), text)


def all_visible(value: Any) -> Any:
    """Make each text in a JSON value visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(name)): all_visible(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(element) for element in value]
    return value


def for_xml(text: str) -> str:
    """Escape what is invisible, and what XML 1.0 cannot hold."""
    return _NOT_XML.sub(lambda match: _escaped(match[0]), visible(text))


def as_json(value: Any) -> bytes:
    """JSON in UTF-8, indented by two; a lone surrogate, which UTF-8 cannot hold, is written as JSON's own escape."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    return f"{text}\n".encode("utf-8", "backslashreplace")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def for_markdown(text: str) -> str:
    """`text` as a code span in Markdown, where markup, HTML, links and mentions have no effect. Not for tables."""
    harmless = for_terminal(text)
    fence = "`" * (_longest_run(harmless) + 1)
    pad = " " if harmless.startswith("`") or harmless.endswith("`") or not harmless.strip() else ""
    return f"{fence}{pad}{harmless or ' '}{pad}{fence}"


def code_spans(text: str) -> Iterator[tuple[str, bool]]:
    """The parts of a text of the suite, in which code is between backticks: each part, and whether it is code."""
    for number, part in enumerate(text.split("`")):
        if part:
            yield part, number % 2 == 1


def plain_markdown(text: str) -> str:
    """The suite's own words, with Markdown escaped but for code between backticks."""
    parts = for_terminal(text).split("`")
    if len(parts) % 2 == 0 or any("|" in code or not code.strip() for code in parts[1::2]):
        return _escaped_markdown(for_terminal(text))
    return "".join(f"`{part}`" if number % 2 else _escaped_markdown(part) for number, part in enumerate(parts))


def _escaped_markdown(text: str) -> str:
    escaped = "".join(f"\\{character}" if character in "\\`*_[]<>|#" else character for character in text)
    return escaped.replace("&", "&amp;")


def fenced(text: str, language: str = "") -> str:
    """`text` as a code block in Markdown, whose fence is longer than any in the text."""
    text = visible(text)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def for_runner(text: str) -> str:
    """Escape what GitHub's runner would take for a command."""
    return _RUNNER_COMMAND.sub(lambda found: f"{found[1] or ''}\\x{ord(found[2] or found[3]):02x}", text)


def shortened(text: str, most: int) -> str:
    """At most `most` characters of a text."""
    return text if len(text) <= most else f"{text[:most]}…"


def beginning(text: str, most: int) -> str:
    """At most `most` characters of a text, and its length if that is more."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def counted(number: int, noun: str) -> str:
    """`1 header`, `2,000 headers`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


# --- Phone numbers

# +254…, 254… and 0… end in the same nine digits.
SUBSCRIBER_DIGITS = 9
SHOWN_AT_FRONT, SHOWN_AT_END = 1, 3
# What people and programs write between digits.
_BETWEEN_DIGITS = rb"[ .()/-]{0,3}"


class Masking:
    """Replaces the middle of each of the `numbers` by asterisks, whatever prefix it has."""

    def __init__(self, numbers: Iterable[str] = ()) -> None:
        digits = {re.sub("[^0-9]", "", number)[-SUBSCRIBER_DIGITS:] for number in numbers}
        # A redacted number has no digits left.
        ends = sorted(each.encode() for each in digits if len(each) > SHOWN_AT_FRONT + SHOWN_AT_END)
        spelled = (_BETWEEN_DIGITS.join(bytes([digit]) for digit in end) for end in ends)
        self._numbers = re.compile(b"|".join(spelled))
        self._sought = Sought.of(ends) if ends else None

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, shown: bool | None = None) -> Self:
        """For the numbers in recorded `settings`; `shown` overrides whether they are shown whole."""
        whole = settings.get("show_phone_numbers", False) if shown is None else shown
        return cls(() if whole else settings["phone_numbers"])

    def text(self, text: str) -> str:
        """Mask the numbers in a text."""
        data = text.encode(errors="surrogatepass")
        masked = self.data(data)
        return text if masked is data else masked.decode(errors="surrogatepass")

    def data(self, data: bytes) -> bytes:
        """Mask the numbers in bytes; plain digits keep their length, a coded reading becomes asterisks."""
        if self._sought is None or not (says_more(data, self._sought) or self._numbers.search(data)):
            return data
        hidden: dict[int, int] = {}
        for reading in readings(data, self._sought):
            for found in self._numbers.finditer(reading.data):
                for begin, end in _spans_to_mask(reading, found):
                    hidden[begin] = max(end, hidden.get(begin, 0))
        return _with_asterisks(data, hidden) if hidden else data

    def value(self, value: Any) -> Any:
        """Mask the numbers in dataclasses, mappings, sequences and scalars; a masked integer becomes a text."""
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{each.name: self.value(getattr(value, each.name)) for each in fields(value)})
        if isinstance(value, Mapping):
            return {self.value(key): self.value(member) for key, member in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(self.value, value))
        text = self.text(str(value))
        return value if text == str(value) else text

    def request(self, request: Request) -> Request:
        """Mask the numbers in target, headers and body."""
        return Request(request.method, self.text(request.url), self.headers(request.headers), self.data(request.body))

    def response(self, response: Response) -> Response:
        """Mask the numbers in headers and body."""
        return replace(response, headers=self.headers(response.headers), body=self.data(response.body))

    def headers(self, headers: Headers) -> Headers:
        """Mask the numbers in names and values."""
        return tuple((self.text(name), self.text(value)) for name, value in headers)


def _spans_to_mask(reading: Reading, found: re.Match[bytes]) -> Iterator[tuple[int, int]]:
    """Each digit that is not shown; of a coded reading every byte."""
    if reading.coded:
        return ((at, at + 1) for at in range(*reading.span(*found.span())))
    digits = [at for at in range(*found.span()) if reading.data[at : at + 1].isdigit()]
    return (reading.span(at, at + 1) for at in digits[SHOWN_AT_FRONT:-SHOWN_AT_END])


def _with_asterisks(data: bytes, hidden: Mapping[int, int]) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for begin, end in sorted(hidden.items()):
        if begin >= at:
            pieces += (data[at:begin], b"*")
            at = end
    return b"".join((*pieces, data[at:]))
