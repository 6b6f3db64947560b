"""The embedded callback receiver, and the wait for the notifications that are owed.

    address         where a server listens, and the socket that claims it
    accepting       connections taken off that socket, with few files or many
    asgi_thread     an ASGI application served by uvicorn in a thread
    receiver        the interface of a receiver: the paths per product, what it hands over and answers
    asgi            the engine that `run` and `certify` use
    httpserver      the engine behind the `callback_server` fixture, on pytest-httpserver
    request_reader  requests read off a connection, in every form that HTTP allows
    reading_protocol  the same as a protocol of uvicorn
    uvicorn_protocol  the class of uvicorn that this is built on, looked at first
    guarding        what a receiver on the open internet must withstand
    strays          what is kept of that which carries no id of the run
    callback_server what that fixture gives: a receiver that keeps what arrives and waits for it
    ledger          which notifications are owed, and the one wait for them

Both engines keep the same contract (tests/test_receivers.py).
"""
