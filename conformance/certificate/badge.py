"""A badge: for shields.io to draw (endpoint JSON), or drawn here (SVG).

    Badge.of_certificate, Badge.of_report       what it says
    .endpoint, .svg                             as bytes; the same badge gives the same bytes

It claims what was exercised and no more. A certificate says until when it is `certified`; a report, which anybody can
write, does not; nor does a certificate of which nobody said whose signature counts.
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
from conformance.reports.escaping import for_terminal
from conformance.reports.report import Report

LABEL = "statum conformance"

# Names that shields.io knows, and what it draws for them.
COLOURS: Mapping[str, str] = {"brightgreen": "#4c1", "red": "#e05d44", "lightgrey": "#9f9f9f"}
_OF_VERDICT: Mapping[str, str] = {
    Conclusion.CONFORMANT: "brightgreen",
    Conclusion.NON_CONFORMANT: "red",
    Conclusion.INCONCLUSIVE: "lightgrey",
}

# Pixels of Verdana at 11, by character; what is not named is as wide as most.
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
        """Of one that was verified: what it covers, and until when it is certified.

        `known`: whether it was asked for whose signatures those are; else anybody may have signed what it says.
        """
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
        """Of a report: its verdict, and what of a conformant one was exercised."""
        verdict = report.verdict
        message = _claimed(Claims.of(report, contract)) if verdict is Conclusion.CONFORMANT else verdict.value
        return cls(message, _OF_VERDICT[verdict])

    def endpoint(self) -> bytes:
        """What https://shields.io/badges/endpoint-badge asks for."""
        document = {"schemaVersion": 1, "label": LABEL, "message": self.message, "color": self.colour}
        return f"{json.dumps(document, ensure_ascii=False)}\n".encode()

    def svg(self) -> bytes:
        """A flat badge; nothing in it comes from anywhere else."""
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
    """What was found conformant, and nothing else."""
    return f"{Conclusion.CONFORMANT.value}: {coverage.in_words}"


def _width(text: str) -> int:
    return round(sum(_WIDTHS.get(character, _MOST) for character in text) + _PADDING)


def _text(text: str, middle: float, width: int) -> str:
    return f'<text x="{middle:g}" y="14" textLength="{width - round(_PADDING)}">{escape(text)}</text>\n'
