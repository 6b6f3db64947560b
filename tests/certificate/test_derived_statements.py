"""What a certificate says is derived from its journal, or named as the word of its signers; strangers have no say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import (
    CERTIFICATE,
    EVIDENCE,
    KNOWN,
    LIES,
    Lie,
    another_edition,
    changed_member,
    more_passed,
    resigned,
    together,
)
from command_line import Called, call
from forged_journals import changed, settings_changed

from conformance.certificate.digests import JournalFile
from conformance.certificate.ed25519 import PrivateKey
from conformance.certificate.issuing import EXTENSION, Certification, countersign, issue
from conformance.certificate.signing import Envelope, Rejected, read_private_key
from conformance.certificate.verification import MEMBERS, Provenance, Trust, VerifiedCertificate, members_of, proved
from conformance.contract.contract import statum
from conformance.contract.schemas import FORMATS
from conformance.journal import read_evidence
from conformance.reports.result import Result

Capsys = pytest.CaptureFixture[str]

STRANGER = PrivateKey.generate()


@pytest.fixture(scope="module")
def vendor(certified_run: Path) -> PrivateKey:
    """Who certified it."""
    return read_private_key(certified_run / "vendor.key")


@pytest.fixture(scope="module")
def envelope(certified_run: Path) -> Envelope:
    """What was certified."""
    return Envelope.parse((certified_run / CERTIFICATE).read_bytes())


def verdict_on(data: bytes, key: PrivateKey, journal: Path) -> str | tuple[str, ...]:
    """Why it is refused, or the members that are no more than the word of its signers."""
    try:
        *_, last = proved(data, statum(), Trust.of([key.public]), journal)
    except Rejected as refused:
        return refused.message
    assert isinstance(last, VerifiedCertificate)
    assert last.unsupported is not None
    return last.unsupported


@pytest.fixture(scope="module")
def judge(certified_run: Path, vendor: PrivateKey) -> Callable[[bytes], str | tuple[str, ...]]:
    """What becomes of a lie that the vendor signs; the journal is judged once for all of them."""
    journal = certified_run / "reports" / "journal.sqlite"
    result = Result.of(read_evidence(journal, statum()))

    def judged(data: bytes) -> str | tuple[str, ...]:
        with pytest.MonkeyPatch.context() as once:
            once.setattr(Result, "of", lambda _, **__: result)
            return verdict_on(data, vendor, journal)

    return judged


# --- The table


def test_every_member_of_a_statement_is_derived_or_named(envelope: Envelope) -> None:
    """Those that the schema knows, and those that a certificate has: none is in no row of the table."""
    properties = FORMATS.resolved("certificate#statement")["properties"]
    predicate = properties["predicate"]["properties"]
    extension = predicate[EXTENSION]["properties"]
    apart = {"subject", "coverage", "run", "journal"}
    known = {
        *({"subject": "subject.artifacts"}.get(name, name) for name in properties.keys() - {"predicate"}),
        *(predicate.keys() - {EXTENSION, "configuration"}),
        *(extension.keys() - apart),
        *(f"{name}.{member}" for name in apart for member in extension[name]["properties"]),
        *(
            f"configuration.{name}"
            for name in ("statum-conformance", "contract", "catalogue", "schemas", "expectations")
        ),
    }

    assert set(MEMBERS) == known
    assert members_of(json.loads(envelope.payload)).keys() == known - {"configuration.expectations"}


# --- Lies


# Other schemas, or other files of the suite, are those of another edition.
NAMED = {name for name, basis in MEMBERS.items() if basis in (Provenance.SIGNERS, Provenance.TERMS)} | {
    "configuration.statum-conformance",
    "configuration.contract",
    "configuration.schemas",
}


def test_the_evidence_confirms_all_but_the_dates(envelope: Envelope, judge: Any, vendor: PrivateKey) -> None:
    """Of when a certificate was issued no journal tells."""
    assert ("issued", "expires") == judge(resigned(envelope, lambda _: None, vendor))


def test_a_changed_member_is_refused_or_named(envelope: Envelope, judge: Any, vendor: PrivateKey) -> None:
    """Whoever signed it: the right key over other evidence counts for no more than the evidence."""
    wrong = {}
    for name in MEMBERS:
        said = judge(resigned(envelope, lambda document: changed_member(document, name), vendor))  # noqa: B023
        if name == "issued":
            right = "the certificate says that it was issued on 2026-01-01" in said
        else:
            right = (isinstance(said, tuple) and name in said) if name in NAMED else isinstance(said, str)
        if not right:
            wrong[name] = said
    assert {} == wrong


def test_a_consistent_lie_is_refused(envelope: Envelope, judge: Any, vendor: PrivateKey) -> None:
    """Also where it says that another edition issued it, so that nobody here can count as that did."""
    lies = {name: change for name, change in LIES.items() if "is another" not in name}
    found = {name: judge(resigned(envelope, change, vendor)) for name, change in lies.items()}

    assert {} == {name: said for name, said in found.items() if not isinstance(said, str)}


def test_a_member_that_only_another_edition_can_derive_is_named(
    envelope: Envelope, judge: Any, vendor: PrivateKey
) -> None:
    """Counts that nobody here can come to are no reason to refuse it, and are not passed off as evidence either."""
    plain = judge(resigned(envelope, another_edition, vendor))
    said = judge(resigned(envelope, together(more_passed, another_edition), vendor))

    editions = [
        "configuration.statum-conformance",
        *(f"configuration.{name}" for name in ("catalogue", "contract", "schemas")),
    ]
    assert (*editions, "issued", "expires") == plain
    assert (*editions, "passedTests", "must", "issued", "expires") == said


def test_an_unknown_member_is_named(envelope: Envelope, judge: Any, vendor: PrivateKey) -> None:
    """Anybody may add a member; the table has no word for it."""

    def lie(document: dict[str, Any]) -> None:
        document["predicate"][EXTENSION]["audited_by"] = "an authority"
        document["predicate"]["configuration"].append({"name": "iso", "digest": {"sha256": "ab" * 32}})

    assert ("issued", "expires", "audited_by", "configuration.iso") == judge(resigned(envelope, lie, vendor))


def test_an_address_that_no_request_went_to_is_named(certified_run: Path, tmp_path: Path, vendor: PrivateKey) -> None:
    """The settings of a journal may name any gateway; where the requests went to stands beside it."""
    journal = Path(shutil.copy(certified_run / "reports" / "journal.sqlite", tmp_path))
    settings_changed(lambda settings: settings.update(gateway="https://a.example/api/v2"))(journal)
    file = JournalFile.closed(journal)
    data = issue(Result.of(read_evidence(journal, statum())), file, Certification(vendor)).to_bytes()

    assert "subject.url" in verdict_on(data, vendor, journal)


def test_a_journal_that_the_suite_did_not_make_proves_nothing(capsys: Capsys, here: Path, vendor: PrivateKey) -> None:
    """Though the certificate names just this file, and the right key signed it."""
    journal = here / "reports" / "journal.sqlite"
    changed("sent", "body", "text", "number = 1")(journal)
    file = JournalFile.closed(journal)
    envelope = Envelope.parse((here / CERTIFICATE).read_bytes())

    def lie(document: dict[str, Any]) -> None:
        document["predicate"][EXTENSION]["journal"].update(digest=file.digest.entry, size=file.size)

    (here / CERTIFICATE).write_bytes(resigned(envelope, lie, vendor))

    called = call(capsys, "verify", CERTIFICATE, *KNOWN)

    assert 2 == called.code
    told = "error: the journal reports/journal.sqlite is damaged: row 1 holds int, str, int, str, str, str, str, float"
    assert called.only_line.startswith(told)


# --- Through the command line


def last_line(called: Called) -> str:
    """The last line of what was told."""
    return called.out.splitlines()[-1]


@pytest.mark.usefixtures("here")
def test_the_last_line_names_members_without_evidence(capsys: Capsys) -> None:
    """With evidence; without any, that it is all on the word of the signers."""
    borne = call(capsys, "verify", CERTIFICATE, *KNOWN)
    alone = call(capsys, "verify", CERTIFICATE, "--key=vendor.key.pub")

    assert last_line(borne).endswith(" · not borne out by the evidence: issued, expires")
    assert last_line(alone).endswith(" · on the word of its signers: no evidence was given")


def test_control_characters_in_a_name_are_made_visible(
    capsys: Capsys, here: Path, envelope: Envelope, vendor: PrivateKey
) -> None:
    """Marks that turn the direction of writing, line breaks, escapes: in the last line as in all others."""

    def lie(document: dict[str, Any]) -> None:
        document["predicate"][EXTENSION]["subject"]["name"] = "mock\u202e\x1b[2K\nvalid: A"

    (here / CERTIFICATE).write_bytes(resigned(envelope, lie, vendor))
    called = call(capsys, "verify", CERTIFICATE, *KNOWN)

    assert 0 == called.code
    assert r"valid: mock\u202e\x1b[2K\nvalid: A (gateway)" in last_line(called)
    assert "not borne out by the evidence: subject.name, issued, expires" in last_line(called)
    assert not {"\u202e", "\x1b"} & {*called.out}


def test_a_certifier_vouches_for_members_without_evidence(
    capsys: Capsys, here: Path, envelope: Envelope, vendor: PrivateKey
) -> None:
    """The name that a vendor gives its gateway stands in no journal."""
    named: Lie = lambda document: changed_member(document, "subject.name")  # noqa: E731 - a change in one line
    (here / CERTIFICATE).write_bytes(resigned(envelope, named, vendor))
    sign = ("sign", CERTIFICATE, "--sign-key=certifier.key", *KNOWN)

    refused = call(capsys, *sign)
    signed = call(capsys, *sign, "--vouch-for=subject.name")

    assert (1, "") == (refused.code, refused.out)
    assert (
        "error: not signed: the evidence does not bear out subject.name (hint: --vouch-for subject.name if you know "
        "better)"
    ) == refused.only_line
    assert (0, "") == (signed.code, signed.err)


def test_without_a_key_nothing_is_valid(capsys: Capsys, here: Path) -> None:
    """Whoever signed, a stranger too: all that can be told is that nothing was changed since."""
    own = call(capsys, "verify", CERTIFICATE, *EVIDENCE)
    envelope = Envelope.parse((here / CERTIFICATE).read_bytes())
    (here / "forged.json").write_bytes(countersign(Envelope(envelope.payload), STRANGER).to_bytes())
    forged = call(capsys, "verify", "forged.json", *EVIDENCE)

    for called in (own, forged):
        assert 3 == called.code
        assert "valid: " not in called.out
        last = called.out.splitlines()[-1]
        assert last.startswith("inconclusive: nothing was changed since it was signed, but whose key that is, is not")
        assert "--key" in last
    assert 1 == call(capsys, "verify", "forged.json", "--key=vendor.key.pub").code


def test_the_keys_that_count_can_stand_in_the_configuration(capsys: Capsys, here: Path) -> None:
    """So that nobody has to give them each time."""
    (here / "statum-conformance.toml").write_text('key = ["vendor.key.pub"]\n', encoding="utf-8")

    assert 0 == call(capsys, "verify", CERTIFICATE).code


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--key=vendor.key.pub"], 2, "--evidence is missing; what is signed for is derived from the journal first"),
        ([*EVIDENCE], 3, "nothing was changed since it was signed, but whose key that is, is not known"),
        ([*KNOWN, "--vouch-for=subject.nam"], 2, "--vouch-for names 'subject.nam', for which nobody has to vouch"),
    ],
)
def test_nothing_is_signed_without_its_evidence(
    capsys: Capsys, here: Path, options: list[str], code: int, words: str
) -> None:
    """Neither without evidence nor for a stranger."""
    before = (here / CERTIFICATE).read_bytes()

    called = call(capsys, "sign", CERTIFICATE, "--sign-key=certifier.key", *options)

    assert (code, "", before) == (called.code, called.out, (here / CERTIFICATE).read_bytes())
    assert called.only_line.startswith(f"error: {words}")
