"""How programs write a text into another: every way that a secret which is echoed may be spelled."""

from __future__ import annotations

import base64
import gzip
import html
import json
import quopri
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from html.entities import codepoint2name
from random import Random
from urllib.parse import quote, quote_plus, unquote, unquote_plus

Writer = Callable[[str, Random], str]


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _units(character: str) -> Iterator[int]:
    data = character.encode("utf-16-be", "surrogatepass")
    yield from (int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))


def _escaping(signs: str, form: str = "\\u{:04x}") -> Writer:
    """A JSON writer that escapes these signs too."""

    def write(text: str, _: Random) -> str:
        return "".join(
            "".join(form.format(unit) for unit in _units(character)) if character in signs else _json(character)
            for character in text
        )

    return write


def _u(character: str, random: Random) -> str:
    return "".join(random.choice(("\\u{:04x}", "\\u{:04X}")).format(unit) for unit in _units(character))


def _percent(character: str, random: Random) -> str:
    form = random.choice(("%{:02x}", "%{:02X}"))
    return "".join(form.format(byte) for byte in character.encode(errors="surrogatepass"))


def _entity(character: str, random: Random) -> str:
    number, zeros = ord(character), "0" * random.choice((0, 0, 1, 5))
    forms = [f"&#{zeros}{number};", f"&#x{zeros}{number:x};", f"&#X{zeros}{number:X};"]
    if number in codepoint2name:
        forms.append(f"&{codepoint2name[number]};")
    return random.choice(forms)


def _any(character: str, random: Random) -> str:
    return random.choice((_u, _percent, _entity))(character, random)


def _each(form: Callable[[str, Random], str]) -> Writer:
    return lambda text, random: "".join(form(character, random) for character in text)


def _base64(text: str, random: Random) -> str:
    around = "{" + "x" * random.randrange(3)
    return base64.b64encode(f"{around}{text}yz".encode(errors="surrogatepass")).decode()


def _utf8(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _dump(text: str, digits: Callable[[bytes], str], frame: str = "") -> str:
    """Sixteen bytes a line, with their offset and what of them is ASCII."""
    data, lines = _utf8(text), []
    for at in range(0, len(data), 16):
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data[at : at + 16])
        lines.append(
            f"{at:08x}{'' if frame else ':'} {digits(data[at : at + 16]):<{48 if frame else 39}}  {frame}{shown}{frame}"
        )
    return "\n".join(lines)


