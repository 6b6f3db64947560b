r"""JSON Schema patterns: regular expressions of ECMA-262 (Unicode mode), translated into Python's.

Python reads the same text differently: its `$` also matches before a final line break, its `\d` and `\w` take digits
and letters of every script, its `\s` lacks U+FEFF and its `.` takes carriage returns. A part without an equal in Python
is refused with a SuiteError, never approximated.
"""

from __future__ import annotations

import re
from functools import cache

from conformance.model.errors import SuiteError

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
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern that matches as an ECMA-262 engine does; SuiteError if it has no equal in Python."""
    try:
        return re.compile(translated(pattern), re.ASCII)
    except re.error as error:
        raise SuiteError(f"the pattern {pattern!r} is no regular expression: {error}") from error


def translated(pattern: str) -> str:
    """The pattern in Python's notation (for `re.ASCII`); SuiteError for a part that has no equal in Python."""
    made: list[str] = []
    opened: int | None = None
    for part in _PART.findall(pattern):
        if opened is None:
            made.append(_outside(part, pattern))
            opened = len(made) if part == "[" else None
            continue
        if part == "]":
            # "[]" and "[^]" are whole classes (nothing, everything); Python would take the bracket as a member.
            if "".join(made[opened:]) in ("", "^"):
                raise _refusal("[]", pattern)
            opened = None
        made.append(_INSIDE[part] if part in _INSIDE else _escape(part, pattern))
    return "".join(made)


def _outside(part: str, pattern: str) -> str:
    if part in _OUTSIDE:
        return _OUTSIDE[part]
    if part in _REFUSED:
        raise _refusal(part, pattern)
    return part if part in _SAME_OUTSIDE else _escape(part, pattern)


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
