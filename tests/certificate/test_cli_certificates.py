"""`run --sign-key`, `verify`, `sign`, `badge` and `keygen`, as they are called; and what bad keys are answered with."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from campaigns import registered
from certificates import CERTIFICATE, EVIDENCE, KNOWN, QUICK, VENDOR
from command_line import CHECKOUT, call
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from made_result import result_of
from seeded import fault

from conformance.certificate.issuing import Certification
from conformance.cli.certificates import Notary
from conformance.cli.configuration import PREFIX
from conformance.mock.behaviour import Behaviour
from conformance.mock.serving import serve_mock
from conformance.reports.files import REPORTS, json_report

Capsys = pytest.CaptureFixture[str]
Monkeypatch = pytest.MonkeyPatch

pytestmark = pytest.mark.usefixtures("here")


def tampered(path: Path) -> bytes:
    """The certificate with another letter in its payload."""
    return path.read_bytes().replace(b'"payload": "ey', b'"payload": "ez')


# --- From a run to a verified certificate


def test_a_conformant_run_leaves_a_certificate_that_is_accepted(capsys: Capsys, here: Path) -> None:
    """Signed by the vendor, about the mock gateway, and borne out by the journal beside it."""
    called = call(capsys, "verify", CERTIFICATE, "--key=vendor.key.pub", *EVIDENCE)

    assert (0, "") == (called.code, called.err), called.out
    told = called.out.splitlines()
    assert ["signature", "expiry", "policy", "evidence"] == [
        line.removeprefix("ok      ").partition(":")[0] for line in told if line.startswith("ok")
    ]
    assert told[-1].startswith("valid: built-in mock gateway (gateway) · ")
    assert {*REPORTS, "journal.sqlite", "certificate.json"} == {path.name for path in (here / "reports").iterdir()}


def test_a_script_gets_the_verdict_as_json(capsys: Capsys, here: Path) -> None:
    """Valid, of an unknown signer, or refused: one object on standard output, and the text on standard error."""
    asked = ("verify", CERTIFICATE, "--format=json")
    valid, unknown = call(capsys, *asked, "--key=vendor.key.pub", *EVIDENCE), call(capsys, *asked)
    path = here / CERTIFICATE
    path.write_bytes(tampered(path))
    refused, in_words = call(capsys, *asked), call(capsys, *asked[:2])
    documents = [json.loads(called.out) for called in (valid, unknown, refused)]

    assert [(0, "valid"), (3, "inconclusive"), (1, "refused")] == [
        (called.code, document["verdict"])
        for called, document in zip((valid, unknown, refused), documents, strict=True)
    ]
    assert ["signature", "expiry", "policy", "evidence"] == [check["check"] for check in documents[0]["checks"]]
    assert (["issued", "expires"], None) == (documents[0]["unsupported"], documents[1]["unsupported"])
    assert "built-in mock gateway" == documents[0]["statement"]["subject"][0]["name"]
    assert documents[1]["reason"].startswith("nothing was changed since it was signed")
    reason = "signature 1: it does not fit the payload; one of the two was changed"
    assert (None, [], reason) == tuple(documents[2][name] for name in ("statement", "checks", "reason"))
    assert (1, f"refused: {reason}\n", "") == (in_words.code, in_words.out, in_words.err)
    assert valid.err.splitlines()[-1].startswith("valid: built-in mock gateway (gateway) · ")


def test_a_run_that_is_not_conformant_leaves_no_certificate(capsys: Capsys, here: Path) -> None:
    """The exit code is the verdict's; the reason is given, and the certificate of the run before is gone."""
    behaviour = fault("status-code-as-string").change(Behaviour())
    with ExitStack() as until:
        told = registered(lambda account: until.enter_context(serve_mock(account, behaviour)).url)
        options = [f"--{name.replace('_', '-')}={value}" for name, value in told.items()]
        called = call(capsys, "run", *QUICK, *options, "--sign-key=vendor.key")

    assert 1 == called.code
    (line,) = (line for line in called.err.splitlines() if line.startswith("no certificate: "))
    assert "MUST passed: FAIL RSP-03 sms" in line
    assert not (here / CERTIFICATE).exists()


def test_a_wrong_set_up_keeps_the_certificate_and_its_evidence(capsys: Capsys) -> None:
    """Nothing was judged, so what an earlier run has left is as good as it was."""
    called = call(capsys, "run", *QUICK, "--callback-url=http://127.0.0.1:1/", "--sign-key=vendor.key")

    assert 3 == called.code
    assert 0 == call(capsys, "verify", CERTIFICATE, "--key=vendor.key.pub", *EVIDENCE).code


