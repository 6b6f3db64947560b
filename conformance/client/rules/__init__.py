"""The written rules on clients and on receivers of notifications.

calls, evidence     a recorded certification, correlated: calls, their requests and answers, reports
sending             requests of a client, and the life of its driver: DRV, SND, ROB
unsent              calls that never became a request: SND-13, SND-14, RDG-12
answers             how it understands answers, and what it sends again after them: RDG, RTY
inbox               requests to a receiver, and its client's reports on them
receiving, results  how a receiver answers, and the effect on its client: RCV
"""
