"""The client's face of the suite: a client, or only its receiver of notifications, under test.

    settings        the settings of a certification
    driver, driver_messages    the process that speaks the driver protocol for a client, and the protocol
    witness         the mock gateway with a base URL for each case: plays scenarios, records the client's requests
    plan            every call of a certification, from one seed, and the time for it
    needed_calls    the part of the plan that some requirements need, read off their rules
    examples        a right call beside a wrong one, for each requirement
    calling         the part that has the calls made, and the tools of all parts
    deliveries, posting, examination, examiner    the part that sends requests to receivers
    certification   carries out the plan, or watches a client that is run by hand, and leaves a journal
    rules, face     judge the journal

Verdicts rest on the requests at the witness; the reports of the driver are compared with them.
"""
