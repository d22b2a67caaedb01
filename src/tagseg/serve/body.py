"""The bytes of a request as they arrive: at most so many, in at most so many seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request

from tagseg.serve.limits import MEGABYTE, Limits
from tagseg.serve.refusal import RefusedError

# A client that is answered before it has sent everything sees a broken connection instead of the answer. So the rest
# of a refused request is read and thrown away, up to here.
_MOST_THROWN_AWAY_BYTES = 256 * MEGABYTE
_MOST_THROWN_AWAY_S = 10.0


class Body:
    """The body of one request.

    Args:
        request: not read yet.
        limits: how many bytes and seconds.
    """

    def __init__(self, request: Request, limits: Limits) -> None:
        self._request = request
        self._limits = limits
        self._ended = False

    async def chunks(self, *, lost: "asyncio.Future[None] | None" = None) -> AsyncIterator[bytes]:
        """Yield the bytes in the pieces in which they arrive.

        Args:
            lost: done when another request needs the place of this one.

        Raises:
            RefusedError: when there are too many, by the request's own word or by count, or they break off or are late.
        """
        declared, read_bytes, limit = self._request.headers.get("content-length", ""), 0, self._limits.upload_bytes
        if declared.isdecimal() and int(declared) > limit:
            raise self._too_large(f"{int(declared) / MEGABYTE:.1f} MB")
        try:
            async with asyncio.timeout(self._limits.read_s):
                while not self._ended:
                    chunk = await self._receive_unless(lost)
                    read_bytes += len(chunk)
                    if read_bytes > limit:
                        raise self._too_large("more")
                    yield chunk
        except TimeoutError as error:
            raise RefusedError(
                f"request arrives within {self._limits.read_s:g} s, got a part of it",
                help="send a smaller file",
                status=408,
            ) from error
        except ClientDisconnect as error:
            raise RefusedError("request must be whole, got one that breaks off", help="send it again") from error

    async def throw_away(self) -> None:
        """Read what has not been read, and keep nothing."""
        read_bytes = 0
        with suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(_MOST_THROWN_AWAY_S):
                while not self._ended and read_bytes < _MOST_THROWN_AWAY_BYTES:
                    read_bytes += len(await self._receive())

    async def _receive(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise ClientDisconnect
        self._ended = not message.get("more_body", False)
        return message.get("body", b"")

    async def _receive_unless(self, lost: "asyncio.Future[None] | None") -> bytes:
        """Return what arrives next, or raise once the place of the request is lost."""
        if lost is None:
            return await self._receive()
        coming = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait({coming, lost}, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                return coming.result()
        finally:
            coming.cancel()
        raise RefusedError(
            f"request arrives within {self._limits.crowded_s:g} s when others need its place, got a part of it",
            help="send it again, or a smaller file",
            status=408,
        )

    def _too_large(self, found: str) -> RefusedError:
        return RefusedError(
            f"upload must be at most {self._limits.upload_mb} MB, got {found}",
            help="send a smaller copy, or start 'tagseg serve' with a higher --max-upload-mb",
            status=413,
        )
