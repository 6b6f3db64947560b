"""Request ids of every form that gateways are known to give: opaque, so a receiver takes them as they are.

USUAL           the form of the seed's sample, 32 letters and digits
FORMS           the other forms, each with what makes one
NEAR            pairs of ids that are nearly equal, each with what makes one
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from uuid import UUID

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DIGITS = ALPHANUMERIC[:10]
LETTERS = ALPHANUMERIC[10:]

Maker = Callable[[Random], str]


def _of(alphabet: str, length: int, before: str = "") -> Maker:
    return lambda chance: before + "".join(chance.choices(alphabet, k=length))


USUAL: Maker = _of(ALPHANUMERIC, 32)

FORMS: Mapping[str, Maker] = {
    "a UUID": lambda chance: str(UUID(int=chance.getrandbits(128), version=4)),
    "32 hexadecimal digits": _of("0123456789abcdef", 32),
    "digits alone": _of(DIGITS, 18, "7"),  # more than a double holds exactly
    "digits that begin with zeros": _of(DIGITS, 9, "000"),
    "6 characters": _of(ALPHANUMERIC, 6),
    "128 characters": _of(ALPHANUMERIC, 128),
    "signs": _of(DIGITS, 12, "Req/a+b=c&d_%2F~.x:y-"),
}
"""What a request_id consists of, and what makes one of it."""


def _in_case(chance: Random) -> tuple[str, str]:
    one = USUAL(chance)[:-1] + chance.choice(LETTERS)
    return one, one.swapcase()


def _in_zeros(chance: Random) -> tuple[str, str]:
    one = _of(DIGITS, 9, "7")(chance)
    return one, f"00{one}"


def _in_the_end(chance: Random) -> tuple[str, str]:
    one = FORMS["128 characters"](chance)
    return f"{one}a", f"{one}b"


NEAR: Mapping[str, Callable[[Random], tuple[str, str]]] = {
    "the case of its letters": _in_case,
    "the zeros that it begins with": _in_zeros,
    "its last character": _in_the_end,
}
"""What alone two ids differ in, and what makes a pair of them."""
