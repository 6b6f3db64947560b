"""Load: a gateway judged while many processes send to it, by the contract, the payloads and the rules of `run`.

The process of the suite coordinates. It never imports Locust or gevent, which patch the interpreter: an asyncio
receiver in a patched thread never returns. Only `locustfile` does, which runs in the processes of Locust.
"""