WRITERS: dict[str, Writer] = {
    "plain": lambda text, _: text,
    "other case": lambda text, _: text.swapcase(),
    "JSON": lambda text, _: _json(text),
    "JSON of Python": lambda text, _: json.dumps(text)[1:-1],
    "JSON of Go": _escaping("&<>\u2028\u2029"),
    "JSON of Gson": _escaping("&<>='\u2028\u2029"),
    "JSON of .NET": lambda text, _: "".join(
        c
        if c.isascii() and (c.isalnum() or c in " !#$%()*,-./:;=?@[]^_{|}~")
        else _u(c, Random(0)).upper().replace("U", "u")
        for c in text
    ),
    "JSON of PHP": lambda text, _: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON of PHP, hexadecimal": _escaping("&<>'\"", "\\u{:04X}"),
    "JSON, each escaped": _each(_u),
    "JSON, some escaped": lambda text, random: "".join(
        _u(c, random) if random.random() < 0.5 else _json(c) for c in text
    ),
    "URL": lambda text, _: quote(_utf8(text), safe=""),
    "URL, lower case": lambda text, _: re.sub("%..", lambda found: found[0].lower(), quote(_utf8(text), safe="")),
    "URL path": lambda text, _: quote(_utf8(text)),
    "form": lambda text, _: quote_plus(_utf8(text)),
    "URL, each escaped": _each(_percent),
    "URL, some escaped": lambda text, random: "".join(
        _percent(c, random) if c == "%" or random.random() < 0.5 else c for c in text
    ),
    "URL twice": lambda text, _: quote(quote(_utf8(text), safe=""), safe=""),
    "HTML": lambda text, _: html.escape(text),
    "HTML, each escaped": _each(_entity),
    "HTML, some escaped": lambda text, random: "".join(
        _entity(c, random) if c == "&" or random.random() < 0.5 else c for c in text
    ),
    "quoted-printable": lambda text, _: quopri.encodestring(_utf8(text)).decode(),
    "quoted-printable in lines": lambda text, _: "=\r\n".join(
        text[at : at + 3].replace("=", "=3D") for at in range(0, len(text), 3)
    ),
    "base64": _base64,
    "base64 for URLs": lambda text, random: _base64(text, random).translate({43: "-", 47: "_", 61: None}),
    "base64 in lines": lambda text, random: "\r\n".join(re.findall(".{1,76}", "QUJD" * 18 + _base64(text, random))),
    "base64 of base64": lambda text, random: base64.b64encode(_base64(text, random).encode()).decode(),
    "base64 of JSON": lambda text, random: _base64(json.dumps({"a": "".join(_u(c, random) for c in text)}), random),
    "base64 of UTF-16": lambda text, _: base64.b64encode(text.encode("utf-16-le", "surrogatepass")).decode(),
    "base64 of gzip": lambda text, _: base64.b64encode(gzip.compress(_utf8(text))).decode(),
    "base64 behind a word": lambda text, random: f"token{_base64(text, random)}",
    "hexadecimal": lambda text, _: _utf8(text).hex(),
    "hexadecimal escapes": lambda text, _: "".join(f"\\x{byte:02x}" for byte in _utf8(text)),
    "bytes of Node": lambda text, _: json.dumps([*_utf8(text)], separators=(",", ":")),
    "bytes of Java": lambda text, _: str([(each ^ 0x80) - 0x80 for each in _utf8(text)]),
    "bytes in lines": lambda text, _: json.dumps([*_utf8(text)], indent=2),
    "bytes of a Uint8Array": lambda text, _: json.dumps({str(at): byte for at, byte in enumerate(_utf8(text))}),
    "bytes of PHP": lambda text, _: "".join(f"[{at}] => {byte}\n    " for at, byte in enumerate(_utf8(text))),
    "bytes in brackets": lambda text, _: "".join(f"[{byte}]" for byte in _utf8(text)),
    "bytes, octal": lambda text, _: " ".join(f"{byte:03o}" for byte in _utf8(text)),
    "bytes, octal of C": lambda text, _: ", ".join(f"{byte:#05o}".replace("o", "") for byte in _utf8(text)),
    "bytes, octal of Python": lambda text, _: ",".join(f"{byte:#o}" for byte in _utf8(text)),
    "bytes, each a text": lambda text, _: ", ".join(f"'{byte:#04x}'" for byte in _utf8(text)),
    "bytes of UTF-16": lambda text, _: str([*text.encode("utf-16-le", "surrogatepass")]),
    "bytes of UTF-16, hexadecimal": lambda text, _: text.encode("utf-16-be", "surrogatepass").hex(":"),
    "characters by number": lambda text, _: str([*map(ord, text)]),
    "characters by number, hexadecimal": lambda text, _: ",".join(f"{ord(c):#x}" for c in text),
    "characters of Unicode": lambda text, _: " ".join(f"U+{ord(c):04X}" for c in text),
    "characters of Java": lambda text, _: "-".join(str(unit) for c in text for unit in _units(c)),
    "bytes of .NET": lambda text, _: _utf8(text).hex("-").upper(),
    "bytes of a dump": lambda text, _: _utf8(text).hex(" "),
    "bytes of C": lambda text, _: ", ".join(f"0x{each:02X}" for each in _utf8(text)),
    "bytes in lines, hexadecimal": lambda text, _: "\n".join(f"{byte:02x}" for byte in _utf8(text)),
    "dump of xxd": lambda text, _: _dump(text, lambda of_line: of_line.hex(" ", -2)),
    "dump of hexdump": lambda text, _: _dump(
        text, lambda of_line: f" {of_line[:8].hex(' ')}  {of_line[8:].hex(' ')}", "|"
    ),
    "dump of od": lambda text, _: "\n".join(
        f"{at:07o} "
        + " ".join(
            _utf8(text)[each : each + 2].ljust(2, b"\0")[::-1].hex()
            for each in range(at, min(at + 16, len(_utf8(text))), 2)
        )
        for at in range(0, len(_utf8(text)), 16)
    ),
    "CSS": lambda text, _: "".join(c if c.isalnum() and c.isascii() else f"\\{ord(c):x} " for c in text),
    "Perl": lambda text, _: "".join(c if c.isalnum() and c.isascii() else f"\\x{{{ord(c):x}}}" for c in text),
    "folded": lambda text, random: f"{text[: (at := random.randrange(1, len(text)))]}\r\n {text[at:]}",
    "each in its own way": _each(_any),
}


