"""The certificate: a signed statement about a judged run, which anybody can check offline.

    ed25519         the only module that imports a cryptographic library
    signing         key files; the DSSE envelope, as it is in certificate.json
    coverage        what a run exercised, as certificates and badges claim it; what a reader may require; badges
    digests         digests of files, of the suite, of the journal, and of the subject of a certificate
    issuing         a judged run → the signed in-toto statement, if nothing prevents it
    verification    certificate.json → each check that it passed, or the reason why it is refused; judging its evidence

The formats are standard: in-toto Statement v1 with the predicate test-result/v0.1, in a DSSE envelope, signed with
Ed25519; keys are PEM (PKCS #8 and SubjectPublicKeyInfo). `schemas/formats/certificate.json` describes both layers.
"""