def test_a_failed_certification_does_not_change_the_verdict(capsys: Capsys, here: Path) -> None:
    """Also when the journal turns out to be open; nothing is raised."""
    (here / "reports" / "journal.sqlite-wal").write_bytes(b"frames")
    notary = Notary(here / "reports" / "journal.sqlite", Certification(VENDOR))

    notary.certify(result_of(), here / "reports")

    assert capsys.readouterr().err.startswith("no certificate: the journal ")
    assert not (here / CERTIFICATE).exists()


# --- Several signatures


def test_vendor_and_certifier_sign_one_after_the_other(capsys: Capsys) -> None:
    """Then both can be asked for; before, they cannot."""
    both = ("--key=vendor.key.pub", "--key=certifier.key.pub")

    assert 1 == call(capsys, "verify", CERTIFICATE, *both).code
    assert 0 == call(capsys, "verify", CERTIFICATE, *both, "--threshold=1").code
    signed = call(capsys, "sign", CERTIFICATE, "--sign-key=certifier.key", "--key=vendor.key.pub", *EVIDENCE)
    assert (0, "") == (signed.code, signed.err)
    assert signed.out.endswith(f"· 2 signatures · {CERTIFICATE}\n")
    assert 0 == call(capsys, "verify", CERTIFICATE, *both, *EVIDENCE).code


def test_signing_elsewhere_leaves_the_original(capsys: Capsys, here: Path) -> None:
    """With --output."""
    before = (here / CERTIFICATE).read_bytes()

    call(capsys, "sign", CERTIFICATE, "--sign-key=certifier.key", "--output=both.json", *KNOWN)

    assert before == (here / CERTIFICATE).read_bytes()
    assert 2 == len(json.loads((here / "both.json").read_bytes())["signatures"])


def test_a_certificate_that_would_be_refused_is_not_signed(capsys: Capsys, here: Path) -> None:
    """Nobody vouches for a certificate that does not hold."""
    path = here / CERTIFICATE
    path.write_bytes(tampered(path))
    before = path.read_bytes()

    called = call(capsys, "sign", CERTIFICATE, "--sign-key=certifier.key", *KNOWN)

    assert "error: signature 1: it does not fit the payload; one of the two was changed" == called.only_line
    assert (1, "", before) == (called.code, called.out, path.read_bytes())


# --- Keys