# These take a secret as it is, no spelling of it; and what is folded is written to the wire.
FIRST = frozenset({"other case", "base64 of UTF-16"})
ALONE = frozenset({"folded"})


def nested(names: Sequence[str], text: str, random: Random) -> str:
    """What these writers make of it, one after the other."""
    for name in names:
        text = WRITERS[name](text, random)
    return text


# What raw bytes are made of it, where a body is no UTF-8.
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "UTF-16-LE": lambda data: data.decode(errors="replace").encode("utf-16-le"),
    "UTF-16-BE": lambda data: data.decode(errors="replace").encode("utf-16"),
    "gzip": gzip.compress,
    "gzip, cut short": lambda data: gzip.compress(data)[:-6],
    "zlib": zlib.compress,
}


def found_in(data: bytes, secret: str) -> bool:
    """Whether `secret` can be read in it by these decoders, level by level, in whatever order."""
    wanted = secret.encode(errors="surrogatepass").lower()
    seen: set[bytes] = set()
    level = [data]
    for _ in range(4):
        following = []
        for each in level:
            if each in seen:
                continue
            seen.add(each)
            if wanted in each.lower():
                return True
            following += [decode(each) for decode in _DECODERS]
        level = following
    return False


def _unescaped(data: bytes) -> bytes:
    text = data.decode("latin-1")
    text = re.sub(
        r"\\u(d[89ab]..)\\u(d[c-f]..)",
        lambda f: bytes.fromhex(f[1] + f[2]).decode("utf-16-be", "replace").encode().decode("latin-1"),
        text,
        flags=re.IGNORECASE,
    )
    text = re.sub(
        r"\\u([0-9a-fA-F]{4})", lambda f: chr(int(f[1], 16)).encode(errors="surrogatepass").decode("latin-1"), text
    )
    return re.sub(r'\\(["\\/])', r"\1", text).encode("latin-1")


def _runs_decoded(data: bytes) -> bytes:
    runs = [found[0] for found in re.finditer(rb"[A-Za-z0-9+/_-]{5,}", data.replace(b"\r\n", b""))]
    plain = [run.translate(bytes.maketrans(b"-_", b"+/")) for run in runs]
    cut = [run[offset:] for run in plain for offset in range(4)]
    return b"\n".join(base64.b64decode(run[: len(run) // 4 * 4]) for run in cut)


def _numbers_read(data: bytes) -> bytes:
    """Of numbers in a row; at any rate all that the suite reads so."""
    rows = (re.findall(rb"-?\b[0-9]+\b", row) for row in re.findall(rb"[-0-9,;:+\s]{4,}", data))
    pairs = (
        re.findall(rb"(?:0[xX])?([0-9a-fA-F]{2})\b", row) for row in re.findall(rb"[-0-9a-fA-FxX,;:+\s]{4,}", data)
    )
    decimal = [b"".join(bytes([int(each) & 255]) for each in row if -129 < int(each) < 256) for row in rows]
    characters = "\n".join(
        "".join(chr(int(each)) for each in row if 0 <= int(each) < 0x110000)
        for row in (re.findall(rb"[0-9]+", row) for row in re.findall(rb"[-0-9,;:+\s]{4,}", data))
    )
    return b"\n".join([*decimal, *map(bytes.fromhex, (b"".join(row).decode() for row in pairs))]) + characters.encode(
        errors="surrogatepass"
    )


_DECODERS: tuple[Callable[[bytes], bytes], ...] = (
    _unescaped,
    lambda data: unquote(data.decode("latin-1"), "latin-1").encode("latin-1"),
    lambda data: unquote_plus(data.decode("latin-1"), "latin-1").encode("latin-1"),
    lambda data: html.unescape(data.decode(errors="surrogateescape")).encode(errors="surrogatepass"),
    quopri.decodestring,
    lambda data: re.sub(rb"\r\n[ \t]*", b"", data),
    _runs_decoded,
    _numbers_read,
)
