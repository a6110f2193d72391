"""Files on their way between browser and page, in memory alone: Gradio's own uploads and downloads go by the disk."""

import secrets
import time
from collections import OrderedDict
from threading import Lock
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from facevae.core.errors import FacevaeError

PATH = "/photographs"

HEADER = "x-facevae"
"""A header that a page of another site can't send here without asking first, which Gradio's CORS rules deny."""

LIMIT_MB = 50
"""Size of a file that is taken."""

# Files that wait to be fetched, and for how long: an answer follows in the blink of an eye.
_MOST, _SECONDS = 8, 60.0


class Exchange:
    """Bytes that are fetched once, by a word that nobody can guess."""

    def __init__(self, limit_mb: int = LIMIT_MB) -> None:
        self.limit_mb = limit_mb
        self._waiting: OrderedDict[str, tuple[float, str, bytes]] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, data: bytes) -> str:
        """Keep a file for a minute; the oldest of more than a few goes. Returns its word."""
        word = secrets.token_urlsafe(16)
        with self._lock:
            self._sweep()
            self._waiting[word] = (time.monotonic(), name, data)
        return word

    def take(self, word: str) -> tuple[str, bytes]:
        """The name and bytes of a file, which is forgotten here. Raises FacevaeError if there is none."""
        with self._lock:
            self._sweep()
            found = self._waiting.pop(word, None)
        if found is None:
            raise FacevaeError(
                where="the photograph", expected="a file that has just been sent", found="none", fix="open it again"
            )
        return found[1:]

    def routes(self) -> list[Route]:
        """What the server answers at PATH."""
        return [
            Route(PATH, self._receive, methods=["POST"]),
            Route(PATH + "/{word}", self._send, methods=["GET"]),
        ]

    def _sweep(self) -> None:
        oldest = time.monotonic() - _SECONDS
        for word in [word for word, (since, *_) in self._waiting.items() if since < oldest]:
            del self._waiting[word]
        while len(self._waiting) >= _MOST:
            self._waiting.popitem(last=False)

    async def _receive(self, request: Request) -> Response:
        if HEADER not in request.headers:
            return JSONResponse({"error": "not from this page"}, 403)
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > self.limit_mb * 1_000_000:
                error = FacevaeError(
                    where="the photograph", expected=f"a file of at most {self.limit_mb} MB", found="a larger one",
                    fix="scale it down, or use the command facevae edit",
                )  # fmt: skip
                return JSONResponse({"error": str(error)}, 413)
            parts.append(part)
        return JSONResponse({"word": self.put("", b"".join(parts))})

    async def _send(self, request: Request) -> Response:
        try:
            name, data = self.take(request.path_params["word"])
        except FacevaeError as error:
            return JSONResponse({"error": str(error)}, 404)
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
        return Response(data, media_type="application/octet-stream", headers=headers)
