"""Servers behind RAY_ADDRESS that are no Ray: refused at once, where Ray itself would wait for minutes."""

import socketserver
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import grpc
import pytest
from support_slow import few_quick

from fer_models.errors import InputError
from simulations.engines import cluster

SOON = 5.0  # seconds; a cluster that does not answer has 10


class Modern(BaseHTTPRequestHandler):
    """Answers what it does not know with a status line, as most servers do."""

    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


class Silent(BaseHTTPRequestHandler):
    """Python's own, which answers HTTP/2 with a page and no status line."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def http(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def other_grpc() -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("0.0.0.0:0")
    server.start()
    yield port
    server.stop(None).wait()


@pytest.mark.parametrize("host", few_quick(["127.0.0.1", "localhost"], "127.0.0.1"))
@pytest.mark.parametrize("kind", few_quick([Modern, Silent, None], None))
def test_another_server_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseHTTPRequestHandler] | None, host: str
) -> None:
    import ray  # noqa: F401  so that its import is not timed

    with other_grpc() if kind is None else http(kind) as port:
        monkeypatch.setenv("RAY_ADDRESS", f"{host}:{port}")
        began = time.monotonic()
        with pytest.raises(InputError) as caught:
            cluster.cpus()
    assert time.monotonic() - began < SOON
    said = str(caught.value)
    assert said.startswith(f"RAY_ADDRESS={host}:{port}: another server answers there, not Ray")
    assert "\n" not in said
