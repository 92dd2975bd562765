"""The protection of the page's server: it answers only requests that the page needs, and none of other web pages.

Every page in the same browser can reach a server on the loopback address. So the host of a request must be a name of
this machine (a page whose own name resolves to 127.0.0.1 sends its own name), and the origin must not be another one.
Only the routes of gradio that the page uses are open, they read uploaded files only, and a policy keeps the page from
loading anything from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine."""

MOST_BYTES = 2**16
"""Largest size in bytes of a request that is not an upload."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)
"""Content security policy. Scripts may make functions from text, as gradio's page does, but may load nothing."""

_API = "/gradio_api"
_PAGE = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt")
_ASSETS = ("/assets/", "/static/", "/svelte/")
_CALLS = frozenset(
    f"{_API}/{name}"
    for name in (
        "startup-events",
        "app_id",
        "theme.css",
        "upload",
        "upload_progress",
        "queue/join",
        "queue/data",
        "cancel",
    )
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """An ASGI application around that of the page, which refuses requests.

    Args:
        app: The page's application.
        folder: Folder of the uploads.
        hosts: Host names that requests may have; None for any name.
        most_uploaded: Largest size in bytes of all uploads together; further uploads are refused until some are
            removed.

    Example:
        >>> there = {"host": "localhost:7860"}
        >>> refusal("GET", "/gradio_api/file=/etc/passwd", there, folder=Path("/up"), hosts=LOOPBACK)
        (404, 'not found')
    """

    def __init__(self, app: Application, folder: Path, *, hosts: Iterable[str] | None, most_uploaded: int):
        self.app, self.folder, self.most_uploaded = app, folder, most_uploaded
        self.hosts = None if hosts is None else frozenset(hosts)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Refuses a request, or passes it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"]
        refused = refusal(scope["method"], path, headers, folder=self.folder, hosts=self.hosts)
        if refused is None and path == f"{_API}/upload" and uploaded_bytes(self.folder) > self.most_uploaded:
            refused = 503, "too many uploads at once: try again in some minutes"
        if refused is None and scope["method"] == "POST" and path != f"{_API}/upload":
            body = await _body(receive)
            if body is None:
                refused = 413, "the request is too large"
            elif not only_uploads(body, self.folder):
                refused = 403, "only uploaded files are read"
            else:
                receive = _again(body, receive)
        if refused is not None:
            await _answer(send, *refused)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        await self.app(scope, receive, guarded)


def refusal(
    method: str, path: str, headers: dict[str, str], *, folder: Path, hosts: frozenset[str] | None
) -> tuple[int, str] | None:
    """Decides whether a request is refused.

    Args:
        method: Its method.
        path: Its path, decoded.
        headers: Its headers by lower-case name.
        folder: Folder of the uploads.
        hosts: Host names that requests may have; None for any.

    Returns:
        The status and the reason of the refusal; None if the request is answered.
    """
    host = _name(f"//{headers.get('host', '')}")
    if hosts is not None and host not in hosts:
        return 403, "the host is not this machine"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return 403, "requests of other pages are refused"
    if headers.get("sec-fetch-site") == "cross-site" and path != "/":
        return 403, "requests of other pages are refused"
    if method not in ("GET", "HEAD", "POST"):
        return 405, "not allowed"
    prefix = f"{_API}/file="
    if path.startswith(prefix):
        return None if is_upload(path[len(prefix) :], folder) else (404, "not found")
    if path.startswith(f"{_API}/heartbeat/") or path in _CALLS or path in _PAGE:
        return None
    if path.startswith(_ASSETS) and ".." not in path:
        return None
    return 404, "not found"


def is_upload(path: str, folder: Path) -> bool:
    """Whether a path is that of an uploaded regular file, without links out of the folder.

    Example:
        >>> is_upload("/etc/passwd", Path("/tmp/uploads")), is_upload("http://example.org/a.wav", Path("/tmp/uploads"))
        (False, False)
    """
    try:
        place = Path(path).resolve()
        return place.is_relative_to(folder.resolve()) and place.is_file()
    except (OSError, ValueError, RuntimeError):  # too long a name, a NUL in it, links in a circle
        return False


def only_uploads(body: bytes, folder: Path) -> bool:
    """Whether every file in the body of a call is an upload; gradio would fetch a path that is a URL.

    Example:
        >>> only_uploads(b'{"data": ["mlp"]}', Path("/tmp")), only_uploads(b'{"path": "http://a"}', Path("/tmp"))
        (True, False)
    """
    try:
        plain = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return False
    waiting = [plain]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if part.get("path") is not None and not is_upload(str(part["path"]), folder):
                return False
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return True


def uploaded_bytes(folder: Path) -> int:
    """Returns the bytes of all files below a folder; files may be removed meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue
    return total


def _name(address: str) -> str | None:
    """Returns the host of an address without its port."""
    try:
        return urlsplit(unquote(address)).hostname
    except ValueError:
        return None


async def _body(receive: Receive) -> bytes | None:
    """Returns the body of a request; None if it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Returns a `receive` that repeats a body, followed by further messages of the server."""
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay


async def _answer(send: Send, status: int, reason: str) -> None:
    """Answers with a line of plain text."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