def test_a_private_key_is_readable_by_its_owner_only(capsys: Capsys, here: Path) -> None:
    """Whatever the umask lets others have."""
    before = os.umask(0)
    try:
        called = call(capsys, "keygen", "new.key")
    finally:
        os.umask(before)

    assert 0 == called.code
    assert 0o600 == stat.S_IMODE((here / "new.key").stat().st_mode)
    assert ["private key new.key", "public key  new.key.pub"] == called.out.splitlines()[:2]
    assert (here / "new.key").read_text(encoding="ascii").startswith("-----BEGIN PRIVATE KEY-----")
    assert (here / "new.key.pub").read_text(encoding="ascii").startswith("-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize("there", ["new.key", "new.key.pub"])
def test_a_key_is_never_overwritten(capsys: Capsys, here: Path, there: str) -> None:
    """Neither half, nor what a broken link leads to; and the other half is not made."""
    (here / there).symlink_to("nowhere")

    called = call(capsys, "keygen", "new.key")

    assert called.only_line.startswith(f"error: {there} exists already; a key is never overwritten")
    assert 2 == called.code
    assert {there} == {path.name for path in here.iterdir() if path.name.startswith("new.key")}


def test_a_key_with_a_passphrase_signs_with_it_only(capsys: Capsys, monkeypatch: Monkeypatch) -> None:
    """The passphrase comes from the environment, and is in no message."""
    monkeypatch.setenv(f"{PREFIX}KEY_PASSPHRASE", "correct horse")
    call(capsys, "keygen", "new.key")
    signed = call(capsys, "sign", CERTIFICATE, "--sign-key=new.key", "--output=both.json", *KNOWN)
    monkeypatch.setenv(f"{PREFIX}KEY_PASSPHRASE", "wrong horse")
    wrong = call(capsys, "sign", CERTIFICATE, "--sign-key=new.key", "--output=both.json")
    monkeypatch.delenv(f"{PREFIX}KEY_PASSPHRASE")
    none = call(capsys, "sign", CERTIFICATE, "--sign-key=new.key", "--output=both.json")

    assert (0, 2, 2) == (signed.code, wrong.code, none.code)
    assert wrong.only_line.startswith("error: new.key does not open with the passphrase given")
    assert none.only_line.startswith("error: new.key is encrypted; expected its passphrase")
    assert "horse" not in wrong.err


def test_a_passphrase_on_the_command_line_is_warned_of(capsys: Capsys) -> None:
    """Other processes see it."""
    called = call(capsys, "sign", CERTIFICATE, "--sign-key=certifier.key", "--key-passphrase=x", *KNOWN)

    assert 0 == called.code
    assert called.only_line.startswith("warning: --key-passphrase is visible to other processes")


def test_a_key_that_others_can_read_is_warned_of(capsys: Capsys, here: Path) -> None:
    """It can be used all the same."""
    (here / "certifier.key").chmod(0o644)

    called = call(capsys, "sign", CERTIFICATE, "--sign-key=certifier.key", *KNOWN)

    assert 0 == called.code
    assert "warning: certifier.key can be read by others; a private key should have mode 600" == called.only_line


RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - small, so that it is quick
EC = ec.generate_private_key(ec.SECP256R1())


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    """A private key of another kind."""
    return key.private_bytes(Encoding.PEM, form, NoEncryption())


BadKeys = dict[str, tuple[Callable[[Path], object], str]]
BAD_PRIVATE: BadKeys = {
    "missing": (lambda _: None, "there is no key file bad.key (hint: `statum-conformance keygen` makes one)"),
    "a folder": (Path.mkdir, "bad.key is a directory; expected a private key in PEM"),
    "empty": (Path.touch, "bad.key is not a PEM file; expected an Ed25519 key in PEM"),
    "bytes": (lambda path: path.write_bytes(bytes(range(256))), "bad.key is not a PEM file"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "bad.key is too long for a key"),
    "public": (lambda path: shutil.copy("vendor.key.pub", path), "bad.key is a public key; expected a private key"),
    "RSA": (lambda path: path.write_bytes(pem(RSA)), "bad.key is of the kind RSA; expected Ed25519"),
    "EC": (lambda path: path.write_bytes(pem(EC)), "bad.key is of the kind EC; expected Ed25519"),
    "OpenSSH": (
        lambda path: path.write_bytes(pem(RSA, PrivateFormat.OpenSSH)),
        "bad.key is a PEM file of the kind OPENSSH PRIVATE KEY; expected PRIVATE KEY (PKCS #8)",
    ),
    "cut off": (
        lambda path: path.write_bytes(Path("vendor.key").read_bytes()[:60]),
        "bad.key is a damaged private key; expected Ed25519 in PEM",
    ),
}
BAD_PUBLIC: BadKeys = {
    "missing": (lambda _: None, "there is no key file bad.key"),
    "a folder": (Path.mkdir, "bad.key is a directory; expected a public key in PEM"),
    "empty": (Path.touch, "bad.key is not a PEM file"),
    "private": (
        lambda path: shutil.copy("vendor.key", path),
        "bad.key is a private key; expected a public key (hint: such as bad.key.pub)",
    ),
    "RSA": (
        lambda path: path.write_bytes(RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
        "bad.key is of the kind RSA; expected Ed25519",
    ),
    "PKCS #1": (
        lambda path: path.write_bytes(RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)),
        "bad.key is a PEM file of the kind RSA PUBLIC KEY; expected PUBLIC KEY",
    ),
    "cut off": (
        lambda path: path.write_bytes(Path("vendor.key.pub").read_bytes()[:60]),
        "bad.key is a damaged public key; expected Ed25519 in PEM",
    ),
}


@pytest.mark.parametrize(
    ("table", "command"),
    [
        (BAD_PRIVATE, ("run", "--sign-key=bad.key")),
        (BAD_PRIVATE, ("sign", CERTIFICATE, "--sign-key=bad.key")),
        (BAD_PUBLIC, ("verify", CERTIFICATE, "--key=bad.key")),
    ],
    ids=["run", "sign", "verify"],
)
def test_a_wrong_key_is_one_line_and_exit_2(capsys: Capsys, here: Path, table: BadKeys, command: tuple[str]) -> None:
    """Before anything is sent or signed; a wrong public key is no reason to refuse the certificate."""
    path, wrong = here / "bad.key", {}
    for name, (make, words) in table.items():
        make(path)
        called = call(capsys, *command)
        if (called.code, called.out) != (2, "") or not called.only_line.startswith(f"error: {words}"):
            wrong[name] = called
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
    assert {} == wrong


WRONG_USAGE = {
    ("verify", "none.json"): "there is no certificate none.json",
    ("verify", "reports"): "reports is a directory; expected a certificate",
    ("verify", "/dev/zero"): "/dev/zero is too long for a certificate",
    ("verify", CERTIFICATE, "--threshold=1"): "--threshold is 1 with 0 different keys",
    ("verify", CERTIFICATE, "--evidence=none"): "there is no evidence none",
    ("verify", CERTIFICATE, "--require=smss"): "--require names 'smss'; expected sms, airtime",
    ("sign", CERTIFICATE): "missing option '--sign-key'",
    ("run", "--subject-digest=x"): "--subject-digest is for a certificate, and --sign-key is missing",
    ("run", "--sign-key=vendor.key", "--subject-digest=x"): "digest 'x' is none; expected ALGORITHM:HEX",
    ("run", "--sign-key=vendor.key", "--valid-days=0"): "--valid-days is 0; expected 1 to 3650",
    ("badge", "reports/report.json", "--key=vendor.key.pub"): "reports/report.json is a report, which nobody signs",
    ("keygen", "no/such/folder/x.key"): "key file no/such/folder/x.key cannot be written: No such file",
}


def test_wrong_usage_is_one_line_and_exit_2(capsys: Capsys) -> None:
    """What was given, what is expected."""
    called = {arguments: call(capsys, *arguments) for arguments in WRONG_USAGE}

    assert [] == [
        each
        for arguments, each in called.items()
        if each.code != 2 or WRONG_USAGE[arguments] not in each.err.splitlines()[-1] or "valid: " in each.out
    ]


# --- Badges


def test_a_badge_of_a_certificate_says_certified(capsys: Capsys) -> None:
    """For shields.io, and drawn; the same certificate gives the same bytes."""
    endpoint = call(capsys, "badge", CERTIFICATE, "--key=vendor.key.pub", "--endpoint")
    first, second = (call(capsys, "badge", CERTIFICATE, "--key=vendor.key.pub") for _ in range(2))

    document = json.loads(endpoint.out)
    assert {"schemaVersion", "label", "message", "color"} == set(document)
    assert document["message"].startswith("conformant: sms, account-details, notifications · certified until ")
    assert document["message"] in "".join(ET.fromstring(first.out).itertext())  # noqa: S314 - our own
    assert (0, first.out) == (second.code, second.out)


def test_a_badge_of_an_unknown_signer_says_nothing_else(capsys: Capsys) -> None:
    """Whatever stands in it: nothing of that is claimed, and nothing is green."""
    called = call(capsys, "badge", CERTIFICATE, "--endpoint")

    document = json.loads(called.out)
    assert (0, "signer unknown", "lightgrey") == (called.code, document["message"], document["color"])
    assert called.only_line.startswith("warning: without --key nobody knows who signed it")


def test_a_badge_of_a_report_says_its_verdict(capsys: Capsys, here: Path) -> None:
    """Not that it is certified: a report is signed by nobody. One that is not conformant has no more to say."""
    (here / "failed.json").write_bytes(json_report(result_of()))

    conformant = json.loads(call(capsys, "badge", "reports/report.json", "--endpoint").out)
    failed = json.loads(call(capsys, "badge", "failed.json", "--endpoint").out)

    covered = "conformant: sms, account-details, notifications"
    assert (covered, "brightgreen") == (conformant["message"], conformant["color"])
    assert ("non-conformant", "red") == (failed["message"], failed["color"])


def test_no_badge_is_made_of_anything_else(capsys: Capsys, here: Path) -> None:
    """Exit 1, the reason, and no file."""
    (here / "tampered.json").write_bytes(tampered(here / CERTIFICATE))

    for source in ("reports/junit.xml", "reports/journal.sqlite", "tampered.json"):
        called = call(capsys, "badge", source, "--output=badge.svg")
        assert (1, "") == (called.code, called.out)
        assert called.only_line.startswith("error: ")
    assert not (here / "badge.svg").exists()


def test_a_badge_is_written_to_output(capsys: Capsys, here: Path) -> None:
    """The same bytes as on standard output, where now the Markdown is."""
    shown = call(capsys, "badge", CERTIFICATE).out

    assert "![statum conformance: signer unknown](my%20badge.svg)\n" == (
        call(capsys, "badge", CERTIFICATE, "--output=my badge.svg").out
    )
    assert shown == (here / "my badge.svg").read_text(encoding="utf-8")


# --- Costs


def test_a_run_that_signs_nothing_loads_no_cryptography() -> None:
    """The libraries are imported when a key is first needed."""
    script = (
        "import sys; import conformance.cli; print(sorted({'cryptography', 'securesystemslib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60
    )

    assert "[]\n" == done.stdout
