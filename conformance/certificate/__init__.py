"""The certificate: what was judged, signed so that others can check it without asking anybody.

    refusal         Refused: a certificate that is not given, or not to be relied on
    digests         digests: of the suite's own files, of any file, as given by a user
    evidence_file   the journal as a closed file: its digest, and an exact copy to judge
    subject         whom the certificate is about
    kill_matrix     how well this edition of the suite finds faults, as measured by its own tests
    statement       the in-toto statement: a test result with what it rests on
    envelope        the DSSE envelope around it, as it stands in certificate.json
    keys            key files: made, read, complained about
    ed25519         the only module that imports a cryptographic library
    issuing         a judged run → certificate.json, if nothing stands in the way
    verification    certificate.json → each thing that was checked, or the reason why it is refused
    badge           a certificate or report.json → a badge

Formats are other people's on purpose: in-toto Statement v1 with the predicate test-result/v0.1, in a DSSE envelope,
signed with Ed25519; keys are PEM (PKCS #8 and SubjectPublicKeyInfo). `schemas/formats/certificate.json`
describes both layers.
"""
