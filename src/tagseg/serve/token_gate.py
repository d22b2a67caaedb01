"""The token that requests carry, where the server asks for one: whoever lacks it reads what the package holds."""

import hmac

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tagseg.serve.body import Body
from tagseg.serve.limits import Limits
from tagseg.serve.refusal import RefusedError, error_response

OPEN_ADDRESSES = frozenset({"/", "/docs", "/openapi.json", "/health"})
"""They tell nothing of networks and photographs, and the page is what asks people for the token."""

_OPEN_FOLDER = "/static/"


class TokenGate:
    """Lets requests with the token through, and those for open addresses.

    Args:
        app: what is behind it.
        token: of the server.
        limits: of a request.
    """

    def __init__(self, app: ASGIApp, *, token: str, limits: Limits) -> None:
        self.app = app
        self._token = token.encode()
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
            return
        await Body(Request(scope, receive), self._limits).throw_away()
        await error_response(refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> RefusedError | None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in OPEN_ADDRESSES or path.startswith(_OPEN_FOLDER):
            return None
        scheme, _, sent = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), self._token):
            return None
        return RefusedError(
            f"request carries the token of this server, got {'another one' if sent.strip() else 'none'}",
            help="send it as the header 'Authorization: Bearer TOKEN'; who started the server has it",
            status=401,
            headers={"www-authenticate": "Bearer"},
        )
