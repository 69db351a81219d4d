import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from graftline.errors import ConfigError
from graftline.store import Store
from graftline_workflows.conformance.relay import StoreRelay


def port_of(url):
    return int(url.rpartition(":")[2])


@pytest.fixture
def relay(s3_server):
    with StoreRelay("127.0.0.1", port_of(s3_server.environment["AWS_ENDPOINT_URL"])) as relay:
        yield relay


def test_a_store_is_read_and_written_through_it(relay, s3_server, store):
    environment = dict(s3_server.environment)
    environment |= dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"), relay.endpoint)
    through = Store.open(store.uri, environment)
    large = bytes(range(256)) * 20_000

    def use(number):
        through.put(str(number), large)
        return through.get(str(number)).data == large

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(16)))
    assert store.get("7").data == large
    assert relay.connections >= 1


def test_each_side_s_end_reaches_the_other():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection:
                said = b""
                while part := connection.recv(100):
                    said += part
                connection.sendall(said.upper())

        thread = threading.Thread(target=answer)
        thread.start()
        with StoreRelay("127.0.0.1", listening.getsockname()[1]) as relay:
            with socket.create_connection(("127.0.0.1", port_of(relay.endpoint))) as client:
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                assert client.recv(100) == b"HELLO"
                assert client.recv(100) == b""
            assert relay.connections == 1
        thread.join()


def test_it_stops_listening_when_it_is_left():
    with StoreRelay("127.0.0.1", 1) as relay:
        port = port_of(relay.endpoint)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_an_address_that_comes_later_will_do():
    # 192.0.2.0/24 is for examples: nobody has it.
    with StoreRelay("192.0.2.7", 1) as relay:
        assert relay.endpoint.startswith("http://192.0.2.7:")


def test_an_address_that_cannot_be_is_told():
    with pytest.raises(ConfigError, match="cannot listen on 300.1.1.1"):
        StoreRelay("300.1.1.1", 1)
