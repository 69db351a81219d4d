"""A store that is not there yet is waited for; one that refuses is not."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from graftline.errors import StoreUnavailable
from graftline.store import Store, await_answer


def test_a_store_that_comes_late_is_waited_for(s3_server):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
    store = _store(s3_server, AWS_ENDPOINT_URL_S3=f"http://{address[0]}:{address[1]}")
    late = threading.Thread(target=_answer_once, args=(address, 5.0))
    late.start()
    began = time.monotonic()
    await_answer(store, 30.0)
    waited = time.monotonic() - began
    late.join()
    assert 4.0 < waited < 15.0


def test_patience_ends(s3_server, within):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        store = _store(s3_server, AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{port}")
        with within(12), pytest.raises(StoreUnavailable, match=f"{port} does not answer"):
            await_answer(store, 1.0)


def test_a_refusal_is_an_answer(s3_server, within):
    with within(3):
        await_answer(_store(s3_server, AWS_SECRET_ACCESS_KEY="wrong"))
        await_answer(_store(s3_server))


def _store(server, **settings):
    return Store.open("s3://graftline/x", {**server.environment, **settings})


def _answer_once(address, after_s):
    time.sleep(after_s)
    with socket.create_server(address) as listener:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        connection.close()
