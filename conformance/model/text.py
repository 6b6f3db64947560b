r"""The texts of JSON: the characters that they may hold, and the patterns that they match; the same on every machine.

`ASSIGNED` has the code points that Unicode 14.0.0 (the database of Python 3.11, the oldest supported version) assigns,
as ascending ranges that include both ends; `unicode-14.txt` lists them. It leaves out the categories about which the
contract is silent: Cn (unassigned and noncharacters), Cs (surrogates), Co (private use) and Cc (controls) except tab,
line feed and carriage return. This code made it with Python 3.11; a test makes it again on every interpreter with that
edition:

    from itertools import groupby
    from unicodedata import category
    texts = (c for c in range(0x110000) if category(chr(c)) not in {"Cc", "Cs", "Co", "Cn"} or c in {9, 10, 13})
    runs = [[c for _, c in run] for _, run in groupby(enumerate(texts), lambda pair: pair[1] - pair[0])]
    ASSIGNED = tuple((run[0], run[-1]) for run in runs)

`ecma_pattern` translates the patterns of JSON Schema, regular expressions of ECMA-262 (Unicode mode), into Python's.
Python reads the same text differently: its `$` also matches before a final line break, its `\d` and `\w` take digits
and letters of every script, its `\s` lacks U+FEFF and its `.` takes carriage returns. A part without an equal in Python
is refused with a SuiteError, never approximated.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from conformance.model.errors import SuiteError

_RANGES = Path(__file__).with_name("unicode-14.txt").read_text("ascii").split()
ASSIGNED: tuple[tuple[int, int], ...] = tuple(
    (int(first, 16), int(last or first, 16)) for first, _, last in (each.partition("-") for each in _RANGES)
)

# The property White_Space, and four format characters that gateways trim as well: U+180E had the property until
# Unicode 6.3, ECMAScript treats U+FEFF as white space, widespread web frameworks trim U+200B and U+200E. So the
# contract does not say whether a message of these alone counts as empty.
BLANK = frozenset("\t\n\x0b\x0c\r \x85\xa0\u1680\u180e\u2028\u2029\u202f\u205f\u3000\ufeff\u200e").union(
    map(chr, range(0x2000, 0x200C))
)

_TEXT = re.compile("[" + "".join(f"\\U{first:08X}-\\U{last:08X}" for first, last in ASSIGNED) + "]*")


def is_assigned(text: str) -> bool:
    """Whether `ASSIGNED` has every character of `text`; true of the empty string."""
    return _TEXT.fullmatch(text) is not None


def is_blank(text: str) -> bool:
    """Whether `text` holds nothing but `BLANK` characters; true of the empty string."""
    return BLANK.issuperset(text)


# --- Patterns


# ECMA-262 §22.2.2.9, CharacterClassEscape :: s: WhiteSpace and LineTerminator.
WHITE_SPACE = "\t\n\x0b\x0c\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

_PART = re.compile(
    r"\\u\{[0-9A-Fa-f]+\}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\.|\(\?<?[=!]|\(\?:|\(\?|\{,|[*+?}]\+|.", re.DOTALL
)

_OUTSIDE = {
    "$": r"\Z",
    ".": "[^\\n\\r\u2028\u2029]",
    r"\s": f"[{WHITE_SPACE}]",
    r"\S": f"[^{WHITE_SPACE}]",
}
_INSIDE = {"[": r"\[", "&": r"\&", "~": r"\~", "|": r"\|", r"\s": WHITE_SPACE, r"\-": r"\-", r"\b": r"\x08"}

# With re.ASCII these mean the same in both; \b and the back-references outside of a class only.
_SAME = {rf"\{letter}" for letter in "dDwWtnvfr"}
_SAME_OUTSIDE = {r"\b", r"\B", *(rf"\{digit}" for digit in "123456789")}
_SYNTAX = {rf"\{character}" for character in "^$\\.*+?()[]{}|/"}
# ECMA-262 has no other kinds of groups, no possessive quantifiers and no quantifier without its lower bound.
_REFUSED = {"(?", "*+", "++", "?+", "}+", "{,"}


@cache
def ecma_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern, which matches as an ECMA-262 engine does; SuiteError if it has no equal in Python."""
    try:
        return re.compile(_translated(pattern), re.ASCII)
    except re.error as error:
        raise SuiteError(f"the pattern {pattern!r} is not a regular expression: {error}") from error


def _translated(pattern: str) -> str:
    """The pattern in Python's notation (for `re.ASCII`); SuiteError for a part that has no equal in Python."""
    made: list[str] = []
    opened: int | None = None
    for part in _PART.findall(pattern):
        if opened is None:
            if part in _REFUSED:
                raise _refusal(part, pattern)
            made.append(_OUTSIDE.get(part) or (part if part in _SAME_OUTSIDE else _escape(part, pattern)))
            opened = len(made) if part == "[" else None
            continue
        if part == "]":
            # "[]" and "[^]" are whole classes (nothing, everything); Python would take the bracket as a member.
            if "".join(made[opened:]) in ("", "^"):
                raise _refusal("[]", pattern)
            opened = None
        made.append(_INSIDE.get(part) or _escape(part, pattern))
    return "".join(made)


def _escape(part: str, pattern: str) -> str:
    if not part.startswith("\\") or part in _SAME or part in _SYNTAX:
        return part
    if part[:2] in (r"\u", r"\x") and part[2:]:
        return re.escape(chr(int(part[2:].strip("{}"), 16)))
    raise _refusal(part, pattern)


def _refusal(part: str, pattern: str) -> SuiteError:
    return SuiteError(
        f"the pattern {pattern!r} uses {part!r}, which has no equal in Python",
        hint="write it with character classes, groups and quantifiers",
    )
