"""The client's face of the suite: a client, or only its receiver of notifications, under test.

    settings        the settings of a certification
    protocol, driver, driver_log, left_behind    the driver protocol, and the process that speaks it for a client
    plan            every case of a certification, from one seed, and the scenarios of the gateway
    witness         the mock gateway with a base URL for each case, which records the client's requests
    bench, calling  the tools of all parts, and the part that makes the calls
    receiver_under_test, deliveries, posting, examination, examiner    the part that sends requests to receivers
    certification   carries out the plan and leaves a journal
    observing       watches a client that is run by hand
    rules, face     judge the journal

Verdicts rest on the requests at the witness; the reports of the driver are compared with them.
"""
