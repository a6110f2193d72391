"""A server on the loopback that fails as told, and counts the bytes of body that it sends."""

import random
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = b"PK" + random.Random(1).randbytes(299_999)
TAG, DATE = '"one"', "Wed, 01 Jan 2025 00:00:00 GMT"


@dataclass
class Reply:
    """How one request is answered: by default the whole file, or the range of it that is asked for."""

    status: int = 200
    body: bytes | None = None
    """Without one: the file for 200, nothing for anything else."""
    headers: dict[str, str] = field(default_factory=dict)
    raw_header: bytes = b""
    tag: str | None = TAG
    date: str | None = None
    ranges: bool = True
    range_shift: int = 0
    """Added to the begin of the range that the answer says it is."""
    length: bool = True
    """Whether the answer says how long it is; without, its end is the connection's."""
    chunked: bool = False
    cut: int | None = None
    """Bytes after which the connection is closed."""
    hold: bool = False
    """After `cut` bytes: keep the connection, and send nothing."""
    drip: tuple[int, float] | None = None
    """So many bytes, then so many seconds of nothing, and again."""


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    connection: tuple[str, int]
    sent: int = 0


class DownloadServer:
    """`replies` are given one after the other, the last one for ever; `requests` are those that came."""

    def __init__(self, url: str) -> None:
        self.url, self.replies, self.requests, self.ended = url, [Reply()], [], threading.Event()

    def play(self, *replies: Reply) -> None:
        self.replies, self.requests = list(replies), []

    def sent(self) -> int:
        """Bytes of body, over all requests."""
        return sum(request.sent for request in self.requests)

    def ranges(self) -> list[str | None]:
        return [request.headers.get("Range") for request in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    scripted: DownloadServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        script = self.scripted
        reply = script.replies.pop(0) if len(script.replies) > 1 else script.replies[0]
        request = Request(self.path, dict(self.headers), self.client_address)
        script.requests.append(request)
        try:
            self._answer(reply, request)
        except OSError:  # the client is gone
            self.close_connection = True

    def _answer(self, reply: Reply, request: Request) -> None:
        status, headers = reply.status, dict(reply.headers)
        body = (CONTENT if status == 200 else b"") if reply.body is None else reply.body
        asked = self.headers.get("Range") if reply.ranges and status == 200 else None
        if asked and self.headers.get("If-Range") in (None, reply.tag, reply.date):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            status = 206 if start < len(body) else 416
            shown = start + reply.range_shift
            headers["Content-Range"] = f"bytes {shown}-{len(body) - 1}/{len(body)}" if status == 206 else "bytes */1"
            body = body[start:] if status == 206 else b""
        self.send_response(status)
        for name, value in (("ETag", reply.tag), ("Last-Modified", reply.date)):
            if value is not None and status in (200, 206):
                headers[name] = value
        if reply.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif reply.length:
            headers["Content-Length"] = str(len(body))
        else:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.flush_headers()
        self.wfile.write(reply.raw_header + b"\r\n")
        self._send(body, reply, request)

    def flush_headers(self) -> None:
        """Without the empty line that ends them."""
        self.wfile.write(b"".join(self._headers_buffer))
        self._headers_buffer = []

    def _send(self, body: bytes, reply: Reply, request: Request) -> None:
        left = body if reply.cut is None else body[: reply.cut]
        step, pause = reply.drip or (16_384, 0.0)
        while left:
            piece, left = left[:step], left[step:]
            request.sent += len(piece)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.chunked else piece)
            if pause and self.scripted.ended.wait(pause):
                return
        if reply.hold:
            self.scripted.ended.wait(20)
        if reply.cut is not None or not (reply.length or reply.chunked):
            self.close_connection = True
        elif reply.chunked:
            self.wfile.write(b"0\r\n\r\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client that goes in the middle is what is played here

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without a look at the name of this machine
        self.server_name, self.server_port = "localhost", self.server_address[1]


@contextmanager
def serving() -> Iterator[DownloadServer]:
    """A server for as long as the block runs."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        handler.scripted = DownloadServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield handler.scripted
        finally:
            handler.scripted.ended.set()
            server.shutdown()


def wait_for(condition, seconds: float = 10.0) -> None:
    """Until `condition()` holds. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.005)
