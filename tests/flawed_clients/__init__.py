"""Clients and receivers with one misbehaviour each, and lawful ones of every kind: the second kill matrix's subjects.

    client      the lawful client; what it does is cut into methods, so that a flaw is one of them done otherwise
    inbox       the lawful receivers, likewise
    table       `FLAWS` and `LAWFUL`: each variety with its name, a summary and what it breaks
    sending, refusing, reading, resending, receiving, results, malformed, paid, drivers     the flaws
    lawful, lawful_receivers    the lawful varieties
    driver      the process that `--driver` starts: `python tests/flawed_clients/driver.py NAME`

Imports nothing of the suite, nor anything that is slow to import: a process of it starts in some 50 ms.
"""
