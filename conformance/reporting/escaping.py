"""Text from outside, made fit for where it is shown: a gateway may say anything, also what a terminal would obey.

    for_terminal    one line, no control characters, no invisible ones
    for_xml         only what XML 1.0 can hold

What is not shown as it is, is shown as an escape, so that a reader sees that it was there.
"""

from __future__ import annotations

import re

# XML 1.0, production 2 (Char): what it leaves out cannot stand in a document, not even escaped. A carriage return can,
# but comes back as a line feed.
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def for_terminal(text: str) -> str:
    """`text` with everything that is not printable written as an escape: line breaks, controls, lone surrogates."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def for_xml(text: str) -> str:
    """`text` with every character that XML 1.0 cannot hold, and carriage returns, written as an escape."""
    return _NOT_XML.sub(lambda match: _escaped(match[0]), text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
