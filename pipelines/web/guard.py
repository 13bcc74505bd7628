"""Who may ask the server what: its own page and programs of the user, with the token if there is one."""

from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.web.options import is_loopback_name

TOKEN_COOKIE, VISITOR_COOKIE = "motion_imitate_token", "motion_imitate_visitor"
OPEN_PATHS = ("/", "/api/session")  # without the token; and what the page consists of
OPEN_FOLDER = "/static/"
UPLOAD_PATH, LARGEST_REQUEST = "/api/uploads", 1_000_000  # bytes of any other request
VIEWER_STYLE = "'sha256-PXtZZkJMMyc18o/DN1ZEFOJ2qEGq95IQbVaJFMOXOb0='"  # the style sheet within the avatar's viewer
CONTENT_POLICY = (
    f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' {VIEWER_STYLE}; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self' blob:; worker-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFETY_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}


class RequestGuard:
    """ASGI middleware that refuses other hosts, other origins and visitors without the token."""

    def __init__(self, app: ASGIApp, token: str | None, loopback: bool) -> None:
        self.app, self.token, self.loopback = app, token, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if refused := self.refusal(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refused[1]})
                return
            await JSONResponse({"error": refused[1]}, refused[0])(scope, receive, with_safety_headers(scope, send))
            return
        receive = receive if scope["path"] == UPLOAD_PATH else limit_body(receive)
        await self.app(scope, receive, with_safety_headers(scope, send))

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The status and the sentence for a request that is refused."""
        headers, path = Headers(scope=scope), scope["path"]
        host = headers.get("host", "")
        if self.loopback and not is_loopback_name(split_place(f"//{host}").hostname or ""):
            return 400, "this server answers only at 127.0.0.1 and localhost; open it there"
        if is_foreign(headers, host, scope.get("method", ""), path):
            return 403, "requests from other sites are refused; open the page of this server itself"
        if self.token is None or path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return None
        if not compare_digest(given_token(headers).encode(), self.token.encode()):
            return 401, "give the token that this server was started with"
        return None


def is_foreign(headers: Headers, host: str, method: str, path: str) -> bool:
    """Whether a browser sends the request for a page of another site; following a link to the page is none."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if origin is not None:
        return split_place(origin).netloc != host
    return site not in ("none", "same-origin") and not (method == "GET" and path == "/")


def split_place(url: str) -> SplitResult:
    """The parts of an address; empty ones for what is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def given_token(headers: Headers) -> str:
    """The token of a request: a bearer's, or a cookie."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else read_cookie(headers, TOKEN_COOKIE)


def read_cookie(headers: Headers, name: str) -> str:
    """A cookie, or an empty string."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def limit_body(receive: Receive) -> Receive:
    """Receive a request as long as it is not too large."""
    done = 0

    async def receive_some() -> Message:
        nonlocal done
        message = await receive()
        if message["type"] == "http.request":
            done += len(message.get("body", b""))
            if done > LARGEST_REQUEST:
                raise ValueError("the request is too large")
        return message

    return receive_some


def with_safety_headers(scope: Scope, send: Send) -> Send:
    """Send responses with the headers that keep other pages and foreign content away."""

    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SAFETY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
        await send(message)

    return send_safely
