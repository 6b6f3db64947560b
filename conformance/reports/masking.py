"""Phone numbers of people in reports: the numbers that a run was given are shown as `2547*****678`.

A number is found in every reading of a text (`conformance.journal.spellings`), and with spaces, hyphens, dots and
brackets in it, as people write one. The journal keeps them, to be replayed; reports are passed around. Numbers that
nobody gave are made up by the suite and shown whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Self

from conformance.journal.codings import Reading, Sought
from conformance.journal.spellings import readings, says_more
from conformance.model.traffic import Headers, Request, Response

# What a subscriber's number has in common in all its spellings (+254…, 254…, 0…): its last nine digits.
SUBSCRIBER_DIGITS = 9
SHOWN_AT_FRONT, SHOWN_AT_END = 1, 3


# What people and programs put between digits.
_BETWEEN_DIGITS = rb"[ .()/-]{0,3}"


class Masking:
    """Replaces the middle of each of the `numbers` by asterisks, wherever it stands and however it begins."""

    def __init__(self, numbers: Iterable[str] = ()) -> None:
        digits = {re.sub("[^0-9]", "", number)[-SUBSCRIBER_DIGITS:] for number in numbers}
        # Of what was redacted nothing is left to mask.
        ends = sorted(each.encode() for each in digits if len(each) > SHOWN_AT_FRONT + SHOWN_AT_END)
        spelled = (_BETWEEN_DIGITS.join(bytes([digit]) for digit in end) for end in ends)
        self._numbers = re.compile(b"|".join(spelled)) if ends else None
        self._sought = Sought.of(ends) if ends else None

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, shown: bool | None = None) -> Self:
        """As recorded `settings` have it; `shown` overrules whether numbers are to be seen whole."""
        whole = settings.get("show_phone_numbers", False) if shown is None else shown
        return cls(() if whole else settings["phone_numbers"])

    def text(self, text: str) -> str:
        """`text` with each of the numbers masked."""
        if self._numbers is None:
            return text
        data = text.encode(errors="surrogatepass")
        masked = self.data(data)
        return text if masked is data else masked.decode(errors="surrogatepass")

    def data(self, data: bytes) -> bytes:
        """`data` with each of the numbers masked; what was read from digits alone keeps its length."""
        if self._numbers is None or self._sought is None:
            return data
        if not says_more(data, self._sought) and self._numbers.search(data) is None:
            return data
        hidden: dict[int, int] = {}
        for reading in readings(data, self._sought):
            for found in self._numbers.finditer(reading.data):
                for begin, end in _hidden_in(reading, found):
                    hidden[begin] = max(end, hidden.get(begin, 0))
        return _with_asterisks(data, hidden) if hidden else data

    def value(self, value: Any) -> Any:
        """The same for what is made of dataclasses, mappings, sequences, text and plain values.

        A masked number is a text.
        """
        if self._numbers is None:
            return value
        if is_dataclass(value) and not isinstance(value, type):
            masked: Any = replace(value, **{each.name: self.value(getattr(value, each.name)) for each in fields(value)})
        elif isinstance(value, Mapping):
            masked = {self.value(key): self.value(member) for key, member in value.items()}
        elif isinstance(value, list | tuple):
            masked = type(value)(map(self.value, value))
        elif isinstance(value, str | int | float):
            text = self.text(str(value))
            masked = value if text == str(value) else text
        else:
            masked = value
        return masked

    def request(self, request: Request) -> Request:
        """`request` with the numbers masked in its target, headers and body."""
        if self._numbers is None:
            return request
        return Request(request.method, self.text(request.url), self.headers(request.headers), self.data(request.body))

    def response(self, response: Response) -> Response:
        """`response` with the numbers masked in its headers and body."""
        if self._numbers is None:
            return response
        return replace(response, headers=self.headers(response.headers), body=self.data(response.body))

    def headers(self, headers: Headers) -> Headers:
        """`headers` with the numbers masked in names and values."""
        return tuple((self.text(name), self.text(value)) for name, value in headers)


def _hidden_in(reading: Reading, found: re.Match[bytes]) -> Iterator[tuple[int, int]]:
    """The spans to mask: each digit that is not shown, or all of a coded reading."""
    begin, end = found.span()
    digits = [at for at in range(begin, end) if reading.data[at : at + 1].isdigit()]
    if reading.coded:
        first, last = reading.span(begin, end)
        yield from ((at, at + 1) for at in range(first, last))
    else:
        yield from (reading.span(at, at + 1) for at in digits[SHOWN_AT_FRONT:-SHOWN_AT_END])


def _with_asterisks(data: bytes, hidden: Mapping[int, int]) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for begin, end in sorted(hidden.items()):
        if begin >= at:
            pieces += (data[at:begin], b"*")
            at = end
    return b"".join((*pieces, data[at:]))
