"""The certificate: a signed statement of a judged run, which anybody can check offline.

    digests         digests of files, of the suite, of the journal, and of the subject of a certificate
    coverage        the coverage that a certificate claims, and that its reader may require
    envelope        the DSSE envelope, as it is in certificate.json; why a certificate is refused
    keys            key files: made and read
    ed25519         the only module that imports a cryptographic library
    issuing         a judged run → the signed in-toto statement, if nothing prevents it
    borne_out       which members of a certificate follow from its journal
    verification    certificate.json → each check that it passed, or the reason why it is refused
    badge           a certificate or report.json → a badge

The formats are standard: in-toto Statement v1 with the predicate test-result/v0.1, in a DSSE envelope, signed with
Ed25519; keys are PEM (PKCS #8 and SubjectPublicKeyInfo). `schemas/formats/certificate.json` describes both layers.
"""
