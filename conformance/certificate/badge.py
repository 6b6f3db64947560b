"""A badge: JSON for the endpoint of shields.io, or an SVG of its own.

It claims no more than was exercised. Only a certificate with a known signer says until when it is `certified`; anybody
can write a report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from xml.sax.saxutils import escape

from conformance.certificate.coverage import Claims
from conformance.certificate.verification import VerifiedCertificate
from conformance.contract.contract import Contract
from conformance.judging.verdicts import Conclusion
from conformance.reports.report import Report
from conformance.reports.text import for_terminal

LABEL = "statum conformance"

# Names of shields.io, and its colours for them.
COLOURS: Mapping[str, str] = {"brightgreen": "#4c1", "red": "#e05d44", "lightgrey": "#9f9f9f"}
_OF_VERDICT: Mapping[str, str] = {
    Conclusion.CONFORMANT: "brightgreen",
    Conclusion.NON_CONFORMANT: "red",
    Conclusion.INCONCLUSIVE: "lightgrey",
}

# Pixels of Verdana at 11, by character; any other character is as wide as most.
_NARROW, _WIDE, _MOST = 4.2, 10.2, 7.0
_WIDTHS: Mapping[str, float] = {**dict.fromkeys(" .,:;!'|ijlIft/()-·", _NARROW), **dict.fromkeys("mwMW%@", _WIDE)}
_PADDING, _HEIGHT = 10.0, 20


@dataclass(frozen=True, slots=True)
class Badge:
    """`message` beside the label, on one of COLOURS."""

    message: str
    colour: str

    @classmethod
    def of_certificate(cls, certificate: VerifiedCertificate, *, known: bool) -> Self:
        """The coverage of a verified certificate and its last day; `known`: the verifier gave the keys to trust."""
        if not known:
            return cls("signer unknown", _OF_VERDICT[Conclusion.INCONCLUSIVE])
        coverage = certificate.coverage
        covered = "conformant, coverage unknown" if coverage is None else _claimed(coverage)
        return cls(
            for_terminal(f"{covered} · certified until {certificate.expires:%Y-%m-%d}"),
            _OF_VERDICT[Conclusion.CONFORMANT],
        )

    @classmethod
    def of_report(cls, report: Report, contract: Contract) -> Self:
        """The verdict of a report, and the coverage of a conformant one."""
        verdict = report.verdict
        message = _claimed(Claims.of(report, contract)) if verdict is Conclusion.CONFORMANT else verdict.value
        return cls(message, _OF_VERDICT[verdict])

    def endpoint(self) -> bytes:
        """JSON for https://shields.io/badges/endpoint-badge."""
        document = {"schemaVersion": 1, "label": LABEL, "message": self.message, "color": self.colour}
        return f"{json.dumps(document, ensure_ascii=False)}\n".encode()

    def svg(self) -> bytes:
        """A flat badge that loads nothing from elsewhere."""
        left, right = _width(LABEL), _width(self.message)
        title = escape(f"{LABEL}: {self.message}", {'"': "&quot;"})
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img" '
            f'aria-label="{title}">\n'
            f"<title>{title}</title>\n"
            f'<clipPath id="r"><rect width="{left + right}" height="{_HEIGHT}" rx="3" fill="#fff"/></clipPath>\n'
            f'<g clip-path="url(#r)"><rect width="{left}" height="{_HEIGHT}" fill="#555"/>'
            f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{COLOURS[self.colour]}"/></g>\n'
            '<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">\n'
            f"{_text(LABEL, left / 2, left)}{_text(self.message, left + right / 2, right)}"
            "</g>\n</svg>\n"
        ).encode()


def _claimed(coverage: Claims) -> str:
    return f"{Conclusion.CONFORMANT.value}: {coverage.in_words}"


def _width(text: str) -> int:
    return round(sum(_WIDTHS.get(character, _MOST) for character in text) + _PADDING)


def _text(text: str, middle: float, width: int) -> str:
    return f'<text x="{middle:g}" y="14" textLength="{width - round(_PADDING)}">{escape(text)}</text>\n'
