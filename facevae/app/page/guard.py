"""What stands between the network and Gradio: requests that the page never sends are turned away."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facevae.app.page.exchange import PATH

LARGEST = 1_000_000
"""Bytes of a request to Gradio: words and numbers. Photographs go by exchange.py, which has a limit of its own."""

HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine. One that another site's page has pointed here is refused (DNS rebinding)."""

# Gradio keeps uploads as files, and fetches what others name.
_CLOSED = ("/gradio_api/upload", "/gradio_api/proxy=", "/gradio_api/stream", "/gradio_api/vibe")

# The browser is told to ask nobody else, whatever the front end may try. It makes functions of text and images of data.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY, "referrer-policy": "no-referrer", "x-content-type-options": "nosniff",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}  # fmt: skip


class Guard:
    """ASGI middleware. `hosts`: names under which the page answers; None for any."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...] | None = HOSTS) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is refused, pass on the rest."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(scope["path"], headers)
        if refused:
            status, why = refused
            start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}
            await send(start)
            await send({"type": "http.response.body", "body": why.encode()})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *more]
            await send(message)

        limited = receive if scope["path"].startswith(PATH) else _limited(receive)
        await self.app(scope, limited, with_headers)

    def _refused(self, path: str, headers: dict[bytes, str]) -> tuple[int, str] | None:
        host = re.sub(r":\d+$", "", headers.get(b"host", ""))
        if self.hosts is not None and host not in self.hosts:
            return 421, "this page answers under 127.0.0.1 alone"
        if path.startswith(_CLOSED):
            return 403, "closed: photographs stay in memory"
        length = headers.get(b"content-length", "0")
        if not path.startswith(PATH) and (not length.isdigit() or int(length) > LARGEST):
            return 413, "too large"
        return None


def _limited(receive: Receive) -> Receive:
    """A request's body without a stated length ends where it grows too large."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return message if seen <= LARGEST else {"type": "http.disconnect"}

    return counted
