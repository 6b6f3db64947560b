"""The other face of the suite: a client, or only its receiver of notifications, under test.

    settings        what a certification is told
    protocol        the messages of the driver protocol, each line checked both ways
    driver          the process that speaks it for a client: started, asked, watched, ended
    staging         how the gateway behaves that the client meets, and what it is called
    scenarios       what is put before every client, as data
    witness         the mock gateway with a base URL for each case, which records what arrived
    plan            every case of a certification, from one seed
    deliveries      what is sent to a receiver of notifications
    examiner        when it is sent, and what the client is asked about it
    certification   the campaign: drives the client through the plan and leaves a journal
    observing       a client that is run by hand, watched at an address that is shown
    preflight       does the driver answer at all (`doctor --driver`)

Verdicts rest on what arrived at the witness; what the driver says is compared with it (`conformance.client.rules`).
"""
