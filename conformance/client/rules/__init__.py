"""The written rules on clients and on receivers of notifications.

calls, evidence         a recorded certification, correlated: calls, reports, requests to receivers
sending                 requests of a client: DRV, SND, ROB
unsent                  calls that never became a request: SND-13, SND-14, RDG-12
answers                 how it understands answers: RDG
resending               requests that it sends again: RTY
receiver_requests, inbox    requests to a receiver, and its client's reports on them
receiving, results      how a receiver answers, and the effect on its client: RCV
"""
