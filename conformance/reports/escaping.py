"""Text from outside, escaped for the place where it is shown: a gateway may send anything, even terminal commands.

A character that cannot be shown is written as an escape, so that a reader sees that it was there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# XML 1.0, production 2 (Char): what it leaves out cannot stand in a document, not even escaped. A carriage return can,
# but comes back as a line feed.
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Controls but for tabs and line feeds, what has no width, what turns the direction of text round, lone surrogates, what
# is no character: the general categories Cc, Cf, Cs, Zl and Zp of Unicode, and tags.
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
    """`text` with everything that is not printable written as an escape: line breaks, controls, lone surrogates."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def visible(text: str) -> str:
    """`text`, of any number of lines, with every character that is not seen, or turns others round, as an escape."""
    return _INVISIBLE.sub(lambda found: _escaped(found[0]), text)


def all_visible(value: Any) -> Any:
    """The same for each text in a value that is made of mappings, lists and plain values."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(name)): all_visible(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(element) for element in value]
    return value


def for_xml(text: str) -> str:
    """`text` with every invisible character, and what XML 1.0 cannot hold, written as an escape."""
    return _NOT_XML.sub(lambda match: _escaped(match[0]), visible(text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def for_markdown(text: str) -> str:
    """`text` as one span of code in Markdown: neither markup, HTML, links nor mentions in it count. Not for tables."""
    harmless = for_terminal(text)
    fence = "`" * (_longest_run(harmless) + 1)
    pad = " " if harmless.startswith("`") or harmless.endswith("`") or not harmless.strip() else ""
    return f"{fence}{pad}{harmless or ' '}{pad}{fence}"


def fenced(text: str, language: str = "") -> str:
    """`text` as a block of code in Markdown, which nothing in it ends; all of it can be seen."""
    text = visible(text)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def for_runner(text: str) -> str:
    """`text`, of any number of lines, with what GitHub's runner would take for a command written as an escape."""
    return _RUNNER_COMMAND.sub(lambda found: f"{found[1] or ''}\\x{ord(found[2] or found[3]):02x}", text)


def shortened(text: str, most: int) -> str:
    """At most so many characters of a text."""
    return text if len(text) <= most else f"{text[:most]}…"


def beginning(text: str, most: int) -> str:
    """At most so many characters of a text, and how many it has."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def counted(number: int, noun: str) -> str:
    """`1 header`, `2,000 headers`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
